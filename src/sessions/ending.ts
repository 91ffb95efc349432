import { sql, type RawBuilder } from 'kysely'
import { recordEvent } from '../accounts/audit.ts'
import { setMemberRemoved } from '../accounts/organizations.ts'
import { holdUnlinkable, unlinkIdentity, type Unlinking } from '../accounts/own-identities.ts'
import type { Db } from '../db/open.ts'
import type { ProvidedSessions } from '../providers/provider.ts'
import { endFlows } from './pending.ts'
import { revoke, type Actor, type Revoking } from './revoke.ts'
import type { Target } from './revocations.ts'

/** What was ended: sessions that had nothing left to prove, and proofs of sessions that go on for something else. */
export interface EndedCounts {
  readonly sessions: number
  readonly proofs: number
}

/** Which of an organization's proofs: all of them, or only those that are all of this. */
export interface ProofsToEnd {
  readonly organizationId: string
  readonly userId?: string | undefined
  readonly connectionId?: string | undefined
  readonly identityId?: string | undefined
  /** The provider's own name for its session (OIDC `sid`, SAML SessionIndex). */
  readonly providerSession?: string | undefined
  /** Only what this session proves. */
  readonly sessionId?: string | undefined
  /** Only what was proven until then. @default whenever it was */
  readonly until?: Date | undefined
  /** Only those that the connection's provider began under that name. */
  readonly provided?: ProvidedSessions | undefined
  /** Why a session with nothing left ended. @default 'revoked_by_admin' */
  readonly reason?: EndReason | undefined
}

/** Why a session ended that had nothing left to prove. */
export type EndReason =
  | 'revoked_by_admin'
  /** The provider says that the person is not who they were. */
  | 'identity_revoked'
  /** The provider says that its own session is over. */
  | 'provider_logout'
  /** The person took that sign-in off their account. */
  | 'identity_unlinked'
  /** The person left the organization. */
  | 'left_organization'
  /** The organization's directory has put the person out. */
  | 'deactivated'

/**
 * Ends what sessions prove to an organization. A session that proves something else goes on for that; one with nothing
 * left is over. When this returns, that holds on every node.
 * @param actor whose act it was. @default an operator's
 */
export function endProofs(
  revoking: Revoking,
  which: ProofsToEnd,
  actor: Actor,
  now: Date,
): Promise<EndedCounts> {
  return revoke(revoking, (tx) => takeProofs(tx, which, actor, now))
}

/** Removes a member: they do not come back by signing in, and what their sessions proved to the organization ends. */
export function removeMember(
  revoking: Revoking,
  member: { readonly organizationId: string; readonly userId: string },
  actor: Actor,
  now: Date,
): Promise<EndedCounts> {
  return revoke(revoking, (tx) => takeMember(tx, member, actor, now))
}

/** The change that {@link removeMember} makes, for whoever has looked first, in the same transaction, whether it may be made. */
export async function takeMember(
  tx: Db,
  member: { readonly organizationId: string; readonly userId: string },
  actor: Actor,
  now: Date,
): Promise<{ result: EndedCounts; targets: readonly Target[] }> {
  const { organizationId, userId } = member
  const leaves = actor.userId === userId
  await setMemberRemoved(tx, { ...member, reason: leaves ? 'left' : 'removed' }, now)
  const event = {
    organizationId,
    actorId: actor.userId,
    target: userId,
    requestId: actor.requestId,
  }
  await recordEvent(tx, { action: leaves ? 'member.left' : 'member.removed', ...event }, now)
  const reason = leaves ? 'left_organization' : undefined
  const { result, targets } = await takeProofs(tx, { ...member, reason }, actor, now)
  return { result, targets: [...targets, { kind: 'user', id: userId }] }
}

/**
 * Takes one of a person's sign-ins off their account, and ends what it proved, also in the session in which they do it.
 * Answers whether there was one.
 * @throws AppError as {@link holdUnlinkable}
 */
export function unlinkOwnIdentity(
  revoking: Revoking,
  unlinking: Unlinking,
  now: Date,
): Promise<boolean> {
  return revoke(revoking, async (tx) => {
    const identity = await holdUnlinkable(tx, unlinking)
    if (!identity) return { result: false, targets: [] }
    const { userId, requestId } = unlinking
    const proofs = { organizationId: identity.organization.id, identityId: identity.id } as const
    const which = { ...proofs, reason: 'identity_unlinked' } as const
    const { targets } = await takeProofs(tx, which, { userId, requestId }, now)
    await unlinkIdentity(tx, unlinking, identity, now)
    return { result: true, targets: [...targets, { kind: 'identity', id: identity.id }] }
  })
}

/**
 * Ends every session and every sign-in under way: after a backup was restored, or when keys may have leaked.
 * @returns how many sessions
 */
export function endEverything(revoking: Revoking, now: Date): Promise<number> {
  return revoke(revoking, async (tx) => {
    const { numUpdatedRows } = await tx
      .updateTable('sessions')
      .set({ revoked_at: now, revoked_reason: 'revoked_by_operator' })
      .where('revoked_at', 'is', null)
      .executeTakeFirst()
    const sessions = Number(numUpdatedRows)
    const flows = await endFlows(tx, {}, { code: 'flow_invalid', reason: 'ended_by_operator' }, now)
    await recordEvent(
      tx,
      { action: 'sessions.ended', data: { of: 'everything', sessions, flows } },
      now,
    )
    return { result: sessions, targets: [{ kind: 'everything' }] }
  })
}

/** {@link endProofs} as part of a larger change: whoever calls announces the targets. */
export async function takeProofs(
  tx: Db,
  which: ProofsToEnd,
  actor: Actor,
  now: Date,
): Promise<{ result: EndedCounts; targets: readonly Target[] }> {
  const { organizationId, userId, connectionId, identityId, providerSession, provided } = which
  const { sessionId, until } = which
  const ofPerson = userId ? sql`and s.user_id = ${userId}` : sql``
  const ofProof = sql.join(
    [
      sql`p.organization_id = ${organizationId}`,
      ...(connectionId ? [sql`p.connection_id = ${connectionId}`] : []),
      ...(identityId ? [sql`p.identity_id = ${identityId}`] : []),
      ...(providerSession === undefined ? [] : [sql`p.provider_session = ${providerSession}`]),
      ...(sessionId ? [sql`p.session_id = ${sessionId}`] : []),
      ...(until ? [sql`p.proved_at <= ${until}`] : []),
      ...(provided ? whichProvided(provided) : []),
    ],
    sql` and `,
  )
  // Sessions are held before their proofs, as whoever moves them on does it: nobody waits in a circle.
  const { rows } = await sql<{ id: string }>`
    with held as (
      select s.id from sessions s where s.revoked_at is null ${ofPerson} and exists (
        select from session_proofs p where p.session_id = s.id and ${ofProof})
      order by s.id for no key update
    )
    delete from session_proofs p using held where p.session_id = held.id and ${ofProof}
    returning p.session_id as id`.execute(tx)
  const ids = rows.map(({ id }) => id)
  const { rows: over } = await sql<{ id: string }>`
    update sessions s set revoked_at = ${now}, revoked_reason = ${which.reason ?? 'revoked_by_admin'}
    where s.id = any(${ids}::uuid[]) and s.personal_method is null
      and not exists (select from session_proofs p where p.session_id = s.id)
    returning s.id`.execute(tx)
  const result = { sessions: over.length, proofs: ids.length - over.length }
  const narrow = userId ?? identityId ?? providerSession ?? sessionId ?? provided
  const of = provided
    ? 'provider'
    : identityId
      ? 'identity'
      : userId
        ? 'person'
        : connectionId
          ? 'connection'
          : 'organization'
  const target = identityId ?? userId ?? connectionId ?? organizationId
  const event = { organizationId, target, actorId: actor.userId, requestId: actor.requestId }
  await recordEvent(tx, { action: 'sessions.ended', ...event, data: { of, ...result } }, now)
  const targets: readonly Target[] = narrow
    ? ids.map((id) => ({ kind: 'session', id }) as const)
    : connectionId
      ? [{ kind: 'connection', id: connectionId }]
      : [{ kind: 'organization', id: organizationId }]
  return { result, targets }
}

function whichProvided({ nameId, qualifiers, sessions }: ProvidedSessions): RawBuilder<unknown>[] {
  const { value, nameQualifier, spNameQualifier } = nameId
  const { provider, own } = qualifiers
  return [
    sql`p.name_id::jsonb->>'value' = ${value}`,
    sql`coalesce(p.name_id::jsonb->>'nameQualifier', ${provider}) = ${nameQualifier ?? provider}`,
    sql`coalesce(p.name_id::jsonb->>'spNameQualifier', ${own}) = ${spNameQualifier ?? own}`,
    ...(sessions.length > 0 ? [sql`p.provider_session = any(${[...sessions]}::text[])`] : []),
  ]
}
