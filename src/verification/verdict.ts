import { randomInt } from 'node:crypto'
import { sql } from 'kysely'
import { recordEvent } from '../accounts/audit.ts'
import { mailableAddress } from '../accounts/emails.ts'
import { nextCheck } from '../accounts/grants.ts'
import { recordLockout, type Finder } from '../accounts/lockouts.ts'
import { prepared, type Db } from '../db/open.ts'
import { later, minutes, seconds, type Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Outbox } from '../mails/outbox.ts'
import type { Answer } from '../providers/again.ts'
import { takeProofs } from '../sessions/ending.ts'
import { revoke } from '../sessions/revoke.ts'
import type { Node } from '../sessions/node.ts'
import { brakes } from './brake.ts'
import { gathering, type Gathered } from './gather.ts'
import type { Leased } from './lease.ts'
import { noteTrouble, noteWell } from './trouble.ts'

/** What carrying out a verdict takes. */
export interface VerdictServices {
  readonly db: Db
  readonly clock: Clock
  readonly node: Node
  readonly log: Log
  readonly sendMail: Outbox
  readonly origin: string
}

/** What became of an answer. `dropped`: the identity was somebody else's by then, or gone, and nothing was written. */
export type Settled = 'settled' | 'held' | 'dropped'

/**
 * Carries out what a provider answered: the verdict, what it does, and its audit, all or nothing. When this returns, no
 * node lets somebody in who is no longer vouched for.
 */
export async function settleAnswer(
  services: VerdictServices,
  leased: Leased,
  answer: Answer,
): Promise<Settled> {
  const now = services.clock.now()
  if (leased.linkState === null) return forget(services, leased, now)
  switch (answer.answer) {
    case 'still_true':
      if (leased.connectionFailing) await noteWell(services, leased, now)
      return stillTrue(services, leased, answer, now)
    case 'no_longer_true':
      if (leased.connectionFailing) await noteWell(services, leased, now)
      return noLongerTrue(services, leased, answer.reason, now)
    case 'could_not_tell':
      if (answer.doubt === 'unsupported')
        return fellToDeadline(services, leased, answer.reason, now)
      return couldNotTell(services, leased, answer, now)
  }
}

/** The identity is still in our lease, and its connection in use. */
const still = ({ id, lease }: Leased) => sql`i.id = ${id} and i.lease = ${lease}
  and c.id = i.connection_id and c.state = 'active' and c.deleted_at is null`

interface Vouched extends Pick<Leased, 'id' | 'lease' | 'removed'> {
  readonly reason: string
  readonly now: Date
}

/** Writes down that a provider still vouches for somebody. Answers whether they were still ours to ask about. */
const vouch: Gathered<Vouched, boolean> = gathering(async (db, vouched) => {
  const { rows } = await sql<{ id: string }>`
    ${prepared('vouch')} update identities i set last_verified_at = t.now, verdict = 'still_true', verdict_reason = t.reason,
      verdict_at = t.now, failing_since = null, failures = 0, held = false, lease = null,
      check_at = case when not t.removed then ${nextCheck(sql`t.now`)} end
    from unnest(${vouched.map(({ id }) => id)}::uuid[], ${vouched.map(({ lease }) => lease)}::uuid[],
      ${vouched.map(({ removed }) => removed)}::boolean[], ${vouched.map(({ reason }) => reason)}::text[],
      ${vouched.map(({ now }) => now)}::timestamptz[]) as t (id, lease, removed, reason, now),
      connections c join organizations o on o.id = c.organization_id
    where i.id = t.id and i.lease = t.lease and c.id = i.connection_id and c.state = 'active' and c.deleted_at is null
    returning i.id`.execute(db)
  const written = new Set(rows.map(({ id }) => id))
  return vouched.map(({ id }) => written.has(id))
})

async function stillTrue(
  services: VerdictServices,
  leased: Leased,
  { reason }: Extract<Answer, { answer: 'still_true' }>,
  now: Date,
): Promise<Settled> {
  const { id, lease, removed } = leased
  const vouched = { id, lease, removed, reason, now }
  if (leased.linkState !== 'suspect')
    return (await vouch(services.db, vouched)) ? 'settled' : 'dropped'
  return revoke(services, async (tx) => {
    if (!(await vouch(tx, vouched))) return { result: 'dropped', targets: [] }
    await moveLink(tx, leased, { from: ['suspect'], to: 'linked', reason: null }, now)
    return { result: 'settled', targets: [{ kind: 'user', id: leased.userId }] }
  })
}

function noLongerTrue(
  services: VerdictServices,
  leased: Leased,
  reason: string,
  now: Date,
): Promise<Settled> {
  return revoke(services, async (tx) => {
    const held = await brakes(tx, services, leased, now)
    const { numAffectedRows } = await sql`
      update identities i set verdict = 'no_longer_true', verdict_reason = ${reason}, verdict_at = ${now}, lease = null,
        check_at = null, granted = null, grant_version = i.grant_version + 1, refresh_intent = null, held = ${held}
      from connections c where ${still(leased)}`.execute(tx)
    if (numAffectedRows === 0n) return { result: 'dropped', targets: [] }
    if (held) return { result: 'held', targets: [] }
    const lasted = (now.getTime() - leased.lastVerifiedAt.getTime()) / 1000
    const by = (leased.rung ?? 'refresh') as Finder
    await recordLockout(tx, { connectionId: leased.connectionId, by, seconds: lasted }, now)
    return { result: 'settled', targets: await carryOut(tx, services, leased, reason, now) }
  })
}

/** Whom a verdict is about. */
export type Judged = Pick<Leased, 'id' | 'userId' | 'organizationId' | 'connectionId'>

/** What follows from "no longer true": what rests on the identity ends, the link is revoked, and the person is told. */
export async function carryOut(
  tx: Db,
  { sendMail, origin }: Pick<VerdictServices, 'sendMail' | 'origin'>,
  { id, userId, organizationId, connectionId }: Judged,
  reason: string,
  now: Date,
): Promise<Awaited<ReturnType<typeof takeProofs>>['targets']> {
  const event = { organizationId, target: id }
  const data = { reason, connection: connectionId }
  await recordEvent(tx, { action: 'identity.revoked', ...event, data }, now)
  const { targets } = await takeProofs(
    tx,
    { organizationId, userId, identityId: id, reason: 'identity_revoked' },
    {},
    now,
  )
  const elsewhere = await tx
    .selectFrom('identities')
    .innerJoin('connections', 'connections.id', 'identities.connection_id')
    .select('identities.id')
    .where('identities.user_id', '=', userId)
    .where('identities.id', '<>', id)
    .where('connections.organization_id', '=', organizationId)
    .where('connections.state', '=', 'active')
    .where((eb) => eb.or([eb('verdict', 'is', null), eb('verdict', '<>', 'no_longer_true')]))
    .executeTakeFirst()
  if (!elsewhere)
    await moveLink(
      tx,
      { id, userId, organizationId },
      { from: ['unlinked', 'linked', 'suspect'], to: 'revoked', reason },
      now,
    )
  const to = await mailableAddress(tx, userId)
  if (to) {
    const { name } = await tx
      .selectFrom('organizations')
      .select('name')
      .where('id', '=', organizationId)
      .executeTakeFirstOrThrow()
    await sendMail(tx, 'access_ended', to, { origin, organization: name, at: now.toISOString() })
  }
  return [...targets, { kind: 'identity', id }]
}

/** How soon a doubt is asked about again at the least, in milliseconds. */
const soonest = seconds(30)

async function couldNotTell(
  services: VerdictServices,
  leased: Leased,
  answer: Extract<Answer, { answer: 'could_not_tell' }>,
  now: Date,
): Promise<Settled> {
  await noteTrouble(services, leased, answer, now)
  const since = leased.failingSince ?? now
  const budgetEnds = later(since, minutes(leased.outageBudgetMinutes))
  const spent = now >= budgetEnds
  const again = nextTry(since, now, minutes(leased.checkEveryMinutes))
  const checkAt = !spent && again > budgetEnds ? budgetEnds : again
  const write = async (db: Db) => {
    const { numAffectedRows } = await sql`
      update identities i set verdict = 'could_not_tell', verdict_reason = ${answer.reason}, verdict_at = ${now},
        failing_since = coalesce(i.failing_since, ${now}), failures = i.failures + 1, lease = null, check_at = ${checkAt}
      from connections c where ${still(leased)}`.execute(db)
    return numAffectedRows === 1n
  }
  if (!spent || leased.linkState !== 'linked')
    return (await write(services.db)) ? 'settled' : 'dropped'
  return revoke(services, async (tx) => {
    if (!(await write(tx))) return { result: 'dropped', targets: [] }
    await moveLink(tx, leased, { from: ['linked'], to: 'suspect', reason: answer.reason }, now)
    return { result: 'settled', targets: [{ kind: 'user', id: leased.userId }] }
  })
}

/** The longer it has not worked, the later it is tried again: after half as long once more, with a little chance. */
function nextTry(since: Date, now: Date, every: number): Date {
  const wait = Math.min(every, Math.max(soonest, (now.getTime() - since.getTime()) / 2))
  return later(now, wait * (1 + randomInt(250) / 1000))
}

/** There is no asking any more: from here on only the end of the session and of the provider's own count. */
async function fellToDeadline(
  { db }: VerdictServices,
  leased: Leased,
  reason: string,
  now: Date,
): Promise<Settled> {
  return db.transaction().execute(async (tx) => {
    const { numAffectedRows } = await sql`
      update identities i set rung = 'deadline', verdict_reason = ${reason}, check_at = null, lease = null
      from connections c where ${still(leased)}`.execute(tx)
    if (numAffectedRows === 0n) return 'dropped'
    const { id, organizationId, connectionId, rung } = leased
    if (rung !== 'deadline')
      await recordEvent(
        tx,
        {
          action: 'verification.rung_fell',
          organizationId,
          target: id,
          data: { reason, connection: connectionId, from: rung, to: 'deadline' },
        },
        now,
      )
    return 'settled'
  })
}

/** An identity whose membership is gone is nobody's business any more. Whoever was removed keeps a tombstone instead. */
async function forget(
  services: VerdictServices,
  { id, lease, organizationId, userId }: Leased,
  now: Date,
): Promise<Settled> {
  return revoke(services, async (tx) => {
    const { numDeletedRows } = await tx
      .deleteFrom('identities')
      .where('id', '=', id)
      .where('lease', '=', lease)
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('memberships')
              .select('memberships.id')
              .where('organization_id', '=', organizationId)
              .where('user_id', '=', userId),
          ),
        ),
      )
      .executeTakeFirst()
    if (numDeletedRows === 0n) return { result: 'dropped', targets: [] }
    const event = { organizationId, target: id, data: { reason: 'no_membership' } }
    await recordEvent(tx, { action: 'identity.removed', ...event }, now)
    return { result: 'settled', targets: [{ kind: 'identity', id }] }
  })
}

/** Moves a member's link from one state to another, with its audit row; nothing where it is in none of them. */
export async function moveLink(
  tx: Db,
  { id, userId, organizationId }: Pick<Judged, 'id' | 'userId' | 'organizationId'>,
  move: {
    readonly from: readonly NonNullable<Leased['linkState']>[]
    readonly to: NonNullable<Leased['linkState']>
    readonly reason: string | null
  },
  now: Date,
): Promise<void> {
  const moved = await tx
    .updateTable('memberships')
    .set({ link_state: move.to, link_reason: move.reason, link_since: now })
    .where('organization_id', '=', organizationId)
    .where('user_id', '=', userId)
    .where('link_state', 'in', [...move.from])
    .where('removed_at', 'is', null)
    .returning('id')
    .execute()
  if (moved.length === 0) return
  const data = { to: move.to, reason: move.reason, identity: id }
  await recordEvent(tx, { action: 'link.moved', organizationId, target: userId, data }, now)
}
