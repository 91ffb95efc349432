import { sql } from 'kysely'
import type { Db } from '../db/open.ts'

/** Whether anybody is linked through a connection, whoever they are and whatever became of them. */
export async function hasLinkedPeople(db: Db, connectionId: string): Promise<boolean> {
  const row = await db
    .selectFrom('identities')
    .select('id')
    .where('connection_id', '=', connectionId)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** How an organization's members stand towards one of its connections. */
export interface LinkedCounts {
  /** Linked here, whether or not elsewhere too. */
  readonly here: number
  /** Linked only through another connection that is in use. */
  readonly elsewhere: number
  /** Linked through none that would be left: they could not sign in through the organization. */
  readonly nowhere: number
}

/** A member who is not linked to a connection. */
export interface NotLinked {
  readonly id: string
  readonly name: string
  readonly role: string
  /** Through which other connection in use they sign in; null: none. */
  readonly through: string | null
}

/** Where an organization's members are linked, seen from one of its connections. */
export async function countLinked(
  db: Db,
  { organizationId, connectionId }: { organizationId: string; connectionId: string },
): Promise<LinkedCounts> {
  const { rows } = await sql<LinkedCounts>`
    select count(*) filter (where here)::int as here,
      count(*) filter (where not here and elsewhere)::int as elsewhere,
      count(*) filter (where not here and not elsewhere)::int as nowhere
    from (${standings(organizationId, connectionId)}) as s`.execute(db)
  return rows[0]!
}

/** How many are listed by name. */
export const listedAtMost = 100

/** Members who are not linked to a connection, those linked nowhere first. */
export async function listNotLinked(
  db: Db,
  { organizationId, connectionId }: { organizationId: string; connectionId: string },
): Promise<readonly NotLinked[]> {
  const { rows } = await sql<NotLinked>`
    select id, name, role, through from (${standings(organizationId, connectionId)}) as s
    where not here order by elsewhere, name, id limit ${listedAtMost}`.execute(db)
  return rows
}

function standings(organizationId: string, connectionId: string) {
  return sql`
    select u.id, u.name, m.role, other.name as through, other.name is not null as elsewhere,
      exists (select from identities i where i.connection_id = ${connectionId} and i.user_id = u.id) as here
    from memberships m
    join users u on u.id = m.user_id and u.deleted_at is null and u.suspended_at is null
    left join lateral (
      select c.name from identities i
      join connections c on c.id = i.connection_id and c.organization_id = m.organization_id
        and c.state = 'active' and c.deleted_at is null and c.id <> ${connectionId}
      where i.user_id = u.id order by c.created_at limit 1
    ) as other on true
    where m.organization_id = ${organizationId} and m.removed_at is null`
}
