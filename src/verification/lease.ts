import { sql, type RawBuilder } from 'kysely'
import { prepared, type Db } from '../db/open.ts'
import { later, seconds } from '../lib/clock.ts'
import { newId } from '../lib/ids.ts'

/** An identity that is ours to ask about, until its lease ends. */
export interface Leased {
  readonly id: string
  readonly lease: string
  readonly connectionId: string
  readonly organizationId: string
  readonly userId: string
  readonly issuer: string
  readonly subject: string
  readonly granted: Buffer | null
  readonly grantVersion: number
  /** The connection's settings that the grant was made under: it is shown to no provider of others. */
  readonly grantedUnder: number | null
  readonly configVersion: number
  readonly refreshIntent: Date | null
  readonly rung: string | null
  readonly failingSince: Date | null
  readonly lastVerifiedAt: Date
  /** Null: there is no such membership any more. */
  readonly linkState: 'unlinked' | 'linked' | 'suspect' | 'revoked' | null
  readonly removed: boolean
  readonly checkEveryMinutes: number
  readonly outageBudgetMinutes: number
  /** Since when nobody at this connection could be asked about. */
  readonly connectionFailing: boolean
  /** How often in a row the provider gave the same refresh token back. */
  readonly unrotated: number
}

/** Longer than any check takes: name, connection and answer of a handful of requests. */
export const leaseFor: number = seconds(60)

/** Connections looked at in one statement. */
const mostConnections = 50

/** How much to take, and of what. */
export interface Taking {
  /** In all. */
  readonly most: number
  /** Of each connection. @default as many as in all */
  readonly mostEach?: number
  /** Only of this connection, or of any. */
  readonly only?: string | undefined
  /** Connections to take nothing of. */
  readonly except?: readonly string[]
}

/**
 * Takes the most overdue identities of each connection, as many as its allowance has room for, and pays for them: one
 * statement, however many workers ask at once. A connection somebody else is taking of is passed over; one that has not
 * answered lately is asked about a single identity, until it answers. Each lease ends by itself, because it is nothing
 * but the moment when the identity is due again.
 */
export async function leaseDue(db: Db, now: Date, taking: Taking): Promise<readonly Leased[]> {
  const { rows } = await leasing(now, taking).execute(db)
  return rows
}

/** The statement of {@link leaseDue}. Nothing in it grows with the number of identities that are not due. */
export function leasing(
  now: Date,
  { most, mostEach = most, only, except = [] }: Taking,
): RawBuilder<Leased> {
  const lease = newId()
  // A number that the planner sees: it then goes along the index, and does not gather and sort whatever is due.
  const each = sql.raw(String(Math.trunc(mostEach)))
  const ofOne = only ? sql`and c.id = ${only}` : sql``
  return sql<Leased>`
    ${only ? sql`` : prepared(`lease_due_${mostEach}`)}
    with ready as (
      select c.id, c.checks_per_second as rate, coalesce(k.failing_since, k.misconfigured_since) is not null as probed,
        greatest(k.paid_until, ${now}::timestamptz - interval '1 second' * c.checks_burst / c.checks_per_second) as paid
      from connection_checks k join connections c on c.id = k.connection_id
      where c.state = 'active' and c.deleted_at is null and k.paid_until <= ${now} ${ofOne}
        and c.id <> all (${[...except]}::uuid[])
        and exists (select from identities i where i.connection_id = c.id and i.check_at <= ${now})
      order by k.paid_until limit ${mostConnections} for update of k skip locked
    ), due as (
      select d.id, ready.id as connection_id from ready cross join lateral (
        select due.id from (
          select i.id from identities i where i.connection_id = ready.id and i.check_at <= ${now} order by i.check_at
          limit ${each} for update skip locked) due
        limit case when ready.probed then 1 else
          floor(extract(epoch from ${now}::timestamptz - ready.paid) * ready.rate)::int end) d
      limit ${most}
    ), spent as (
      update connection_checks k set paid_until = ready.paid + interval '1 second' * taken.n / ready.rate
      from ready, (select connection_id, count(*) as n from due group by connection_id) taken
      where k.connection_id = ready.id and taken.connection_id = ready.id
    ), leased as (
      update identities i set lease = ${lease}, check_at = ${later(now, leaseFor)}
      where i.id = any (array(select id from due)) returning i.*
    )
    select i.id, i.lease, i.connection_id as "connectionId", c.organization_id as "organizationId", i.user_id as "userId",
      i.issuer, i.subject, i.granted, i.grant_version as "grantVersion", i.granted_under as "grantedUnder",
      c.config_version as "configVersion", i.refresh_intent as "refreshIntent", i.rung,
      i.failing_since as "failingSince", i.last_verified_at as "lastVerifiedAt", m.link_state as "linkState",
      m.removed_at is not null as removed, c.check_every_minutes as "checkEveryMinutes",
      c.outage_budget_minutes as "outageBudgetMinutes", k.unrotated,
      k.failing_since is not null or k.misconfigured_since is not null as "connectionFailing"
    from leased i join connections c on c.id = i.connection_id join connection_checks k on k.connection_id = c.id
    left join memberships m on m.organization_id = c.organization_id and m.user_id = i.user_id`
}

/** Gives leases back that nothing was done with: they are due at once. */
export async function giveBack(db: Db, leased: readonly Leased[], now: Date): Promise<void> {
  if (leased.length === 0) return
  const leases = [...new Set(leased.map(({ lease }) => lease))]
  await sql`
    update identities set lease = null, check_at = ${now}
    where id = any(${leased.map(({ id }) => id)}::uuid[]) and lease = any(${leases}::uuid[])`.execute(
    db,
  )
}

/** Makes identities due now, so that whoever works through them asks: all of a connection, or one. Answers how many. */
export async function checkNow(
  db: Db,
  { connectionId, identityId }: { readonly connectionId: string; readonly identityId?: string },
  now: Date,
): Promise<number> {
  const ofOne = identityId ? sql`and id = ${identityId}` : sql``
  const { numAffectedRows } = await sql`
    update identities set check_at = ${now}
    where connection_id = ${connectionId} and check_at > ${now} and lease is null ${ofOne}`.execute(
    db,
  )
  return Number(numAffectedRows)
}
