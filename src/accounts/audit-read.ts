import { sql } from 'kysely'
import type { Db } from '../db/open.ts'
import { days, later } from '../lib/clock.ts'

/** An event of an organization, as its administrators read it. */
export interface OrganizationEvent {
  readonly id: string
  readonly at: Date
  readonly action: string
  readonly outcome: 'ok' | 'deny'
  /** Who did it; the id alone says nothing of whoever never belonged to the organization, and is left out. */
  readonly actor: { readonly id: string; readonly name: string } | null
  /** Whether somebody did it who is not told of here: a stranger, or somebody of another organization. */
  readonly actorUntold: boolean
  /** The id of what it was done to. */
  readonly target: string | null
  /** The member that it was done to, where it was one. */
  readonly targetName: string | null
  readonly data: Readonly<Record<string, string | number | boolean | null>>
  readonly requestId: string | null
}

/** Which events are asked for. */
export interface EventQuery {
  readonly action?: string | undefined
  /** A member, as who did it or to whom. */
  readonly userId?: string | undefined
  /** The id of the last event of the page before. @default from the newest */
  readonly before?: string | undefined
  /** @default 50 */
  readonly limit?: number
}

/** What happened in one organization, the newest first, a page at a time. Of others nothing is told. */
export async function listEvents(
  db: Db,
  organizationId: string,
  { action, userId, before, limit = 50 }: EventQuery = {},
): Promise<{ readonly events: readonly OrganizationEvent[]; readonly next: string | null }> {
  const where = [
    action ? sql`and e.action = ${action}` : sql``,
    userId
      ? sql`and (e.actor_id = ${userId} or e.target = ${userId}) and exists (
          select from memberships m where m.organization_id = ${organizationId} and m.user_id = ${userId})`
      : sql``,
    before
      ? sql`and (e.at, e.id) < (select b.at, b.id from audit_events b
          where b.id = ${before} and b.organization_id = ${organizationId})`
      : sql``,
  ]
  const { rows } = await sql<OrganizationEvent>`
    select e.id, e.at, e.action, e.outcome, e.target, tu.name as "targetName", e.data, e.request_id as "requestId",
      case when au.id is not null then json_build_object('id', au.id, 'name', au.name) end as actor,
      e.actor_id is not null and au.id is null as "actorUntold"
    from audit_events e
    left join memberships am on am.organization_id = e.organization_id and am.user_id = e.actor_id
    left join users au on au.id = am.user_id
    left join memberships tm on tm.organization_id = e.organization_id and tm.user_id::text = e.target
    left join users tu on tu.id = tm.user_id
    where e.organization_id = ${organizationId} ${sql.join(where, sql` `)}
    order by e.at desc, e.id desc limit ${limit + 1}`.execute(db)
  const events = rows.slice(0, limit)
  return { events, next: rows.length > limit ? events.at(-1)!.id : null }
}

/** How many sign-ins of a day went well, and how many were refused. */
export interface SignInDay {
  /** As `2026-06-01`, in UTC. */
  readonly day: string
  readonly ok: number
  readonly refused: number
}

/** Sign-ins to an organization on each of the last days, today last; a day without any is there too. */
export async function countSignIns(
  db: Db,
  organizationId: string,
  { now, span = 30 }: { readonly now: Date; readonly span?: number },
): Promise<readonly SignInDay[]> {
  const first = later(now, -days(span - 1))
    .toISOString()
    .slice(0, 10)
  const { rows } = await sql<SignInDay>`
    with counted as (
      select (at at time zone 'UTC')::date as day, 1 as ok, 0 as refused from audit_events
      where organization_id = ${organizationId} and action = 'login.succeeded' and at >= ${`${first}T00:00:00Z`}
      union all
      select (at at time zone 'UTC')::date, 0, 1 from attempts
      where organization_id = ${organizationId} and kind = 'login' and outcome = 'refused' and at >= ${`${first}T00:00:00Z`}
    )
    select to_char(d.day, 'YYYY-MM-DD') as day, coalesce(sum(c.ok), 0)::int as ok, coalesce(sum(c.refused), 0)::int as refused
    from generate_series(${first}::date, ${now.toISOString().slice(0, 10)}::date, interval '1 day') as d (day)
    left join counted c on c.day = d.day::date
    group by d.day order by d.day`.execute(db)
  return rows
}
