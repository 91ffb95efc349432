import { recordEvent } from '../accounts/audit.ts'
import type { Db } from '../db/open.ts'
import type { Asker } from './authenticate.ts'
import { accountsOf } from './sessions.ts'
import { revoke, revokeSession, type Actor, type Revoking } from './revoke.ts'

/**
 * Demands that a person signs in again: until then nothing else is let through in their sessions. When this returns,
 * that holds on every node. A session whose person does not within five minutes of being told is over.
 * @param options `only`: in that session; `except`: in all but that one. @default in all of them
 * @returns how many sessions were locked now
 */
export function requireReauthentication(
  revoking: Revoking,
  userId: string,
  { only, except, actor }: { only?: string; except?: string; actor: Actor },
  now: Date,
): Promise<number> {
  return revoke(revoking, async (tx) => {
    let query = tx
      .updateTable('sessions')
      .set({ locked_at: now })
      .where('user_id', 'in', accountsOf(tx, userId))
      .where('kind', '=', 'user')
      .where('revoked_at', 'is', null)
      .where('locked_at', 'is', null)
    if (only) query = query.where('id', '=', only)
    if (except) query = query.where('id', '<>', except)
    const locked = await query.returning('id').execute()
    const event = {
      action: 'session.locked',
      actorId: actor.userId,
      requestId: actor.requestId,
    } as const
    for (const { id } of locked) await recordEvent(tx, { ...event, target: id }, now)
    return {
      result: locked.length,
      targets: locked.map(({ id }) => ({ kind: 'session', id }) as const),
    }
  })
}

/** Notes that the person of a locked session has been told to sign in again: their five minutes run from here. */
export async function demandReauthentication(
  { db }: { readonly db: Db },
  { state, session }: Pick<Asker, 'state' | 'session'>,
  now: Date,
): Promise<void> {
  if (state.session !== 'locked' || !session || session.challengedAt !== null) return
  await db
    .updateTable('sessions')
    .set({ challenged_at: now })
    .where('id', '=', session.id)
    .where('challenged_at', 'is', null)
    .where('locked_at', 'is not', null)
    .execute()
}

/** Ends a locked session whose person has tried to sign in again and could not. Any other stays as it was. */
export async function endIfLocked(
  revoking: Revoking,
  { state, session }: Pick<Asker, 'state' | 'session'>,
  requestId: string,
  now: Date,
): Promise<void> {
  if (state.session !== 'locked' || !session) return
  const { id, person } = session
  const actor = { userId: person.id, requestId }
  await revokeSession(revoking, { id, userId: person.id }, 'reauth_failed', actor, now)
}
