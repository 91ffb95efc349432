import { isDeepStrictEqual } from 'node:util'
import { sql, type RawBuilder } from 'kysely'
import { recordEvent, type AuditAction } from '../accounts/audit.ts'
import { followRole } from '../accounts/joining.ts'
import { groupsClaim, readRolePolicy } from '../accounts/roles.ts'
import type { Directory } from '../accounts/scim-tokens.ts'
import { foldEmail } from '../accounts/users.ts'
import type { Db } from '../db/open.ts'
import { AppError } from '../lib/errors.ts'
import { isId, newId } from '../lib/ids.ts'
import type { Target } from '../sessions/revocations.ts'
import { groupKind, urn } from './attributes.ts'
import { conditionOf, type Filterable } from './filter-sql.ts'
import type { Listing, Page } from './listing.ts'
import { applyPatch } from './patch.ts'
import { refusal } from './refusal.ts'
import { assertComplete, readResource, type Values } from './values.ts'
import { assertVersion, tagOf } from './versions.ts'
import { write, type ProvisioningServices, type Saying } from './writing.ts'

/** People whom a directory has put together. */
export interface Group {
  readonly id: string
  readonly displayName: string
  readonly externalId: string | null
  readonly version: number
  readonly createdAt: Date
  readonly changedAt: Date
  /** The entries that are in it, and what they are called; null: nobody asked. */
  readonly members: readonly { readonly value: string; readonly display: string }[] | null
}

/** How many groups one answer lists with everybody in them. */
export const mostWithMembers = 20

/** One of a directory's groups. @throws AppError `not_found` for any other, as if there were none */
export async function readGroup(
  db: Db,
  directory: Directory,
  id: string,
  { members = true } = {},
): Promise<Group> {
  const { rows } = isId(id)
    ? await groupRows(directory, sql`r.id = ${id}`, members).execute(db)
    : { rows: [] }
  if (!rows[0]) throw new AppError('not_found', { reason: 'scim: no_such_group' })
  return rows[0]
}

/** A directory's groups, oldest first, a page at a time. */
export async function listGroups(
  db: Db,
  directory: Directory,
  { filter, startIndex, count }: Listing,
  { members }: { readonly members: boolean },
): Promise<Page<Group>> {
  const condition = filter ? conditionOf(filter, askable) : sql`true`
  const { rows: all } = await sql<{ total: number }>`
    select count(*)::int as total from scim_groups r
    where r.connection_id = ${directory.connectionId} and ${condition}`.execute(db)
  const limit = members ? Math.min(count, mostWithMembers) : count
  const page = sql`${condition} order by r.created_at, r.id limit ${limit} offset ${startIndex - 1}`
  const { rows: resources } =
    count === 0 ? { rows: [] } : await groupRows(directory, page, members).execute(db)
  return { total: all[0]!.total, resources }
}

function groupRows(
  { connectionId }: Directory,
  which: RawBuilder<unknown>,
  members: boolean,
): RawBuilder<Group> {
  const within = members
    ? sql`coalesce((
        select json_agg(json_build_object('value', u.id, 'display', coalesce(u.attributes ->> 'displayName', u.user_name)) order by u.id)
        from scim_group_members m join scim_users u on u.id = m.scim_user_id where m.group_id = r.id), '[]')`
    : sql`null`
  return sql<Group>`
    select r.id, r.display_name as "displayName", r.external_id as "externalId", r.version, r.created_at as "createdAt",
      r.changed_at as "changedAt", ${within} as members
    from scim_groups r where r.connection_id = ${connectionId} and ${which}`
}

/** What can be asked about groups. */
const askable: Filterable = {
  schema: urn.group.toLowerCase(),
  fields: {
    id: { type: 'id', at: sql`r.id` },
    displayname: { type: 'text', at: sql`r.folded` },
    externalid: { type: 'name', at: sql`r.external_id` },
    'meta.created': { type: 'time', at: sql`r.created_at` },
    'meta.lastmodified': { type: 'time', at: sql`r.changed_at` },
  },
  lists: {
    members: {
      parts: { value: { type: 'id', at: sql`m.scim_user_id` } },
      has: (condition) =>
        sql`exists (select from scim_group_members m where m.group_id = r.id and ${condition})`,
    },
  },
}

/** Makes a group. @throws AppError with `uniqueness`, `invalidSyntax`, `invalidValue` */
export function createGroup(
  services: ProvisioningServices,
  saying: Saying,
  body: unknown,
): Promise<Group> {
  const { directory } = saying
  const said = saidIn(readResource(groupKind, body))
  return write(services, saying, async (tx, now) => {
    const id = newId()
    await assertUnique(tx, directory, { id, ...said })
    const row = { id, connection_id: directory.connectionId, created_at: now, changed_at: now }
    await tx
      .insertInto('scim_groups')
      .values({ ...row, ...rowOf(said) })
      .execute()
    await setMembers(tx, directory, { id, from: [], to: said.members })
    await tell(tx, saying, 'scim.group_created', { id, members: said.members.length }, now)
    const targets = await followRoles(tx, saying, [said.displayName], said.members, now)
    return { result: await readGroup(tx, directory, id), targets }
  })
}

/** A group is to be as it is said now. @throws AppError as {@link createGroup}, `not_found`, `precondition_failed` */
export function replaceGroup(
  services: ProvisioningServices,
  saying: Saying,
  id: string,
  body: unknown,
): Promise<Group> {
  const read = readResource(groupKind, body)
  return changeGroup(services, saying, id, ({ externalId }) => ({
    ...(externalId !== null && { externalId }),
    ...read,
  }))
}

/** Changes some of what is said of a group. */
export function patchGroup(
  services: ProvisioningServices,
  saying: Saying,
  id: string,
  body: unknown,
): Promise<Group> {
  return changeGroup(services, saying, id, (group) => applyPatch(groupKind, valuesOf(group), body))
}

function changeGroup(
  services: ProvisioningServices,
  saying: Saying,
  id: string,
  change: (group: Group) => Values,
): Promise<Group> {
  const { directory, ifMatch = null } = saying
  return write(services, saying, async (tx, now) => {
    const before = await readGroup(tx, directory, id)
    assertVersion(ifMatch, before.version)
    const said = saidIn(change(before))
    const from = before.members!.map(({ value }) => value)
    const { displayName, externalId } = before
    if (isDeepStrictEqual({ displayName, externalId, members: sorted(from) }, said))
      return { result: before, targets: [] }
    await assertUnique(tx, directory, { id, ...said })
    await tx
      .updateTable('scim_groups')
      .set({ ...rowOf(said), version: before.version + 1, changed_at: now })
      .where('id', '=', id)
      .execute()
    const touched = await setMembers(tx, directory, { id, from, to: said.members })
    await tell(tx, saying, 'scim.group_changed', { id, members: said.members.length }, now)
    const renamed = said.displayName !== displayName
    const concerned = renamed ? [...new Set([...from, ...said.members])] : touched
    const names = [displayName, said.displayName]
    const targets = await followRoles(tx, saying, names, concerned, now)
    return { result: await readGroup(tx, directory, id), targets }
  })
}

/** Dissolves a group; whoever had a role by it has it no more. */
export function deleteGroup(
  services: ProvisioningServices,
  saying: Saying,
  id: string,
): Promise<void> {
  const { directory, ifMatch = null } = saying
  return write(services, saying, async (tx, now) => {
    const { version, members, displayName } = await readGroup(tx, directory, id)
    assertVersion(ifMatch, version)
    await tx.deleteFrom('scim_groups').where('id', '=', id).execute()
    await tell(tx, saying, 'scim.group_deleted', { id, members: members!.length }, now)
    const concerned = members!.map(({ value }) => value)
    return {
      result: undefined,
      targets: await followRoles(tx, saying, [displayName], concerned, now),
    }
  })
}

interface Said {
  readonly displayName: string
  readonly externalId: string | null
  /** The ids of the entries in it, each once. */
  readonly members: readonly string[]
}

function saidIn(values: Values): Said {
  assertComplete(groupKind, values)
  const { displayName, externalId = null, members = [] } = values
  return {
    displayName: displayName as string,
    externalId: externalId as string | null,
    members: sorted((members as Values[]).map(memberOf)),
  }
}

function memberOf({ value }: Values): string {
  if (typeof value !== 'string' || !isId(value)) throw noSuchMember()
  return value
}

function noSuchMember() {
  return refusal('invalidValue', 'A member is a User of this directory, by its id.')
}

function sorted(ids: readonly string[]): readonly string[] {
  return [...new Set(ids)].sort()
}

function rowOf({ displayName, externalId }: Said) {
  return { display_name: displayName, folded: foldEmail(displayName), external_id: externalId }
}

/** Puts entries into a group and takes others out. Answers which. */
async function setMembers(
  tx: Db,
  { connectionId }: Directory,
  { id, from, to }: { id: string; from: readonly string[]; to: readonly string[] },
): Promise<readonly string[]> {
  const [before, after] = [new Set(from), new Set(to)]
  const added = to.filter((one) => !before.has(one))
  const gone = from.filter((one) => !after.has(one))
  if (added.length > 0) {
    const { numAffectedRows } = await sql`
      insert into scim_group_members (group_id, scim_user_id)
      select ${id}, u.id from scim_users u
      where u.connection_id = ${connectionId} and u.deleted_at is null and u.id = any(${added}::uuid[])`.execute(
      tx,
    )
    if (Number(numAffectedRows) !== added.length) throw noSuchMember()
  }
  if (gone.length > 0)
    await sql`
      delete from scim_group_members where group_id = ${id} and scim_user_id = any(${gone}::uuid[])`.execute(
      tx,
    )
  return [...added, ...gone]
}

async function assertUnique(
  tx: Db,
  { connectionId }: Directory,
  { id, displayName }: { readonly id: string; readonly displayName: string },
): Promise<void> {
  const { rows } = await sql`
    select from scim_groups where connection_id = ${connectionId} and folded = ${foldEmail(displayName)} and id <> ${id}`.execute(
    tx,
  )
  if (rows.length > 0)
    throw refusal('uniqueness', 'There is another Group of that name.', 'resource_exists')
}

/**
 * Gives members of the organization the roles that rules give to the groups they are in now; nothing where no rule names
 * one of these groups. What a rule would take from a sign-in instead counts again at the next one.
 * @param entries whose groups have changed
 */
async function followRoles(
  tx: Db,
  { directory, requestId }: Saying,
  names: readonly string[],
  entries: readonly string[],
  now: Date,
): Promise<readonly Target[]> {
  const { connectionId, organizationId } = directory
  const { rules } = await readRolePolicy(tx, connectionId)
  const matters = rules.some(({ claim, value }) => claim === groupsClaim && names.includes(value))
  if (!matters || entries.length === 0) return []
  const { rows } = await sql<{ userId: string; groups: readonly string[] }>`
    select u.user_id as "userId", array(
      select g.display_name from scim_group_members m join scim_groups g on g.id = m.group_id
      where m.scim_user_id = u.id) as groups
    from scim_users u where u.id = any(${[...entries]}::uuid[]) and u.user_id is not null order by u.user_id`.execute(
    tx,
  )
  const connection = { id: connectionId, organization: { id: organizationId } }
  const targets: Target[] = []
  for (const { userId, groups } of rows) {
    const role = await followRole(tx, connection, { userId, claims: { groups } })
    if (!role) continue
    const event = { organizationId, target: userId, requestId }
    const data = { role, from: 'provider' }
    await recordEvent(tx, { action: 'member.role_changed', ...event, data }, now)
    targets.push({ kind: 'user', id: userId })
  }
  return targets
}

async function tell(
  tx: Db,
  { directory: { organizationId, connectionId }, requestId }: Saying,
  action: AuditAction,
  { id, members }: { readonly id: string; readonly members: number },
  now: Date,
): Promise<void> {
  const data = { connection: connectionId, members }
  await recordEvent(tx, { action, organizationId, target: id, data, requestId }, now)
}

/** A group in the shape in which a directory sends it, with its id. */
function valuesOf({ id, displayName, externalId, members }: Group): Values {
  return {
    id,
    ...(externalId !== null && { externalId }),
    displayName,
    ...(members && members.length > 0 && { members: members.map((one) => ({ ...one })) }),
  }
}

/** A group as it is shown. @param base where the directory's resources are */
export function shownGroup(group: Group, base: string): Values {
  const { id, version, createdAt, changedAt, members } = group
  const location = `${base}/Groups/${id}`
  const shown = members?.map((one) => ({
    ...one,
    type: 'User',
    $ref: `${base}/Users/${one.value}`,
  }))
  return {
    schemas: [urn.group],
    ...valuesOf(group),
    ...(shown && { members: shown }),
    meta: {
      resourceType: 'Group',
      created: createdAt.toISOString(),
      lastModified: changedAt.toISOString(),
      location,
      version: tagOf(version),
    },
  }
}
