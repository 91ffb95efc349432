import { sql } from 'kysely'
import { recordEvent } from '../accounts/audit.ts'
import { countRecoveryCodes, takeRecoveryCode } from '../accounts/recovery-codes.ts'
import type { Db } from '../db/open.ts'
import { later, minutes } from '../lib/clock.ts'
import type { StoredSession } from './lookup.ts'
import { revoke, type Revoking } from './revoke.ts'

/** How long a recovery code lets a session in, in milliseconds. */
export const recoveryLasts: number = minutes(60)

/** A code as somebody presents it. */
export interface PresentedCode {
  /** The organization's slug, as in the address. */
  readonly slug: string
  readonly code: string
  readonly session: StoredSession
  readonly requestId: string
}

/** What came of it. Why not is for the audit alone. */
export type Recovered =
  | {
      readonly organization: { readonly id: string; readonly name: string }
      /** When it ends. */
      readonly until: Date
      readonly left: number
    }
  | { readonly refused: RecoveryRefusal }

export type RecoveryRefusal =
  'no_personal_proof' | 'unknown_organization' | 'not_required' | 'not_an_owner' | 'no_such_code'

/**
 * Lets one session past the sign-in that an organization requires, for {@link recoveryLasts}: the session of an owner
 * who has proven themself without any organization, and who has a code. The code is used up.
 * @param tell tells of it in the same transaction
 */
export function recover(
  revoking: Revoking,
  presented: PresentedCode,
  tell: (tx: Db, recovered: Exclude<Recovered, { refused: unknown }>) => Promise<void>,
  now: Date,
): Promise<Recovered> {
  const { session, requestId } = presented
  return revoke<Recovered>(revoking, async (tx) => {
    const found = await findDoor(tx, presented)
    const refused = await refusalOf(tx, found, presented, now)
    const event = {
      organizationId: found?.id,
      actorId: session.person.id,
      target: session.id,
      requestId,
    }
    if (refused || !found) {
      const reason = refused ?? 'unknown_organization'
      await recordEvent(
        tx,
        { action: 'recovery.refused', outcome: 'deny', ...event, data: { reason } },
        now,
      )
      return { result: { refused: reason }, targets: [] }
    }
    const until = later(now, recoveryLasts)
    await exempt(tx, { session, organizationId: found.id, until }, now)
    const holder = { organizationId: found.id, userId: session.person.id }
    const { left } = await countRecoveryCodes(tx, holder)
    const recovered = { organization: { id: found.id, name: found.name }, until, left }
    const data = { until: until.toISOString(), left }
    await recordEvent(tx, { action: 'recovery.code_used', ...event, data }, now)
    await tell(tx, recovered)
    return { result: recovered, targets: [{ kind: 'session', id: session.id }] }
  })
}

interface Door {
  readonly id: string
  readonly name: string
  readonly required: boolean
  readonly owner: boolean
}

/** The organization, and whether the person owns it; held until the commit, so that nobody ceases to meanwhile. */
async function findDoor(tx: Db, { slug, session }: PresentedCode): Promise<Door | undefined> {
  const { rows } = await sql<Door>`
    select o.id, o.name, o.sso_required_since is not null as required,
      m.role = 'owner' and m.removed_at is null and m.link_state <> 'revoked' as owner
    from organizations o join memberships m on m.organization_id = o.id and m.user_id = ${session.person.id}
    where o.slug = ${slug} and o.deleted_at is null for share of o, m`.execute(tx)
  return rows[0]
}

async function refusalOf(
  tx: Db,
  found: Door | undefined,
  { session, code }: PresentedCode,
  now: Date,
): Promise<RecoveryRefusal | undefined> {
  const personal = session.personalUntil !== null && session.personalUntil > now.getTime()
  if (!personal) return 'no_personal_proof'
  if (!found) return 'unknown_organization'
  if (!found.owner) return 'not_an_owner'
  if (!found.required) return 'not_required'
  const holder = { organizationId: found.id, userId: session.person.id }
  // The last of all checks, because it uses the code up.
  return (await takeRecoveryCode(tx, { ...holder, code }, now)) ? undefined : 'no_such_code'
}

/** What the person has proved by themself counts for the organization as long as the exemption lasts. */
async function exempt(
  tx: Db,
  {
    session,
    organizationId,
    until,
  }: { session: StoredSession; organizationId: string; until: Date },
  now: Date,
): Promise<void> {
  await sql`
    insert into sso_exemptions (session_id, organization_id, user_id, until)
    values (${session.id}, ${organizationId}, ${session.person.id}, ${until})
    on conflict (session_id, organization_id) do update set until = excluded.until`.execute(tx)
  await sql`
    insert into session_proofs (session_id, organization_id, authenticated_at, proved_at, last_seen_at, not_on_or_after)
    select s.id, ${organizationId}, s.personal_since, s.personal_since, ${now}, s.personal_until
    from sessions s where s.id = ${session.id}
    on conflict (session_id, organization_id) do update set connection_id = null, identity_id = null,
      config_version = null, authenticated_at = excluded.authenticated_at, proved_at = excluded.proved_at,
      last_seen_at = excluded.last_seen_at, not_on_or_after = excluded.not_on_or_after,
      acr = null, amr = null, provider_session = null, name_id = null`.execute(tx)
}
