import { sql } from 'kysely'
import type { Db } from '../db/open.ts'

/** Where mail to an organization's owners goes: one verified address of each. Whoever has none is not told. */
export async function ownersAddresses(db: Db, organizationId: string): Promise<readonly string[]> {
  const { rows } = await sql<{ address: string }>`
    select distinct on (u.id) e.address
    from memberships m
    join users u on u.id = m.user_id and u.deleted_at is null and u.suspended_at is null
    join user_emails e on e.user_id = u.id and e.verified_at is not null
    where m.organization_id = ${organizationId} and m.role = 'owner' and m.removed_at is null
    order by u.id, e.is_primary desc, e.folded`.execute(db)
  return rows.map(({ address }) => address)
}
