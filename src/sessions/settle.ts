import { sql } from 'kysely'
import { prepared, type Db } from '../db/open.ts'
import { driftAllowed, leaseFor, statementFor } from './lease.ts'
import { metrics } from '../lib/metrics.ts'
import type { Node } from './node.ts'

/** Pauses between looks at who has read how far, in milliseconds: quick at first, never a burden. */
const pauses = [1, 1, 2, 2, 3, 5, 8, 13, 21]
const longestPause = 25

/**
 * Waits until no node answers from memory what was revoked at `position`, however many there are and whatever has
 * become of them. Call it once the revoking transaction has committed, and outside of any other.
 *
 * A node is safe when it has applied the position, or has been silent for so long that it must register before it can
 * read again. One that began to renew just before the commit may hold a lease until T + L, and is waited for that long.
 */
export async function settle(db: Db, node: Node | undefined, position: number): Promise<void> {
  if (position === 0) return
  const began = performance.now()
  await waitForAll(db, node, position)
  metrics.settle.observe((performance.now() - began) / 1000)
}

async function waitForAll(db: Db, node: Node | undefined, position: number): Promise<void> {
  // Nobody has to be told: our own node looks while we ask for the others.
  void node?.look()
  const { count, now: revokedAt } = await holdouts(db, position)
  if (count === 0) return
  // Whatever the database's clock is set to meanwhile, T + L is measured by one that nobody sets.
  const over = performance.now() + leaseFor + driftAllowed
  for (let look = 0; performance.now() <= over; look++) {
    await new Promise((resolve) => setTimeout(resolve, pauses[look] ?? longestPause))
    if ((await holdouts(db, position, revokedAt)).count === 0) return
  }
}

/**
 * How many nodes may still answer from memory without knowing of `position`, judged by who was silent at T.
 * The first time, T is now: `now()` is when the statement arrived, before it saw any row. A clock read while it runs
 * would be later than what it sees, and a node that renewed in between would look silent.
 */
async function holdouts(
  db: Db,
  position: number,
  revokedAt: string | null = null,
): Promise<{ count: number; now: string }> {
  const silence = `${leaseFor + statementFor + driftAllowed} milliseconds`
  const { rows } = await sql<{ count: string; now: string }>`
    ${prepared('find_holdouts')} select count(*) as count, now()::text as now from nodes
    where position < ${position}
      and at + ${silence}::interval >= coalesce(${revokedAt}::timestamptz, now())`.execute(db)
  return { count: Number(rows[0]!.count), now: rows[0]!.now }
}
