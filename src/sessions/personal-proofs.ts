import { sql } from 'kysely'
import type { Db } from '../db/open.ts'

/** Whose personal proofs are given to which organizations. */
interface Given {
  /** Only to this one. @default all that the person is a member of */
  readonly organizationId?: string
  /** In this session. @default in all of the person’s that they proved themself in */
  readonly sessionId?: string
  readonly userId?: string
  /** Whether what a session has proved to an organization otherwise stays as it is. @default false */
  readonly sparing?: boolean
}

/**
 * Lets what a person proved by themself count for an organization that they have just become a member of, in every
 * session of theirs. Announce the user in the same transaction: the sessions are read anew then.
 */
export function letInPersonally(
  tx: Db,
  member: { readonly organizationId: string; readonly userId: string },
  now: Date,
): Promise<void> {
  return give(tx, member, now)
}

/**
 * Lets what its members proved by themselves count for an organization that requires its own sign-on no more, beside
 * what they have proved to it. Announce the organization in the same transaction.
 */
export function letMembersInPersonally(tx: Db, organizationId: string, now: Date): Promise<void> {
  return give(tx, { organizationId, sparing: true }, now)
}

/** Lets what a person has just proved by themself count for the organizations that they are a member of. */
export function letInPersonallyIn(tx: Db, sessionId: string, now: Date): Promise<void> {
  return give(tx, { sessionId }, now)
}

/** Takes the place of what the session has proved to the organization through a connection. */
const instead = sql`do update set connection_id = null, identity_id = null,
      config_version = null, authenticated_at = excluded.authenticated_at, proved_at = excluded.proved_at,
      last_seen_at = excluded.last_seen_at, not_on_or_after = excluded.not_on_or_after,
      acr = null, amr = null, provider_session = null`

/**
 * A proof to each organization that lets its members in by themselves; it ends no later than what it rests on. One that
 * requires its own sign-on is left alone, and so is what a session has proved to it.
 */
async function give(
  tx: Db,
  { organizationId, sessionId, userId, sparing = false }: Given,
  now: Date,
): Promise<void> {
  const where = [
    organizationId ? sql`and o.id = ${organizationId}` : sql``,
    sessionId ? sql`and s.id = ${sessionId}` : sql``,
    userId ? sql`and u.id = ${userId}` : sql``,
  ]
  await sql`
    insert into session_proofs (session_id, organization_id, authenticated_at, proved_at, last_seen_at, not_on_or_after)
    select s.id, o.id, s.personal_since, s.personal_since, s.last_seen_at, s.personal_until
    from sessions s
    join users own on own.id = s.user_id
    join users u on u.id = coalesce(own.merged_into, own.id)
    join memberships m on m.user_id = u.id and m.removed_at is null
    join organizations o on o.id = m.organization_id and o.deleted_at is null and o.sso_required_since is null
    where s.kind = 'user' and s.revoked_at is null and s.personal_until > ${now} ${sql.join(where, sql` `)}
    -- Whoever is put out meanwhile waits for this, and then ends it too.
    for share of m
    on conflict (session_id, organization_id) ${sparing ? sql`do nothing` : instead}`.execute(tx)
}
