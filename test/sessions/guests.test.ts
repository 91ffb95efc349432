import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { sql } from 'kysely'
import { createUser, leaveTombstone } from '../../src/accounts/users.ts'
import type { Queries } from '../../src/db/queries.ts'
import { days, hours } from '../../src/lib/clock.ts'
import { newId } from '../../src/lib/ids.ts'
import { hashToken } from '../../src/lib/secrets.ts'
import { cookieNames } from '../../src/sessions/cookies.ts'
import { claimGuest, purgeGuests, startGuest } from '../../src/sessions/guests.ts'
import { revoke, revokeSession, revokeSessionsOf } from '../../src/sessions/revoke.ts'
import { listSessions } from '../../src/sessions/sessions.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'
import { startMember } from './_members.ts'

let app: TestApp
let purged: string[][]
let broken: boolean
const purge = async (tx: Queries, ids: readonly string[]) => {
  await tx.query('delete from carts where owner = any($1::uuid[])', [ids])
  if (broken) throw new Error('the carts do not answer')
  purged.push([...ids])
}

before(async () => {
  app = await startTestApp({ env: { SALLYPORT_GUESTS: 'on' }, guests: { purge } })
  await sql`create table carts (owner uuid, item text)`.execute(app.sallyport.services.db)
})
after(() => app.close())
beforeEach(async () => {
  ;[purged, broken] = [[], false]
  await app.sallyport.services.db.deleteFrom('rate_limits').execute()
})

/** A guest with something in the cart. */
async function guest(): Promise<string> {
  const { services } = app.sallyport
  const visitor = { browserHash: hashToken(newId()), requestId: 'test' }
  const { guestId } = await startGuest(services, visitor, app.clock.now())
  await sql`insert into carts values (${guestId}, 'a')`.execute(services.db)
  return guestId
}

async function carts(): Promise<number> {
  return (await sql`select from carts`.execute(app.sallyport.services.db)).rows.length
}

const purgeNow = (limit?: number) =>
  purgeGuests(app.sallyport.services.db, app.sallyport.services.guests, app.clock.now(), limit)

describe('purging guests', () => {
  it('SEED-55 S3-28c what a guest had goes when the session has been over for the grace, and not before', async () => {
    const ids = [await guest(), await guest()]
    // The session is over after a day without a request; seven more are the grace.
    app.clock.advance(days(8) - 1)
    assert.equal(await purgeNow(), 0)
    assert.equal(await carts(), 2)
    app.clock.advance(1)
    assert.equal(await purgeNow(), 2)
    assert.equal(await carts(), 0)
    assert.deepEqual(purged.flat().toSorted(), ids.toSorted())
    const { db } = app.sallyport.services
    assert.deepEqual(await db.selectFrom('users').selectAll().where('id', 'in', ids).execute(), [])
    const [told] = await db
      .selectFrom('audit_events')
      .select('data')
      .where('action', '=', 'guest.purged')
      .execute()
    assert.deepEqual(told!.data, { count: 2 })
    assert.equal(await app.sallyport.resolveUser(ids[0]!), null)
    assert.equal(await purgeNow(), 0)
  })

  it('SEED-55 ANO-01 many go in batches of a bounded size', async () => {
    for (let i = 0; i < 7; i++) await guest()
    app.clock.advance(days(8))
    assert.equal(await purgeNow(3), 7)
    assert.deepEqual(
      purged.map(({ length }) => length),
      [3, 3, 1],
    )
  })

  it('a hook that fails keeps its batch, with everything in it', async () => {
    const id = await guest()
    app.clock.advance(days(8))
    broken = true
    await assert.rejects(purgeNow(), /the carts do not answer/)
    assert.equal(await carts(), 1)
    assert.equal(await app.sallyport.resolveUser(id), id)
    broken = false
    assert.equal(await purgeNow(), 1)
  })

  it('guests at work, people, and whoever was claimed or registered are left alone', async () => {
    const browser = app.browser()
    await browser.post('/guest')
    await app.signIn(app.browser(), 'alice')
    const claimed = await guest()
    const registered = await guest()
    const { db } = app.sallyport.services
    const { id: alice } = await db
      .selectFrom('users')
      .select('id')
      .where('name', '=', 'alice')
      .executeTakeFirstOrThrow()
    await leaveTombstone(db, claimed, alice)
    await db.updateTable('users').set({ kind: 'person' }).where('id', '=', registered).execute()
    for (let i = 0; i < 6; i++) {
      app.clock.advance(hours(23))
      assert.equal((await browser.api('/me')).status, 200)
    }
    app.clock.advance(hours(20))
    assert.equal((await browser.api('/me')).status, 200)
    app.clock.advance(hours(9))
    assert.equal(await purgeNow(), 0)
    assert.equal(await app.sallyport.resolveUser(claimed), alice)
    assert.equal(await app.sallyport.resolveUser(registered), registered)
    await sql`delete from carts`.execute(db)
  })

  it('a guest whose sessions were cleared away is kept for as long as they could have worked', async () => {
    const id = await guest()
    const { db } = app.sallyport.services
    await db.deleteFrom('sessions').where('user_id', '=', id).execute()
    app.clock.advance(days(14) - 1)
    const before = await app.sallyport.resolveUser(id)
    await purgeNow()
    assert.equal(await app.sallyport.resolveUser(id), before)
    app.clock.advance(1)
    await purgeNow()
    assert.equal(await app.sallyport.resolveUser(id), null)
  })
})

describe('claiming a guest', () => {
  /** A session with a question open about a guest. */
  const offered = async () => {
    const browser = app.browser()
    await browser.post('/guest')
    await app.signIn(app.browser(), 'late')
    await app.signIn(browser, 'late')
    const session = await app.sallyport.services.db
      .selectFrom('sessions')
      .select(['id', 'user_id', 'offered_guest_id'])
      .where('offered_guest_id', 'is not', null)
      .orderBy('id', 'desc')
      .executeTakeFirstOrThrow()
    return {
      sessionId: session.id,
      userId: session.user_id,
      guestId: session.offered_guest_id!,
      requestId: 'late',
    }
  }

  it('comes too late for a guest who is gone', async () => {
    const late = await offered()
    app.clock.advance(days(7))
    assert.equal(await purgeNow(), 1)
    assert.equal(await claimGuest(app.sallyport.services, late), 'gone')
    assert.equal(await app.sallyport.resolveUser(late.guestId), null)
  })

  it('ANO-06 takes what was offered to that session, while it lives, of a guest who still is one', async () => {
    const { services, resolveUser } = app.sallyport
    const claim = await offered()
    const other = await guest()
    assert.equal(await claimGuest(services, { ...claim, guestId: other }), 'gone')
    assert.equal(await resolveUser(other), other)

    const { db } = services
    const setKind = (kind: string) =>
      db.updateTable('users').set({ kind }).where('id', '=', claim.guestId).execute()
    await setKind('person')
    assert.equal(await claimGuest(services, claim), 'gone')
    await setKind('guest')

    const second = await offered()
    const ending = { id: second.sessionId, userId: second.userId }
    await revokeSession(services, ending, 'logout', { userId: second.userId }, app.clock.now())
    assert.equal(await claimGuest(services, second), 'gone')
    for (const { guestId } of [claim, second]) assert.equal(await resolveUser(guestId), guestId)
    await sql`delete from carts`.execute(db)
  })
})

describe('an id that was merged', () => {
  it('leads to the account that counts now in one step, however often that happens', async () => {
    const { db } = app.sallyport.services
    const now = app.clock.now()
    const [a, b, c] = await Promise.all(
      ['a', 'b', 'c'].map((name) => createUser(db, { name }, now)),
    )
    await leaveTombstone(db, a!, b!)
    await leaveTombstone(db, b!, c!)
    const { resolveUser } = app.sallyport
    assert.deepEqual(await Promise.all([a, b, c].map((id) => resolveUser(id!))), [c, c, c])
    assert.equal(await resolveUser(newId()), null)
    assert.equal(await resolveUser('nonsense'), null)
    await db.updateTable('users').set({ deleted_at: now }).where('id', '=', c!).execute()
    assert.equal(await resolveUser(a!), null)
  })

  it('is followed by the sessions of people, under a new token, and the old one is dead on every node', async (t) => {
    const [member, { browser, mergedId, survivorId, old }] = [
      await startMember(t, app),
      await merged('one'),
    ]
    const token = browser.cookies.get(names())!
    assert.equal((await me(browser)).user.id, survivorId)
    assert.notEqual(browser.cookies.get(names()), token)
    assert.equal(await member.accepts(token), false)
    assert.equal((await me(browser)).user.id, survivorId)
    assert.equal((await me(browser)).user.name, 'two-one')

    // A request that left before the cookie came is let in by the browser’s own; a mere copy of the cookie is not.
    assert.equal((await me(old)).user.id, survivorId)
    old.cookies.delete(cookieNames(new URL(app.origin)).browser)
    assert.equal((await old.api('/me')).status, 401)
    const { db } = app.sallyport.services
    const rows = await db
      .selectFrom('sessions')
      .select('user_id')
      .where('user_id', '=', mergedId)
      .where('revoked_at', 'is', null)
      .execute()
    assert.deepEqual(rows, [])
  })

  it('is no way around an end of all sessions: those that have not followed yet end too', async () => {
    const { browser, survivorId } = await merged('three')
    const { services } = app.sallyport
    const now = app.clock.now()
    assert.equal((await listSessions(services.db, survivorId, now)).length, 2)
    const actor = { userId: survivorId }
    await revokeSessionsOf(services, survivorId, { reason: 'revoked_by_owner', actor }, now)
    assert.equal((await browser.api('/me')).status, 401)
  })
})

const names = () => cookieNames(new URL(app.origin)).session

async function me(browser: Browser): Promise<{ user: { id: string; name: string } }> {
  return (await (await browser.api('/me')).json()) as { user: { id: string; name: string } }
}

/** Two people of Acme; the account of the first, who is signed in, is merged into the second’s. */
async function merged(name: string) {
  const [browser, second] = [app.browser(), app.browser()]
  await app.signIn(browser, name)
  await app.signIn(second, `two-${name}`)
  const [mergedId, survivorId] = [(await me(browser)).user.id, (await me(second)).user.id]
  await revoke(app.sallyport.services, async (tx) => {
    await leaveTombstone(tx, mergedId, survivorId)
    return { result: undefined, targets: [{ kind: 'user', id: mergedId }] }
  })
  return { browser, old: browser.clone(), mergedId, survivorId }
}
