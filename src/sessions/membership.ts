import { recordEvent } from '../accounts/audit.ts'
import {
  refuseMembershipChange,
  type MembershipChange,
  type MembershipRefused,
} from '../accounts/members.ts'
import { setRole } from '../accounts/organizations.ts'
import type { Db } from '../db/open.ts'
import { isId } from '../lib/ids.ts'
import { takeMember } from './ending.ts'
import { revoke, type Revoking } from './revoke.ts'
import type { Target } from './revocations.ts'

/**
 * Gives a member another role, or makes them a member no more, if whoever does it may. When it returns, no node lets
 * them do what they may not do any more.
 * @returns why it was not done; null: it was
 */
export function changeMembership(
  revoking: Revoking,
  change: MembershipChange,
  requestId: string,
  now: Date,
): Promise<MembershipRefused | null> {
  if (!isId(change.userId)) return Promise.resolve('not_a_member')
  return revoke(revoking, async (tx) => {
    const refused = await refuseMembershipChange(tx, change)
    if (refused) return { result: refused, targets: [] }
    return { result: null, targets: await carryOut(tx, change, requestId, now) }
  })
}

async function carryOut(
  tx: Db,
  { organizationId, userId, role, actorId }: MembershipChange,
  requestId: string,
  now: Date,
): Promise<readonly Target[]> {
  if (role === null) {
    const actor = { userId: actorId, requestId }
    return (await takeMember(tx, { organizationId, userId }, actor, now)).targets
  }
  await setRole(tx, { organizationId, userId, role })
  const event = { organizationId, actorId, target: userId, requestId }
  await recordEvent(tx, { action: 'member.role_changed', ...event, data: { role } }, now)
  return [{ kind: 'user', id: userId }]
}
