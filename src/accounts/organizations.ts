import { AppError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import { isDuplicate, prepared, type Db } from '../db/open.ts'
import { recordEvent } from './audit.ts'

export type Role = 'owner' | 'admin' | 'member'

export interface Organization {
  readonly id: string
  /** A label for addresses; it may change and is never a key. */
  readonly slug: string
  readonly name: string
}

/** What an organization asks of sessions that prove something to it, in minutes; null: what the server allows. */
export interface SessionLimits {
  readonly idleMinutes: number | null
  readonly absoluteMinutes: number | null
  readonly keepSignedIn: boolean
  /** After how long a kept session asks for a new sign-in before it changes anything. */
  readonly reauthMinutes: number | null
}

const slugShape = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/** Addresses of ours below `/login` and `/organizations`, where an organization's would be. */
const reserved = ['mail', 'passkey', 'find', 'forget', 'new']

/**
 * Makes an organization.
 * @throws AppError `config_rejected` when the slug is taken, reserved or has the wrong shape
 */
export async function createOrganization(
  db: Db,
  {
    slug,
    name,
    by,
  }: { slug: string; name: string; by?: { readonly userId: string; readonly requestId: string } },
  now: Date,
): Promise<Organization> {
  if (!slugShape.test(slug))
    throw rejected(`"${slug}" is no slug: use a-z, 0-9 and dashes, at most 63.`)
  if (reserved.includes(slug))
    throw rejected(`"${slug}" is an address of our own. Use another slug.`)
  const organization = { id: newId(), slug, name }
  try {
    await db
      .insertInto('organizations')
      .values({ ...organization, created_at: now })
      .execute()
  } catch (error) {
    if (isDuplicate(error)) throw rejected(`There is already an organization "${slug}".`)
    throw error
  }
  await recordEvent(
    db,
    {
      action: 'organization.created',
      organizationId: organization.id,
      target: organization.id,
      actorId: by?.userId,
      requestId: by?.requestId,
    },
    now,
  )
  return organization
}

/** The organization with that slug, or undefined. */
export async function findOrganization(db: Db, slug: string): Promise<Organization | undefined> {
  if (!slugShape.test(slug)) return undefined
  return db
    .selectFrom('organizations')
    .select(['id', 'slug', 'name'])
    .where('slug', '=', slug)
    .where('deleted_at', 'is', null)
    .executeTakeFirst()
}

/** The organization with that id, or undefined. */
export async function findOrganizationById(db: Db, id: string): Promise<Organization | undefined> {
  return db
    .selectFrom('organizations')
    .select(['id', 'slug', 'name'])
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .executeTakeFirst()
}

/** The only organization there is; undefined when there are several, or none. */
export async function findOnlyOrganization(db: Db): Promise<Organization | undefined> {
  const found = await db
    .selectFrom('organizations')
    .select(['id', 'slug', 'name'])
    .where('deleted_at', 'is', null)
    .limit(2)
    .execute()
  return found.length === 1 ? found[0] : undefined
}

/** What an organization asks of sessions. */
export async function readSessionLimits(db: Db, id: string): Promise<SessionLimits | undefined> {
  return db
    .selectFrom('organizations')
    .select([
      'idle_minutes as idleMinutes',
      'absolute_minutes as absoluteMinutes',
      'keep_signed_in as keepSignedIn',
      'reauth_minutes as reauthMinutes',
    ])
    .where('id', '=', id)
    .executeTakeFirst()
}

/** Sets what an organization asks of sessions. It may only lower what the server allows; a longer time has no effect. */
export async function setSessionLimits(db: Db, id: string, limits: SessionLimits): Promise<void> {
  await db
    .updateTable('organizations')
    .set({
      idle_minutes: limits.idleMinutes,
      absolute_minutes: limits.absoluteMinutes,
      keep_signed_in: limits.keepSignedIn,
      reauth_minutes: limits.reauthMinutes,
    })
    .where('id', '=', id)
    .execute()
}

/** What a new member becomes, where nothing else says. */
export async function readDefaultRole(db: Db, id: string): Promise<Role> {
  const row = await db
    .selectFrom('organizations')
    .select('default_role')
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  return row.default_role as Role
}

/** Sets what a new member becomes, where nothing else says. */
export async function setDefaultRole(
  db: Db,
  id: string,
  role: Exclude<Role, 'owner'>,
): Promise<void> {
  await db.updateTable('organizations').set({ default_role: role }).where('id', '=', id).execute()
}

/** Gives an organization another name; what it is called in addresses stays. */
export async function renameOrganization(db: Db, id: string, name: string): Promise<void> {
  await db.updateTable('organizations').set({ name }).where('id', '=', id).execute()
}

const longestName = 64
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u

/**
 * The name that somebody chose for an organization, tidied; undefined where it is none. It is mailed to strangers, so it
 * can hold no address of a page.
 */
export function organizationName(text: string): string | undefined {
  const name = text.normalize('NFC').trim()
  const fits = name.length > 0 && name.length <= longestName
  return fits && !unprintable.test(name) && !/[:/@]/.test(name) ? name : undefined
}

/** Gives a member another role. Answers whether there was such a member. */
export async function setRole(
  db: Db,
  { organizationId, userId, role }: { organizationId: string; userId: string; role: Role },
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('memberships')
    .set({ role, role_from: 'application' })
    .where('organization_id', '=', organizationId)
    .where('user_id', '=', userId)
    .where('removed_at', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

/** Marks that somebody is no member any more, and why; signing in does not bring them back. */
export async function setMemberRemoved(
  db: Db,
  {
    organizationId,
    userId,
    reason = 'removed',
  }: { organizationId: string; userId: string; reason?: 'removed' | 'left' | 'deactivated' },
  now: Date,
): Promise<void> {
  await db
    .updateTable('memberships')
    .set({ removed_at: now, removed_reason: reason })
    .where('organization_id', '=', organizationId)
    .where('user_id', '=', userId)
    .where('removed_at', 'is', null)
    .execute()
}

/** Makes somebody a member. Does nothing when they are one already; whoever was removed stays removed. */
export async function addMember(
  db: Db,
  { organizationId, userId, role }: { organizationId: string; userId: string; role: Role },
  now: Date,
): Promise<void> {
  await db
    .insertInto('memberships')
    .values({
      id: newId(),
      organization_id: organizationId,
      user_id: userId,
      role,
      link_since: now,
    })
    .onConflict((conflict) => conflict.columns(['organization_id', 'user_id']).doNothing())
    .execute()
}

/** Holds a membership until the commit; answers whether there is one that counts. */
export async function holdMember(
  tx: Db,
  { organizationId, userId }: { readonly organizationId: string; readonly userId: string },
): Promise<boolean> {
  const rows = await tx
    .selectFrom('memberships')
    .select('id')
    .where('organization_id', '=', organizationId)
    .where('user_id', '=', userId)
    .where('removed_at', 'is', null)
    .forShare()
    .modifyEnd(prepared('hold_member'))
    .execute()
  return rows.length > 0
}

/** Marks that a member's sign-in at the organization's provider is linked and good. */
export async function markLinked(
  db: Db,
  { organizationId, userId }: { organizationId: string; userId: string },
  now: Date,
): Promise<void> {
  await db
    .updateTable('memberships')
    .set({ link_state: 'linked', link_reason: null, link_since: now })
    .where('organization_id', '=', organizationId)
    .where('user_id', '=', userId)
    .where('removed_at', 'is', null)
    .where('link_state', '<>', 'linked')
    .modifyEnd(prepared('mark_linked'))
    .execute()
}

function rejected(problem: string): AppError {
  return new AppError('config_rejected', { reason: problem, members: { problems: [problem] } })
}
