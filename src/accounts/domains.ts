import { sql } from 'kysely'
import type { Db } from '../db/open.ts'
import { days, later, minutes } from '../lib/clock.ts'
import { readClaim, type DomainFault } from '../lib/domain-name.ts'
import { isId, newId } from '../lib/ids.ts'
import { randomToken } from '../lib/secrets.ts'
import { recordEvent } from './audit.ts'

/** A domain as an organization claims it. Two may claim one; only one can have proven it. */
export interface Domain {
  readonly id: string
  readonly organizationId: string
  /** In its one spelling: see `normalDomain`. */
  readonly domain: string
  /** `waiting`: not proven yet; `missing`: proven, but its record is gone for now; `lost`: for too long. */
  readonly state: 'waiting' | 'proven' | 'missing' | 'lost'
  readonly token: string
  /** Through which connection people with an address there sign in; null: whichever they choose. */
  readonly connectionId: string | null
  readonly verifiedAt: Date | null
  readonly lastProvedAt: Date | null
  /** When a missing one is lost. */
  readonly lostAt: Date | null
  readonly createdAt: Date
}

/** How many domains one organization may claim. */
export const domainsAtMost = 50
/** How long a domain stays an organization's whose record cannot be found any more, in milliseconds. */
export const lostAfter: number = days(7)

/** The name at which the record has to be. */
export function recordName(domain: string): string {
  return `_sallyport-challenge.${domain}`
}

/** What the record has to say. */
export function recordText(token: string): string {
  return `sallyport-domain=${token}`
}

/** An organization's domains, by name. */
export async function listDomains(db: Db, organizationId: string): Promise<readonly Domain[]> {
  const rows = await domainRows(db)
    .where('organization_id', '=', organizationId)
    .orderBy('domain')
    .execute()
  return rows.map(toDomain)
}

/** One of an organization's domains; any other organization's does not exist. */
export async function findDomain(
  db: Db,
  organizationId: string,
  id: string,
): Promise<Domain | undefined> {
  if (!isId(id)) return undefined
  const row = await domainRows(db)
    .where('organization_id', '=', organizationId)
    .where('id', '=', id)
    .executeTakeFirst()
  return row && toDomain(row)
}

/** Who does something to an organization's domains. */
interface Doing {
  readonly organizationId: string
  readonly actorId: string
  readonly requestId: string
}

/** Claims a domain, as somebody has written it; claiming one again changes nothing. */
export async function claimDomain(
  tx: Db,
  { organizationId, actorId, requestId, text }: Doing & { readonly text: string },
  now: Date,
): Promise<{ readonly id: string } | { readonly refused: DomainFault | 'too_many' }> {
  const claim = await readClaim(text)
  if ('fault' in claim) return { refused: claim.fault }
  // Whoever else claims one for this organization waits, so that there are never too many.
  await tx
    .selectFrom('organizations')
    .select('id')
    .where('id', '=', organizationId)
    .forUpdate()
    .execute()
  const known = await listDomains(tx, organizationId)
  const own = known.find(({ domain }) => domain === claim.domain)
  if (own) return { id: own.id }
  if (known.length >= domainsAtMost) return { refused: 'too_many' }
  const id = newId()
  await tx
    .insertInto('domains')
    .values({
      id,
      organization_id: organizationId,
      domain: claim.domain,
      token: randomToken(20),
      check_at: later(now, minutes(10)),
      created_at: now,
    })
    .execute()
  const event = { organizationId, actorId, target: id, requestId }
  await recordEvent(tx, { action: 'domain.claimed', ...event, data: { domain: claim.domain } }, now)
  return { id }
}

/** Gives a domain up, proven or not. Answers whether there was one. */
export async function removeDomain(
  tx: Db,
  { organizationId, actorId, requestId, id }: Doing & { readonly id: string },
  now: Date,
): Promise<boolean> {
  if (!isId(id)) return false
  const gone = await tx
    .deleteFrom('domains')
    .where('organization_id', '=', organizationId)
    .where('id', '=', id)
    .returning('domain')
    .executeTakeFirst()
  if (!gone) return false
  const event = { organizationId, actorId, target: id, requestId }
  await recordEvent(tx, { action: 'domain.removed', ...event, data: { domain: gone.domain } }, now)
  return true
}

/**
 * Says through which of the organization's connections people with an address at a domain sign in; null: whichever
 * they choose. Answers whether there are such a domain and such a connection.
 */
export async function routeDomain(
  tx: Db,
  routed: Doing & { readonly id: string; readonly connectionId: string | null },
  now: Date,
): Promise<boolean> {
  const { organizationId, actorId, requestId, id, connectionId } = routed
  if (!isId(id) || (connectionId !== null && !isId(connectionId))) return false
  const { rows } = await sql`
    update domains d set connection_id = ${connectionId}
    where d.id = ${id} and d.organization_id = ${organizationId} and (${connectionId}::uuid is null or exists (
      select from connections c where c.id = ${connectionId} and c.organization_id = d.organization_id
        and c.deleted_at is null))
    returning d.id`.execute(tx)
  if (rows.length === 0) return false
  const event = { organizationId, actorId, target: id, requestId }
  const data = { connection: connectionId }
  await recordEvent(tx, { action: 'domain.routed', ...event, data }, now)
  return true
}

/** Where people with an address at a domain sign in. */
export interface DomainRoute {
  readonly connectionId: string
  readonly name: string
}

/**
 * The active connections of the organization that has proven a domain: the one that the domain is for, else all. The
 * same one statement whether or not anybody has.
 */
export async function findDomainRoutes(db: Db, domain: string): Promise<readonly DomainRoute[]> {
  const { rows } = await sql<DomainRoute>`
    select c.id as "connectionId", c.name
    from domains d
    join organizations o on o.id = d.organization_id and o.deleted_at is null
    join connections c on c.organization_id = o.id and c.state = 'active' and c.deleted_at is null
    left join connections chosen on chosen.id = d.connection_id and chosen.state = 'active' and chosen.deleted_at is null
    where d.domain = ${domain} and d.verified_at is not null and c.id = coalesce(chosen.id, c.id)
    order by c.created_at, c.id`.execute(db)
  return rows
}

export type DomainRow = Awaited<
  ReturnType<ReturnType<typeof domainRows>['executeTakeFirstOrThrow']>
>

/** Claims as they are stored. */
export function domainRows(db: Db) {
  return db
    .selectFrom('domains')
    .select([
      'id',
      'organization_id',
      'domain',
      'token',
      'connection_id',
      'verified_at',
      'last_proved_at',
      'missing_since',
      'warned_at',
      'created_at',
    ])
}

/** A claim as it is stored, with what it comes to. */
export function toDomain(row: DomainRow): Domain {
  const { verified_at: verifiedAt, missing_since: missingSince } = row
  return {
    id: row.id,
    organizationId: row.organization_id,
    domain: row.domain,
    state: verifiedAt
      ? missingSince
        ? 'missing'
        : 'proven'
      : row.last_proved_at
        ? 'lost'
        : 'waiting',
    token: row.token,
    connectionId: row.connection_id,
    verifiedAt,
    lastProvedAt: row.last_proved_at,
    lostAt: verifiedAt && missingSince && later(missingSince, lostAfter),
    createdAt: row.created_at,
  }
}
