import { sql } from 'kysely'
import { days, later } from '../lib/clock.ts'
import { isMailbox } from '../lib/email-address.ts'
import { AppError } from '../lib/errors.ts'
import { isId, newId } from '../lib/ids.ts'
import { hashToken, isToken, randomToken } from '../lib/secrets.ts'
import type { Db } from '../db/open.ts'
import { recordEvent } from './audit.ts'
import type { Organization, Role } from './organizations.ts'
import { isDeactivated } from './scim-people.ts'
import { foldEmail } from './users.ts'

/** How long an invitation can be accepted, in milliseconds. */
export const invitationLasts: number = days(7)

/** Whom somebody invites to what. */
export interface NewInvitation {
  readonly organizationId: string
  readonly address: string
  readonly role: Role
  /** Null: an operator. */
  readonly invitedBy: string | null
  readonly requestId?: string | undefined
}

/** Why nobody was invited. */
export type InvitationRefused =
  | 'no_address'
  | 'already_member'
  | 'already_invited'
  /** Nobody lets somebody else become what they are not themselves. */
  | 'role_too_high'

/** The one time that the token is there to be mailed. */
export interface InvitationMade {
  readonly id: string
  readonly token: string
  readonly expiresAt: Date
}

/** An invitation that can still be accepted. */
export interface Invitation {
  readonly id: string
  readonly organization: Organization
  readonly address: string
  readonly role: Role
  /** Who invites; null: an operator, or somebody who is gone. */
  readonly invitedBy: string | null
  /** What that person is called. */
  readonly inviter: string | null
  readonly expiresAt: Date
}

/** Who may let somebody become what. */
const mayGive: Readonly<Record<Role, readonly Role[]>> = {
  owner: ['owner', 'admin', 'member'],
  admin: ['admin', 'member'],
  member: [],
}

/**
 * Invites an address to an organization. The mail with the token is the caller's to send, in the same transaction.
 * Where an earlier invitation of the address has run out, this one takes its place.
 */
export async function createInvitation(
  tx: Db,
  { organizationId, address, role, invitedBy, requestId }: NewInvitation,
  now: Date,
): Promise<InvitationMade | { readonly refused: InvitationRefused }> {
  if (!isMailbox(address)) return { refused: 'no_address' }
  if (!(await mayInvite(tx, { organizationId, role, invitedBy })))
    return { refused: 'role_too_high' }
  const folded = foldEmail(address)
  if (await isMemberWith(tx, organizationId, folded)) return { refused: 'already_member' }
  await tx
    .updateTable('invitations')
    .set({ withdrawn_at: now })
    .where('organization_id', '=', organizationId)
    .where('folded', '=', folded)
    .where('accepted_at', 'is', null)
    .where('withdrawn_at', 'is', null)
    .where('expires_at', '<=', now)
    .execute()
  const id = newId()
  const token = randomToken()
  const expiresAt = later(now, invitationLasts)
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('invitations')
    .values({
      id,
      organization_id: organizationId,
      address,
      folded,
      role,
      token_hash: hashToken(token),
      invited_by: invitedBy,
      expires_at: expiresAt,
      created_at: now,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst()
  if (numInsertedOrUpdatedRows !== 1n) return { refused: 'already_invited' }
  const event = { organizationId, actorId: invitedBy ?? undefined, target: id, requestId }
  await recordEvent(tx, { action: 'invitation.created', ...event, data: { role } }, now)
  return { id, token, expiresAt }
}

/** An organization's invitations that can still be accepted, the newest first. */
export async function listInvitations(
  db: Db,
  organizationId: string,
  now: Date,
): Promise<readonly Invitation[]> {
  const rows = await invitationRows(db, now)
    .where('invitations.organization_id', '=', organizationId)
    .orderBy('invitations.created_at', 'desc')
    .execute()
  return rows.map(toInvitation)
}

/** Withdraws one of an organization's invitations. Answers whether there was one; any other's does not exist. */
export async function withdrawInvitation(
  tx: Db,
  {
    organizationId,
    id,
    actorId,
    requestId,
  }: {
    readonly organizationId: string
    readonly id: string
    readonly actorId?: string | undefined
    readonly requestId?: string | undefined
  },
  now: Date,
): Promise<boolean> {
  if (!isId(id)) return false
  const { numUpdatedRows } = await tx
    .updateTable('invitations')
    .set({ withdrawn_at: now })
    .where('id', '=', id)
    .where('organization_id', '=', organizationId)
    .where('accepted_at', 'is', null)
    .where('withdrawn_at', 'is', null)
    .executeTakeFirst()
  if (numUpdatedRows !== 1n) return false
  const event = { organizationId, actorId, target: id, requestId }
  await recordEvent(tx, { action: 'invitation.withdrawn', ...event }, now)
  return true
}

/** The invitation that a mailed link is for; undefined for one that cannot be accepted, whatever the cause. */
export async function findInvitation(
  db: Db,
  token: string | null | undefined,
  now: Date,
): Promise<Invitation | undefined> {
  if (!token || !isToken(token)) return undefined
  const row = await invitationRows(db, now)
    .where('invitations.token_hash', '=', hashToken(token))
    .executeTakeFirst()
  return row && toInvitation(row)
}

/** Who accepts an invitation, and through which organization they came. */
export interface Acceptance {
  readonly id: string
  readonly organizationId: string
  readonly userId: string
  /** Addresses that are the person's: verified here, or vouched for by the organization's own provider just now. */
  readonly addresses: readonly string[]
  readonly requestId?: string | undefined
}

/**
 * Uses an invitation up and makes the person a member, even one who was removed before: somebody of the organization
 * has asked them back. Whoever is a member already stays what they are, and whom a directory has put out stays out.
 * @throws AppError `invitation_invalid`, the same whatever is wrong with it
 */
export async function acceptInvitation(
  tx: Db,
  { id, organizationId, userId, addresses, requestId }: Acceptance,
  now: Date,
): Promise<void> {
  const row = await invitationRows(tx, now)
    .where('invitations.id', '=', id)
    .where('invitations.organization_id', '=', organizationId)
    .forUpdate('invitations')
    .executeTakeFirst()
  if (!row) throw new AppError('invitation_invalid', { reason: 'invitation_over' })
  const invitation = toInvitation(row)
  const folded = foldEmail(invitation.address)
  if (!addresses.some((address) => foldEmail(address) === folded))
    throw new AppError('invitation_invalid', { reason: 'other_address' })
  const { role, invitedBy } = invitation
  // Whoever has lost the right to invite has lost it for what is still open, too.
  if (!(await mayInvite(tx, { organizationId, role, invitedBy })))
    throw new AppError('invitation_invalid', { reason: 'inviter_gone' })
  if (await isDeactivated(tx, { organizationId, userId }))
    throw new AppError('invitation_invalid', { reason: 'deactivated' })
  await tx
    .updateTable('invitations')
    .set({ accepted_at: now, accepted_by: userId })
    .where('id', '=', id)
    .execute()
  await tx
    .insertInto('memberships')
    .values({
      id: newId(),
      organization_id: organizationId,
      user_id: userId,
      role,
      link_since: now,
    })
    .onConflict((conflict) =>
      conflict
        .columns(['organization_id', 'user_id'])
        .doUpdateSet({
          role,
          role_from: 'application',
          removed_at: null,
          removed_reason: null,
          link_state: 'unlinked',
          link_reason: null,
          link_since: now,
        })
        .where('memberships.removed_at', 'is not', null),
    )
    .execute()
  const event = { organizationId, actorId: userId, target: id, requestId }
  await recordEvent(tx, { action: 'invitation.accepted', ...event, data: { role } }, now)
}

function invitationRows(db: Db, now: Date) {
  return db
    .selectFrom('invitations')
    .innerJoin('organizations', 'organizations.id', 'invitations.organization_id')
    .leftJoin('users', 'users.id', 'invitations.invited_by')
    .select([
      'users.name as inviter',
      'invitations.id',
      'invitations.address',
      'invitations.role',
      'invitations.invited_by',
      'invitations.expires_at',
      'organizations.id as organization_id',
      'organizations.slug',
      'organizations.name',
    ])
    .where('organizations.deleted_at', 'is', null)
    .where('invitations.accepted_at', 'is', null)
    .where('invitations.withdrawn_at', 'is', null)
    .where('invitations.expires_at', '>', now)
}

type Row = Awaited<ReturnType<ReturnType<typeof invitationRows>['execute']>>[number]

function toInvitation(row: Row): Invitation {
  return {
    id: row.id,
    organization: { id: row.organization_id, slug: row.slug, name: row.name },
    address: row.address,
    role: row.role as Role,
    invitedBy: row.invited_by,
    inviter: row.inviter,
    expiresAt: row.expires_at,
  }
}

async function mayInvite(
  db: Db,
  { organizationId, role, invitedBy }: Pick<NewInvitation, 'organizationId' | 'role' | 'invitedBy'>,
): Promise<boolean> {
  if (invitedBy === null) return true
  const inviter = await db
    .selectFrom('memberships')
    .innerJoin('users', 'users.id', 'memberships.user_id')
    .select('role')
    .where('organization_id', '=', organizationId)
    .where('user_id', '=', invitedBy)
    .where('removed_at', 'is', null)
    .where('users.suspended_at', 'is', null)
    .where('users.deleted_at', 'is', null)
    .executeTakeFirst()
  return inviter !== undefined && mayGive[inviter.role as Role].includes(role)
}

/** Whether a member has verified that address. One that is merely claimed says nothing. */
async function isMemberWith(db: Db, organizationId: string, folded: string): Promise<boolean> {
  const { rows } = await sql`
    select from user_emails e
    join memberships m on m.user_id = e.user_id and m.removed_at is null
    where m.organization_id = ${organizationId} and e.folded = ${folded} and e.verified_at is not null`.execute(
    db,
  )
  return rows.length > 0
}
