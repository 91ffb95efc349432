import { sql } from 'kysely'
import type { Db } from '../db/open.ts'
import { days, later } from '../lib/clock.ts'

/** What ends a session without its person: one sign-in more than they may have, somebody else, or their provider's word. */
const told = [
  'limit',
  'revoked_by_admin',
  'revoked_by_operator',
  'identity_revoked',
  'provider_logout',
] as const

/** Something about their sessions that a person is told, because they did not do it themselves. */
export interface Notice {
  readonly kind: 'session_ended'
  readonly reason: (typeof told)[number]
  readonly userId: string
  readonly device: string
  readonly lastSeenAt: Date
  readonly at: Date
}

/** How long a notice stands on the account page, in milliseconds. */
const shownFor = days(7)

/** What a person is to be told on their account page, the latest first. */
export async function listNotices(db: Db, userId: string, now: Date): Promise<readonly Notice[]> {
  const { rows } = await sql<Notice>`
    select 'session_ended' as kind, revoked_reason as reason, user_id as "userId", device,
      last_seen_at as "lastSeenAt", revoked_at as at
    from sessions
    where user_id = ${userId} and revoked_reason = any(${told}::text[])
      and revoked_at > ${later(now, -shownFor)}
    order by revoked_at desc limit 10`.execute(db)
  return rows
}
