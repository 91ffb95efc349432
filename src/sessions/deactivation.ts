import { sql } from 'kysely'
import { recordEvent } from '../accounts/audit.ts'
import { isLastOwner, outranks } from '../accounts/members.ts'
import { setMemberRemoved, type Role } from '../accounts/organizations.ts'
import { isDeactivated } from '../accounts/scim-people.ts'
import type { Db } from '../db/open.ts'
import { AppError } from '../lib/errors.ts'
import { isId } from '../lib/ids.ts'
import { takeProofs } from './ending.ts'
import { endFlows } from './pending.ts'
import { revoke, type Actor, type Revoking } from './revoke.ts'
import type { Target } from './revocations.ts'

/** Whose membership of which organization. */
export interface WhichMember {
  readonly organizationId: string
  readonly userId: string
}

/**
 * Makes a membership what the directories of the organization say: whoever one of them has put out is out, and whoever was
 * put out by one and is not any more may sign in again, which is all they get back. Whom an administrator has removed, or
 * who has left, stays so. Call it in the transaction in which a directory has its say, and announce what it answers.
 * @throws AppError `last_owner` where the organization would have no owner left who can sign in
 */
export async function followDirectories(
  tx: Db,
  member: WhichMember,
  actor: Actor,
  now: Date,
): Promise<readonly Target[]> {
  const row = await tx
    .selectFrom('memberships')
    .select(['removed_at', 'removed_reason'])
    .where('organization_id', '=', member.organizationId)
    .where('user_id', '=', member.userId)
    .executeTakeFirst()
  const out = await isDeactivated(tx, member)
  if (out && row && !row.removed_at) return putOut(tx, member, actor, now)
  if (!out && row?.removed_reason === 'deactivated') return letBack(tx, member, actor, now)
  return []
}

/**
 * Lets somebody in although the directory of one of the organization's connections has put them out: until it says
 * something else of them. Answers whether there was anybody to let in.
 * @param role the administrator's own: nobody brings back somebody who is more than they are themselves
 * @throws AppError `forbidden`
 */
export function overruleDirectory(
  revoking: Revoking,
  which: {
    readonly organizationId: string
    readonly connectionId: string
    readonly entryId: string
    readonly role: Role
  },
  actor: Actor,
  now: Date,
): Promise<boolean> {
  const { organizationId, connectionId, entryId, role } = which
  if (!isId(entryId)) return Promise.resolve(false)
  return revoke(revoking, async (tx) => {
    const { rows } = await sql<{ userId: string | null }>`
      update scim_users set overruled_at = ${now}
      where id = ${entryId} and connection_id = ${connectionId} and overruled_at is null
        and (not active or deleted_at is not null)
      returning user_id as "userId"`.execute(tx)
    if (!rows[0]) return { result: false, targets: [] }
    const { userId } = rows[0]
    const event = {
      organizationId,
      target: entryId,
      actorId: actor.userId,
      requestId: actor.requestId,
    }
    await recordEvent(tx, { action: 'scim.overruled', ...event }, now)
    if (userId === null) return { result: true, targets: [] }
    const member = { organizationId, userId }
    const had = await roleOf(tx, member)
    if (had && !outranks(role, had)) throw new AppError('forbidden', { reason: 'role_too_high' })
    return { result: true, targets: await followDirectories(tx, member, actor, now) }
  })
}

async function roleOf(tx: Db, { organizationId, userId }: WhichMember): Promise<Role | undefined> {
  const row = await tx
    .selectFrom('memberships')
    .select('role')
    .where('organization_id', '=', organizationId)
    .where('user_id', '=', userId)
    .executeTakeFirst()
  return row?.role as Role | undefined
}

/** What is asked about them, and what they prove and were about to do there, ends with the membership. */
async function putOut(
  tx: Db,
  member: WhichMember,
  actor: Actor,
  now: Date,
): Promise<readonly Target[]> {
  const { organizationId, userId } = member
  if (await isLastOwner(tx, member)) throw new AppError('last_owner', { reason: 'last_owner' })
  await sql`
    update identities i set granted = null, grant_version = i.grant_version + 1, refresh_intent = null, check_at = null,
      lease = null
    from connections c where c.id = i.connection_id and c.organization_id = ${organizationId} and i.user_id = ${userId}`.execute(
    tx,
  )
  await setMemberRemoved(tx, { ...member, reason: 'deactivated' }, now)
  await recordEvent(tx, { action: 'member.deactivated', ...eventOf(member, actor) }, now)
  await endFlows(tx, member, { code: 'not_a_member', reason: 'deactivated' }, now)
  const { targets } = await takeProofs(tx, { ...member, reason: 'deactivated' }, actor, now)
  return [...targets, { kind: 'user', id: userId }]
}

async function letBack(
  tx: Db,
  member: WhichMember,
  actor: Actor,
  now: Date,
): Promise<readonly Target[]> {
  await tx
    .updateTable('memberships')
    .set({ removed_at: null, removed_reason: null })
    .where('organization_id', '=', member.organizationId)
    .where('user_id', '=', member.userId)
    .where('removed_reason', '=', 'deactivated')
    .execute()
  await recordEvent(tx, { action: 'member.reactivated', ...eventOf(member, actor) }, now)
  return [{ kind: 'user', id: member.userId }]
}

function eventOf({ organizationId, userId }: WhichMember, { userId: actorId, requestId }: Actor) {
  return { organizationId, target: userId, actorId, requestId }
}
