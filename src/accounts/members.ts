import { sql, type RawBuilder } from 'kysely'
import type { Db } from '../db/open.ts'
import { isId } from '../lib/ids.ts'
import type { Role } from './organizations.ts'

/** Whether the provider vouches for a member: not yet, yes, not lately, not any more. */
export const linkStates = ['linked', 'unlinked', 'suspect', 'revoked'] as const

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

/** A member as their organization's administrators see them. */
export interface Member {
  readonly userId: string
  readonly name: string
  readonly role: Role
  /** Who says what role it is. */
  readonly roleFrom: 'application' | 'provider'
  readonly linkState: LinkState
  readonly linkReason: string | null
  readonly linkSince: Date
  /** What the organization's own provider calls them; never an address that they keep to themselves. */
  readonly email: string | null
  /** When they last proved to the organization who they are, or its provider last vouched for them; null: nobody knows. */
  readonly lastSeenAt: Date | null
  readonly suspended: boolean
}

/** An organization that somebody belongs to, whether or not they have proven anything to it lately. */
export interface BelongsTo {
  readonly id: string
  readonly slug: string
  readonly name: string
  readonly role: Role
}

/** Everything that somebody belongs to, by name. */
export async function listBelongings(db: Db, userId: string): Promise<readonly BelongsTo[]> {
  const { rows } = await sql<BelongsTo>`
    select o.id, o.slug, o.name, m.role from memberships m
    join organizations o on o.id = m.organization_id and o.deleted_at is null
    where m.user_id = ${userId} and m.removed_at is null order by o.name, o.id`.execute(db)
  return rows
}

/** Which members are asked for. */
export interface MemberQuery {
  /** @default of whatever state */
  readonly state?: LinkState | undefined
  /** Part of the name. @default whatever name */
  readonly search?: string | undefined
  /** The id of the last member of the page before. @default from the beginning */
  readonly after?: string | undefined
  /** @default 50 */
  readonly limit?: number
}

/** Members by name, a page at a time. One more than `limit` is never answered; `next` says whether there are more. */
export async function listMembers(
  db: Db,
  organizationId: string,
  { state, search, after, limit = 50 }: MemberQuery = {},
): Promise<{ readonly members: readonly Member[]; readonly next: string | null }> {
  const pattern = `%${(search ?? '').replaceAll(/[\\%_]/g, String.raw`\$&`)}%`
  const where = [
    state ? sql`and m.link_state = ${state}` : sql``,
    search ? sql`and u.name ilike ${pattern}` : sql``,
    // Whoever is no member of this organization is not a place to begin at, whoever they are.
    after
      ? sql`and (u.name, u.id) > (select b.name, b.id from users b join memberships bm on bm.user_id = b.id
          where b.id = ${after} and bm.organization_id = ${organizationId})`
      : sql``,
  ]
  const page = sql`${sql.join(where, sql` `)} order by u.name, u.id limit ${limit + 1}`
  const { rows } = await memberRows(organizationId, page).execute(db)
  const members = rows.slice(0, limit)
  return { members, next: rows.length > limit ? members.at(-1)!.userId : null }
}

/** One member; undefined for anybody else, whether or not there is such a person. */
export async function findMember(
  db: Db,
  { organizationId, userId }: { readonly organizationId: string; readonly userId: string },
): Promise<Member | undefined> {
  if (!isId(userId)) return undefined
  const { rows } = await memberRows(organizationId, sql`and u.id = ${userId}`).execute(db)
  return rows[0]
}

/** @param page which of the members; what is only shown of them is looked up for those alone */
function memberRows(organizationId: string, page: RawBuilder<unknown>): RawBuilder<Member> {
  return sql<Member>`
    with page as materialized (
      select u.id, u.name, u.suspended_at, m.organization_id, m.role, m.role_from, m.link_state, m.link_reason, m.link_since
      from memberships m join users u on u.id = m.user_id and u.deleted_at is null
      where m.organization_id = ${organizationId} and m.removed_at is null ${page}
    )
    select p.id as "userId", p.name, p.role, p.role_from as "roleFrom", p.link_state as "linkState",
      p.link_reason as "linkReason", p.link_since as "linkSince", p.suspended_at is not null as suspended,
      own.email, greatest(own.at, (
        select max(g.proved_at) from sessions s join session_proofs g on g.session_id = s.id
        where s.user_id = p.id and g.organization_id = p.organization_id)) as "lastSeenAt"
    from page p
    left join lateral (
      select i.claims->>'email' as email, i.last_verified_at as at from identities i
      join connections c on c.id = i.connection_id and c.organization_id = p.organization_id
      where i.user_id = p.id order by i.last_verified_at desc limit 1) own on true
    order by p.name, p.id`
}

/** Whether a person ever belonged to an organization, or a connection is one of its own. Whatever is not asked about is. */
export async function isOfOrganization(
  db: Db,
  {
    organizationId,
    userId,
    connectionId,
  }: {
    readonly organizationId: string
    readonly userId?: string | undefined
    readonly connectionId?: string | undefined
  },
): Promise<boolean> {
  const { rows } = await sql<{ ok: boolean }>`
    select (${userId ?? null}::uuid is null or exists (
        select from memberships where organization_id = ${organizationId} and user_id = ${userId ?? null}))
      and (${connectionId ?? null}::uuid is null or exists (
        select from connections where organization_id = ${organizationId} and id = ${connectionId ?? null})) as ok`.execute(
    db,
  )
  return rows[0]!.ok
}

/** Why somebody's membership was left as it is. */
export type MembershipRefused =
  | 'not_a_member'
  /** Nobody changes somebody who is more than they are themselves, or makes somebody that. */
  | 'role_too_high'
  /** Every organization has an owner who can sign in. */
  | 'last_owner'

/** Whose membership is to be changed, and by whom. */
export interface MembershipChange {
  readonly organizationId: string
  readonly userId: string
  /** Null: they are to be a member no more. */
  readonly role: Role | null
  readonly actorId: string
}

const ranks: readonly Role[] = ['member', 'admin', 'owner']

/** Whether somebody in one role may make or unmake another. */
export function outranks(actor: Role, other: Role): boolean {
  return ranks.indexOf(actor) >= ranks.indexOf(other)
}

/**
 * Whether a membership may be changed like that, as things stand until the transaction ends: whoever changes another of
 * the same organization waits. Whoever leaves is asked for nothing but another owner.
 */
export async function refuseMembershipChange(
  tx: Db,
  { organizationId, userId, role, actorId }: MembershipChange,
): Promise<MembershipRefused | null> {
  await holdMemberships(tx, organizationId)
  const { rows } = await sql<{ userId: string; role: Role; counts: boolean }>`
    select m.user_id as "userId", m.role, m.role = 'owner' and m.link_state <> 'revoked'
      and u.suspended_at is null and u.deleted_at is null as counts
    from memberships m join users u on u.id = m.user_id
    where m.organization_id = ${organizationId} and m.removed_at is null
      and (m.role = 'owner' or m.user_id in (${userId}, ${actorId}))`.execute(tx)
  const target = rows.find((one) => one.userId === userId)
  const actor = rows.find((one) => one.userId === actorId)
  if (!target || !actor) return 'not_a_member'
  const leaves = userId === actorId && role === null
  const high = [target.role, role ?? 'member'].some((one) => !outranks(actor.role, one))
  if (!leaves && (actor.role === 'member' || high)) return 'role_too_high'
  const unmakes = target.role === 'owner' && role !== 'owner'
  const others = rows.filter((one) => one.counts && one.userId !== userId)
  return unmakes && others.length === 0 ? 'last_owner' : null
}

/** Whoever changes who an organization's members are waits here until the transaction is over. */
async function holdMemberships(tx: Db, organizationId: string): Promise<void> {
  await sql`select from organizations where id = ${organizationId} for no key update`.execute(tx)
}

/** Whether an organization would have no owner who can sign in without this member, until the transaction ends. */
export async function isLastOwner(
  tx: Db,
  { organizationId, userId }: { readonly organizationId: string; readonly userId: string },
): Promise<boolean> {
  await holdMemberships(tx, organizationId)
  const { rows } = await sql<{ last: boolean }>`
    select bool_or(m.user_id = ${userId}) and not bool_or(m.user_id <> ${userId} and m.link_state <> 'revoked'
      and u.suspended_at is null and u.deleted_at is null) as last
    from memberships m join users u on u.id = m.user_id
    where m.organization_id = ${organizationId} and m.removed_at is null and m.role = 'owner'`.execute(
    tx,
  )
  return rows[0]!.last === true
}
