import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { hours, minutes } from '../../src/lib/clock.ts'
import { cookieNames } from '../../src/sessions/cookies.ts'
import { requireReauthentication } from '../../src/sessions/lock.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import { refreshOf, type Browser } from '../_browser.ts'
import { rims, type RimName } from '../_rims.ts'

for (const rim of Object.keys(rims) as RimName[]) {
  describe(`confirming that it is you, through ${rim}`, () => {
    let app: TestApp
    let names: ReturnType<typeof cookieNames>

    before(async () => {
      app = await startTestApp({ rim })
      names = cookieNames(new URL(app.origin))
    })
    after(() => app.close())

    const signedIn = async (subject: string, form: Record<string, string> = {}) => {
      const browser = app.browser()
      const left = await browser.post(`/sso/${app.connectionId}/start`, form)
      await app.comeBack(browser, stateOf(left), subject)
      return browser
    }
    const stateOf = (left: Response) => refreshOf(left).searchParams.get('state')!
    const me = async (browser: Browser) =>
      (await (await browser.api('/me')).json()) as {
        user: { id: string }
        session: { id: string; authenticatedAt: string }
      }
    const status = async (browser: Browser) => (await browser.api('/me')).status
    const problem = async (response: Response) => {
      const { code } = (await response.json()) as { code: string }
      return [response.status, code]
    }
    /** At the provider, once more: by default one that asks who it is. */
    const confirm = async (
      browser: Browser,
      subject: string,
      {
        returnTo = '/account',
        authenticatedAt = app.clock.now(),
      }: { returnTo?: string; authenticatedAt?: Date | null } = {},
    ) => {
      const left = await browser.post(`/sso/${app.connectionId}/start`, {
        reauth: '1',
        return_to: returnTo,
      })
      const said = authenticatedAt && { authenticatedAt: authenticatedAt.toISOString() }
      app.provider.people.set(subject, said ?? {})
      const answer = await app.comeBack(browser, stateOf(left), subject)
      app.provider.people.delete(subject)
      return { asked: refreshOf(left), answer }
    }
    const events = (action: string) =>
      app.sallyport.services.db
        .selectFrom('audit_events')
        .selectAll()
        .where('action', '=', action)
        .orderBy('id', 'desc')
        .execute()
    const locked = async (subject: string) => {
      const browser = await signedIn(subject)
      const { user, session } = await me(browser)
      const { services } = app.sallyport
      await requireReauthentication(services, user.id, { actor: {} }, app.clock.now())
      return { browser, session }
    }

    it('SEED-51 REV-11 ending other sessions needs a sign-in of the last ten minutes; one’s own needs none', async () => {
      const [browser, other] = [await signedIn('careful'), await signedIn('careful')]
      const theirs = (await me(other)).session.id
      app.clock.advance(minutes(10))
      const ask = (path: string) =>
        browser.post(path, {}, { 'sec-fetch-mode': 'cors', accept: 'application/json' })
      assert.equal(
        (await ask(`/account/sessions/${theirs}/end`)).status,
        303,
        'ten minutes are recent',
      )
      const third = await signedIn('careful')
      const another = (await me(third)).session.id
      app.clock.advance(1000)
      for (const path of [
        `/account/sessions/${another}/end`,
        '/account/sessions/end-others',
        '/account/sessions/end-all',
      ])
        assert.deepEqual(await problem(await ask(path)), [401, 'reauth_required'])
      assert.equal(await status(third), 200)
      const own = (await me(browser)).session.id
      assert.equal((await ask(`/account/sessions/${own}/end`)).status, 303)
      assert.equal(await status(browser), 401)
      app.clock.advance(minutes(11))
      assert.equal((await third.post('/logout')).headers.get('location'), '/logout/done')
    })

    it('SEED-51 REV-12 a form that needs it is kept, asked about once, and sent again', async () => {
      const [browser, other] = [await signedIn('interrupted'), await signedIn('interrupted')]
      const before = browser.cookies.get(names.session)
      app.clock.advance(minutes(11))
      const led = await browser.post('/account/sessions/end-others', { extra: 'a "quoted" <b>' })
      assert.equal(led.status, 303)
      const login = new URL(led.headers.get('location')!)
      assert.match(login.search, /^\?reauth=1&return_to=%2Finterrupted%3Fform%3D/)
      const page = await (await browser.get(`${login.pathname}${login.search}`)).text()
      assert.match(page, /Confirm it is you/)
      assert.match(page, /name="reauth" value="1"/)
      assert.doesNotMatch(page, /name="keep"/)
      const returnTo = login.searchParams.get('return_to')!
      const { asked, answer } = await confirm(browser, 'interrupted', { returnTo })
      const { searchParams } = asked
      assert.deepEqual(
        ['prompt', 'max_age', 'login_hint'].map((name) => searchParams.get(name)),
        ['login', '0', 'interrupted@acme.example'],
      )
      assert.equal(answer.headers.get('location'), returnTo)
      assert.notEqual(browser.cookies.get(names.session), before, 'rotated')
      assert.equal(await status(other), 200, 'nothing is sent by itself')
      const shown = await (await browser.get(returnTo)).text()
      assert.match(shown, /End all your other sessions/)
      assert.match(shown, /action="\/account\/sessions\/end-others"/)
      assert.match(shown, /name="extra" value="a &quot;quoted&quot; &lt;b&gt;"/)
      assert.equal((await browser.get(returnTo)).status, 400, 'shown once')
      assert.equal((await browser.post('/account/sessions/end-others', { extra: 'x' })).status, 303)
      assert.equal(await status(other), 401)
    })

    it('a kept form is for its person, in its browser, for ten minutes', async () => {
      const browser = await signedIn('owner')
      const kept = async () => {
        app.clock.advance(minutes(11))
        const led = await browser.post('/account/sessions/end-others')
        return new URL(led.headers.get('location')!).searchParams.get('return_to')!
      }
      let path = await kept()
      const thief = await signedIn('thief')
      thief.cookies.set(names.browser, browser.cookies.get(names.browser)!)
      assert.equal((await thief.get(path)).status, 400, 'another person')
      const copy = browser.clone()
      copy.cookies.set(names.browser, 'A'.repeat(22))
      assert.equal((await copy.get(path)).status, 400, 'another browser')
      assert.equal((await browser.get(path)).status, 200)
      path = await kept()
      app.clock.advance(minutes(10))
      const gone = await browser.get(path)
      assert.equal(gone.status, 400)
      assert.match(await gone.text(), /What you were about to send is gone/)
    })

    it('a form from another site is refused, not kept', async () => {
      const browser = await signedIn('tricked')
      app.clock.advance(minutes(11))
      const refused = await browser.post(
        '/account/sessions/end-others',
        {},
        { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
      )
      assert.equal(refused.status, 403)
    })

    it('S3-21.13 a provider that does not ask who it is confirms nothing, and the session stays as it was', async () => {
      const browser = await signedIn('let-through')
      const before = await me(browser)
      app.clock.advance(minutes(20))
      for (const authenticatedAt of [new Date(app.clock.now().getTime() - minutes(2)), null]) {
        const { answer } = await confirm(browser, 'let-through', { authenticatedAt })
        assert.equal(answer.status, 400)
        assert.match(await answer.text(), /You were not asked who you are/)
      }
      const { id, authenticatedAt } = (await me(browser)).session
      assert.deepEqual([id, authenticatedAt], [before.session.id, before.session.authenticatedAt])
    })

    it('SES-09 another person’s sign-in is asked about, as ever', async () => {
      await signedIn('somebody-else')
      const browser = await signedIn('at-the-desk')
      app.clock.advance(minutes(11))
      const { answer } = await confirm(browser, 'somebody-else')
      assert.match(answer.headers.get('location')!, /\/continue\?state=/)
      assert.equal(await status(browser), 200)
    })

    it('S3-21.13 row 13: a kept session that is twelve hours old reads on and changes nothing; confirming rotates it', async () => {
      const browser = await signedIn('kept', { keep: 'yes' })
      const seen = async () =>
        (
          await app.sallyport.services.db
            .selectFrom('sessions')
            .select('last_seen_at')
            .where('id', '=', (await me(browser)).session.id)
            .executeTakeFirstOrThrow()
        ).last_seen_at
      app.clock.advance(hours(12))
      const before = await seen()
      app.clock.advance(minutes(5))
      assert.equal((await browser.get('/account')).status, 200)
      assert.equal((await browser.api('/me', { method: 'GET' })).status, 200)
      await app.sallyport.services.slides.flush()
      assert.deepEqual(await seen(), before, 'reading does not slide it')
      const own = (await me(browser)).session.id
      const refused = await browser.post(
        `/account/sessions/${own}/end`,
        {},
        { 'sec-fetch-mode': 'cors', accept: 'application/json' },
      )
      assert.deepEqual(await problem(refused), [401, 'reauth_required'])
      assert.ok((await events('session.reauth_required')).length > 0)
      const { answer } = await confirm(browser, 'kept')
      assert.equal(answer.status, 303)
      assert.match(answer.headers.getSetCookie().join(), /Max-Age=2592000/, 'kept as before')
      assert.equal((await browser.post('/account/sessions/end-others')).status, 303)
    })

    it('S3-21.13 row 13: a locked session gets nothing but the way to sign in again, and out', async () => {
      const { browser } = await locked('locked')
      assert.deepEqual(await problem(await browser.api('/me')), [401, 'reauth_required'])
      const led = await browser.get('/account')
      assert.equal(led.headers.get('location'), `${app.origin}/login?reauth=1&return_to=%2Faccount`)
      assert.deepEqual(led.headers.getSetCookie(), [], 'the cookie stays')
      assert.match(
        await (await browser.get('/login?return_to=/account')).text(),
        /Confirm it is you/,
      )
      const { answer } = await confirm(browser, 'locked')
      assert.equal(answer.headers.get('location'), '/account')
      assert.equal(await status(browser), 200)
      const again = await locked('leaving')
      assert.equal((await again.browser.post('/logout')).status, 303)
    })

    it('S3-21.13 row 13: a locked session is over five minutes after its person was told', async () => {
      const { browser, session } = await locked('late')
      app.clock.advance(minutes(20))
      assert.equal(await status(browser), 401, 'told now')
      app.clock.advance(minutes(5) - 1000)
      assert.deepEqual(await problem(await browser.api('/me')), [401, 'reauth_required'])
      app.clock.advance(1000)
      app.sallyport.services.node.memory.clear(app.sallyport.services.node.memory.position)
      assert.deepEqual(await problem(await browser.api('/me')), [401, 'no_session'])
      const revoked = (await events('session.revoked')).find(({ target }) => target === session.id)
      assert.deepEqual(revoked?.data, { reason: 'reauth_missed' })
    })

    it('S3-21.13 row 13: a locked session ends when its person tries and fails; a provider that is away ends nothing', async () => {
      const { browser, session } = await locked('failing')
      app.provider.refuseNext('sso_unavailable')
      assert.equal((await confirm(browser, 'failing')).answer.status, 503)
      assert.deepEqual(await problem(await browser.api('/me')), [401, 'reauth_required'])
      app.provider.refuseNext('sso_denied')
      assert.equal((await confirm(browser, 'failing')).answer.status, 403)
      app.sallyport.services.node.memory.clear(app.sallyport.services.node.memory.position)
      assert.deepEqual(await problem(await browser.api('/me')), [401, 'no_session'])
      const revoked = (await events('session.revoked')).find(({ target }) => target === session.id)
      assert.deepEqual(revoked?.data, { reason: 'reauth_failed' })
    })

    it('S3-21.14 row 14: without the browser’s own cookie it is told as a risk, and that cookie is set after success only', async () => {
      const { browser, session } = await locked('carried')
      browser.cookies.delete(names.browser)
      const led = await browser.get('/account')
      assert.deepEqual([led.status, led.headers.getSetCookie()], [303, []])
      const page = await browser.get('/login?reauth=1&return_to=/account')
      assert.deepEqual([page.status, page.headers.getSetCookie()], [200, []])
      const told = (await events('session.reauth_required')).find(
        ({ target }) => target === session.id,
      )
      assert.deepEqual(told?.data, { reason: 'locked', device_hint: 'missing', risk: 1 })
      const { answer } = await confirm(browser, 'carried')
      const set = answer.headers.getSetCookie().map((line) => line.split('=')[0])
      assert.deepEqual(set.toSorted(), [names.browser, names.session].toSorted())
      assert.equal(await status(browser), 200)
    })

    if (rim === 'memory') return

    it('an application’s page that needs a recent sign-in leads there and back; its form is kept', async () => {
      const browser = await signedIn('app-user')
      assert.equal((await browser.get('/app/sensitive')).status, 200)
      app.clock.advance(minutes(11))
      const led = await browser.get('/app/sensitive?x=1')
      assert.deepEqual(
        [led.status, led.headers.get('location')],
        [303, `${app.origin}/login?reauth=1&return_to=%2Fapp%2Fsensitive%3Fx%3D1`],
      )
      const program = await browser.api('/app/sensitive', { method: 'POST' })
      const told = (await program.json()) as Record<string, string>
      assert.deepEqual([program.status, told['code']], [401, 'reauth_required'])
      assert.match(told['login_url']!, /\/login\?reauth=1&return_to=/)

      const sent = await browser.post('/app/sensitive?id=7', { amount: '12', password: 'hush' })
      assert.equal(sent.status, 303)
      const returnTo = new URL(sent.headers.get('location')!).searchParams.get('return_to')!
      assert.match(returnTo, /^\/interrupted\?form=/)
      await confirm(browser, 'app-user', { returnTo })
      const shown = await (await browser.get(returnTo)).text()
      assert.match(shown, /<code>\/app\/sensitive<\/code>/)
      assert.match(shown, /action="\/app\/sensitive\?id=7"/)
      assert.match(shown, /<strong>amount<\/strong> <span>12<\/span>/)
      assert.doesNotMatch(shown, /<span>hush<\/span>/, 'what may be secret is sent, not shown')
      assert.equal((await browser.post('/app/sensitive?id=7', { amount: '12' })).status, 200)
    })

    it('a form too large to keep, or from elsewhere, is refused with a page', async () => {
      const browser = await signedIn('app-large')
      app.clock.advance(minutes(11))
      const large = await browser.post('/app/sensitive', { text: 'x'.repeat(17_000) })
      assert.equal(large.status, 401)
      assert.match(await large.text(), /Please confirm it is you/)
      const foreign = await browser.post(
        '/app/sensitive',
        { a: '1' },
        { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
      )
      assert.equal(foreign.status, 401)
    })

    it('S3-21.13 an application that only reads goes on with an ageing session; what changes something asks', async () => {
      const browser = await signedIn('app-kept', { keep: 'yes' })
      app.clock.advance(hours(13))
      assert.equal((await browser.get('/app/private')).status, 200)
      assert.equal((await browser.api('/app/private', { method: 'POST' })).status, 401)
      const who = (asking: object, demands = {}) =>
        app.sallyport.authenticate(
          { headers: { cookie: browser.cookieHeader() }, ...asking },
          demands,
        )
      assert.equal((await who({})).signedIn, false, 'without a method it may change something')
      assert.equal((await who({}, { reading: true })).signedIn, true)
      assert.equal((await who({ method: 'HEAD' })).signedIn, true)
      assert.equal((await who({ method: 'GET' }, { recent: true })).signedIn, false)
    })
  })
}
