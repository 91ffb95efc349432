import { sql } from 'kysely'
import { recordEvent } from '../accounts/audit.ts'
import type { Db } from '../db/open.ts'
import { hours, later, minutes } from '../lib/clock.ts'
import { announce } from '../sessions/revocations.ts'
import { settle } from '../sessions/settle.ts'
import type { Leased } from './lease.ts'
import { carryOut, type VerdictServices } from './verdict.ts'
import { alarm, allClear } from './alarms.ts'

/** More than this share of a connection's verdicts within {@link span} saying "gone", and at least so many: nobody loses anything. */
const [share, fewest, span] = [0.2, 10, minutes(10)]

/** For how long an administrator's word holds that they are gone indeed. */
const liftedFor = hours(1)

/**
 * Whether one more "no longer true" is held back, because too many of one connection came at once for all to be meant.
 * Whoever asks holds the connection's row until the commit, so none slips past.
 */
export async function brakes(
  tx: Db,
  services: Pick<VerdictServices, 'sendMail' | 'origin'>,
  { connectionId, organizationId }: Pick<Leased, 'connectionId' | 'organizationId'>,
  now: Date,
): Promise<boolean> {
  const checks = await tx
    .selectFrom('connection_checks')
    .select(['braked_since', 'brake_lifted_until'])
    .where('connection_id', '=', connectionId)
    .forUpdate()
    .executeTakeFirst()
  if (checks?.brake_lifted_until && checks.brake_lifted_until > now) return false
  if (checks?.braked_since) return true
  const { gone, all } = await count(tx, connectionId, now)
  if (gone + 1 < fewest || (gone + 1) / (all + 1) <= share) return false
  await tx
    .updateTable('connection_checks')
    .set({ braked_since: now })
    .where('connection_id', '=', connectionId)
    .execute()
  const event = { organizationId, target: connectionId, data: { gone: gone + 1, of: all + 1 } }
  await recordEvent(tx, { action: 'verification.braked', ...event }, now)
  await alarm(tx, services, { connectionId, organizationId, what: 'brake', since: now }, now)
  return true
}

async function count(
  tx: Db,
  connectionId: string,
  now: Date,
): Promise<{ gone: number; all: number }> {
  const since = later(now, -span)
  const { rows } = await sql<{ gone: string; counted: string }>`
    select
      (select count(*) from identities where connection_id = ${connectionId} and verdict = 'no_longer_true'
        and verdict_at > ${since}) as gone,
      (select coalesce(sum(count), 0) from connection_verdicts where connection_id = ${connectionId}
        and at > ${since} and verdict = 'still_true') as counted`.execute(tx)
  const gone = Number(rows[0]!.gone)
  return { gone, all: gone + Number(rows[0]!.counted) }
}

/**
 * Lifts the brake: what it held is carried out, and for an hour nothing is held.
 * @param by the administrator who says that these people are gone indeed
 * @returns how many verdicts were held
 */
export async function liftBrake(
  services: VerdictServices,
  { connectionId, organizationId }: Pick<Leased, 'connectionId' | 'organizationId'>,
  by: { readonly userId?: string; readonly requestId?: string },
  now: Date,
): Promise<number> {
  const { count, position } = await services.db.transaction().execute(async (tx) => {
    const { rows } = await sql<{ since: Date }>`
      update connection_checks k set braked_since = null, brake_lifted_until = ${by.userId ? later(now, liftedFor) : null}
      from (select * from connection_checks where connection_id = ${connectionId} for update) old
      where k.connection_id = old.connection_id and old.braked_since is not null
      returning old.braked_since as since`.execute(tx)
    if (!rows[0]) return { count: 0, position: 0 }
    const held = await tx
      .updateTable('identities')
      .set({ held: false })
      .where('connection_id', '=', connectionId)
      .where('held', '=', true)
      .where('verdict', '=', 'no_longer_true')
      .returning(['id', 'user_id as userId', 'verdict_reason'])
      .execute()
    const event = {
      organizationId,
      actorId: by.userId,
      requestId: by.requestId,
      target: connectionId,
      data: { held: held.length },
    }
    await recordEvent(tx, { action: 'verification.brake_lifted', ...event }, now)
    const braked = { connectionId, organizationId, what: 'brake', since: rows[0].since } as const
    await allClear(tx, services, braked, now)
    const targets = []
    for (const { id, userId, verdict_reason } of held) {
      const judged = { id, userId, organizationId, connectionId }
      targets.push(...(await carryOut(tx, services, judged, verdict_reason ?? 'held', now)))
    }
    return { count: held.length, position: await announce(tx, targets) }
  })
  if (position > 0) await settle(services.db, services.node, position)
  return count
}

/** Lifts the brakes of connections whose share has fallen by itself. */
export async function releaseBrakes(services: VerdictServices, now: Date): Promise<void> {
  const braked = await services.db
    .selectFrom('connection_checks')
    .innerJoin('connections', 'connections.id', 'connection_checks.connection_id')
    .select(['connections.id as connectionId', 'connections.organization_id as organizationId'])
    .where('braked_since', '<', later(now, -span))
    .execute()
  for (const connection of braked) {
    const { gone, all } = await count(services.db, connection.connectionId, now)
    if (gone < fewest || gone / all <= share) await liftBrake(services, connection, {}, now)
  }
}
