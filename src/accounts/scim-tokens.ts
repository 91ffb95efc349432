import { sql } from 'kysely'
import type { Db } from '../db/open.ts'
import { newApiToken, idOfApiToken } from '../lib/api-token.ts'
import { days, later } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { isId, newId } from '../lib/ids.ts'
import { hashToken } from '../lib/secrets.ts'
import { recordEvent } from './audit.ts'

/** How long a directory's token is good for, in milliseconds. */
export const scimTokenLasts: number = days(365)

/** How many tokens a connection can have at once: the one in use, and the one that is to take its place. */
export const scimTokensAtOnce = 2

/** How precisely the last use of a token is known, in milliseconds. */
const usedWithin = 60_000

/**
 * What an entry of a directory and a sign-in have in common, by which one is known in the other. It is the provider's own
 * name for the person, whichever of the two protocols it comes in; an address is none of them.
 */
export const scimMatches = ['userName', 'externalId', 'oid'] as const

export type ScimMatch = (typeof scimMatches)[number]

/** A directory that has shown its token: one connection's, and nothing beyond it. */
export interface Directory {
  readonly connectionId: string
  readonly organizationId: string
  readonly match: ScimMatch
}

/** One of a connection's tokens, without what it is made of. */
export interface ScimToken {
  readonly id: string
  readonly createdAt: Date
  readonly expiresAt: Date
  readonly lastUsedAt: Date | null
  /** Who made it; null: nobody who is still here. */
  readonly createdBy: string | null
}

/** How a connection's provisioning is set. */
export interface ScimSettings {
  /** Null: it is off. */
  readonly since: Date | null
  readonly match: ScimMatch
}

/** Whose act it is, and on which of the organization's connections. */
export interface ScimDoing {
  readonly organizationId: string
  readonly connectionId: string
  readonly actorId: string
  readonly requestId: string
}

/** How a connection's provisioning is set. */
export async function readScimSettings(db: Db, connectionId: string): Promise<ScimSettings> {
  const row = await db
    .selectFrom('connections')
    .select(['scim_since', 'scim_match'])
    .where('id', '=', connectionId)
    .executeTakeFirstOrThrow()
  return { since: row.scim_since, match: row.scim_match as ScimMatch }
}

/**
 * Lets a directory say who belongs to an organization, or no more. Switched off, its tokens are void, whoever it named and
 * has not signed in yet is not let in by that, and whoever it has kept out stays out.
 */
export async function switchScim(
  tx: Db,
  { organizationId, connectionId, actorId, requestId }: ScimDoing,
  on: boolean,
  now: Date,
): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('connections')
    .set({ scim_since: on ? now : null })
    .where('id', '=', connectionId)
    .where('organization_id', '=', organizationId)
    .where('scim_since', on ? 'is' : 'is not', null)
    .executeTakeFirst()
  if (numUpdatedRows !== 1n) return
  if (!on)
    await tx
      .updateTable('scim_tokens')
      .set({ revoked_at: now })
      .where('connection_id', '=', connectionId)
      .where('revoked_at', 'is', null)
      .execute()
  const event = { organizationId, target: connectionId, actorId, requestId }
  await recordEvent(tx, { action: on ? 'scim.switched_on' : 'scim.switched_off', ...event }, now)
}

/**
 * Says by what entries and sign-ins are known in each other. Everything the directory has said so far is read anew by it.
 * @throws AppError `config_rejected` where two entries would be the same person
 */
export async function setScimMatch(
  tx: Db,
  { organizationId, connectionId, actorId, requestId }: ScimDoing,
  match: ScimMatch,
  now: Date,
): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('connections')
    .set({ scim_match: match })
    .where('id', '=', connectionId)
    .where('organization_id', '=', organizationId)
    .where('scim_match', '<>', match)
    .executeTakeFirst()
  if (numUpdatedRows !== 1n) return
  const subject = match === 'userName' ? sql`user_name` : sql`external_id`
  const { rows: twice } = await sql`
    select from scim_users where connection_id = ${connectionId} and deleted_at is null and ${subject} is not null
    group by ${subject} having count(*) > 1 limit 1`.execute(tx)
  if (twice.length > 0) {
    const problems = ['Two entries of the directory have the same one. Mend that there first.']
    throw new AppError('config_rejected', { reason: 'scim_match', members: { problems } })
  }
  // In two steps: on the way from one to the other, two could be the same.
  for (const value of [sql`null`, subject])
    await sql`update scim_users set subject = ${value} where connection_id = ${connectionId}`.execute(
      tx,
    )
  const event = { organizationId, target: connectionId, actorId, requestId }
  await recordEvent(tx, { action: 'scim.match_changed', ...event, data: { match } }, now)
}

/** Makes a token, which is answered this once; undefined where there are {@link scimTokensAtOnce} already. */
export async function createScimToken(
  tx: Db,
  { organizationId, connectionId, actorId, requestId }: ScimDoing,
  now: Date,
): Promise<{ readonly token: string; readonly expiresAt: Date } | undefined> {
  await tx
    .selectFrom('connections')
    .select('id')
    .where('id', '=', connectionId)
    .forUpdate()
    .execute()
  if ((await listScimTokens(tx, connectionId, now)).length >= scimTokensAtOnce) return undefined
  const id = newId()
  const token = newApiToken('scim', id)
  const expiresAt = later(now, scimTokenLasts)
  await tx
    .insertInto('scim_tokens')
    .values({
      id,
      connection_id: connectionId,
      token_hash: hashToken(token),
      created_by: actorId,
      created_at: now,
      expires_at: expiresAt,
    })
    .execute()
  const event = { organizationId, target: id, actorId, requestId }
  await recordEvent(
    tx,
    { action: 'scim.token_made', ...event, data: { connection: connectionId } },
    now,
  )
  return { token, expiresAt }
}

/** A connection's tokens that are good, oldest first. */
export async function listScimTokens(
  db: Db,
  connectionId: string,
  now: Date,
): Promise<readonly ScimToken[]> {
  return db
    .selectFrom('scim_tokens')
    .leftJoin('users', 'users.id', 'scim_tokens.created_by')
    .select([
      'scim_tokens.id',
      'scim_tokens.created_at as createdAt',
      'scim_tokens.expires_at as expiresAt',
      'scim_tokens.last_used_at as lastUsedAt',
      'users.name as createdBy',
    ])
    .where('connection_id', '=', connectionId)
    .where('revoked_at', 'is', null)
    .where('expires_at', '>', now)
    .orderBy('scim_tokens.created_at')
    .orderBy('scim_tokens.id')
    .execute()
}

/** Withdraws one of a connection's tokens. Answers whether there was one. */
export async function withdrawScimToken(
  tx: Db,
  { organizationId, connectionId, actorId, requestId }: ScimDoing,
  id: string,
  now: Date,
): Promise<boolean> {
  if (!isId(id)) return false
  const { numUpdatedRows } = await tx
    .updateTable('scim_tokens')
    .set({ revoked_at: now })
    .where('id', '=', id)
    .where('connection_id', '=', connectionId)
    .where('revoked_at', 'is', null)
    .executeTakeFirst()
  if (numUpdatedRows !== 1n) return false
  const event = { organizationId, target: id, actorId, requestId }
  await recordEvent(
    tx,
    { action: 'scim.token_withdrawn', ...event, data: { connection: connectionId } },
    now,
  )
  return true
}

/**
 * The directory that a token speaks for; undefined for any token that is not good for that connection, whatever is the
 * matter with either. A text that cannot be a token is told without asking the database.
 */
export async function findDirectory(
  db: Db,
  { connectionId, token }: { readonly connectionId: string; readonly token: string },
  now: Date,
): Promise<Directory | undefined> {
  const id = idOfApiToken('scim', token)
  if (id === undefined || !isId(connectionId)) return undefined
  const row = await db
    .selectFrom('scim_tokens')
    .innerJoin('connections', 'connections.id', 'scim_tokens.connection_id')
    .innerJoin('organizations', 'organizations.id', 'connections.organization_id')
    .select(['connections.organization_id', 'connections.scim_match', 'scim_tokens.last_used_at'])
    .where('scim_tokens.id', '=', id)
    .where('scim_tokens.token_hash', '=', hashToken(token))
    .where('connections.id', '=', connectionId)
    .where('scim_tokens.revoked_at', 'is', null)
    .where('scim_tokens.expires_at', '>', now)
    .where('connections.scim_since', 'is not', null)
    .where('connections.deleted_at', 'is', null)
    .where('organizations.deleted_at', 'is', null)
    .executeTakeFirst()
  if (!row) return undefined
  if (!row.last_used_at || now.getTime() - row.last_used_at.getTime() >= usedWithin)
    await db.updateTable('scim_tokens').set({ last_used_at: now }).where('id', '=', id).execute()
  return {
    connectionId,
    organizationId: row.organization_id,
    match: row.scim_match as ScimMatch,
  }
}
