import { sql } from 'kysely'
import type { Db } from '../db/open.ts'
import { metrics } from '../lib/metrics.ts'
import { minutes } from '../lib/clock.ts'

/** What a verdict is counted as. */
export type Counted =
  'still_true' | 'no_longer_true' | 'held' | 'transient' | 'misconfigured' | 'unsupported'

/** Counts verdicts by connection and minute, and writes them down all together, so that no row is fought over. */
export class Tally {
  readonly #counts = new Map<string, number>()

  add(connectionId: string, verdict: Counted, now: Date): void {
    const minute = Math.floor(now.getTime() / minutes(1)) * minutes(1)
    const key = `${connectionId} ${minute} ${verdict}`
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
    metrics.verdicts.add(1, verdict)
  }

  /** Writes what has been counted since the last time. What cannot be written now is kept for the next. */
  async write(db: Db): Promise<void> {
    const counts = [...this.#counts]
    if (counts.length === 0) return
    this.#counts.clear()
    const rows = counts.map(([key, count]) => {
      const [connection, minute, verdict] = key.split(' ')
      return { connection, at: new Date(Number(minute)), verdict, count }
    })
    try {
      await sql`
        insert into connection_verdicts as v (connection_id, at, verdict, count)
        select * from unnest(${rows.map((row) => row.connection)}::uuid[], ${rows.map((row) => row.at)}::timestamptz[],
          ${rows.map((row) => row.verdict)}::text[], ${rows.map((row) => row.count)}::int[]) as t (c, a, d, n)
        order by c, a, d
        on conflict (connection_id, at, verdict) do update set count = v.count + excluded.count`.execute(
        db,
      )
    } catch (error) {
      for (const [key, count] of counts) this.#counts.set(key, (this.#counts.get(key) ?? 0) + count)
      throw error
    }
  }
}
