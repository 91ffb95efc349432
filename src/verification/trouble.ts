import { recordEvent } from '../accounts/audit.ts'
import type { Db } from '../db/open.ts'
import { later, minutes, seconds } from '../lib/clock.ts'
import type { Answer } from '../providers/again.ts'
import { sql } from 'kysely'
import { unanswered } from './check.ts'
import { alarm, allClear } from './alarms.ts'
import type { Leased } from './lease.ts'
import type { VerdictServices } from './verdict.ts'

type Doubtful = Extract<Answer, { answer: 'could_not_tell' }>

/** A connection that must be mended is asked again this seldom, in milliseconds. */
const misconfiguredPause = minutes(15)

/** How long a connection that does not answer is left alone: a quarter of the time it has not, in milliseconds. */
const [shortest, longest] = [seconds(1), minutes(5)]

/** After so long without an answer administrators are told, once. */
const alarmAfter = minutes(10)

/** Whether an answer says that the provider cannot be asked about anybody, and not only of one person's token. */
export function restsConnection(answer: Answer): boolean {
  return (
    answer.answer === 'could_not_tell' &&
    answer.doubt !== 'unsupported' &&
    answer.reason !== unanswered
  )
}

/**
 * Notes that a connection's provider could not be asked: the whole connection rests for a while, and whoever can mend it
 * is told once, not once an identity.
 */
export async function noteTrouble(
  services: VerdictServices,
  { connectionId, organizationId }: Leased,
  answer: Doubtful,
  now: Date,
): Promise<void> {
  if (!restsConnection(answer)) return
  const { doubt, reason, pause } = answer
  const column = doubt === 'misconfigured' ? 'misconfigured' : 'failing'
  const [since, why] = [sql.ref(`${column}_since`), sql.ref(`${column}_reason`)]
  await services.db.transaction().execute(async (tx) => {
    const { rows } = await sql<{ since: Date; before: Date | null }>`
      update connection_checks k set ${since} = coalesce(k.${since}, ${now}), ${why} = ${reason}, failures = k.failures + 1
      from connection_checks old where old.connection_id = k.connection_id and k.connection_id = ${connectionId}
      returning k.${since} as since, old.${since} as before`.execute(tx)
    const trouble = rows[0]
    if (!trouble) return
    const lasted = now.getTime() - trouble.since.getTime()
    const rest =
      pause ??
      (column === 'misconfigured'
        ? misconfiguredPause
        : Math.min(longest, Math.max(shortest, lasted / 4)))
    await tx
      .updateTable('connection_checks')
      .set((eb) => ({ paid_until: eb.fn('greatest', ['paid_until', eb.val(later(now, rest))]) }))
      .where('connection_id', '=', connectionId)
      .execute()
    if (!trouble.before) {
      const data = { reason, kind: column }
      await recordEvent(
        tx,
        { action: 'verification.trouble_began', organizationId, target: connectionId, data },
        now,
      )
    }
    const what = column === 'misconfigured' ? 'misconfigured' : 'outage'
    if (what === 'misconfigured' || lasted >= alarmAfter)
      await alarm(tx, services, { connectionId, organizationId, what, since: trouble.since }, now)
  })
}

/** Notes that the provider answers again. Whoever was alarmed is told so, once. */
export async function noteWell(
  services: VerdictServices,
  { connectionId, organizationId }: Leased,
  now: Date,
): Promise<void> {
  await services.db.transaction().execute(async (tx) => {
    const { rows } = await sql<{ failing: Date | null; misconfigured: Date | null }>`
      update connection_checks k set failing_since = null, failing_reason = null, misconfigured_since = null,
        misconfigured_reason = null, failures = 0
      from (select * from connection_checks where connection_id = ${connectionId} for update) old
      where k.connection_id = old.connection_id
        and (old.failing_since is not null or old.misconfigured_since is not null)
      returning old.failing_since as failing, old.misconfigured_since as misconfigured`.execute(tx)
    const was = rows[0]
    if (!was) return
    await recordEvent(
      tx,
      { action: 'verification.trouble_ended', organizationId, target: connectionId },
      now,
    )
    const about = { connectionId, organizationId }
    if (was.failing)
      await allClear(tx, services, { ...about, what: 'outage', since: was.failing }, now)
    if (was.misconfigured)
      await allClear(
        tx,
        services,
        { ...about, what: 'misconfigured', since: was.misconfigured },
        now,
      )
  })
}

/**
 * Makes suspects of those who are overdue for longer than their connection may be away, though nobody got round to
 * asking about each of them.
 * @returns their identities; whoever calls announces them
 */
export async function findOverdue(
  tx: Db,
  now: Date,
): Promise<readonly { id: string; userId: string; organizationId: string; reason: string }[]> {
  const { rows } = await sql<{
    id: string
    userId: string
    organizationId: string
    reason: string
  }>`
    select i.id, i.user_id as "userId", c.organization_id as "organizationId",
      coalesce(k.failing_reason, k.misconfigured_reason) as reason
    from connection_checks k
    join connections c on c.id = k.connection_id and c.state = 'active' and c.deleted_at is null
    join identities i on i.connection_id = c.id
      and i.check_at < ${now}::timestamptz - c.outage_budget_minutes * interval '1 minute'
    join memberships m on m.organization_id = c.organization_id and m.user_id = i.user_id and m.link_state = 'linked'
      and m.removed_at is null
    where coalesce(k.failing_since, k.misconfigured_since)
      <= ${now}::timestamptz - c.outage_budget_minutes * interval '1 minute'
    limit 500`.execute(tx)
  return rows
}
