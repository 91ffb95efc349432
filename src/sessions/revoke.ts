import { recordEvent } from '../accounts/audit.ts'
import {
  amendSettings,
  saveSettings,
  setConnectionState,
  type ConnectionState,
  type SavedSettings,
} from '../accounts/connections.ts'
import {
  setRole,
  setSessionLimits,
  type Role,
  type SessionLimits,
} from '../accounts/organizations.ts'
import { removePasskey } from '../accounts/passkeys.ts'
import { suspendUser } from '../accounts/users.ts'
import type { Db } from '../db/open.ts'
import { isId } from '../lib/ids.ts'
import type { Sealer } from '../lib/seal.ts'
import type { Node } from './node.ts'
import { endFlows } from './pending.ts'
import { announce, lastPosition, type Target } from './revocations.ts'
import { accountsOf } from './sessions.ts'
import { settle } from './settle.ts'

/** What revoking takes: the truth, and the node that answers here. */
export interface Revoking {
  readonly db: Db
  readonly node: Node
}

/** Why a session was ended by somebody's act. */
export type RevocationReason =
  | 'logout'
  | 'revoked_by_owner'
  | 'revoked_by_admin'
  | 'revoked_by_operator'
  | 'orphaned'
  | 'suspended'
  /** A locked session whose person could not sign in again, or did not in time. */
  | 'reauth_failed'
  | 'reauth_missed'
  | 'passkey_removed'

/** Whose act it was, for the audit. */
export interface Actor {
  /** Nobody's: an operator's, at the command line. */
  readonly userId?: string | undefined
  readonly requestId?: string | undefined
}

/**
 * Carries out a change and everything that must die of it. When this returns, no node answers from before the change.
 * That holds too when there was nothing left to do: whoever did it may still be waiting for a node.
 * @param change makes the change in the transaction it is given, and names what rests on it
 */
export async function revoke<T>(
  { db, node }: Revoking,
  change: (tx: Db) => Promise<{ result: T; targets: readonly Target[] }>,
): Promise<T> {
  const { result, position } = await db.transaction().execute(async (tx) => {
    const { result, targets } = await change(tx)
    return {
      result,
      position: targets.length > 0 ? await announce(tx, targets) : await lastPosition(tx),
    }
  })
  await settle(db, node, position)
  return result
}

/** Ends one session of a person. Answers whether there was one to end. */
export async function revokeSession(
  revoking: Revoking,
  target: { readonly id: string; readonly userId: string },
  reason: RevocationReason,
  actor: Actor,
  now: Date,
): Promise<boolean> {
  const ended = await endSessions(
    revoking,
    { userId: target.userId, only: target.id, reason, actor },
    now,
  )
  return ended > 0
}

/** Ends a person's sessions, all of them or all but one. Answers how many. */
export function revokeSessionsOf(
  revoking: Revoking,
  userId: string,
  { except, reason, actor }: { except?: string; reason: RevocationReason; actor: Actor },
  now: Date,
): Promise<number> {
  return endSessions(revoking, { userId, except, reason, actor }, now)
}

/** Suspends a person, and ends their sessions and what they were about to do in them. */
export function suspendPerson(
  revoking: Revoking,
  userId: string,
  actor: Actor,
  now: Date,
): Promise<void> {
  return revoke(revoking, async (tx) => {
    await suspendUser(tx, userId, now)
    await markEnded(tx, { userId, reason: 'suspended', actor }, now)
    await endFlows(tx, { userId }, { code: 'account_disabled', reason: 'suspended' }, now)
    return { result: undefined, targets: [{ kind: 'user', id: userId }] }
  })
}

/**
 * Removes one of a person's passkeys, and ends the sessions that began with it: all but the one in which the person has
 * just confirmed that it is them. Answers whether there was one.
 * @throws AppError `last_credential` when there is no other way in
 */
export function removeOwnPasskey(
  revoking: Revoking,
  { userId, id, except }: { userId: string; id: string; except: string },
  requestId: string,
  now: Date,
): Promise<boolean> {
  if (!isId(id)) return Promise.resolve(false)
  return revoke(revoking, async (tx) => {
    const actor = { userId, requestId }
    const reason = 'passkey_removed'
    const ended = await markEnded(tx, { userId, passkey: id, except, reason, actor }, now)
    const removed = await removePasskey(tx, { userId, id, requestId }, now)
    return { result: removed, targets: ended.map((id) => ({ kind: 'session', id }) as const) }
  })
}

/** Moves a connection to another state; what rests on it is judged anew everywhere, and sign-ins under way through one that is not in use end. */
export function changeConnectionState(
  revoking: Revoking,
  id: string,
  state: ConnectionState,
  now: Date,
): Promise<void> {
  return revoke(revoking, async (tx) => {
    await setConnectionState(tx, id, state)
    if (state !== 'active')
      await endFlows(
        tx,
        { connectionId: id },
        { code: 'provider_disabled', reason: `connection_${state}` },
        now,
      )
    return { result: undefined, targets: [{ kind: 'connection', id }] }
  })
}

/**
 * Saves a connection's settings and puts them to use. What sessions prove through it counts no more, and sign-ins under
 * way through it start again. Answers the new version.
 */
export function changeSettings(
  revoking: Revoking & { readonly sealer: Sealer },
  saved: SavedSettings,
): Promise<number> {
  return revoke(revoking, async (tx) => ({
    result: await saveSettings(tx, revoking.sealer, saved),
    targets: [{ kind: 'connection', id: saved.connectionId }],
  }))
}

/**
 * Changes a connection's keys or certificates under the versions they belong to, and has every node read them anew.
 * What sessions prove through it goes on. Answers whether anything changed.
 * @param around what is read before and written after it, in the same transaction
 */
export function amendConnection(
  revoking: Revoking & { readonly sealer: Sealer },
  connectionId: string,
  change: (settings: unknown) => unknown,
  around: {
    readonly before?: (tx: Db) => Promise<void>
    readonly after: (tx: Db, changed: boolean) => Promise<void>
  },
): Promise<boolean> {
  return revoke(revoking, async (tx) => {
    await around.before?.(tx)
    const changed = await amendSettings(tx, revoking.sealer, connectionId, change)
    await around.after(tx, changed)
    return {
      result: changed,
      targets: changed ? [{ kind: 'connection' as const, id: connectionId }] : [],
    }
  })
}

/** Sets what an organization asks of sessions; those that prove something to it are judged anew everywhere. */
export function limitSessions(
  revoking: Revoking,
  organizationId: string,
  limits: SessionLimits,
): Promise<void> {
  return revoke(revoking, async (tx) => {
    await setSessionLimits(tx, organizationId, limits)
    return { result: undefined, targets: [{ kind: 'organization', id: organizationId }] }
  })
}

/** Gives a member another role; the next request of theirs, on whatever node, has it. Answers whether there is such a member. */
export function changeRole(
  revoking: Revoking,
  member: { readonly organizationId: string; readonly userId: string; readonly role: Role },
  actor: Actor,
  now: Date,
): Promise<boolean> {
  const { organizationId, userId, role } = member
  return revoke(revoking, async (tx) => {
    const changed = await setRole(tx, member)
    const event = {
      organizationId,
      actorId: actor.userId,
      target: userId,
      requestId: actor.requestId,
    }
    if (changed)
      await recordEvent(tx, { action: 'member.role_changed', ...event, data: { role } }, now)
    return { result: changed, targets: [{ kind: 'user', id: userId }] }
  })
}

interface Ending {
  readonly userId: string
  readonly only?: string | undefined
  readonly except?: string | undefined
  /** Only those that began with this passkey. */
  readonly passkey?: string
  readonly reason: RevocationReason
  readonly actor: Actor
}

function endSessions(revoking: Revoking, ending: Ending, now: Date): Promise<number> {
  return revoke(revoking, async (tx) => {
    const ended = await markEnded(tx, ending, now)
    return {
      result: ended.length,
      targets: ended.map((id) => ({ kind: 'session', id }) as const),
    }
  })
}

async function markEnded(
  tx: Db,
  { userId, only, except, passkey, reason, actor }: Ending,
  now: Date,
): Promise<readonly string[]> {
  let query = tx
    .updateTable('sessions')
    .set({ revoked_at: now, revoked_reason: reason })
    .where('user_id', 'in', accountsOf(tx, userId))
    .where('revoked_at', 'is', null)
  if (only) query = query.where('id', '=', only)
  if (except) query = query.where('id', '<>', except)
  if (passkey) query = query.where('passkey_id', '=', passkey)
  const ended = await query.returning('id').execute()
  for (const { id } of ended) {
    const event = {
      actorId: actor.userId,
      target: id,
      data: { reason },
      requestId: actor.requestId,
    }
    await recordEvent(tx, { action: 'session.revoked', ...event }, now)
  }
  return ended.map(({ id }) => id)
}
