import { sql } from 'kysely'
import { AppError } from '../lib/errors.ts'
import { isId, newId } from '../lib/ids.ts'
import type { Place, Sealer } from '../lib/seal.ts'
import { prepared, type Db } from '../db/open.ts'
import { recordEvent } from './audit.ts'
import type { Organization } from './organizations.ts'

/**
 * Who may join by signing in when nobody has made them an account: nobody; whoever is invited; whoever has an address in
 * one of the organization's proven domains; whoever fills in a form; everybody, and on a form only where this browser
 * knows of somebody else. An invitation counts under all of them.
 */
export const provisionings = ['off', 'invited', 'domain', 'register', 'everybody'] as const

export type Provisioning = (typeof provisionings)[number]
export type ConnectionState = 'draft' | 'tested' | 'active' | 'disabled'

/** An organization's way of signing in, without its secrets. */
export interface Connection {
  readonly id: string
  readonly kind: string
  readonly name: string
  readonly configVersion: number
  readonly state: ConnectionState
  readonly provisioning: Provisioning
  /** Whether the provider may begin a sign-in (SAML only). */
  readonly idpInitiated: boolean
  /** The row of the presets it was made from; null: none. */
  readonly preset: string | null
  /** The settings that a test sign-in went through with; only those can be switched on. */
  readonly testedVersion: number | null
  /** Whether the provider's own pages may end a browser's session in a frame. */
  readonly frontchannelLogout: boolean
  /** Whether signing out here leads to the provider's page for signing out. */
  readonly signOutThere: boolean
  readonly createdAt: Date
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
  /** @default none */
  readonly preset?: string | undefined
  /** Who makes it. @default an operator */
  readonly createdBy?: string | undefined
  readonly requestId?: string | undefined
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
    preset = null,
    createdBy: actorId,
    requestId,
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
      preset,
      created_at: now,
    })
    .execute()
  await keepVersion(
    db,
    sealer,
    { connectionId: id, settings, savedBy: actorId ?? null, at: now },
    1,
  )
  const event = { organizationId, target: id, actorId, data: { kind }, requestId }
  await recordEvent(db, { action: 'connection.created', ...event }, now)
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
  const row = await (
    hold
      ? query.forShare('connections').modifyEnd(prepared('hold_connection'))
      : query.modifyEnd(prepared('find_connection'))
  ).executeTakeFirst()
  return row && toConnection(row)
}

/** All of an organization's connections, oldest first. */
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

/** One of an organization's own connections, or undefined: another's is as if it did not exist. */
export async function findConnectionOf(
  db: Db,
  organizationId: string,
  id: string,
): Promise<Connection | undefined> {
  const connection = await findConnection(db, id)
  return connection?.organization.id === organizationId ? connection : undefined
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

/** Settings that somebody saves, already checked. */
export interface SavedSettings {
  readonly connectionId: string
  /** In the shape of the kind's config; sealed here. */
  readonly settings: unknown
  /** Whose act it is; null: nobody's, such as a provider that has published something new. */
  readonly savedBy: string | null
  readonly at: Date
  /** What an administrator answered, for changing one answer later. @default none */
  readonly answers?: Readonly<Record<string, string | undefined>> | undefined
  /** What the provider published when they were checked. @default nothing */
  readonly published?: Readonly<Record<string, unknown>> | undefined
}

/**
 * Saves settings and puts them to use, under the next version, which is the answer. Proofs given under an earlier
 * version count no more: of a connection in use, call it through `changeSettings` of the sessions, which tells every
 * node. Settings that nobody has tested make a tested connection a draft again.
 */
export async function saveSettings(db: Db, sealer: Sealer, saved: SavedSettings): Promise<number> {
  const version = await proposeSettings(db, sealer, saved)
  await useVersion(db, sealer, { connectionId: saved.connectionId, version })
  return version
}

/**
 * Keeps settings under the next version, which is the answer, without putting them to use: what is in use stays as it
 * is until they have been tested.
 */
export async function proposeSettings(
  db: Db,
  sealer: Sealer,
  saved: SavedSettings,
): Promise<number> {
  const { config_version: inUse } = await db
    .selectFrom('connections')
    .select('config_version')
    .where('id', '=', saved.connectionId)
    .where('deleted_at', 'is', null)
    .forUpdate()
    .executeTakeFirstOrThrow()
  const latest = await latestVersion(db, saved.connectionId)
  const version = Math.max(inUse, latest ?? 0) + 1
  await keepVersion(db, sealer, saved, version)
  return version
}

/** Puts the settings of one version to use; see {@link saveSettings} for what follows from it. */
export async function useVersion(
  db: Db,
  sealer: Sealer,
  { connectionId, version }: { connectionId: string; version: number },
): Promise<void> {
  const settings = await readVersion(db, sealer, connectionId, version)
  await db
    .updateTable('connections')
    .set({
      settings: sealer.seal(settings, place(connectionId)),
      config_version: version,
      state: sql`case when state = 'tested' and tested_version is distinct from ${version}
        then 'draft' else state end`,
    })
    .where('id', '=', connectionId)
    .where('deleted_at', 'is', null)
    .execute()
}

/**
 * Changes what belongs to a connection rather than to one of its configurations: keys of ours, certificates of the
 * provider's. So it changes in every version alike, in use or not, and no version becomes another by it: sign-ins under
 * way and what sessions rest on go on. Of a connection in use, call it through `amendConnection` of the sessions.
 * @param change is given the settings of each version in turn @returns whether anything changed in those in use
 */
export async function amendSettings(
  db: Db,
  sealer: Sealer,
  connectionId: string,
  change: (settings: unknown) => unknown,
): Promise<boolean> {
  const { settings } = await db
    .selectFrom('connections')
    .select('settings')
    .where('id', '=', connectionId)
    .where('deleted_at', 'is', null)
    .forUpdate()
    .executeTakeFirstOrThrow()
  const here = place(connectionId)
  const sealed = sealAmended(sealer, settings, here, change)
  if (sealed)
    await db
      .updateTable('connections')
      .set({ settings: sealed })
      .where('id', '=', connectionId)
      .execute()
  const versions = await db
    .selectFrom('connection_versions')
    .select(['version', 'settings'])
    .where('connection_id', '=', connectionId)
    .execute()
  for (const { version, settings } of versions) {
    const there = placeOfVersion(connectionId, version)
    const resealed = sealAmended(sealer, settings, there, change)
    if (resealed)
      await db
        .updateTable('connection_versions')
        .set({ settings: resealed })
        .where('connection_id', '=', connectionId)
        .where('version', '=', version)
        .execute()
  }
  return sealed !== undefined
}

/** Settings as they are after a change; undefined where it changes nothing. */
function sealAmended(
  sealer: Sealer,
  sealed: Uint8Array,
  where: Place,
  change: (settings: unknown) => unknown,
): Buffer | undefined {
  const before = sealer.open(sealed, where)
  const after = change(before)
  return JSON.stringify(before) === JSON.stringify(after) ? undefined : sealer.seal(after, where)
}

/** How signing out at a connection's provider and here belong together. */
export type SigningOut = Partial<Pick<Connection, 'frontchannelLogout' | 'signOutThere'>>

/** Changes how signing out at a connection's provider and here belong together. */
export async function setSigningOut(
  tx: Db,
  { id, organization }: Pick<Connection, 'id' | 'organization'>,
  { frontchannelLogout, signOutThere }: SigningOut,
  by: { readonly actorId: string | undefined; readonly requestId: string | undefined },
  now: Date,
): Promise<void> {
  await tx
    .updateTable('connections')
    .set({
      ...(frontchannelLogout !== undefined && { frontchannel_logout: frontchannelLogout }),
      ...(signOutThere !== undefined && { sign_out_there: signOutThere }),
    })
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .execute()
  const event = { organizationId: organization.id, target: id, ...by }
  const data = { frontchannel: frontchannelLogout, there: signOutThere }
  await recordEvent(tx, { action: 'connection.sign_out_changed', ...event, data }, now)
}

/** Gives one of an organization's connections another name. Answers whether there was one to rename. */
export async function renameConnection(
  db: Db,
  renamed: {
    readonly organizationId: string
    readonly connectionId: string
    readonly name: string
    readonly actorId: string
    readonly requestId: string
  },
  now: Date,
): Promise<boolean> {
  const { organizationId, connectionId, name, actorId, requestId } = renamed
  const { numUpdatedRows } = await db
    .updateTable('connections')
    .set({ name })
    .where('id', '=', connectionId)
    .where('organization_id', '=', organizationId)
    .where('deleted_at', 'is', null)
    .executeTakeFirst()
  if (numUpdatedRows !== 1n) return false
  const event = { organizationId, target: connectionId, actorId, requestId }
  await recordEvent(db, { action: 'connection.renamed', ...event }, now)
  return true
}

/**
 * Notes that a test sign-in went through. Settings that an administrator has tested, and no other, can be switched on; a
 * test by way of a set-up link only says that it went well.
 */
export async function markTested(
  db: Db,
  tested: { connectionId: string; version: number; linkId: string | null },
  now: Date,
): Promise<void> {
  const { connectionId, version, linkId } = tested
  if (linkId !== null) {
    const link = db.updateTable('setup_links').set({ tested_at: now }).where('id', '=', linkId)
    await link.execute()
    return
  }
  await db
    .updateTable('connections')
    .set({
      tested_version: version,
      tested_at: now,
      state: sql`case when state = 'draft' and config_version = ${version} then 'tested' else state end`,
    })
    .where('id', '=', connectionId)
    .where('deleted_at', 'is', null)
    .execute()
}

/** The settings of one version, opened. @throws AppError `not_found` when there is no such version */
export async function readVersion(
  db: Db,
  sealer: Sealer,
  connectionId: string,
  version: number,
): Promise<unknown> {
  const row = await db
    .selectFrom('connection_versions')
    .select('settings')
    .where('connection_id', '=', connectionId)
    .where('version', '=', version)
    .executeTakeFirst()
  if (row) return sealer.open(row.settings, placeOfVersion(connectionId, version))
  // A connection older than the list of versions has its first settings only in its own row.
  const current = await findConnection(db, connectionId)
  if (current?.configVersion === version) return readSettings(db, sealer, connectionId)
  throw new AppError('not_found', { reason: 'unknown_version' })
}

/** What an administrator answered for one version, and what the provider published then; nothing where nobody was asked. */
export async function readAnswersOf(
  db: Db,
  sealer: Sealer,
  connectionId: string,
  version: number,
): Promise<Pick<SavedSettings, 'answers' | 'published'>> {
  const row = await db
    .selectFrom('connection_versions')
    .select(['answers', 'published'])
    .where('connection_id', '=', connectionId)
    .where('version', '=', version)
    .executeTakeFirst()
  const answers = row?.answers && sealer.open(row.answers, placeOfAnswers(connectionId, version))
  return {
    answers: answers as SavedSettings['answers'],
    published: (row?.published ?? undefined) as SavedSettings['published'],
  }
}

/** The newest version there is, whether or not it is in use; undefined when none has been kept. */
export async function latestVersion(db: Db, connectionId: string): Promise<number | undefined> {
  const row = await db
    .selectFrom('connection_versions')
    .select((eb) => eb.fn.max('version').as('version'))
    .where('connection_id', '=', connectionId)
    .executeTakeFirst()
  return row?.version ?? undefined
}

/** One configuration that a connection has or had. */
export interface Version {
  readonly version: number
  readonly savedAt: Date
  /** Who saved it; null: nobody who is still here. */
  readonly savedBy: string | null
}

/** The configurations a connection has had, newest first, without the settings. */
export async function listVersions(db: Db, connectionId: string): Promise<readonly Version[]> {
  const rows = await db
    .selectFrom('connection_versions')
    .leftJoin('users', 'users.id', 'connection_versions.saved_by')
    .select(['version', 'saved_at', 'users.name'])
    .where('connection_id', '=', connectionId)
    .orderBy('version', 'desc')
    .limit(50)
    .execute()
  return rows.map((row) => ({ version: row.version, savedAt: row.saved_at, savedBy: row.name }))
}

async function keepVersion(
  db: Db,
  sealer: Sealer,
  { connectionId, settings, savedBy, at, answers, published }: SavedSettings,
  version: number,
): Promise<void> {
  await db
    .insertInto('connection_versions')
    .values({
      connection_id: connectionId,
      version,
      settings: sealer.seal(settings, placeOfVersion(connectionId, version)),
      answers: answers ? sealer.seal(answers, placeOfAnswers(connectionId, version)) : null,
      published: published ? JSON.stringify(published) : null,
      saved_by: savedBy,
      saved_at: at,
    })
    .execute()
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

/** What opening a connection's provider takes. */
export interface Opened {
  readonly kind: string
  readonly configVersion: number
  readonly settings: unknown
}

/** What opening a connection's provider takes, or undefined when there is no such connection. */
export async function readProvider(
  db: Db,
  sealer: Sealer,
  id: string,
): Promise<Opened | undefined> {
  if (!isId(id)) return undefined
  const row = await connectionRows(db)
    .select('connections.settings')
    .where('connections.id', '=', id)
    .modifyEnd(prepared('read_provider'))
    .executeTakeFirst()
  return (
    row && {
      kind: row.kind,
      configVersion: row.config_version,
      settings: sealer.open(row.settings, place(id)),
    }
  )
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
      'connections.idp_initiated',
      'connections.preset',
      'connections.tested_version',
      'connections.frontchannel_logout',
      'connections.sign_out_there',
      'connections.created_at',
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
    idpInitiated: row.idp_initiated,
    preset: row.preset,
    testedVersion: row.tested_version,
    frontchannelLogout: row.frontchannel_logout,
    signOutThere: row.sign_out_there,
    createdAt: row.created_at,
    organization: { id: row.organization_id, slug: row.slug, name: row.organization_name },
  }
}

function place(row: string): { table: string; column: string; row: string } {
  return { table: 'connections', column: 'settings', row }
}

function placeOfVersion(
  connectionId: string,
  version: number,
): { table: string; column: string; row: string } {
  return { table: 'connection_versions', column: 'settings', row: `${connectionId} ${version}` }
}

function placeOfAnswers(
  connectionId: string,
  version: number,
): { table: string; column: string; row: string } {
  return { ...placeOfVersion(connectionId, version), column: 'answers' }
}
