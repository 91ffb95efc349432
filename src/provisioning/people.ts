import { isDeepStrictEqual } from 'node:util'
import { sql } from 'kysely'
import { recordEvent, type AuditAction } from '../accounts/audit.ts'
import { joinThrough } from '../accounts/joining.ts'
import type { Directory } from '../accounts/scim-tokens.ts'
import { foldEmail } from '../accounts/users.ts'
import type { Db } from '../db/open.ts'
import { newId } from '../lib/ids.ts'
import { followDirectories } from '../sessions/deactivation.ts'
import type { Target } from '../sessions/revocations.ts'
import { userKind } from './attributes.ts'
import { readEntry, valuesOf, type Entry } from './entries.ts'
import { applyPatch } from './patch.ts'
import { refusal } from './refusal.ts'
import { assertComplete, readResource, type Values } from './values.ts'
import { assertVersion } from './versions.ts'
import { write, type ProvisioningServices, type Saying } from './writing.ts'

/** What is said of a person. */
type Said = Pick<Entry, 'userName' | 'externalId' | 'subject' | 'active' | 'attributes'>

/**
 * Somebody belongs to the organization, says its directory. That makes no account and touches none: it is a membership in
 * waiting, for whoever proves at the connection's provider to be this person. Whoever has done that already is meant at
 * once.
 * @throws AppError with `uniqueness` where the directory has such an entry, `invalidSyntax`, `invalidValue`
 */
export function createEntry(
  services: ProvisioningServices,
  saying: Saying,
  body: unknown,
): Promise<Entry> {
  const { directory } = saying
  const said = saidIn(directory, { active: true, ...readResource(userKind, body) })
  return write(services, saying, async (tx, now) => {
    const id = newId()
    const before = await unbury(tx, directory, said)
    const userId = await accountOf(tx, directory, { ...said, userId: before })
    await assertUnique(tx, directory, { id, userId, ...said })
    await tx
      .insertInto('scim_users')
      .values({
        id,
        connection_id: directory.connectionId,
        ...rowOf(said),
        user_id: userId,
        created_at: now,
        changed_at: now,
      })
      .execute()
    await tell(tx, saying, { action: 'scim.user_created', id, active: said.active, userId }, now)
    const targets = await follow(tx, saying, { userId, joins: said.active, groups: [] }, now)
    return { result: await readEntry(tx, directory, id), targets }
  })
}

/**
 * An entry is to be as it is said now. What is not said goes, but for the directory's own name of it and for whether
 * somebody is active: silence puts nobody out and lets nobody in.
 */
export function replaceEntry(
  services: ProvisioningServices,
  saying: Saying,
  id: string,
  body: unknown,
): Promise<Entry> {
  const read = readResource(userKind, body)
  return changeEntry(services, saying, id, ({ active, externalId }) => ({
    active,
    ...(externalId !== null && { externalId }),
    ...read,
  }))
}

/** Changes some of what is said of a person. */
export function patchEntry(
  services: ProvisioningServices,
  saying: Saying,
  id: string,
  body: unknown,
): Promise<Entry> {
  return changeEntry(services, saying, id, (entry) => applyPatch(userKind, valuesOf(entry), body))
}

function changeEntry(
  services: ProvisioningServices,
  saying: Saying,
  id: string,
  change: (entry: Entry) => Values,
): Promise<Entry> {
  const { directory, ifMatch = null } = saying
  return write(services, saying, async (tx, now) => {
    const before = await readEntry(tx, directory, id)
    assertVersion(ifMatch, before.version)
    const said = saidIn(directory, change(before))
    const userId = await accountOf(tx, directory, { ...said, userId: before.userId })
    await assertUnique(tx, directory, { id, userId, ...said })
    if (!isDeepStrictEqual({ ...saidOf(before), userId: before.userId }, { ...said, userId }))
      await store(tx, saying, before, { said, userId }, now)
    const groups = before.groups.map(({ display }) => display)
    const joins = said.active && before.userId === null
    const targets = await follow(tx, saying, { userId, joins, groups }, now)
    return { result: await readEntry(tx, directory, id), targets }
  })
}

async function store(
  tx: Db,
  saying: Saying,
  { id, active, version }: Entry,
  { said, userId }: { readonly said: Said; readonly userId: string | null },
  now: Date,
): Promise<void> {
  const changed = said.active !== active
  await tx
    .updateTable('scim_users')
    .set({
      ...rowOf(said),
      user_id: userId,
      version: version + 1,
      changed_at: now,
      ...(changed && { overruled_at: null }),
    })
    .where('id', '=', id)
    .execute()
  const event = { id, userId, ...(changed && { active: said.active }) }
  await tell(tx, saying, { action: 'scim.user_changed', ...event }, now)
}

/** Somebody does not belong any more. What is left of the entry is a tombstone, which keeps them out. */
export function deleteEntry(
  services: ProvisioningServices,
  saying: Saying,
  id: string,
): Promise<void> {
  const { directory, ifMatch = null } = saying
  return write(services, saying, async (tx, now) => {
    const { version, userId } = await readEntry(tx, directory, id)
    assertVersion(ifMatch, version)
    await tx
      .updateTable('scim_users')
      .set({
        deleted_at: now,
        changed_at: now,
        version: version + 1,
        overruled_at: null,
        // What keeps them out is the name alone.
        attributes: '{}',
      })
      .where('id', '=', id)
      .execute()
    await tx.deleteFrom('scim_group_members').where('scim_user_id', '=', id).execute()
    await tell(tx, saying, { action: 'scim.user_deleted', id, userId }, now)
    const targets = await follow(tx, saying, { userId, joins: false, groups: [] }, now)
    return { result: undefined, targets }
  })
}

function saidIn({ match }: Directory, values: Values): Said {
  assertComplete(userKind, values)
  const { id: _, groups: __, userName, externalId = null, active, ...attributes } = values
  const filled = Object.entries(attributes).filter(([, value]) => !isEmpty(value))
  const subject = match === 'userName' ? userName : externalId
  return {
    userName: userName as string,
    externalId: externalId as string | null,
    subject: subject as string | null,
    active: active as boolean,
    attributes: Object.fromEntries(filled),
  }
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}

function saidOf({ userName, externalId, subject, active, attributes }: Entry): Said {
  return { userName, externalId, subject, active, attributes }
}

function rowOf({ userName, externalId, subject, active, attributes }: Said) {
  return {
    user_name: userName,
    folded: foldEmail(userName),
    external_id: externalId,
    subject,
    active,
    attributes: JSON.stringify(attributes),
  }
}

/** Whom the directory had deleted and names anew is no tombstone any more. Answers whose account it was. */
async function unbury(
  tx: Db,
  { connectionId }: Directory,
  { subject }: Said,
): Promise<string | null> {
  if (subject === null) return null
  const gone = await tx
    .deleteFrom('scim_users')
    .where('connection_id', '=', connectionId)
    .where('subject', '=', subject)
    .where('deleted_at', 'is not', null)
    .returning('user_id')
    .execute()
  return gone.find((one) => one.user_id !== null)?.user_id ?? null
}

/**
 * Whose account an entry is about: whose it was, or whoever has proven at this very connection to be the person it names.
 * An entry never goes from one account to another.
 */
async function accountOf(
  tx: Db,
  { connectionId, match }: Directory,
  { subject, userId }: Pick<Entry, 'subject' | 'userId'>,
): Promise<string | null> {
  if (subject === null || match === 'oid') return userId
  const { rows } = await sql<{ userId: string }>`
    select distinct user_id as "userId" from identities
    where connection_id = ${connectionId} and subject = ${subject} limit 2`.execute(tx)
  const found = rows.length === 1 ? rows[0]!.userId : null
  if (found !== null && userId !== null && found !== userId) throw taken()
  return found ?? userId
}

async function assertUnique(
  tx: Db,
  { connectionId }: Directory,
  { id, userId, userName, subject }: Pick<Entry, 'id' | 'userId' | 'userName' | 'subject'>,
): Promise<void> {
  const { rows } = await sql`
    select from scim_users where connection_id = ${connectionId} and deleted_at is null and id <> ${id}
      and (folded = ${foldEmail(userName)} or subject = ${subject} or user_id = ${userId}) limit 1`.execute(
    tx,
  )
  if (rows.length > 0) throw taken()
}

function taken() {
  return refusal('uniqueness', 'There is another User of that name.', 'resource_exists')
}

/** What follows for the account that an entry is about. */
async function follow(
  tx: Db,
  { directory, requestId }: Saying,
  about: {
    readonly userId: string | null
    readonly joins: boolean
    readonly groups: readonly string[]
  },
  now: Date,
): Promise<readonly Target[]> {
  const { userId, joins, groups } = about
  if (userId === null) return []
  const { connectionId, organizationId } = directory
  const connection = { id: connectionId, organization: { id: organizationId } }
  if (joins) await joinThrough(tx, connection, { userId, claims: { groups } }, now)
  return followDirectories(tx, { organizationId, userId }, { requestId }, now)
}

async function tell(
  tx: Db,
  { directory: { organizationId, connectionId }, requestId }: Saying,
  {
    action,
    id,
    active,
    userId,
  }: {
    readonly action: AuditAction
    readonly id: string
    readonly active?: boolean
    readonly userId: string | null
  },
  now: Date,
): Promise<void> {
  const data = { connection: connectionId, active, account: userId }
  await recordEvent(tx, { action, organizationId, target: id, data, requestId }, now)
}
