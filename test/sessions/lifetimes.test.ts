import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it, test } from 'node:test'
import { sql } from 'kysely'
import type { SessionLimits } from '../../src/accounts/organizations.ts'
import { createOrganization } from '../../src/accounts/organizations.ts'
import { days, hours, minutes } from '../../src/lib/clock.ts'
import { defaultLifetimes, proofSpanOf, reauthAfter } from '../../src/sessions/lifetimes.ts'
import { changeConnectionState, limitSessions } from '../../src/sessions/revoke.ts'
import { hashToken } from '../../src/lib/secrets.ts'
import { slideSessions } from '../../src/sessions/slides.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'
import { makeSessions } from './_members.ts'

const cookie = '__Host-Http-sallyport'
const free: SessionLimits = {
  idleMinutes: null,
  absoluteMinutes: null,
  keepSignedIn: true,
  reauthMinutes: null,
}

test('an organization may lower what the server allows, and never raise it', () => {
  const long = { ...free, idleMinutes: 43_200, absoluteMinutes: 129_600, reauthMinutes: 43_200 }
  const short = { ...free, idleMinutes: 5, absoluteMinutes: 10, reauthMinutes: 1 }
  const { idle, absolute, kept, reauth } = defaultLifetimes
  assert.deepEqual(proofSpanOf(defaultLifetimes, false, long), { idle, absolute })
  assert.deepEqual(proofSpanOf(defaultLifetimes, true, long), kept)
  assert.deepEqual(proofSpanOf(defaultLifetimes, true, { ...long, keepSignedIn: false }), {
    idle,
    absolute,
  })
  assert.deepEqual(proofSpanOf(defaultLifetimes, true, short), {
    idle: minutes(5),
    absolute: minutes(10),
  })
  assert.equal(reauthAfter(defaultLifetimes, [long, free]), reauth)
  assert.equal(reauthAfter(defaultLifetimes, [long, short]), minutes(1))
})

describe('how long sessions last', () => {
  let app: TestApp
  let browser: Browser

  before(async () => (app = await startTestApp()))
  after(() => app.close())
  beforeEach(() => (browser = app.browser()))

  const me = async (who: Browser) => {
    const response = await who.api('/me')
    const { organizations } = (await response.json()) as { organizations?: { slug: string }[] }
    return response.status === 200 ? organizations!.map(({ slug }) => slug) : response.status
  }
  const organization = async (slug: string, limits: Partial<SessionLimits> = {}) => {
    const { services } = app.sallyport
    const { id } = await createOrganization(services.db, { slug, name: slug }, app.clock.now())
    await limitSessions(services, id, { ...free, ...limits })
    return { id, connectionId: await app.connect({ organizationId: id }) }
  }
  /** Signs in at another organization as the same person, as if they had been linked there. */
  const enter = async (who: Browser, connectionId: string, subject: string) => {
    const { db } = app.sallyport.services
    await sql`
      insert into identities (id, connection_id, issuer, subject, user_id, linked_at, last_verified_at)
      select gen_random_uuid(), ${connectionId}, issuer, subject, user_id, linked_at, last_verified_at
      from identities where connection_id = ${app.connectionId} and subject = ${subject}
      on conflict do nothing`.execute(db)
    await sql`
      insert into memberships (id, organization_id, user_id, role, link_since)
      select gen_random_uuid(), c.organization_id, i.user_id, 'member', i.linked_at
      from identities i join connections c on c.id = i.connection_id where c.id = ${connectionId}
      on conflict do nothing`.execute(db)
    return app.signIn(who, subject, { connectionId })
  }
  const start = async (
    who: Browser,
    subject: string,
    form: Record<string, string>,
    connectionId = app.connectionId,
  ) => {
    const left = await who.post(`/sso/${connectionId}/start`, { return_to: '/account', ...form })
    const state = new URL(/url=(.*)$/.exec(left.headers.get('refresh')!)![1]!).searchParams.get(
      'state',
    )!
    return app.comeBack(who, state, subject, connectionId)
  }
  const maxAgeOf = (response: Response) =>
    Number(
      /Max-Age=(\d+)/.exec(
        response.headers.getSetCookie().find((line) => line.startsWith(`${cookie}=`)) ?? '',
      )?.[1] ?? Number.NaN,
    )

  it('S3-17c S3-35 REV-17 whoever asks to be kept signed in is, for thirty days; the cookie ends with the session', async () => {
    const page = await (await browser.get('/login/acme')).text()
    assert.match(page, /<input type="checkbox" id="keep-[^"]+" name="keep" value="yes"/)
    const kept = await start(browser, 'kept', { keep: 'yes' })
    assert.equal(maxAgeOf(kept), days(30) / 1000)
    const other = app.browser()
    assert.ok(Number.isNaN(maxAgeOf(await start(other, 'not-kept', {}))), 'ends with the browser')
    app.clock.advance(hours(13))
    assert.deepEqual([await me(browser), await me(other)], [['acme'], 401])
    app.clock.advance(days(30) - hours(13) - 1000)
    assert.deepEqual(await me(browser), ['acme'])
    app.clock.advance(1000)
    assert.equal(await me(browser), 401)
  })

  it('S3-35 whoever does not ask is not kept, though the session before was; signing in anew with it on keeps', async () => {
    await start(browser, 'changing', { keep: 'yes' })
    assert.ok(Number.isNaN(maxAgeOf(await start(browser, 'changing', {}))))
    assert.equal(maxAgeOf(await start(browser, 'changing', { keep: 'yes' })), days(30) / 1000)
  })

  it('an organization can forbid it: nobody is asked, and who sends it all the same is not kept', async () => {
    const { id, connectionId } = await organization('no-keeping', { keepSignedIn: false })
    assert.doesNotMatch(await (await browser.get('/login/no-keeping')).text(), /name="keep"/)
    const answer = await start(browser, 'strict', { keep: 'yes' }, connectionId)
    assert.ok(Number.isNaN(maxAgeOf(answer)))
    const row = await app.sallyport.services.db
      .selectFrom('sessions')
      .innerJoin('session_proofs', 'session_proofs.session_id', 'sessions.id')
      .select(['kept'])
      .where('organization_id', '=', id)
      .executeTakeFirstOrThrow()
    assert.equal(row.kept, false)
  })

  it('past an organization’s own limit its proof is gone; the session lives on for what else it proves', async () => {
    const { connectionId } = await organization('brief', { absoluteMinutes: 30 })
    await app.signIn(browser, 'both')
    await enter(browser, connectionId, 'both')
    assert.deepEqual(await me(browser), ['acme', 'brief'])
    app.clock.advance(minutes(30) - 1000)
    assert.deepEqual(await me(browser), ['acme', 'brief'])
    app.clock.advance(1000)
    assert.deepEqual(await me(browser), ['acme'])
    const page = await browser.get('/login/brief?return_to=/account?x=1')
    assert.equal(page.status, 200, 'entering again is offered, though somebody is signed in')
    const back = await app.signIn(browser, 'both', { connectionId, returnTo: '/account?x=1' })
    assert.equal(back.headers.get('location'), '/account?x=1')
    assert.deepEqual(await me(browser), ['acme', 'brief'])
  })

  it('a session with nothing left to prove is over', async () => {
    const { connectionId } = await organization('only', { absoluteMinutes: 10 })
    await app.signIn(browser, 'only-one', { connectionId })
    app.clock.advance(minutes(10))
    const refused = await browser.api('/me')
    const { code } = (await refused.json()) as { code: string }
    assert.deepEqual([refused.status, code], [401, 'session_expired'])
  })

  it('an organization’s idle limit slides with use, and does not come back once it has passed', async () => {
    const { connectionId } = await organization('restless', { idleMinutes: 5 })
    await app.signIn(browser, 'sleepy')
    await enter(browser, connectionId, 'sleepy')
    for (let i = 0; i < 3; i++) {
      app.clock.advance(minutes(4))
      assert.deepEqual(await me(browser), ['acme', 'restless'])
      await app.sallyport.services.slides.flush()
    }
    app.clock.advance(minutes(4))
    assert.deepEqual(await me(browser), ['acme', 'restless'])
    app.clock.advance(minutes(5))
    assert.deepEqual(await me(browser), ['acme'])
    await app.sallyport.services.slides.flush()
    assert.deepEqual(await me(browser), ['acme'], 'the session’s use wakes no proof')
  })

  it('REV-01 the audit says which end a session had reached', async () => {
    await app.signIn(browser, 'ending-idle')
    app.clock.advance(hours(1))
    assert.equal(await me(browser), 401)
    const busy = app.browser()
    await app.signIn(busy, 'ending-absolute')
    for (let spent = 0; spent < 12 * 60 - 30; spent += 30) {
      app.clock.advance(minutes(30))
      assert.deepEqual(await me(busy), ['acme'])
      await app.sallyport.services.slides.flush()
    }
    app.clock.advance(minutes(30))
    assert.equal(await me(busy), 401)
    const told = await app.sallyport.services.db
      .selectFrom('audit_events')
      .innerJoin('users', 'users.id', 'audit_events.actor_id')
      .select(['users.name', 'data'])
      .where('action', '=', 'session.expired')
      .execute()
    const of = (name: string) => told.filter((one) => one.name === name).map(({ data }) => data)
    assert.deepEqual(of('ending-idle'), [{ reason: 'idle' }])
    assert.deepEqual(of('ending-absolute'), [{ reason: 'absolute' }])
  })

  it('an organization that lowers its limit is obeyed at once, by warm memories too', async () => {
    const { id, connectionId } = await organization('tightening')
    await app.signIn(browser, 'tight', { connectionId })
    app.clock.advance(minutes(20))
    assert.deepEqual(await me(browser), ['tightening'])
    await limitSessions(app.sallyport.services, id, { ...free, absoluteMinutes: 15 })
    assert.equal(await me(browser), 401)
  })

  it('the provider’s own end of the session is the proof’s end', async () => {
    const sessionEndsAt = new Date(app.clock.now().getTime() + minutes(7)).toISOString()
    app.provider.people.set('bounded', { sessionEndsAt })
    await app.signIn(browser, 'bounded')
    app.clock.advance(minutes(7) - 1)
    assert.deepEqual(await me(browser), ['acme'])
    app.clock.advance(1)
    assert.equal(await me(browser), 401)
  })

  it('going on in a new session lengthens no earlier proof', async () => {
    const { connectionId } = await organization('second')
    await app.signIn(browser, 'lengthening')
    app.clock.advance(minutes(50))
    await enter(browser, connectionId, 'lengthening')
    for (let spent = 0; spent < 11 * 60; spent += 50) {
      app.clock.advance(minutes(50))
      await me(browser)
      await app.sallyport.services.slides.flush()
    }
    assert.deepEqual(await me(browser), ['second'])
  })

  it('signing in to an organization lengthens nothing that was proven without one', async () => {
    const { connectionId } = await organization('afield')
    const { services } = app.sallyport
    await app.signIn(browser, 'both', { connectionId })
    const until = new Date(app.clock.now().getTime() + hours(1))
    await sql`
      update sessions set personal_method = 'mail', personal_since = ${app.clock.now()}, personal_until = ${until}
      where revoked_at is null and token_hash = ${hashToken(browser.cookies.get(cookie)!)}`.execute(
      services.db,
    )
    app.clock.advance(minutes(50))
    await app.signIn(browser, 'both', { connectionId })
    await changeConnectionState(services, connectionId, 'disabled', app.clock.now())
    assert.deepEqual(await me(browser), [], 'what the mail proved still holds')
    app.clock.advance(minutes(11))
    assert.equal(await me(browser), 401)
  })

  it('what a browser left behind proves nothing to the session that follows', async () => {
    const { connectionId } = await organization('elsewhere')
    await app.signIn(browser, 'leaving')
    app.clock.advance(minutes(2))
    browser.cookies.delete(cookie)
    await enter(browser, connectionId, 'leaving')
    assert.deepEqual(await me(browser), ['elsewhere'])
  })

  it('what a provider says of the future is now, and of the past is believed', async () => {
    const at = app.clock.now().getTime()
    app.provider.people.set('ahead', { authenticatedAt: new Date(at + hours(2)).toISOString() })
    app.provider.people.set('before', { authenticatedAt: new Date(at - hours(2)).toISOString() })
    const authenticatedAt = async (subject: string) => {
      const who = app.browser()
      await app.signIn(who, subject)
      const { session } = (await (await who.api('/me')).json()) as {
        session: { authenticatedAt: string }
      }
      return Date.parse(session.authenticatedAt)
    }
    assert.equal(await authenticatedAt('ahead'), at)
    assert.equal(await authenticatedAt('before'), at - hours(2))
  })

  it('SEED-80 uses are gathered and written in one statement, each session once', async () => {
    const made = await makeSessions(app, 'crowd', 2500)
    const { db, lifetimes } = app.sallyport.services
    const at = new Date(app.clock.now().getTime() + minutes(2))
    const statements: string[] = []
    const counted = db.withPlugin({
      transformQuery: ({ node }) => (statements.push(node.kind), node),
      transformResult: async ({ result }) => result,
    })
    await slideSessions(
      counted,
      made.map(({ id }) => ({ id, from: at, at })),
      lifetimes,
    )
    assert.equal(statements.length, 1)
    const moved = db.selectFrom('sessions').select('id').where('last_seen_at', '=', at)
    assert.equal((await moved.execute()).length, 2500)
  })

  it('S3-56c COH-05 a use of a session that died meanwhile is written nowhere, and those beside it are', async () => {
    const made = await makeSessions(app, 'mixed', 4)
    const { db, lifetimes } = app.sallyport.services
    const now = app.clock.now()
    const end = (set: object, i: number) =>
      db.updateTable('sessions').set(set).where('id', '=', made[i]!.id).execute()
    await end({ revoked_at: now, revoked_reason: 'logout' }, 0)
    await end({ idle_ends_at: now }, 1)
    await end({ locked_at: now }, 2)
    const at = new Date(now.getTime() + minutes(2))
    await slideSessions(
      db,
      made.map(({ id }) => ({ id, from: at, at })),
      lifetimes,
    )
    const rows = await db
      .selectFrom('sessions')
      .select(['id', 'last_seen_at'])
      .where('last_seen_at', '=', at)
      .where('user_id', '=', made[0]!.userId)
      .execute()
    assert.deepEqual(
      rows.map(({ id }) => id),
      [made[3]!.id],
    )
  })

  it('uses wait while the database is away, and are written when it is back', async () => {
    await app.signIn(browser, 'patient')
    app.clock.advance(minutes(2))
    assert.deepEqual(await me(browser), ['acme'])
    const { slides, db } = app.sallyport.services
    app.line.cut()
    await slides.flush()
    app.line.mend()
    await slides.flush()
    const { last_seen_at } = await db
      .selectFrom('sessions')
      .innerJoin('users', 'users.id', 'sessions.user_id')
      .select('last_seen_at')
      .where('users.name', '=', 'patient')
      .executeTakeFirstOrThrow()
    assert.deepEqual(last_seen_at, app.clock.now())
  })
})
