import { newId } from '../lib/ids.ts'
import { days, later } from '../lib/clock.ts'
import { hashToken, isToken, randomToken } from '../lib/secrets.ts'
import type { Db } from '../db/open.ts'
import { recordEvent } from './audit.ts'

/** How long a set-up link is good for, in milliseconds. */
export const setupLinkLasts: number = days(7)

/** A link by which somebody without an account sets one connection up. */
export interface SetupLink {
  readonly id: string
  readonly organizationId: string
  readonly connectionId: string
  readonly expiresAt: Date
  /** When a test sign-in last went through by way of it. */
  readonly testedAt: Date | null
}

/** Whose act it is. */
interface Doing {
  readonly organizationId: string
  readonly actorId: string
  readonly requestId: string
}

/** Makes a link for one connection of the organization's. The token is answered once and stored nowhere. */
export async function createSetupLink(
  db: Db,
  { connectionId, ...doing }: Doing & { readonly connectionId: string },
  now: Date,
): Promise<{ readonly token: string; readonly expiresAt: Date }> {
  const { organizationId, actorId, requestId } = doing
  const id = newId()
  const token = randomToken()
  const expiresAt = later(now, setupLinkLasts)
  await db
    .insertInto('setup_links')
    .values({
      id,
      organization_id: organizationId,
      connection_id: connectionId,
      token_hash: hashToken(token),
      created_by: actorId,
      expires_at: expiresAt,
      created_at: now,
    })
    .execute()
  const event = { organizationId, actorId, target: id, data: { connection: connectionId } }
  await recordEvent(db, { action: 'setup_link.created', ...event, requestId }, now)
  return { token, expiresAt }
}

/** The link with that token, while it is good; undefined whatever else may be the matter with it. */
export async function findSetupLink(
  db: Db,
  token: string,
  now: Date,
): Promise<SetupLink | undefined> {
  if (!isToken(token)) return undefined
  const row = await linkRows(db, now).where('token_hash', '=', hashToken(token)).executeTakeFirst()
  return row && toLink(row)
}

/** The links of a connection that are still good, newest first. */
export async function listSetupLinks(
  db: Db,
  connectionId: string,
  now: Date,
): Promise<readonly SetupLink[]> {
  const rows = await linkRows(db, now)
    .where('setup_links.connection_id', '=', connectionId)
    .orderBy('setup_links.created_at', 'desc')
    .limit(20)
    .execute()
  return rows.map(toLink)
}

/** Withdraws a link. Answers whether there was one. */
export async function withdrawSetupLink(
  db: Db,
  { id, organizationId, actorId, requestId }: Doing & { readonly id: string },
  now: Date,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('setup_links')
    .set({ withdrawn_at: now })
    .where('id', '=', id)
    .where('organization_id', '=', organizationId)
    .where('withdrawn_at', 'is', null)
    .executeTakeFirst()
  if (numUpdatedRows !== 1n) return false
  const event = { organizationId, actorId, target: id, requestId }
  await recordEvent(db, { action: 'setup_link.withdrawn', ...event }, now)
  return true
}

function linkRows(db: Db, now: Date) {
  return db
    .selectFrom('setup_links')
    .innerJoin('connections', 'connections.id', 'setup_links.connection_id')
    .innerJoin('organizations', 'organizations.id', 'setup_links.organization_id')
    .select([
      'setup_links.id',
      'setup_links.organization_id',
      'connections.id as connection_id',
      'setup_links.expires_at',
      'setup_links.tested_at',
    ])
    .where('setup_links.withdrawn_at', 'is', null)
    .where('setup_links.expires_at', '>', now)
    .where('connections.deleted_at', 'is', null)
    .where('organizations.deleted_at', 'is', null)
}

type Row = Awaited<ReturnType<ReturnType<typeof linkRows>['execute']>>[number]

function toLink(row: Row): SetupLink {
  return {
    id: row.id,
    organizationId: row.organization_id,
    connectionId: row.connection_id,
    expiresAt: row.expires_at,
    testedAt: row.tested_at,
  }
}
