import { sql } from 'kysely'
import type { Finder } from '../accounts/lockouts.ts'
import { jitter } from '../accounts/grants.ts'
import type { Db } from '../db/open.ts'
import { later, minutes, seconds, type Clock } from '../lib/clock.ts'
import { leaseFor } from './lease.ts'

/** What a bound rests on. */
export interface BoundOf {
  readonly checkEveryMinutes: number
  readonly checksPerSecond: number
  /** How many people are asked about. */
  readonly asked: number
}

/** A check that failed is tried again no later than this, in milliseconds: half a minute and its jitter. */
const retry = seconds(37.5)

/** Asking a provider takes no longer, in milliseconds: a handful of requests, each with its own deadline. */
const asking = seconds(15)

/** A revocation holds on every node after this at the latest, in milliseconds, even where one is cut off. */
const settling = seconds(2.5)

/** From a signal's arrival to its effect everywhere, in milliseconds. */
export const pushedWithin: number = seconds(5)

/**
 * How long somebody who is suspended at the provider may still get in here, in milliseconds, while the provider answers:
 * the interval with its jitter, or as long as the connection's allowance needs for everybody where that is longer; a
 * worker that dies with the lease; one try that fails; the question itself; and the revocation.
 */
export function promisedBound({ checkEveryMinutes, checksPerSecond, asked }: BoundOf): number {
  const interval = minutes(checkEveryMinutes) * (1 + jitter)
  const turn = seconds(asked / checksPerSecond)
  return Math.round(Math.max(interval, turn)) + leaseFor + retry + asking + settling
}

/** Whether a connection's allowance lets it ask about everybody within its interval. */
export function keepsUp({ checkEveryMinutes, checksPerSecond, asked }: BoundOf): boolean {
  return asked / checksPerSecond <= checkEveryMinutes * 60
}

/** The longest bound promised anywhere, by what finds it, in seconds. It is counted once in a while, however often somebody looks. */
export function watchBounds(
  db: Db,
  clock: Clock,
): () => Promise<Readonly<Partial<Record<Finder, number>>>> {
  let counted: Promise<Readonly<Partial<Record<Finder, number>>>> | undefined
  let until = new Date(0)
  return () => {
    const now = clock.now()
    if (!counted || now >= until) {
      until = later(now, minutes(1))
      counted = longestBounds(db)
      counted.catch(() => (counted = undefined))
    }
    return counted
  }
}

async function longestBounds(db: Db): Promise<Readonly<Partial<Record<Finder, number>>>> {
  const { rows } = await sql<BoundOf & { rung: Finder }>`
    select i.rung, c.check_every_minutes as "checkEveryMinutes", c.checks_per_second as "checksPerSecond", i.asked
    from (
      select connection_id, rung, count(*)::int as asked from identities
      where check_at is not null and rung is not null and rung <> 'deadline' group by connection_id, rung) i
    join connections c on c.id = i.connection_id and c.state = 'active' and c.deleted_at is null`.execute(
    db,
  )
  const pushed = pushedWithin / 1000
  const longest: Partial<Record<Finder, number>> = { 'back-channel': pushed, caep: pushed }
  for (const { rung, ...of } of rows)
    longest[rung] = Math.max(longest[rung] ?? 0, promisedBound(of) / 1000)
  return longest
}
