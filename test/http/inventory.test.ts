import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { createOrganization, type Role } from '../../src/accounts/organizations.ts'
import { minutes } from '../../src/lib/clock.ts'
import { cookieNames } from '../../src/sessions/cookies.ts'
import { endEverything, removeMember } from '../../src/sessions/ending.ts'
import { changeConnectionState, changeRole, suspendPerson } from '../../src/sessions/revoke.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import { refreshOf, type Browser } from '../_browser.ts'
import { rims, type RimName } from '../_rims.ts'
import { startMember } from '../sessions/_members.ts'

for (const rim of Object.keys(rims) as RimName[]) {
  describe(`whose sessions there are, and who ends them, through ${rim}`, () => {
    let app: TestApp
    let names: ReturnType<typeof cookieNames>

    before(async () => {
      app = await startTestApp({ rim, env: { SALLYPORT_SESSIONS_PER_PERSON: '3' } })
      names = cookieNames(new URL(app.origin))
    })
    after(() => app.close())

    const signedIn = async (subject: string, connectionId = app.connectionId) => {
      const browser = app.browser()
      const answer = await app.signIn(browser, subject, { connectionId })
      assert.equal(answer.status, 303)
      return browser
    }
    const status = async (browser: Browser) => (await browser.api('/me')).status
    const me = async (browser: Browser) =>
      (await (await browser.api('/me')).json()) as {
        user: { id: string }
        session: { id: string }
        organizations: { slug: string }[]
      }
    const events = (action: string) =>
      app.sallyport.services.db
        .selectFrom('audit_events')
        .selectAll()
        .where('action', '=', action)
        .orderBy('id', 'desc')
        .execute()
    const give = async (browser: Browser, role: Role, organizationId = app.acme.id) => {
      const { user } = await me(browser)
      const member = { organizationId, userId: user.id, role }
      await changeRole(app.sallyport.services, member, { userId: user.id }, app.clock.now())
    }
    const administrator = async (subject: string) => {
      const browser = await signedIn(subject)
      await give(browser, 'admin')
      return browser
    }
    const act = (browser: Browser, path: string, form: Record<string, string> = {}) =>
      browser.post(path, form, { 'sec-fetch-mode': 'cors', accept: 'application/json' })
    /** Another organization, and a session that proves something to both. */
    const inBoth = async (subject: string, slug: string) => {
      const { db } = app.sallyport.services
      const other = await createOrganization(db, { slug, name: slug }, app.clock.now())
      const connectionId = await app.connect({ organizationId: other.id })
      const browser = await signedIn(subject)
      const { user } = await me(browser)
      const identity = {
        connection_id: connectionId,
        issuer: 'https://idp.example',
        subject,
        user_id: user.id,
      }
      const now = app.clock.now()
      await db
        .insertInto('identities')
        .values({ id: crypto.randomUUID(), ...identity, linked_at: now, last_verified_at: now })
        .execute()
      await db
        .insertInto('memberships')
        .values({
          id: crypto.randomUUID(),
          organization_id: other.id,
          user_id: user.id,
          role: 'member',
          link_since: now,
        })
        .execute()
      await app.signIn(browser, subject, { connectionId })
      assert.equal((await me(browser)).organizations.length, 2)
      return { browser, other, connectionId }
    }

    it('S2-21 one session more than a person may have ends the least recently used, on every node, with notice', async (t) => {
      const member = await startMember(t, app)
      const browsers: Browser[] = []
      for (let i = 0; i < 3; i++) {
        browsers.push(await signedIn('crowded'))
        app.clock.advance(minutes(2))
      }
      // The oldest is used once more; the second is then the least recently used.
      assert.equal(await status(browsers[0]!), 200)
      await app.sallyport.services.slides.flush()
      const ended = (await me(browsers[1]!)).session.id
      const token = browsers[1]!.cookies.get(names.session)!
      assert.equal(await member.accepts(token), true)
      const fourth = await signedIn('crowded')
      assert.equal(await member.accepts(token), false)
      assert.deepEqual(await Promise.all([...browsers, fourth].map(status)), [200, 401, 200, 200])
      const [revoked] = await events('session.revoked')
      assert.equal(revoked?.target, ended)
      assert.deepEqual((revoked!.data as { reason: string }).reason, 'limit')
      assert.match(
        await (await fourth.get('/account')).text(),
        /was ended[\s\S]*signed in once more than you may/,
      )
    })

    it('S2-21 however many sign in at once, no person ends with more than they may have', async () => {
      const browsers = Array.from({ length: 6 }, () => app.browser())
      const states = await Promise.all(browsers.map((browser) => app.begin(browser)))
      await app.signIn(app.browser(), 'racing')
      await Promise.all(browsers.map((browser, i) => app.comeBack(browser, states[i]!, 'racing')))
      const live = await app.sallyport.services.db
        .selectFrom('sessions')
        .innerJoin('users', 'users.id', 'sessions.user_id')
        .select('sessions.id')
        .where('users.name', '=', 'racing')
        .where('revoked_at', 'is', null)
        .execute()
      assert.equal(live.length, 3)
    })

    it('SEED-63 one can end all of one’s sessions, this one too', async () => {
      const [here, there] = [await signedIn('leaving'), await signedIn('leaving')]
      const done = await here.post('/account/sessions/end-all')
      assert.equal(done.headers.get('location'), '/logout/done')
      assert.equal(here.cookies.has(names.session), false)
      assert.equal(await status(there), 401)
    })

    it('REV-11 an administrator sees who is signed in to their organization, and ends one person’s', async () => {
      const admin = await administrator('boss')
      const worker = await signedIn('worker')
      const { user } = await me(worker)
      const page = await (await admin.get('/organizations/acme/sessions')).text()
      assert.match(page, /worker/)
      assert.ok(!page.includes(worker.cookies.get(names.session)!))
      const listed = (await (await admin.api('/api/organizations/acme/sessions')).json()) as {
        people: { user: { id: string; name: string }; sessions: { id: string }[] }[]
      }
      const row = listed.people.find((one) => one.user.id === user.id)!
      assert.deepEqual([row.user.name, row.sessions.length], ['worker', 1])
      const answer = await act(admin, `/api/organizations/acme/people/${user.id}/sessions/end`)
      assert.deepEqual(await answer.json(), { ended: { sessions: 1, proofs: 0 } })
      assert.deepEqual([await status(worker), await status(admin)], [401, 200])
      const again = await signedIn('worker')
      assert.match(await (await again.get('/account')).text(), /ended[\s\S]*by an administrator/)
      await admin.post('/organizations/acme/sessions/end', { person: user.id })
      assert.equal(await status(again), 401)
    })

    it('REV-11 it needs a recent sign-in, an administrator’s role, and a proof for that very organization', async () => {
      const paths = ['/organizations/acme/sessions', '/api/organizations/acme/sessions']
      const member = await signedIn('mere-member')
      for (const path of paths) assert.equal((await member.api(path)).status, 403)
      assert.equal((await act(member, '/api/organizations/acme/sessions/end')).status, 403)
      assert.equal(
        (await act(member, '/organizations/acme/sessions/end', { all: 'yes' })).status,
        403,
      )
      assert.ok((await events('authz.denied')).length > 0)
      const admin = await administrator('boss-2')
      for (const slug of ['elsewhere', 'no-such-place']) {
        const refused = await admin.api(`/api/organizations/${slug}/sessions`)
        const { code, login_url: to } = (await refused.json()) as Record<string, string>
        assert.deepEqual([refused.status, code], [401, 'login_required'])
        assert.ok(to!.startsWith(`${app.origin}/login/${slug}?return_to=`))
      }
      app.clock.advance(minutes(11))
      for (const path of paths) assert.equal((await admin.api(path)).status, 401)
      assert.equal((await act(admin, '/api/organizations/acme/sessions/end')).status, 401)
    })

    it('an organization ends what a session proves to it; the session goes on for what it proves to another', async () => {
      const { browser } = await inBoth('both-ways', 'beside')
      const admin = await administrator('boss-3')
      const { user } = await me(browser)
      const answer = await act(admin, `/api/organizations/acme/people/${user.id}/sessions/end`)
      assert.deepEqual(await answer.json(), { ended: { sessions: 0, proofs: 1 } })
      assert.deepEqual(
        (await me(browser)).organizations.map(({ slug }) => slug),
        ['beside'],
      )
    })

    it('an organization ends all sessions of a connection, or all there are', async () => {
      const second = await app.connect({ name: 'Second' })
      const [first, other] = [
        await signedIn('through-first'),
        await signedIn('through-second', second),
      ]
      const admin = await administrator('boss-4')
      await act(admin, `/api/organizations/acme/connections/${second}/sessions/end`)
      assert.deepEqual(
        [await status(first), await status(other), await status(admin)],
        [200, 401, 200],
      )
      assert.equal(
        (await act(admin, '/organizations/acme/sessions/end')).status,
        400,
        'nothing is chosen by silence',
      )
      await admin.post('/organizations/acme/sessions/end', { all: 'yes' })
      assert.deepEqual([await status(first), await status(admin)], [401, 401])
      const [told] = await events('sessions.ended')
      assert.equal((told!.data as { of: string }).of, 'organization')
    })

    it('REV-07 an administrator made a member is refused at once, on a node that remembered them', async () => {
      const admin = await administrator('demoted')
      assert.equal((await admin.api('/api/organizations/acme/sessions')).status, 200)
      await give(admin, 'member')
      assert.equal((await admin.api('/api/organizations/acme/sessions')).status, 403)
      assert.ok((await events('member.role_changed')).length > 0)
    })

    it('REV-06 suspending a person ends three sessions, and what they were about to do in them, before it returns', async (t) => {
      const browsers = [
        await signedIn('doomed'),
        await signedIn('doomed'),
        await signedIn('doomed'),
      ]
      const [first] = browsers as [Browser, Browser, Browser]
      const left = await first.post(`/sso/${app.connectionId}/start`, { reauth: '1' })
      const state = refreshOf(left).searchParams.get('state')!
      const { user } = await me(first)
      const member = await startMember(t, app)
      const tokens = browsers.map((browser) => browser.cookies.get(names.session)!)
      for (const token of tokens) assert.equal(await member.accepts(token), true)
      await suspendPerson(app.sallyport.services, user.id, { userId: user.id }, app.clock.now())
      for (const token of tokens) assert.equal(await member.accepts(token), false)
      assert.deepEqual(await Promise.all(browsers.map(status)), [401, 401, 401])
      const back = await app.comeBack(first, state, 'doomed')
      assert.equal(back.status, 403)
      assert.match(await back.text(), /suspended/)
      assert.ok(!app.provider.completed.includes('doomed-later'))
    })

    it('REV-06 disabling a connection ends sign-ins under way through it: its provider is not asked', async () => {
      const connectionId = await app.connect({ name: 'Doomed' })
      const browser = app.browser()
      const state = await app.begin(browser, { connectionId })
      const asked = app.provider.completed.length
      const { services } = app.sallyport
      await changeConnectionState(services, connectionId, 'disabled', app.clock.now())
      const pending = services.db
        .selectFrom('flows')
        .select('id')
        .where('connection_id', '=', connectionId)
        .where('consumed_at', 'is', null)
      assert.deepEqual(await pending.execute(), [])
      const back = await app.comeBack(browser, state, 'late', connectionId)
      assert.equal(back.status, 403)
      assert.match(await back.text(), /switched off/)
      assert.equal(app.provider.completed.length, asked)
    })

    it('REV-06 removing a member ends what their sessions prove to the organization; signing in does not bring them back', async () => {
      const browser = await signedIn('removed')
      const { user } = await me(browser)
      const ended = await removeMember(
        app.sallyport.services,
        { organizationId: app.acme.id, userId: user.id },
        { userId: user.id },
        app.clock.now(),
      )
      assert.deepEqual(ended, { sessions: 1, proofs: 0 })
      assert.equal(await status(browser), 401)
      assert.equal((await app.signIn(app.browser(), 'removed')).status, 403)
    })

    it('CLK-02 everything that was alive is over at once: sessions, and sign-ins under way', async () => {
      const browser = await signedIn('restored')
      const starting = app.browser()
      const state = await app.begin(starting)
      assert.ok((await endEverything(app.sallyport.services, app.clock.now())) > 0)
      assert.equal(await status(browser), 401)
      assert.equal((await app.comeBack(starting, state, 'restored')).status, 400)
      assert.equal(await status(await signedIn('restored')), 200, 'signing in anew works')
    })
  })
}
