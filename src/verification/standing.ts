import { sql } from 'kysely'
import { observedLockouts, type ObservedLockouts } from '../accounts/lockouts.ts'
import type { Db } from '../db/open.ts'
import { days, hours, later, minutes } from '../lib/clock.ts'
import { keepsUp, promisedBound } from './bound.ts'

/** What a suspect may still do. */
export type OutagePolicy = 'keep' | 'read_only' | 'lock'

/** How asking again about a connection's people goes. */
export interface Standing {
  readonly connectionId: string
  readonly name: string
  readonly checkEveryMinutes: number
  readonly outageBudgetMinutes: number
  readonly outagePolicy: OutagePolicy
  readonly checksPerSecond: number
  readonly checksBurst: number
  /** Until when the connection is left alone: its provider asked for that, or did not answer. Null: it is not. */
  readonly restsUntil: Date | null
  readonly failingSince: Date | null
  readonly failingReason: string | null
  readonly misconfiguredSince: Date | null
  readonly misconfiguredReason: string | null
  readonly brakedSince: Date | null
  readonly brakeLiftedUntil: Date | null
  /** Verdicts that the brake holds. */
  readonly held: number
  readonly suspects: number
  readonly identities: number
  /** How many are due and have not been asked about yet. */
  readonly due: number
  /** The time since the most overdue was due, in milliseconds; 0: nobody is. */
  readonly overdue: number
  /** How many identities are on each rung. */
  readonly rungs: Readonly<Partial<Record<Rung, number>>>
}

/** How an identity is asked about, the best first. */
export const rungs = ['refresh', 'userinfo', 'introspection', 'directory', 'deadline'] as const

export type Rung = (typeof rungs)[number]

/** Every connection in use of an organization, or one of them, oldest first. */
export async function listStandings(
  db: Db,
  { organizationId, connectionId }: { organizationId: string; connectionId?: string },
  now: Date,
): Promise<readonly Standing[]> {
  const only = connectionId ? sql`and c.id = ${connectionId}` : sql``
  const { rows } = await sql<Standing>`
    select c.id as "connectionId", c.name, c.check_every_minutes as "checkEveryMinutes",
      c.outage_budget_minutes as "outageBudgetMinutes", c.outage_policy as "outagePolicy",
      c.checks_per_second as "checksPerSecond", c.checks_burst as "checksBurst",
      case when k.paid_until > ${now}::timestamptz + interval '1 second' then k.paid_until end as "restsUntil",
      k.failing_since as "failingSince", k.failing_reason as "failingReason",
      k.misconfigured_since as "misconfiguredSince", k.misconfigured_reason as "misconfiguredReason",
      k.braked_since as "brakedSince", k.brake_lifted_until as "brakeLiftedUntil",
      coalesce(i.held, 0) as held, coalesce(i.suspects, 0) as suspects, coalesce(i.identities, 0) as identities,
      coalesce(i.due, 0) as due, coalesce(i.overdue, 0) as overdue, coalesce(i.rungs, '{}') as rungs
    from connections c join connection_checks k on k.connection_id = c.id
    left join lateral (
      select sum(n)::int as identities, sum(held)::int as held, sum(suspects)::int as suspects, sum(due)::int as due,
        extract(epoch from ${now}::timestamptz - least(min(oldest), ${now}))::float8 * 1000 as overdue,
        jsonb_object_agg(rung, n) filter (where rung is not null) as rungs
      from (
        select i.rung, count(*)::int as n, count(*) filter (where i.held)::int as held,
          count(*) filter (where m.link_state = 'suspect')::int as suspects,
          count(*) filter (where i.check_at <= ${now})::int as due, min(i.check_at) as oldest
        from identities i left join memberships m on m.organization_id = c.organization_id and m.user_id = i.user_id
        where i.connection_id = c.id group by i.rung
      ) as r
    ) as i on true
    where c.organization_id = ${organizationId} and c.state = 'active' and c.deleted_at is null ${only}
    order by c.created_at, c.id`.execute(db)
  return rows
}

/** When a connection's outage budget is spent, counted from when its provider last answered; null: it answers. */
export function budgetEnds({
  failingSince,
  misconfiguredSince,
  outageBudgetMinutes,
}: Standing): Date | null {
  const since = failingSince ?? misconfiguredSince
  return since && later(since, minutes(outageBudgetMinutes))
}

/** What is promised of a connection, and what was kept. */
export interface Bound {
  /** In milliseconds; null: nobody is asked about. */
  readonly promised: number | null
  /** Whether the allowance is enough to ask about everybody in time. */
  readonly keepsUp: boolean
  readonly observed: readonly ObservedLockouts[]
}

/** A connection's bound, promised and observed. */
export async function readBound(db: Db, standing: Standing, now: Date): Promise<Bound> {
  const asked = standing.identities - (standing.rungs.deadline ?? 0)
  const of = { ...standing, asked }
  return {
    promised: asked > 0 ? promisedBound(of) : null,
    keepsUp: keepsUp(of),
    observed: await observedLockouts(db, standing.connectionId, now),
  }
}

/** Verdicts within one stretch of time. */
export interface VerdictCounts {
  readonly from: Date
  readonly stillTrue: number
  readonly noLongerTrue: number
  readonly couldNotTell: number
}

/** How far back the chart goes, and in what steps, in milliseconds. */
export const spans: Readonly<Record<Span, { label: string; length: number; step: number }>> = {
  day: { label: 'Last 24 hours', length: hours(24), step: hours(1) },
  month: { label: 'Last 30 days', length: days(30), step: days(1) },
}

export type Span = 'day' | 'month'

/** A connection's verdicts over time, the latest stretch last; one without any is there too. */
export async function countVerdicts(
  db: Db,
  connectionId: string,
  span: Span,
  now: Date,
): Promise<readonly VerdictCounts[]> {
  const { length, step } = spans[span]
  const end = Math.ceil((now.getTime() + 1) / step) * step
  const begin = new Date(end - length)
  const { rows } = await sql<VerdictCounts>`
    select s.from, coalesce(sum(v.count) filter (where v.verdict = 'still_true'), 0)::int as "stillTrue",
      coalesce(sum(v.count) filter (where v.verdict in ('no_longer_true', 'held')), 0)::int as "noLongerTrue",
      coalesce(sum(v.count) filter (where v.verdict in ('transient', 'misconfigured', 'unsupported')), 0)::int as "couldNotTell"
    from generate_series(${begin}::timestamptz, ${new Date(end - step)}::timestamptz, ${`${step} milliseconds`}::interval) as s ("from")
    left join connection_verdicts v on v.connection_id = ${connectionId} and v.at >= s.from
      and v.at < s.from + ${`${step} milliseconds`}::interval
    group by s.from order by s.from`.execute(db)
  return rows
}
