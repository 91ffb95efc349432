import { sql } from 'kysely'
import type { Db } from '../db/open.ts'
import { driftAllowed, leaseFor, statementFor } from './lease.ts'
import { revocationChannel, type Node } from './node.ts'

/** Pauses between looks at who has read how far, in milliseconds: quick at first, never a burden. */
const pauses = [1, 1, 2, 2, 3, 5, 8, 13, 21]
const longestPause = 25

/**
 * Waits until no node answers from memory what was revoked at `position`, however many there are and whatever has
 * become of them. Call it once the revoking transaction has committed.
 *
 * A node is safe when it has applied the position, or has been silent for so long that it must register before it can
 * read again. One that began to renew just before the commit may hold a lease until T + L, and is waited for that long.
 */
export async function settle(db: Db, node: Node | undefined, position: number): Promise<void> {
  if (position === 0) return
  const { rows } = await sql<{
    now: string
  }>`select clock_timestamp()::text as now, pg_notify(${revocationChannel}, '')`.execute(db)
  const revokedAt = rows[0]!.now
  // Whatever the database's clock is set to meanwhile, T + L is measured by one that nobody sets.
  const over = performance.now() + leaseFor + driftAllowed
  void node?.renew()
  for (let look = 0; (await holdouts(db, position, revokedAt)) > 0; look++) {
    if (performance.now() > over) return
    await new Promise((resolve) => setTimeout(resolve, pauses[look] ?? longestPause))
  }
}

/** How many nodes may still answer from memory without knowing of `position`. */
async function holdouts(db: Db, position: number, revokedAt: string): Promise<number> {
  const silence = `${leaseFor + statementFor + driftAllowed} milliseconds`
  const { rows } = await sql<{ count: string }>`
    select count(*) as count from nodes
    where position < ${position}
      and at + ${silence}::interval >= ${revokedAt}::timestamptz`.execute(db)
  return Number(rows[0]!.count)
}
