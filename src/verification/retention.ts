import { sql } from 'kysely'
import { recordEvent } from '../accounts/audit.ts'
import { mailableAddress } from '../accounts/emails.ts'
import type { Db } from '../db/open.ts'
import { days, later } from '../lib/clock.ts'
import { takeProofs } from '../sessions/ending.ts'
import { revoke } from '../sessions/revoke.ts'
import type { Target } from '../sessions/revocations.ts'
import { moveLink, type VerdictServices } from './verdict.ts'

/** How long before it goes a person is told of it, in milliseconds. */
export const announcedBefore: number = days(14)

/** As many at a time, each time in a transaction. */
const batch = 100

/**
 * Tells people whose sign-in has not been used for long that it goes, and lets go what was told of in time, and what
 * belongs to no member any more.
 */
export async function keepIdentities(
  services: VerdictServices,
  now: Date,
  signal?: AbortSignal,
): Promise<{ readonly announced: number; readonly removed: number }> {
  const done = { announced: 0, removed: 0 }
  await takeBack(services.db, now)
  for (let n = batch; n === batch && !signal?.aborted; done.announced += n)
    n = await announceSome(services, now)
  for (let n = batch; n === batch && !signal?.aborted; done.removed += n)
    n = await removeSome(services, now)
  return done
}

/** Whoever was told, and may stay after all, because their organization keeps sign-ins for longer by now. */
async function takeBack(db: Db, now: Date): Promise<void> {
  await sql`
    update identities i set leaving_at = null from connections c join organizations o on o.id = c.organization_id
    where c.id = i.connection_id and i.leaving_at > '-infinity'
      and i.signed_in_at > ${later(now, announcedBefore)}::timestamptz - o.keep_identities_days * interval '1 day'`.execute(
    db,
  )
}

interface Unused {
  readonly id: string
  readonly userId: string
  readonly organizationId: string
  readonly organization: string
  readonly connectionId: string
  readonly connection: string
}

interface Announced extends Unused {
  readonly leavingAt: Date
}

/**
 * Only members are told, of a connection through which they can sign in. Who was removed, or disabled by a signal, stays
 * known as that, however long ago they signed in.
 */
async function announceSome({ db, sendMail, origin }: VerdictServices, now: Date): Promise<number> {
  return db.transaction().execute(async (tx) => {
    const { rows } = await sql<Announced>`
      update identities i
      set leaving_at = greatest(${later(now, announcedBefore)}::timestamptz, i.signed_in_at + o.keep_identities_days * interval '1 day')
      from connections c join organizations o on o.id = c.organization_id
      where c.id = i.connection_id and i.id in (
        select u.id from identities u
        join connections uc on uc.id = u.connection_id and uc.state = 'active' and uc.deleted_at is null
        join organizations uo on uo.id = uc.organization_id and uo.deleted_at is null
        join memberships m on m.organization_id = uo.id and m.user_id = u.user_id and m.removed_at is null
        where u.leaving_at is null and u.signal_disabled_at is null
          and u.signed_in_at <= ${later(now, announcedBefore)}::timestamptz - (select min(keep_identities_days) from organizations) * interval '1 day'
          and u.signed_in_at <= ${later(now, announcedBefore)}::timestamptz - uo.keep_identities_days * interval '1 day'
        order by u.signed_in_at limit ${batch} for update of u skip locked)
      returning i.id, i.user_id as "userId", o.id as "organizationId", o.name as organization, c.id as "connectionId",
        c.name as connection, i.leaving_at as "leavingAt"`.execute(tx)
    for (const { id, userId, organizationId, organization, connection, leavingAt } of rows) {
      const at = leavingAt.toISOString()
      const event = { organizationId, target: id, data: { at } }
      await recordEvent(tx, { action: 'identity.removal_announced', ...event }, now)
      const to = await mailableAddress(tx, userId)
      if (to) await sendMail(tx, 'identity_leaving', to, { origin, organization, connection, at })
    }
    return rows.length
  })
}

interface Leaving extends Unused {
  readonly member: boolean
}

async function removeSome(services: VerdictServices, now: Date): Promise<number> {
  return revoke(services, async (tx) => {
    const { rows } = await sql<Leaving>`
      select i.id, i.user_id as "userId", c.organization_id as "organizationId", c.id as "connectionId",
        m.id is not null as member
      from identities i join connections c on c.id = i.connection_id
      left join memberships m on m.organization_id = c.organization_id and m.user_id = i.user_id
      where i.leaving_at <= ${now} and (m.id is null or m.removed_at is null) and i.signal_disabled_at is null
      order by i.leaving_at limit ${batch} for update of i skip locked`.execute(tx)
    const targets: Target[] = []
    for (const one of rows) targets.push(...(await remove(tx, one, now)))
    return { result: rows.length, targets }
  })
}

async function remove(
  tx: Db,
  { id, userId, organizationId, connectionId, member }: Leaving,
  now: Date,
): Promise<readonly Target[]> {
  const reason = member ? 'unused' : 'no_membership'
  const proofs = { organizationId, userId, identityId: id, reason: 'identity_unlinked' } as const
  const { targets } = await takeProofs(tx, proofs, {}, now)
  await tx.deleteFrom('identities').where('id', '=', id).execute()
  const left = await tx
    .selectFrom('identities')
    .innerJoin('connections', 'connections.id', 'identities.connection_id')
    .select('identities.id')
    .where('identities.user_id', '=', userId)
    .where('connections.organization_id', '=', organizationId)
    .executeTakeFirst()
  if (member && !left)
    await moveLink(
      tx,
      { id, userId, organizationId },
      { from: ['linked', 'suspect'], to: 'unlinked', reason },
      now,
    )
  const event = { organizationId, target: id, data: { reason, connection: connectionId } }
  await recordEvent(tx, { action: 'identity.removed', ...event }, now)
  return [...targets, { kind: 'identity', id }]
}
