import { sql } from 'kysely'
import type { Db } from '../db/open.ts'
import type { Role } from './organizations.ts'

/** Where mail to an organization's owners goes: one verified address of each. Whoever has none is not told. */
export function ownersAddresses(db: Db, organizationId: string): Promise<readonly string[]> {
  return addressesOf(db, organizationId, ['owner'])
}

/** Where mail to an organization's owners and administrators goes; see {@link ownersAddresses}. */
export function administratorsAddresses(
  db: Db,
  organizationId: string,
): Promise<readonly string[]> {
  return addressesOf(db, organizationId, ['owner', 'admin'])
}

async function addressesOf(
  db: Db,
  organizationId: string,
  roles: readonly Role[],
): Promise<readonly string[]> {
  const { rows } = await sql<{ address: string }>`
    select distinct on (u.id) e.address
    from memberships m
    join users u on u.id = m.user_id and u.deleted_at is null and u.suspended_at is null
    join user_emails e on e.user_id = u.id and e.verified_at is not null
    where m.organization_id = ${organizationId} and m.role = any(${[...roles]}::text[]) and m.removed_at is null
    order by u.id, e.is_primary desc, e.folded`.execute(db)
  return rows.map(({ address }) => address)
}
