import { sql } from 'kysely'
import type { Db } from '../db/open.ts'
import { days, later } from '../lib/clock.ts'
import { newId } from '../lib/ids.ts'
import { metrics } from '../lib/metrics.ts'

/** What can find out that somebody is gone: a rung of the ladder, or a signal that the provider sends. */
export const finders = {
  refresh: 'Asking with the refresh token',
  userinfo: 'Asking with the access token',
  introspection: 'Token introspection',
  directory: 'Asking a directory',
  deadline: 'The end of the session',
  'back-channel': 'Back-channel logout',
  caep: 'Shared Signals',
} as const

export type Finder = keyof typeof finders

/** Somebody who was let in no more, and how long that took. */
export interface Lockout {
  readonly connectionId: string
  readonly by: Finder
  /** Since the provider last vouched for them, or since it sent the signal: their end there lies within that time. */
  readonly seconds: number
}

/** Notes how long it took to find out that somebody is gone, in the transaction that lets them in no more. */
export async function recordLockout(
  tx: Db,
  { connectionId, by, seconds }: Lockout,
  now: Date,
): Promise<void> {
  await sql`
    insert into connection_lockouts (id, connection_id, found_by, milliseconds, at)
    values (${newId()}, ${connectionId}, ${by}, ${Math.round(within(seconds) * 1000)}, ${now})`.execute(
    tx,
  )
  metrics.lockout.observe(within(seconds), by)
}

/** More than three weeks are as good as no bound at all. */
function within(seconds: number): number {
  return Math.min(Math.max(0, seconds), 2_000_000)
}

/** How long it took lately, by what found it; half of all took no longer than `p50`, all but a hundredth no longer than `p99`. */
export interface ObservedLockouts {
  readonly by: Finder
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly worst: number
}

/** How far back is looked, in milliseconds. */
const lately = days(90)

/** Of one connection. */
export async function observedLockouts(
  db: Db,
  connectionId: string,
  now: Date,
): Promise<readonly ObservedLockouts[]> {
  const { rows } = await sql<ObservedLockouts>`
    select found_by as by, count(*)::int as count, max(milliseconds) / 1000.0::float8 as worst,
      percentile_disc(0.5) within group (order by milliseconds) / 1000.0::float8 as p50,
      percentile_disc(0.99) within group (order by milliseconds) / 1000.0::float8 as p99
    from connection_lockouts where connection_id = ${connectionId} and at > ${later(now, -lately)}
    group by found_by order by found_by`.execute(db)
  return rows
}
