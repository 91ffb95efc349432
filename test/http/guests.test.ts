import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { limits } from '../../src/db/limits.ts'
import { days, hours, minutes } from '../../src/lib/clock.ts'
import { randomToken } from '../../src/lib/secrets.ts'
import { cookieNames } from '../../src/sessions/cookies.ts'
import { cannotLookUp } from '../sessions/_members.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'
import { describeEveryRim } from '../_rims.ts'
import { readPage } from '../web/_page.ts'

/** What `/me` says, as far as these tests look. */
interface Me {
  readonly user: { readonly name: string } | null
  readonly guest: { readonly id: string } | null
  readonly session: { readonly kind: string; readonly authenticatedAt: string | null }
}

const guests = { SALLYPORT_GUESTS: 'on' }

describeEveryRim('guests', (rim) => {
  let app: TestApp
  let names: ReturnType<typeof cookieNames>

  before(async () => {
    app = await startTestApp({ rim, env: guests })
    names = cookieNames(new URL(app.origin))
  })
  after(() => app.close())
  beforeEach(() => app.sallyport.services.db.deleteFrom('rate_limits').execute())

  const me = async (browser: Browser) => (await (await browser.api('/me')).json()) as Me
  const users = async () =>
    (await app.sallyport.services.db.selectFrom('users').select('id').execute()).length
  const guest = async () => {
    const browser = app.browser()
    assert.equal((await browser.post('/guest')).status, 303)
    return browser
  }

  it('SEED-52 S3-18a S3-28a a visitor who presses the button is a guest with an id of their own, and is led back', async () => {
    const browser = app.browser()
    const offered = await readPage(await browser.get('/login?return_to=/cart'))
    assert.match(
      offered.text,
      /Continue as a guest .* lost if you stay away for a day, and after 7 days/,
    )
    const answer = await browser.post('/guest', { return_to: '/cart?x=1' })
    assert.deepEqual([answer.status, answer.headers.get('location')], [303, '/cart?x=1'])
    const { user, guest, session } = await me(browser)
    assert.equal(user, null)
    assert.match(guest!.id, /^[0-9a-f-]{36}$/)
    assert.deepEqual([session.kind, session.authenticatedAt], ['guest', null])
    const [created] = await app.sallyport.services.db
      .selectFrom('audit_events')
      .selectAll()
      .where('action', '=', 'guest.created')
      .where('target', '=', guest!.id)
      .execute()
    assert.equal(created?.outcome, 'ok')
  })

  it('the cookie of a guest outlives the browser’s closing, and ends with the guest', async () => {
    const set = (await app.browser().post('/guest')).headers.getSetCookie().join('\n')
    assert.match(set, new RegExp(`^${names.session}=.*Max-Age=${days(7) / 1000}$`, 'm'))
    assert.match(set, new RegExp(`^${names.browser}=`, 'm'))
  })

  it('S3-11 a program gets 201, where to look, and what is there', async () => {
    const browser = app.browser()
    const answer = await browser.api('/guest', { method: 'POST', headers: { origin: app.origin } })
    assert.deepEqual([answer.status, answer.headers.get('location')], [201, '/me'])
    assert.deepEqual(await answer.json(), await me(browser))
    const again = await browser.api('/guest', { method: 'POST', headers: { origin: app.origin } })
    assert.deepEqual([again.status, await again.json()], [200, await me(browser)])
  })

  it('whoever is somebody already stays who they are: a guest the same guest, a person the same person', async () => {
    const browser = await guest()
    const before = [await me(browser), await users()]
    const again = await browser.post('/guest', { return_to: '/cart' })
    assert.deepEqual([again.status, again.headers.getSetCookie()], [303, []])
    assert.deepEqual([await me(browser), await users()], before)

    const person = app.browser()
    await app.signIn(person, 'alice')
    const count = await users()
    assert.equal((await person.post('/guest')).status, 303)
    assert.deepEqual([(await me(person)).user!.name, await users()], ['alice', count])
  })

  it('SEED-53 another site can make nobody a guest, signed in or not', async () => {
    const person = app.browser()
    await app.signIn(person, 'alice')
    const count = await users()
    const foreign = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
    for (const browser of [person, app.browser()]) {
      assert.equal((await browser.post('/guest', {}, foreign)).status, 403)
      const image = await browser.get('/guest', { 'sec-fetch-site': 'cross-site' })
      assert.deepEqual([image.status, image.headers.getSetCookie()], [405, []])
    }
    assert.deepEqual([(await me(person)).user!.name, await users()], ['alice', count])
  })

  it('ANO-01 SEED-23 SEED-59 requests make no guest, whatever cookies they bring', async () => {
    const left = app.browser()
    await app.signIn(left, 'alice')
    await left.post('/logout')
    const forged = app.browser()
    forged.cookies.set(names.browser, randomToken(16))
    const { db } = app.sallyport.services
    const rows = async () => [
      await users(),
      (await db.selectFrom('sessions').select('id').execute()).length,
    ]
    const before = await rows()
    for (const browser of [app.browser(), forged, left])
      for (let i = 0; i < 10; i++) {
        assert.equal((await browser.get('/login')).status, 200)
        assert.equal((await browser.get('/account')).status, 303)
        assert.equal((await browser.api('/me')).status, 401)
        assert.equal((await browser.post('/account/sessions/end-others')).status, 401)
      }
    assert.deepEqual(await rows(), before)
  })

  it('ANO-02 S3-28b what needs a user answers a guest 401, and the application is told of no user', async () => {
    const browser = await guest()
    const refused = await browser.api('/account')
    assert.equal(refused.status, 401)
    assert.equal(((await refused.json()) as { code: string }).code, 'login_required')
    if (rim !== 'memory') assert.equal((await browser.api('/app/private')).status, 401)
    const headers = new Headers({ cookie: browser.cookieHeader() })
    const who = await app.sallyport.authenticate({ headers })
    assert.equal(who.signedIn, false)
    assert.equal(who.user, null)
    assert.deepEqual(who.guest, (await me(browser)).guest)
    const nobody = await app.sallyport.authenticate({ headers: new Headers() })
    assert.deepEqual([nobody.user, nobody.guest], [null, null])
  })

  it('SEED-57 RAT-02 of many guests from one address so many pass as may, and the others are told when to come back', async () => {
    const before = await users()
    const answers = await Promise.all(
      Array.from({ length: limits.guests_of_address.most * 3 }, () => app.browser().post('/guest')),
    )
    const refused = answers.filter(({ status }) => status === 429)
    assert.equal(refused.length, limits.guests_of_address.most * 2)
    assert.ok(Number(refused[0]!.headers.get('retry-after')) > 0)
    assert.deepEqual(refused[0]!.headers.getSetCookie(), [])
    assert.equal(await users(), before + limits.guests_of_address.most)
    app.clock.advance(minutes(1))
    await guest()
  })

  it('a guest’s session goes on while it is used, and ends a day after it was', async () => {
    const browser = await guest()
    for (let day = 0; day < 3; day++) {
      app.clock.advance(hours(23))
      assert.equal((await browser.api('/me')).status, 200)
    }
    app.clock.advance(hours(24))
    const refused = await browser.api('/me')
    assert.equal(refused.status, 401)
    assert.match(refused.headers.getSetCookie().join(), new RegExp(`^${names.session}=;`))
  })

  it('a guest’s session ends after seven days, however busy', async () => {
    const browser = await guest()
    for (let day = 0; day < 7; day++) {
      assert.equal((await browser.api('/me')).status, 200)
      app.clock.advance(hours(24) - minutes(1))
    }
    app.clock.advance(minutes(7))
    assert.equal((await browser.api('/me')).status, 401)
  })

  it('a guest who ends the session is asked first, and is nobody afterwards', async () => {
    const browser = await guest()
    const asked = await readPage(await browser.get('/logout'))
    assert.match(asked.text, /what you have done is lost/)
    const copy = browser.clone()
    await browser.post('/logout')
    assert.equal((await copy.api('/me')).status, 401)
  })

  it('COH-09 nobody becomes a guest because their session could not be looked up', async (t) => {
    const browser = await guest()
    const before = [browser.cookieHeader(), await users()]
    cannotLookUp(t, app)
    const answer = await browser.post('/guest')
    assert.deepEqual([answer.status, browser.cookieHeader(), await users()], [503, ...before])
  })

  it('COH-09 nobody becomes a guest while nobody can tell who they are', async () => {
    const browser = await guest()
    const before = browser.cookieHeader()
    app.line.cut()
    app.sallyport.services.node.lease.end()
    const answer = await browser.post('/guest')
    app.line.mend()
    assert.deepEqual([answer.status, browser.cookieHeader()], [503, before])
  })
})

describe('settings for guests', () => {
  it('without the switch there are no guests, and no button', async () => {
    await using app = await startTestApp()
    assert.equal((await app.browser().post('/guest')).status, 404)
    assert.doesNotMatch(await (await app.browser().get('/login')).text(), /guest/)
    assert.equal(
      (await app.sallyport.services.db.selectFrom('users').select('id').execute()).length,
      0,
    )
  })

  it('SEED-57 of many at once no more become guests than there is room for', async () => {
    await using app = await startTestApp({ env: { ...guests, SALLYPORT_GUEST_QUOTA: '4' } })
    const answers = await Promise.all(Array.from({ length: 9 }, () => app.browser().post('/guest')))
    assert.equal(answers.filter(({ status }) => status === 303).length, 4)
    const refused = await app.browser().post('/guest')
    assert.equal(refused.status, 429)
    assert.match((await readPage(refused)).text, /no room for another guest/)
    // Whoever has stayed away makes room.
    app.clock.advance(days(1))
    assert.equal((await app.browser().post('/guest')).status, 303)
  })

  it('the limit for all together holds whatever addresses they come from', async () => {
    await using app = await startTestApp({ env: guests })
    const { db } = app.sallyport.services
    const { startGuest } = await import('../../src/sessions/guests.ts')
    const start = (i: number) =>
      startGuest(
        app.sallyport.services,
        { browserHash: Buffer.from([i]), address: `198.51.${i >> 8}.${i & 255}`, requestId: 'r' },
        app.clock.now(),
      )
    await start(0)
    await db
      .updateTable('rate_limits')
      .set({ used: limits.guests.most })
      .where('key', 'like', 'guests %')
      .execute()
    await assert.rejects(start(1), { code: 'rate_limited', reason: 'guests' })
  })

  it('a guest is told on the sign-in page how to keep their work, and more where the browser has an account', async () => {
    await using app = await startTestApp({ env: guests })
    const browser = app.browser()
    await app.signIn(browser, 'alice')
    await browser.post('/logout')
    await browser.post('/guest')
    const page = await readPage(await browser.get('/login'))
    assert.match(
      page.text,
      /You are a guest here\. Sign in to keep what you have done: this browser has signed in before\./,
    )
    assert.doesNotMatch(page.text, /Continue as a guest/)
  })
})
