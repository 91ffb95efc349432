import { recordEvent } from '../accounts/audit.ts'
import { newId } from '../lib/ids.ts'
import { hashToken, randomToken } from '../lib/secrets.ts'
import type { StoredSession } from './lookup.ts'
import { revoke, type Revoking } from './revoke.ts'

/**
 * Lets a session whose account was merged go on as a session of the account that counts now, under a new token, as
 * every change of what a session is worth demands. When it returns, the old token is dead on every node.
 * @returns the new token; null when another request of the same browser was first
 */
export function rotateMerged(
  revoking: Revoking,
  session: StoredSession,
  requestId: string,
  now: Date,
): Promise<string | null> {
  return revoke(revoking, async (tx) => {
    const old = await tx
      .updateTable('sessions')
      .set({ revoked_at: now, revoked_reason: 'rotated' })
      .where('id', '=', session.id)
      .where('revoked_at', 'is', null)
      .returningAll()
      .executeTakeFirst()
    if (!old) return { result: null, targets: [] }
    const [id, token, userId] = [newId(), randomToken(), session.person.id]
    const going = { revoked_at: null, revoked_reason: null, flow_id: null, created_at: now }
    const own = { id, token_hash: hashToken(token), user_id: userId, rotated_from: old.id }
    await tx
      .insertInto('sessions')
      .values({ ...old, ...going, ...own })
      .execute()
    const proofs = await tx
      .selectFrom('session_proofs')
      .selectAll()
      .where('session_id', '=', old.id)
      .execute()
    if (proofs.length > 0)
      await tx
        .insertInto('session_proofs')
        .values(proofs.map((proof) => ({ ...proof, session_id: id })))
        .execute()
    const event = { actorId: userId, target: id, data: { from: old.id, reason: 'merged' } }
    await recordEvent(tx, { action: 'session.rotated', ...event, requestId }, now)
    return { result: token, targets: [{ kind: 'session', id: old.id }] }
  })
}
