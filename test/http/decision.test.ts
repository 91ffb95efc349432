import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setConnectionState } from '../../src/accounts/connections.ts'
import { suspendPerson } from '../../src/sessions/revoke.ts'
import { randomToken } from '../../src/lib/secrets.ts'
import { cookieNames } from '../../src/sessions/cookies.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'
import { rims, type RimName } from '../_rims.ts'

for (const rim of Object.keys(rims) as RimName[]) {
  describe(`the request decision through ${rim}`, () => {
    let app: TestApp
    let names: ReturnType<typeof cookieNames>

    before(async () => {
      app = await startTestApp({ rim, env: { SALLYPORT_GUESTS: 'on' } })
      names = cookieNames(new URL(app.origin))
    })
    after(() => app.close())

    const signedIn = async (subject: string) => {
      const browser = app.browser()
      await app.signIn(browser, subject)
      return browser
    }
    const guest = async () => {
      await app.sallyport.services.db.deleteFrom('rate_limits').execute()
      const browser = app.browser()
      assert.equal((await browser.post('/guest')).status, 303)
      return browser
    }
    const guestId = async (browser: Browser) =>
      ((await (await browser.api('/me')).json()) as { guest: { id: string } }).guest.id
    const lastStranger = async () =>
      ((await events('login.identity_unregistered')).at(-1)!.data as { row: number }).row
    const code = async (response: Response) => ((await response.json()) as { code: string }).code
    const drop = (browser: Browser, which: 'session' | 'browser') =>
      browser.cookies.delete(names[which])
    const events = async (action: string) =>
      app.sallyport.services.db
        .selectFrom('audit_events')
        .selectAll()
        .where('action', '=', action)
        .orderBy('id')
        .execute()

    it('S3-21.1 row 1: a live session with its browser cookie goes on, and no cookie changes', async () => {
      const browser = await signedIn('row-1')
      const page = await browser.get('/account')
      assert.equal(page.status, 200)
      assert.deepEqual(page.headers.getSetCookie(), [])
      assert.equal((await browser.api('/me')).status, 200)
    })

    it('S3-21.1 row 1 at the provider’s return: the same person’s session is rotated', async () => {
      const browser = await signedIn('row-1-again')
      const before = browser.cookies.get(names.session)
      assert.equal((await app.signIn(browser, 'row-1-again')).status, 303)
      assert.notEqual(browser.cookies.get(names.session), before)
    })

    it('S3-21.2 row 2: without the browser cookie a navigation gets a new one, a program does not', async () => {
      const browser = await signedIn('row-2')
      drop(browser, 'browser')
      assert.deepEqual((await browser.api('/me')).headers.getSetCookie(), [])
      const page = await browser.get('/account')
      assert.equal(page.status, 200)
      assert.match(page.headers.getSetCookie().join(), new RegExp(`^${names.browser}=[\\w-]{22};`))
      assert.ok((await events('session.device_hint_lost')).length > 0)
    })

    it('S3-01 S3-21.3 SEED-28 row 3: signing in sets both cookies and leads to the page first asked for', async () => {
      const browser = await signedIn('row-3')
      await browser.post('/logout')
      const state = await app.begin(browser, { returnTo: '/account?a=1&b=2' })
      const arrived = await app.comeBack(browser, state, 'row-3')
      assert.deepEqual([arrived.status, arrived.headers.get('location')], [303, '/account?a=1&b=2'])
      const set = arrived.headers.getSetCookie().map((line) => line.split('=')[0])
      assert.deepEqual(set.toSorted(), [names.browser, names.session].toSorted())
      const last = (await events('login.succeeded')).at(-1)!
      assert.equal((last.data as { row: number }).row, 3)
    })

    it('S3-21.4 row 4: somebody known in a browser that nobody has signed in with', async () => {
      await signedIn('row-4')
      const browser = app.browser()
      assert.equal((await app.signIn(browser, 'row-4')).status, 303)
      const last = (await events('login.succeeded')).at(-1)!
      assert.equal((last.data as { row: number }).row, 4)
    })

    it('S3-21.5 S3-21.6 rows 5 and 6: a guest whom the provider names a stranger is led to register, and stays a guest', async () => {
      for (const row of [5, 6]) {
        const browser = await guest()
        if (row === 6) {
          drop(browser, 'browser')
          await browser.get('/login/acme')
        }
        const id = await guestId(browser)
        const answer = await app.signIn(browser, `unknown-${row}`)
        assert.match(answer.headers.get('location')!, /^\/register\?state=/)
        assert.equal(await guestId(browser), id)
        assert.equal(await lastStranger(), row)
      }
    })

    it('S3-21.7 row 7: a stranger in a browser that knows somebody is led to register, without a session', async () => {
      const browser = await signedIn('row-7')
      await browser.post('/logout')
      const answer = await app.signIn(browser, 'unknown-7')
      assert.match(answer.headers.get('location')!, /^\/register\?state=/)
      assert.equal(browser.cookies.has(names.session), false)
      assert.equal(await lastStranger(), 7)
    })

    it('S3-21.8 SEED-35 row 8: a stranger in a browser that knows nobody is led to register where there is a form', async () => {
      const onForm = await app.connect({ provisioning: 'register' })
      const browser = app.browser()
      const answer = await app.signIn(browser, 'unknown-8', { connectionId: onForm })
      assert.match(answer.headers.get('location')!, /^\/register\?state=/)
      assert.equal(browser.cookies.has(names.session), false)
      assert.equal(await lastStranger(), 8)
      await setConnectionState(app.sallyport.services.db, onForm, 'disabled')
    })

    it('S2-06 S3-21.9 row 9: a guest goes on where guests may, and is led to sign in where a user is needed', async () => {
      const browser = await guest()
      const answer = await browser.get('/me')
      assert.deepEqual([answer.status, answer.headers.getSetCookie()], [200, []])
      const led = await browser.get('/account')
      assert.equal(led.headers.get('location'), `${app.origin}/login?return_to=%2Faccount`)
      const refused = await browser.api('/account')
      assert.deepEqual([refused.status, await code(refused)], [401, 'login_required'])
    })

    it('S3-21.10 row 10: a guest without the browser cookie gets a new one on a navigation, and is the same guest', async () => {
      const browser = await guest()
      const id = await guestId(browser)
      drop(browser, 'browser')
      assert.deepEqual((await browser.api('/me')).headers.getSetCookie(), [])
      const page = await browser.get('/me')
      assert.match(page.headers.getSetCookie().join(), new RegExp(`^${names.browser}=[\\w-]{22};`))
      assert.equal(await guestId(browser), id)
    })

    it('S3-21.13 row 13, a guest in a browser that has an account: still a guest, and told', async () => {
      const browser = await signedIn('row-13')
      await browser.post('/logout')
      await browser.post('/guest')
      assert.match(await (await browser.get('/login')).text(), /this browser has signed in before/)
      assert.equal((await browser.get('/me')).status, 200)
      assert.equal((await browser.api('/account')).status, 401)
    })

    it('S3-21.5 S3-21.6 SEED-37 rows 5 and 6: an unknown identity in somebody’s session changes nothing', async () => {
      const browser = await signedIn('row-5')
      for (const row of [5, 6]) {
        if (row === 6) {
          drop(browser, 'browser')
          await browser.get('/account')
        }
        const state = await app.begin(browser)
        const conflict = await app.comeBack(browser, state, 'stranger')
        assert.equal(conflict.status, 409)
      }
      assert.equal(
        ((await (await browser.api('/me')).json()) as { user: { name: string } }).user.name,
        'row-5',
      )
      const { db } = app.sallyport.services
      assert.deepEqual(
        await db.selectFrom('identities').selectAll().where('subject', '=', 'stranger').execute(),
        [],
      )
      assert.ok((await events('identity.conflict')).length > 0)
    })

    it('S3-21.8 row 8: an unknown identity is let in only where the connection lets everybody in', async () => {
      const closed = await app.connect({ provisioning: 'off' })
      const browser = app.browser()
      const refused = await app.signIn(browser, 'row-8', { connectionId: closed })
      assert.equal(refused.status, 403)
      assert.equal((await browser.api('/me')).status, 401)
      assert.equal(drop(browser, 'session'), false, 'no session cookie was set')
      await setConnectionState(app.sallyport.services.db, closed, 'disabled')
    })

    it('S3-21.11 row 11: a browser that was here before is welcomed back, and gets nothing without signing in', async () => {
      const browser = app.browser()
      browser.cookies.set(names.browser, randomToken(16))
      const refused = await browser.api('/me')
      assert.deepEqual([refused.status, await code(refused)], [401, 'no_session'])
      const led = await browser.get('/account')
      assert.equal(led.status, 303)
      assert.equal(led.headers.get('location'), `${app.origin}/login?return_to=%2Faccount`)
      assert.deepEqual(led.headers.getSetCookie(), [])
    })

    it('S3-21.11 SEED-21 row 11 with a dead session: its cookie is dropped, the browser cookie is kept', async () => {
      const browser = await signedIn('row-11')
      const copy = browser.clone()
      await browser.post('/logout')
      const refused = await copy.api('/me')
      assert.deepEqual([refused.status, await code(refused)], [401, 'no_session'])
      assert.match(
        refused.headers.getSetCookie().join(),
        new RegExp(`^${names.session}=; .*Max-Age=0$`),
      )
      assert.ok((await events('session.dead_presented')).length > 0)
    })

    it('S3-21.12 SEED-16 SEED-17 S3-25a row 12: a fresh browser is led to sign in once, and a program is told where', async () => {
      const browser = app.browser()
      const led = await browser.get('/account')
      assert.equal(led.status, 303)
      const there = await browser.get(new URL(led.headers.get('location')!).pathname)
      assert.equal(there.status, 200)
      assert.deepEqual(led.headers.getSetCookie(), [])
      const refused = await app.browser().api('/me')
      assert.equal(refused.status, 401)
      assert.equal(refused.headers.get('content-type'), 'application/problem+json')
      const problem = (await refused.json()) as Record<string, unknown>
      assert.deepEqual([problem['code'], problem['status']], ['login_required', 401])
      assert.ok(String(problem['login_url']).startsWith(`${app.origin}/login`))
      assert.equal(problem['requestId'], refused.headers.get('x-request-id'))
    })

    it('S3-21.15 row 15: a browser whose person is known has no more rights than row 11, and sees its organization', async () => {
      const browser = await signedIn('row-15')
      await browser.post('/logout')
      assert.equal((await browser.api('/me')).status, 401)
      assert.match(await (await browser.get('/login')).text(), /Acme/)
    })

    it('SEED-22 SEED-59 no request makes a guest: an unsafe one is refused with its body unread', async () => {
      const browser = await signedIn('no-guest')
      await browser.post('/logout')
      const users = async () =>
        (await app.sallyport.services.db.selectFrom('users').select('id').execute()).length
      const before = await users()
      const refused = await browser.post(
        '/account/sessions/end-others',
        {},
        { 'sec-fetch-mode': 'cors', accept: 'application/json' },
      )
      assert.equal(refused.status, 401)
      assert.equal(await users(), before)
    })

    it('S3-20a SEED-15 COH-09 row 17: with the database away, 503, cookies untouched, public pages answer', async () => {
      const browser = await signedIn('row-17')
      app.line.cut()
      app.sallyport.services.node.lease.end()
      try {
        const refused = await browser.api('/me')
        assert.deepEqual([refused.status, await code(refused)], [503, 'temporarily_unavailable'])
        assert.ok(Number(refused.headers.get('retry-after')) > 0)
        assert.deepEqual(refused.headers.getSetCookie(), [])
        const page = await browser.get('/account')
        assert.equal(page.status, 503)
        assert.equal((await browser.get('/logout/done')).status, 200)
        assert.equal((await browser.get('/healthz')).status, 200)
        assert.equal((await browser.get('/readyz')).status, 503)
      } finally {
        app.line.mend()
      }
      assert.equal((await browser.api('/me')).status, 200)
    })

    it('SEED-20 S2-12 an answer carries a request id, the caller’s own where it is a good one', async () => {
      const browser = app.browser()
      const own = await browser.get('/healthz', { 'x-request-id': 'abc-123' })
      assert.equal(own.headers.get('x-request-id'), 'abc-123')
      const bad = await browser.get('/healthz', { 'x-request-id': 'a b;c' })
      assert.match(bad.headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/)
    })

    it('SEED-31 whoever is signed in and opens the sign-in page is sent straight back', async () => {
      const browser = await signedIn('already')
      const back = await browser.get('/login?return_to=/account')
      assert.deepEqual([back.status, back.headers.get('location')], [303, '/account'])
    })

    it('a person suspended here is refused at the return, without a session and without a loop', async () => {
      const browser = await signedIn('suspended')
      const { user } = (await (await browser.api('/me')).json()) as { user: { id: string } }
      await suspendPerson(app.sallyport.services, user.id, { userId: user.id }, app.clock.now())
      const fresh = app.browser()
      const refused = await app.signIn(fresh, 'suspended')
      assert.equal(refused.status, 403)
      assert.match(await refused.text(), /suspended/)
      assert.equal(fresh.cookies.has(names.session), false)
    })
  })
}
