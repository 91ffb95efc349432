import { sql } from 'kysely'
import type { Db } from '../db/open.ts'
import type { Role } from './organizations.ts'

/** A member who cannot sign in through any of their organization's active connections yet. */
export interface LockedOut {
  readonly id: string
  readonly name: string
  readonly role: Role
}

/** Who would not get in if only the organization's own sign-in counted. */
export interface LockedOutPage {
  /** How many members there are at all, and how many of them would be out. */
  readonly members: number
  readonly count: number
  /** How many of those own the organization. */
  readonly owners: number
  /** By name; at most {@link lockedOutListed}. */
  readonly people: readonly LockedOut[]
  /** Where the next page begins; null: this is the last. */
  readonly next: string | null
}

/** How many people one page lists. */
export const lockedOutListed = 50

/** What is assumed, and where the page begins. */
export interface LockedOutOptions {
  /** As if this connection were switched off. @default all that are active count */
  readonly without?: string
  /** The id of the person after whom to go on. @default from the beginning */
  readonly after?: string | null
}

/**
 * Members without an identity at an active connection of their organization: they have to link their sign-in before it
 * lets them in. Those who are suspended or gone are nobody to lock out.
 */
export async function lockedOut(
  db: Db,
  organizationId: string,
  { without, after = null }: LockedOutOptions = {},
): Promise<LockedOutPage> {
  const linked = sql`exists (
    select from identities i join connections c on c.id = i.connection_id
    where i.user_id = u.id and c.organization_id = m.organization_id and c.state = 'active' and c.deleted_at is null
      and c.id is distinct from ${without ?? null}::uuid)`
  const members = sql`
    from memberships m
    join users u on u.id = m.user_id and u.deleted_at is null and u.suspended_at is null
    where m.organization_id = ${organizationId} and m.removed_at is null`
  const { rows: counts } = await sql<Pick<LockedOutPage, 'members' | 'count' | 'owners'>>`
    select count(*)::int as members, count(*) filter (where not ${linked})::int as count,
      count(*) filter (where m.role = 'owner' and not ${linked})::int as owners ${members}`.execute(
    db,
  )
  const { rows: people } = await sql<LockedOut>`
    select u.id, u.name, m.role ${members} and not ${linked}
      and (${after}::uuid is null or (u.name, u.id) > (select a.name, a.id from users a where a.id = ${after}))
    order by u.name, u.id limit ${lockedOutListed + 1}`.execute(db)
  const listed = people.slice(0, lockedOutListed)
  const next = people.length > listed.length ? listed.at(-1)!.id : null
  return { ...counts[0]!, people: listed, next }
}
