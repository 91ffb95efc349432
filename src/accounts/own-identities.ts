import { sql } from 'kysely'
import type { Db } from '../db/open.ts'
import { AppError } from '../lib/errors.ts'
import { isId } from '../lib/ids.ts'
import type { Claims } from '../providers/proof.ts'
import { recordEvent } from './audit.ts'
import type { ConnectionState } from './connections.ts'
import type { Organization } from './organizations.ts'
import { hasOtherWayIn, holdPerson } from './ways-in.ts'

/** One of a person's sign-ins at organizations, as they see it. */
export interface OwnIdentity {
  readonly id: string
  readonly connection: {
    readonly id: string
    readonly name: string
    readonly state: ConnectionState
  }
  readonly organization: Organization
  readonly claims: Claims
  readonly linkedAt: Date
  readonly lastUsedAt: Date
}

/** A connection that a member could link. */
export interface Linkable {
  readonly id: string
  readonly name: string
  readonly organization: Organization
}

/** A person's sign-ins at organizations, the oldest first. */
export async function listOwnIdentities(db: Db, userId: string): Promise<readonly OwnIdentity[]> {
  const rows = await identityRows(db, userId).orderBy('identities.linked_at').execute()
  return rows.map(toOwn)
}

/** One of a person's sign-ins; anybody else's does not exist. */
export async function findOwnIdentity(
  db: Db,
  userId: string,
  id: string,
): Promise<OwnIdentity | undefined> {
  if (!isId(id)) return undefined
  const row = await identityRows(db, userId).where('identities.id', '=', id).executeTakeFirst()
  return row && toOwn(row)
}

/** The connections of a person's organizations at which they have no sign-in yet. */
export async function listLinkable(db: Db, userId: string): Promise<readonly Linkable[]> {
  const rows = await db
    .selectFrom('connections')
    .innerJoin('organizations', 'organizations.id', 'connections.organization_id')
    .innerJoin('memberships', 'memberships.organization_id', 'organizations.id')
    .select([
      'connections.id',
      'connections.name',
      'organizations.id as organization_id',
      'organizations.slug',
      'organizations.name as organization_name',
    ])
    .where('memberships.user_id', '=', userId)
    .where('memberships.removed_at', 'is', null)
    .where('organizations.deleted_at', 'is', null)
    .where('connections.deleted_at', 'is', null)
    .where('connections.state', '=', 'active')
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('identities')
            .select('identities.id')
            .whereRef('identities.connection_id', '=', 'connections.id')
            .where('identities.user_id', '=', userId),
        ),
      ),
    )
    .orderBy('organizations.slug')
    .orderBy('connections.created_at')
    .execute()
  return rows.map(({ id, name, organization_id, slug, organization_name }) => ({
    id,
    name,
    organization: { id: organization_id, slug, name: organization_name },
  }))
}

/** Who unlinks what. */
export interface Unlinking {
  readonly userId: string
  readonly id: string
  /** Whether people may sign in without an organization. */
  readonly personally: boolean
  readonly requestId?: string | undefined
}

/**
 * Holds one of a person's sign-ins that may go, for whoever ends what rests on it and then calls {@link unlinkIdentity}.
 * @throws AppError `last_credential` where there is no other way in; `forbidden` where the organization lets members in
 * through its connections only, and this is the person's last one there
 */
export async function holdUnlinkable(
  tx: Db,
  { userId, id, personally }: Unlinking,
): Promise<OwnIdentity | undefined> {
  await holdPerson(tx, userId)
  const identity = await findOwnIdentity(tx, userId, id)
  if (!identity) return undefined
  if (!(await hasOtherWayIn(tx, userId, { identityId: id, personally })))
    throw new AppError('last_credential', { reason: 'last_identity' })
  if (await isRequired(tx, userId, identity))
    throw new AppError('forbidden', { reason: 'required_by_organization' })
  return identity
}

/** Takes an identity off its account. Whoever signs in with it afterwards is somebody new. */
export async function unlinkIdentity(
  tx: Db,
  { userId, requestId }: Unlinking,
  { id, connection, organization }: OwnIdentity,
  now: Date,
): Promise<void> {
  await tx.deleteFrom('identities').where('id', '=', id).where('user_id', '=', userId).execute()
  await sql`
    update memberships m set link_state = 'unlinked', link_reason = null, link_since = ${now}
    where m.organization_id = ${organization.id} and m.user_id = ${userId} and m.removed_at is null
      and m.link_state <> 'unlinked' and not exists (
        select from identities i join connections c on c.id = i.connection_id
        where i.user_id = m.user_id and c.organization_id = m.organization_id)`.execute(tx)
  const event = { organizationId: organization.id, actorId: userId, target: id, requestId }
  const data = { connection: connection.id }
  await recordEvent(tx, { action: 'identity.unlinked', ...event, data }, now)
}

/** Whether a member would be left without what their organization demands of everybody. */
async function isRequired(
  tx: Db,
  userId: string,
  { id, organization }: OwnIdentity,
): Promise<boolean> {
  const { rows } = await sql`
    select from organizations o
    join memberships m on m.organization_id = o.id and m.user_id = ${userId} and m.removed_at is null
    where o.id = ${organization.id} and o.sso_required_since is not null and not exists (
      select from identities i join connections c on c.id = i.connection_id and c.state = 'active'
      where i.user_id = ${userId} and i.id <> ${id} and c.organization_id = o.id)`.execute(tx)
  return rows.length > 0
}

function identityRows(db: Db, userId: string) {
  return db
    .selectFrom('identities')
    .innerJoin('connections', 'connections.id', 'identities.connection_id')
    .innerJoin('organizations', 'organizations.id', 'connections.organization_id')
    .select([
      'identities.id',
      'identities.claims',
      'identities.linked_at',
      'identities.signed_in_at',
      'connections.id as connection_id',
      'connections.name as connection_name',
      'connections.state',
      'organizations.id as organization_id',
      'organizations.slug',
      'organizations.name',
    ])
    .where('identities.user_id', '=', userId)
}

type Row = Awaited<ReturnType<ReturnType<typeof identityRows>['execute']>>[number]

function toOwn(row: Row): OwnIdentity {
  return {
    id: row.id,
    connection: {
      id: row.connection_id,
      name: row.connection_name,
      state: row.state as ConnectionState,
    },
    organization: { id: row.organization_id, slug: row.slug, name: row.name },
    claims: row.claims as Claims,
    linkedAt: row.linked_at,
    lastUsedAt: row.signed_in_at,
  }
}
