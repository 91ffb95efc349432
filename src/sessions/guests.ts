import { sql } from 'kysely'
import { recordEvent } from '../accounts/audit.ts'
import { createGuest, holdGuest, leaveTombstone } from '../accounts/users.ts'
import { clientKey, countUse } from '../db/limits.ts'
import type { Db } from '../db/open.ts'
import { queriesIn, type Queries } from '../db/queries.ts'
import { later, type Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import { randomToken } from '../lib/secrets.ts'
import { revoke, type Revoking } from './revoke.ts'
import type { Span } from './lifetimes.ts'
import { storeSession } from './sessions.ts'

/** What the application does with the work of guests, which it keeps under their ids. Every hook may be left out. */
export interface GuestHooks {
  /**
   * What a guest has, in a few words that complete “Take … with you?”, such as `3 items in your cart`; null: nothing,
   * and nobody is asked. @default 'what you have done as a guest'
   */
  describe?(guestId: string): Promise<string | null> | string | null
  /**
   * Moves a guest's work to the person they turned out to be, who said yes. It runs inside the transaction after which
   * the guest's id stands for the person; what it throws undoes everything.
   */
  claim?(tx: Queries, guestId: string, userId: string): Promise<unknown>
  /** Deletes what guests had, inside the transaction that deletes them. */
  purge?(tx: Queries, guestIds: readonly string[]): Promise<unknown>
}

/** Whether there are guests, how many, and for how long. Times in milliseconds. */
export interface GuestRules {
  readonly enabled: boolean
  /** @default idle 24 hours, absolute 7 days */
  readonly lifetimes: Span
  /** The most guests at work at one time. @default 100 000 */
  readonly quota: number
  /** How long what a guest had is kept after their session. @default 7 days */
  readonly grace: number
  readonly hooks: GuestHooks
}

/** A guest just made. */
export interface NewGuest {
  readonly guestId: string
  readonly sessionId: string
  /** For the cookie, and kept nowhere. */
  readonly token: string
}

/**
 * Makes a guest, for somebody who asked to be one. Held back for each client, for all together, and by how many guests
 * are at work already.
 * @throws AppError `rate_limited`
 */
export async function startGuest(
  { db, guests }: { readonly db: Db; readonly guests: GuestRules },
  visitor: {
    readonly browserHash: Buffer
    readonly device?: string | undefined
    readonly address?: string | undefined
    readonly requestId: string
  },
  now: Date,
): Promise<NewGuest> {
  await countUse(db, 'guests_of_address', clientKey(visitor.address), now)
  await countUse(db, 'guests', 'all', now)
  return db.transaction().execute(async (tx) => {
    await assertRoom(tx, guests.quota, now)
    const userId = await createGuest(tx, now)
    const made = { guestId: userId, sessionId: newId(), token: randomToken() }
    const session = { id: made.sessionId, token: made.token, kind: 'guest' } as const
    await storeSession(tx, session, { ...visitor, userId }, guests.lifetimes, now)
    const event = { actorId: userId, target: userId, requestId: visitor.requestId }
    await recordEvent(tx, { action: 'guest.created', ...event }, now)
    return made
  })
}

/** One at a time, so that of any number at once no more come in than there is room for. */
async function assertRoom(tx: Db, quota: number, now: Date): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended('guests', 0))`.execute(tx)
  const { rows } = await sql<{ count: string }>`
    select count(*) as count from (
      select from sessions where kind = 'guest' and revoked_at is null and idle_ends_at > ${now} limit ${quota}
    ) live`.execute(tx)
  if (Number(rows[0]!.count) >= quota)
    throw new AppError('rate_limited', { reason: 'guest_quota', headers: { 'retry-after': '600' } })
}

/** What a guest has, as the application puts it; null when that is nothing. */
export async function describeGuest(
  { guests, log }: { readonly guests: GuestRules; readonly log: Log },
  guestId: string,
): Promise<string | null> {
  const unknown = 'what you have done as a guest'
  try {
    const words = guests.hooks.describe ? await guests.hooks.describe(guestId) : unknown
    return words === null ? null : words.slice(0, 200)
  } catch (err) {
    log.error({ err, guest: guestId }, 'the application could not describe a guest’s work')
    return unknown
  }
}

/** The question a session has open: whose work is offered, and whether that guest was at work in this very browser. */
export interface Offer {
  readonly guestId: string
  readonly sameBrowser: boolean
}

/** The guest whose work a session's person has not yet been heard about, unless that guest is gone. */
export async function findOffer(db: Db, sessionId: string): Promise<Offer | undefined> {
  const { rows } = await sql<Offer>`
    select g.id as "guestId", coalesce(bool_or(own.browser_hash = s.browser_hash), false) as "sameBrowser"
    from sessions s
    join users g on g.id = s.offered_guest_id and g.kind = 'guest' and g.merged_into is null and g.deleted_at is null
    left join sessions own on own.user_id = g.id
    where s.id = ${sessionId} and s.revoked_at is null
    group by g.id`.execute(db)
  return rows[0]
}

/** Who answers an offer, and for which session. */
interface Answering {
  readonly sessionId: string
  readonly userId: string
  readonly guestId: string
  readonly requestId: string
}

/**
 * The person says that a guest's work is theirs: the application moves it, and from then on the guest's id stands for
 * the person, in one transaction. `failed`: the application could not, and nothing has changed. `gone`: there is no
 * such question any more.
 */
export async function claimGuest(
  services: Revoking & {
    readonly guests: GuestRules
    readonly log: Log
    readonly clock: Clock
  },
  { sessionId, userId, guestId, requestId }: Answering,
): Promise<'claimed' | 'failed' | 'gone'> {
  const { guests, log, db, clock } = services
  const now = clock.now()
  const event = { action: 'guest.claimed', actorId: userId, target: guestId, requestId } as const
  let asked = false
  try {
    return await revoke(services, async (tx) => {
      if (!(await closeOffer(tx, { sessionId, guestId })) || !(await holdGuest(tx, guestId)))
        return { result: 'gone', targets: [] }
      asked = true
      await guests.hooks.claim?.(queriesIn(tx), guestId, userId)
      await leaveTombstone(tx, guestId, userId)
      await recordEvent(tx, event, now)
      return { result: 'claimed', targets: [{ kind: 'user', id: guestId }] }
    })
  } catch (err) {
    if (!asked) throw err
    log.error(
      { err, guest: guestId, requestId },
      'the application could not take a guest’s work over',
    )
    const data = { reason: 'hook_failed' }
    await recordEvent(db, { ...event, outcome: 'deny', data }, now)
    return 'failed'
  }
}

/** The person leaves a guest's work behind; it goes when its time is over. */
export async function declineGuest(
  db: Db,
  { sessionId, userId, guestId, requestId }: Answering,
  now: Date,
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    if (!(await closeOffer(tx, { sessionId, guestId }))) return
    const event = { actorId: userId, target: guestId, requestId }
    await recordEvent(tx, { action: 'guest.declined', ...event }, now)
  })
}

/** A question is answered once: of two answers, the first counts. */
async function closeOffer(
  tx: Db,
  { sessionId, guestId }: Pick<Answering, 'sessionId' | 'guestId'>,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('sessions')
    .set({ offered_guest_id: null })
    .where('id', '=', sessionId)
    .where('offered_guest_id', '=', guestId)
    .where('revoked_at', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

/**
 * Deletes guests whose sessions have been over for longer than the grace, with what they had, in batches of `limit`,
 * each a transaction of its own. Answers how many. What a hook throws is thrown on, and undoes its batch.
 */
export async function purgeGuests(
  db: Db,
  { hooks, lifetimes, grace }: Pick<GuestRules, 'hooks' | 'lifetimes' | 'grace'>,
  now: Date,
  limit: number = 500,
): Promise<number> {
  let purged = 0
  for (let batch = limit; batch === limit; purged += batch)
    batch = await db
      .transaction()
      .execute((tx) => purgeSome(tx, { hooks, lifetimes, grace }, now, limit))
  return purged
}

async function purgeSome(
  tx: Db,
  { hooks, lifetimes, grace }: Pick<GuestRules, 'hooks' | 'lifetimes' | 'grace'>,
  now: Date,
  limit: number,
): Promise<number> {
  const endedBy = later(now, -grace)
  // Whoever's sessions were cleared away already cannot have worked for longer than a guest may.
  const { rows } = await sql<{ id: string }>`
    select u.id from users u
    where u.kind = 'guest' and u.merged_into is null and u.created_at <= ${endedBy}
      and coalesce(
        (select max(least(s.idle_ends_at, s.absolute_ends_at, s.revoked_at)) from sessions s where s.user_id = u.id),
        u.created_at + ${lifetimes.absolute} * interval '1 millisecond') <= ${endedBy}
    order by u.created_at limit ${limit}
    for update skip locked`.execute(tx)
  const ids = rows.map(({ id }) => id)
  if (ids.length === 0) return 0
  await hooks.purge?.(queriesIn(tx), ids)
  await tx.deleteFrom('sessions').where('user_id', 'in', ids).execute()
  await tx.deleteFrom('users').where('id', 'in', ids).execute()
  await recordEvent(tx, { action: 'guest.purged', data: { count: ids.length } }, now)
  return ids.length
}
