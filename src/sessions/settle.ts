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
    now: Date
  }>`select clock_timestamp() as now, pg_notify(${revocationChannel}, '')`.execute(db)
  const revokedAt = rows[0]!.now
  void node?.renew()
  for (let look = 0; (await holdouts(db, position, revokedAt)) > 0; look++) {
    await new Promise((resolve) => setTimeout(resolve, pauses[look] ?? longestPause))
  }
}

/** How many nodes may still answer from memory without knowing of `position`. */
async function holdouts(db: Db, position: number, revokedAt: Date): Promise<number> {
  const silence = `${leaseFor + statementFor + driftAllowed} milliseconds`
  const longest = `${leaseFor + driftAllowed} milliseconds`
  const { rows } = await sql<{ count: string }>`
    select count(*) as count from nodes
    where position < ${position}
      and at + ${silence}::interval >= ${revokedAt}
      and clock_timestamp() <= ${revokedAt}::timestamptz + ${longest}::interval`.execute(db)
  return Number(rows[0]!.count)
}
