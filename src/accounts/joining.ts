import { domainToASCII } from 'node:url'
import { sql } from 'kysely'
import { AppError } from '../lib/errors.ts'
import { isId, newId } from '../lib/ids.ts'
import type { Claims, ProofData } from '../providers/proof.ts'
import { onlyRow, type Db } from '../db/open.ts'
import { recordEvent } from './audit.ts'
import { provisionings, type Connection, type Provisioning } from './connections.ts'
import { previewRoles, readRolePolicy, type GivenRole, type PolicyActor } from './roles.ts'
import { findProvisioned } from './scim-people.ts'
import { foldEmail } from './users.ts'

/** What a connection's policy comes to for one person: nobody joins; whoever fills in a form; everybody. */
export type LetsIn = 'nobody' | 'register' | 'everybody'

/**
 * Whom a connection lets in of whom its provider says this, and who has neither an account here nor an invitation. Where
 * its directory has an entry of them, that decides.
 * @param userId who is joining, where that is known already
 */
export async function letsIn(
  db: Db,
  { id, organization, provisioning }: Pick<Connection, 'id' | 'organization' | 'provisioning'>,
  { subject, claims }: Pick<ProofData, 'subject' | 'claims'>,
  userId?: string,
): Promise<LetsIn> {
  const provisioned = await findProvisioned(db, { connectionId: id, subject, claims })
  if (provisioned) {
    const own = provisioned.userId === null || provisioned.userId === userId
    return provisioned.active && own ? 'everybody' : 'nobody'
  }
  if (provisioning === 'register' || provisioning === 'everybody') return provisioning
  if (provisioning !== 'domain' || !claims.email || claims.emailVerified !== true) return 'nobody'
  const [local, host, ...more] = claims.email.split('@')
  const domain = host && domainToASCII(host)
  if (!local || !domain || more.length > 0) return 'nobody'
  const { rows } = await sql<{ joins: boolean }>`
    select exists (
      select from domains where organization_id = ${organization.id} and domain = ${domain}
        and verified_at is not null and missing_since is null and (connection_id is null or connection_id = ${id})
    ) and not exists (
      select from user_emails e where e.folded = ${foldEmail(claims.email)}
        and e.user_id is distinct from ${userId ?? null}::uuid
        and (e.verified_at is not null or exists (
          select from memberships m where m.user_id = e.user_id and m.organization_id = ${organization.id}))
    ) as joins`.execute(db)
  return rows[0]!.joins ? 'everybody' : 'nobody'
}

/** Whether somebody is a member, was one and has been removed, or never was. */
export async function standingOf(
  db: Db,
  { organizationId, userId }: { readonly organizationId: string; readonly userId: string },
): Promise<'member' | 'removed' | 'stranger'> {
  const row = onlyRow(
    await db
      .selectFrom('memberships')
      .select('removed_at')
      .where('organization_id', '=', organizationId)
      .where('user_id', '=', userId)
      .execute(),
  )
  return !row ? 'stranger' : row.removed_at ? 'removed' : 'member'
}

/** Through which connection of which organization. */
interface Joined {
  readonly id: string
  readonly organization: { readonly id: string }
}

/** Makes somebody new a member, in the role that the connection's rules give, or else the organization's default. */
export async function joinThrough(
  tx: Db,
  { id, organization }: Joined,
  { userId, claims }: { readonly userId: string; readonly claims: Claims },
  now: Date,
): Promise<void> {
  const { rules, defaultRole } = await readRolePolicy(tx, id)
  await tx
    .insertInto('memberships')
    .values({
      id: newId(),
      organization_id: organization.id,
      user_id: userId,
      role: previewRoles(rules, claims).role ?? defaultRole,
      role_from: rules.length > 0 ? 'provider' : 'application',
      link_since: now,
    })
    .onConflict((conflict) => conflict.columns(['organization_id', 'user_id']).doNothing())
    .execute()
}

/**
 * Gives a member whose role is the provider's to say the role that it says now. Answers the new one, or undefined where
 * nothing changed. A connection without rules says nothing, and nobody stops being an owner this way.
 */
export async function followRole(
  tx: Db,
  { id, organization }: Joined,
  { userId, claims }: { readonly userId: string; readonly claims: Claims },
): Promise<GivenRole | undefined> {
  const { rules, defaultRole } = await readRolePolicy(tx, id)
  if (rules.length === 0) return undefined
  const role = previewRoles(rules, claims).role ?? defaultRole
  const { numUpdatedRows } = await tx
    .updateTable('memberships')
    .set({ role })
    .where('organization_id', '=', organization.id)
    .where('user_id', '=', userId)
    .where('removed_at', 'is', null)
    .where('role_from', '=', 'provider')
    .where('role', 'not in', ['owner', role])
    .executeTakeFirst()
  return numUpdatedRows === 1n ? role : undefined
}

/**
 * Sets who may join through one of an organization's connections. Answers whether there is such a connection.
 * @throws AppError `config_rejected` for a policy that nobody knows
 */
export async function saveProvisioning(
  tx: Db,
  { organizationId, actorId, requestId }: PolicyActor,
  { connectionId, provisioning }: { readonly connectionId: string; readonly provisioning: string },
  now: Date,
): Promise<boolean> {
  if (!provisionings.includes(provisioning as Provisioning)) {
    const problems = ['Who may join: Choose one of the five.']
    throw new AppError('config_rejected', { reason: 'provisioning', members: { problems } })
  }
  if (!isId(connectionId)) return false
  const { numUpdatedRows } = await tx
    .updateTable('connections')
    .set({ provisioning })
    .where('id', '=', connectionId)
    .where('organization_id', '=', organizationId)
    .where('deleted_at', 'is', null)
    .executeTakeFirst()
  if (numUpdatedRows !== 1n) return false
  const event = { organizationId, actorId, target: connectionId, requestId }
  const data = { setting: 'provisioning', to: provisioning }
  await recordEvent(tx, { action: 'connection.joining_changed', ...event, data }, now)
  return true
}
