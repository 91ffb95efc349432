import { isId, newId } from '../lib/ids.ts'
import type { Sealer } from '../lib/seal.ts'
import type { Db } from '../db/open.ts'
import { recordEvent } from './audit.ts'
import type { Organization } from './organizations.ts'

/**
 * Who may join by signing in when nobody has made them an account: nobody; whoever fills in a form; everybody, and on
 * a form only where this browser knows of somebody else.
 */
export type Provisioning = 'off' | 'register' | 'everybody'
export type ConnectionState = 'draft' | 'tested' | 'active' | 'disabled'

/** An organization's way of signing in, without its secrets. */
export interface Connection {
  readonly id: string
  readonly kind: string
  readonly name: string
  readonly configVersion: number
  readonly state: ConnectionState
  readonly provisioning: Provisioning
  readonly organization: Organization
}

export interface NewConnection {
  readonly organizationId: string
  /** A key of the provider table, such as `oidc`. */
  readonly kind: string
  readonly name: string
  /** The provider's settings, already checked; they are sealed here. */
  readonly settings: unknown
  /** @default 'off' */
  readonly provisioning?: Provisioning
  /** @default 'active' */
  readonly state?: ConnectionState
  /** Chosen by the caller when the redirect URI must be known first. */
  readonly id?: string
}

/** Makes a connection and answers its id. */
export async function createConnection(
  db: Db,
  sealer: Sealer,
  created: NewConnection,
  now: Date,
): Promise<string> {
  const {
    organizationId,
    kind,
    name,
    settings,
    provisioning = 'off',
    state = 'active',
    id = newId(),
  } = created
  await db
    .insertInto('connections')
    .values({
      id,
      organization_id: organizationId,
      kind,
      name,
      settings: sealer.seal(settings, place(id)),
      provisioning,
      state,
      created_at: now,
    })
    .execute()
  await recordEvent(
    db,
    { action: 'connection.created', organizationId, target: id, data: { kind } },
    now,
  )
  return id
}

/**
 * The connection with that id in whatever state it is, or undefined.
 * In a transaction it can be held (`hold`), so that it is not switched off between this look and the commit.
 */
export async function findConnection(
  db: Db,
  id: string,
  { hold = false } = {},
): Promise<Connection | undefined> {
  if (!isId(id)) return undefined
  const query = connectionRows(db).where('connections.id', '=', id)
  const row = await (hold ? query.forShare('connections') : query).executeTakeFirst()
  return row && toConnection(row)
}

/** An organization's connections that people can sign in with, oldest first. */
export async function listActiveConnections(
  db: Db,
  organizationId: string,
): Promise<readonly Connection[]> {
  const rows = await connectionRows(db)
    .where('organizations.id', '=', organizationId)
    .where('connections.state', '=', 'active')
    .orderBy('connections.created_at')
    .execute()
  return rows.map(toConnection)
}

/** All of an organization's connections that are there, in whatever state, oldest first. */
export async function listConnections(
  db: Db,
  organizationId: string,
): Promise<readonly Connection[]> {
  const rows = await connectionRows(db)
    .where('organizations.id', '=', organizationId)
    .orderBy('connections.created_at')
    .orderBy('connections.id')
    .execute()
  return rows.map(toConnection)
}

/** A connection's settings, opened. */
export async function readSettings(db: Db, sealer: Sealer, id: string): Promise<unknown> {
  const { settings } = await db
    .selectFrom('connections')
    .select('settings')
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  return sealer.open(settings, place(id))
}

/** Moves a connection to another state. A sign-in under way through a disabled one ends at its return. */
export async function setConnectionState(
  db: Db,
  id: string,
  state: ConnectionState,
): Promise<void> {
  await db.updateTable('connections').set({ state }).where('id', '=', id).execute()
}

function connectionRows(db: Db) {
  return db
    .selectFrom('connections')
    .innerJoin('organizations', 'organizations.id', 'connections.organization_id')
    .select([
      'connections.id',
      'connections.kind',
      'connections.name',
      'connections.config_version',
      'connections.state',
      'connections.provisioning',
      'organizations.id as organization_id',
      'organizations.slug',
      'organizations.name as organization_name',
    ])
    .where('connections.deleted_at', 'is', null)
    .where('organizations.deleted_at', 'is', null)
}

type Row = Awaited<ReturnType<ReturnType<typeof connectionRows>['execute']>>[number]

function toConnection(row: Row): Connection {
  return {
    id: row.id,
    kind: row.kind,
    name: row.name,
    configVersion: row.config_version,
    state: row.state as ConnectionState,
    provisioning: row.provisioning as Provisioning,
    organization: { id: row.organization_id, slug: row.slug, name: row.organization_name },
  }
}

function place(row: string): { table: string; column: string; row: string } {
  return { table: 'connections', column: 'settings', row }
}
