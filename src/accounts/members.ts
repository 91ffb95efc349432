import { sql } from 'kysely'
import type { Db } from '../db/open.ts'

/** Whether the provider vouches for a member: not yet, yes, not lately, not any more. */
export const linkStates = ['unlinked', 'linked', 'suspect', 'revoked'] as const

export type LinkState = (typeof linkStates)[number]

/** How many members an organization has in each state, and how many of them own it. */
export interface MemberCounts extends Readonly<Record<LinkState, number>> {
  readonly all: number
  readonly owners: number
}

/** Counts an organization's members. */
export async function countMembers(db: Db, organizationId: string): Promise<MemberCounts> {
  const { rows } = await sql<MemberCounts>`
    select count(*)::int as "all", count(*) filter (where m.role = 'owner')::int as owners,
      count(*) filter (where m.link_state = 'unlinked')::int as unlinked,
      count(*) filter (where m.link_state = 'linked')::int as linked,
      count(*) filter (where m.link_state = 'suspect')::int as suspect,
      count(*) filter (where m.link_state = 'revoked')::int as revoked
    from memberships m join users u on u.id = m.user_id and u.deleted_at is null
    where m.organization_id = ${organizationId} and m.removed_at is null`.execute(db)
  return rows[0]!
}
