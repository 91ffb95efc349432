import { setTimeout as pause } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Db } from './open.ts'

/** Rows of one table that nobody needs any more some time after a moment that each row tells. */
export interface Purge {
  readonly table: string
  readonly key: string
  /** The column that says when a row ended; indexed. */
  readonly since: string
}

/** What one run is told beside what to delete. */
export interface PurgeOptions {
  /** Rows that ended before this go. */
  readonly before: Date
  readonly signal?: AbortSignal
  /** Told how long each statement took, in milliseconds. */
  readonly onBatch?: (milliseconds: number, rows: number) => void
}

/** How long one statement should take, in milliseconds, so that even a slow moment stays below a tenth of a second. */
const aim = 10
const [fewest, first, most] = [10, 100, 500]

/**
 * Deletes old rows a batch at a time, as large as the database deletes in {@link aim}, and leaves it as long to others
 * after each. None waits for the disk: what a crash undoes goes the next time. Rows that somebody holds stay for the next time, so any number of nodes may do this at once.
 * @returns how many rows went
 */
export async function purge(
  db: Db,
  { table, key, since }: Purge,
  { before, signal, onBatch = () => {} }: PurgeOptions,
): Promise<number> {
  const [rows_, id, ended] = [sql.table(table), sql.ref(key), sql.ref(since)]
  let [total, limit] = [0, first]
  // Each batch goes on where the last one ended, not over all that is already deleted.
  let from = new Date(0)
  while (!signal?.aborted) {
    const began = performance.now()
    const { rows } = await sql<{ count: string; last: Date | null }>`
      with unhurried as (select set_config('synchronous_commit', 'off', true)),
      old as (
        select ${id} as key from ${rows_} where ${ended} >= ${from} and ${ended} < ${before}
        order by ${ended} limit ${limit} for update skip locked),
      gone as (delete from ${rows_} where ${id} = any (array(select key from old)) returning ${ended} as ended)
      select count(*) as count, max(ended) as last from gone, unhurried`.execute(db)
    const took = performance.now() - began
    const count = Number(rows[0]!.count)
    onBatch(took, count)
    total += count
    if (count < limit) break
    from = rows[0]!.last!
    limit = Math.round(Math.min(most, Math.max(fewest, limit * Math.min(2, aim / took))))
    await pause(took)
  }
  return total
}
