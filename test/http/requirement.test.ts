import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it, type TestContext } from 'node:test'
import { addVerifiedEmail } from '../../src/accounts/emails.ts'
import { lockedOut } from '../../src/accounts/locked-out.ts'
import {
  createOrganization,
  type Organization,
  type Role,
} from '../../src/accounts/organizations.ts'
import { createUser } from '../../src/accounts/users.ts'
import { addMember } from '../../src/accounts/organizations.ts'
import { hours, minutes } from '../../src/lib/clock.ts'
import { cookieNames } from '../../src/sessions/cookies.ts'
import { requireSso, stopRequiringSso } from '../../src/sessions/requiring.ts'
import {
  changeConnectionState,
  changeRole,
  limitSessions,
  suspendPerson,
} from '../../src/sessions/revoke.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'
import { fingerprint } from '../_fingerprint.ts'
import { readPage } from '../web/_page.ts'
import { startMember } from '../sessions/_members.ts'

const own = '/organizations/acme/requirement'
const recovery = '/recover/acme'
const secret = 'a-shared-secret-of-32-characters-or-more'

interface Me {
  user: { id: string }
  session: { id: string }
  organizations: { slug: string }[]
}

describe('requiring an organization’s own sign-in', () => {
  let app: TestApp
  before(async () => {
    app = await startTestApp({ env: { SALLYPORT_PERSONAL_SIGN_IN: 'members' } })
  })
  after(() => app.close())
  beforeEach(async () => {
    const { db } = app.sallyport.services
    await db.deleteFrom('rate_limits').execute()
    await stopRequiringSso(app.sallyport.services, app.acme.id, {}, app.clock.now())
    // So that whoever signs in next is nobody's successor.
    app.clock.advance(minutes(2))
  })

  const me = async (browser: Browser) => (await (await browser.api('/me')).json()) as Me
  const slugs = async (browser: Browser) =>
    (await me(browser)).organizations.map(({ slug }) => slug)
  const tokenOf = (browser: Browser) =>
    browser.cookies.get(cookieNames(new URL(app.origin)).session)!
  const events = async (action: string) =>
    app.sallyport.services.db
      .selectFrom('audit_events')
      .selectAll()
      .where('action', '=', action)
      .orderBy('id')
      .execute()

  /** Somebody of acme who has signed in through its connection, and verified an address of theirs. */
  async function member(subject: string, role: Role = 'member'): Promise<Browser> {
    const browser = app.browser()
    await app.signIn(browser, subject)
    const { user } = await me(browser)
    const { services } = app.sallyport
    await changeRole(
      services,
      { organizationId: app.acme.id, userId: user.id, role },
      {},
      app.clock.now(),
    )
    const address = `${subject}@home.example`
    await addVerifiedEmail(
      services.db,
      { userId: user.id, address, primary: false },
      app.clock.now(),
    )
    return browser
  }

  /** Signs somebody in by a mailed link; in the same browser their session goes on. */
  async function byMail(subject: string, browser = app.browser()): Promise<Browser> {
    await browser.post('/login/mail', { address: `${subject}@home.example` })
    const { data } = (await app.mails()).filter(({ mail }) => mail === 'sign_in_link').at(-1)!
    const link = new URL(data['link']!).pathname
    const done = await browser.post(link)
    assert.equal(done.status, 303, await done.text())
    return browser
  }

  async function codesOf(owner: Browser): Promise<string[]> {
    const shown = await readPage(await owner.post('/organizations/acme/recovery'))
    return [...shown.html.matchAll(/<code>((?:[0-9a-z]{4}-?){4})<\/code>/g)].map(
      ([, code]) => code!,
    )
  }

  /** Acme requires its own sign-in; its owner, signed in through it, and their codes. */
  async function required(subject: string): Promise<{ owner: Browser; codes: string[] }> {
    const owner = await member(subject, 'owner')
    const codes = await codesOf(owner)
    assert.equal((await owner.post(own, { required: 'yes' })).headers.get('location'), own)
    return { owner, codes }
  }

  async function elsewhere(slug: string): Promise<{ other: Organization; connectionId: string }> {
    const { db } = app.sallyport.services
    const other = await createOrganization(db, { slug, name: slug }, app.clock.now())
    return { other, connectionId: await app.connect({ organizationId: other.id }) }
  }

  /** The same person, known at another organization's provider too. */
  async function linkedAt(
    browser: Browser,
    { other, connectionId }: Awaited<ReturnType<typeof elsewhere>>,
    subject: string,
  ) {
    const { db } = app.sallyport.services
    const now = app.clock.now()
    const { user } = await me(browser)
    const key = { connection_id: connectionId, issuer: 'https://idp.example', subject }
    await db
      .insertInto('identities')
      .values({
        id: crypto.randomUUID(),
        ...key,
        user_id: user.id,
        linked_at: now,
        last_verified_at: now,
      })
      .execute()
    await addMember(db, { organizationId: other.id, userId: user.id, role: 'member' }, now)
  }

  it('ADM-03 it cannot be required before an owner has signed in through it lately and can recover', async () => {
    const { services } = app.sallyport
    const admin = await member('adm-admin', 'admin')
    const page = async () => (await readPage(await admin.get(own))).text
    assert.match(await page(), /No owner has signed in.*No owner has recovery codes/)
    const refused = await admin.post(own, { required: 'yes' })
    assert.equal(refused.status, 422)
    assert.match(await refused.text(), /No owner has signed in/)
    const owner = await member('adm-owner', 'owner')
    assert.doesNotMatch(await page(), /No owner has signed in/)
    assert.equal((await admin.post(own, { required: 'yes' })).status, 422)
    await codesOf(owner)
    const { user } = await me(owner)
    const emails = services.db.deleteFrom('user_emails').where('user_id', '=', user.id)
    await emails.where('verified_at', 'is not', null).execute()
    assert.match(await page(), /No owner has recovery codes/, 'nobody could use them')
    await addVerifiedEmail(
      services.db,
      { userId: user.id, address: 'adm-owner@home.example', primary: false },
      app.clock.now(),
    )
    assert.match(await page(), /Everything is ready/)

    app.clock.advance(hours(24))
    const lacks = () => requireSso(services, app.acme.id, {}, app.clock.now())
    assert.deepEqual(await lacks(), ['no_owner_signed_in'], 'that was too long ago')
    await member('adm-owner', 'owner')
    const bump = (by: number) =>
      services.db
        .updateTable('connections')
        .set((eb) => ({ config_version: eb('config_version', '+', by) }))
        .where('id', '=', app.connectionId)
        .execute()
    await bump(1)
    assert.deepEqual(await lacks(), ['no_owner_signed_in'], 'it was configured anew since')
    await bump(-1)
    await changeConnectionState(services, app.connectionId, 'disabled', app.clock.now())
    assert.deepEqual(await lacks(), ['no_connection', 'no_owner_signed_in'])
    await changeConnectionState(services, app.connectionId, 'active', app.clock.now())
    assert.deepEqual(await lacks(), [])
    const [event] = (await events('sso.required')).slice(-1)
    assert.ok(event)
  })

  it('ADM-01 it is for administrators, after a recent sign-in, and for no other organization', async () => {
    const plain = await member('adm-plain')
    for (const path of [own, `${own}/confirm`]) assert.equal((await plain.get(path)).status, 403)
    assert.equal((await plain.post(own, { required: 'yes' })).status, 403)
    const admin = await member('adm-other', 'admin')
    const { other } = await elsewhere('not-theirs')
    const led = await admin.get(`/organizations/${other.slug}/requirement`)
    assert.match(led.headers.get('location')!, /\/login\/not-theirs/)
    app.clock.advance(minutes(11))
    for (const form of [{ required: 'yes' }, { required: 'no' }])
      assert.match((await admin.post(own, form)).headers.get('location')!, /reauth=1/)
  })

  it('who would be locked out is shown before, by name, a page at a time', async () => {
    const { db } = app.sallyport.services
    const now = app.clock.now()
    const { other } = await elsewhere('crowd')
    for (let i = 0; i < 60; i++) {
      const userId = await createUser(db, { name: `Person ${String(i).padStart(2, '0')}` }, now)
      await addMember(
        db,
        { organizationId: other.id, userId, role: i === 0 ? 'owner' : 'member' },
        now,
      )
      if (i === 59)
        await db.updateTable('users').set({ suspended_at: now }).where('id', '=', userId).execute()
    }
    const first = await lockedOut(db, other.id)
    assert.deepEqual(
      [first.members, first.count, first.owners, first.people.length],
      [59, 59, 1, 50],
    )
    const second = await lockedOut(db, other.id, { after: first.next })
    assert.deepEqual([second.people.length, second.next], [9, null])
    assert.equal(second.people[0]?.name, 'Person 50')

    const owner = await member('shows', 'owner')
    const unlinked = await createUser(db, { name: 'Not Linked' }, now)
    await addMember(db, { organizationId: app.acme.id, userId: unlinked, role: 'member' }, now)
    await codesOf(owner)
    assert.ok((await readPage(await owner.get('/organizations/acme/policy'))).links.includes(own))
    const page = await readPage(await owner.get(own))
    assert.match(page.text, /1 of \d+ members have not linked it.*Not Linked/)
    assert.ok(page.links.includes(`${own}/confirm`))
    assert.match(
      (await readPage(await owner.get(`${own}/confirm`))).text,
      /1 of \d+ members have not linked/,
    )
    const without = await lockedOut(db, app.acme.id, { without: app.connectionId })
    assert.equal(without.count, without.members)
  })

  it('ORG-03 SSO-165 only a proof through its connection lets a member in, and whoever signed in before is judged anew at once', async () => {
    const worker = await member('worker')
    const personal = await byMail('worker')
    assert.deepEqual(await slugs(personal), ['acme'])
    const { owner } = await required('enforcer')
    assert.deepEqual(await slugs(personal), [], 'an old session without the proof')
    assert.deepEqual(await slugs(worker), ['acme'], 'an old session with it')
    const later = await byMail('worker')
    assert.deepEqual(await slugs(later), [])
    const led = await later.get('/organizations/acme')
    assert.equal(
      led.headers.get('location'),
      `${app.origin}/login/acme?return_to=%2Forganizations%2Facme`,
    )
    const page = await readPage(await later.get('/login/acme?return_to=%2Forganizations%2Facme'))
    assert.match(page.text, /You are signed in, but Acme asks for its own sign-in/)
    assert.ok(!page.links.some((link) => link.startsWith('/login/mail')))
    for (const path of ['/api/organizations/acme/sessions']) {
      const refused = await later.api(path)
      const { code, login_url: to } = (await refused.json()) as Record<string, string>
      assert.deepEqual([refused.status, code], [403, 'sso_required'])
      assert.ok(to!.startsWith(`${app.origin}/login/acme?return_to=`))
    }
    const denied = (await events('authz.denied')).at(-1)!
    assert.deepEqual(denied.data, { what: 'organization', reason: 'sso_required' })
    assert.deepEqual(
      [denied.organization_id, denied.actor_id],
      [app.acme.id, (await me(later)).user.id],
    )
    await app.signIn(later, 'worker')
    assert.deepEqual(await slugs(later), ['acme'])
    assert.ok((await later.get('/organizations/acme')).status !== 303)

    await owner.post(own, { required: 'no' })
    assert.deepEqual(await slugs(personal), ['acme'], 'at once in the sessions there are')
  })

  it('ORG-04 ORG-03 another organization’s sign-in satisfies none but its own; headers and /me name what is satisfied', async () => {
    const there = await elsewhere('beta')
    const worker = await member('both')
    await linkedAt(worker, there, 'both')
    await required('both-owner')
    const browser = app.browser()
    await app.signIn(browser, 'both', { connectionId: there.connectionId })
    assert.deepEqual(await slugs(browser), ['beta'])
    const verify = (path: string) => browser.api(path)
    const passed = await verify('/verify')
    assert.deepEqual([passed.status, passed.headers.get('x-auth-organization')], [204, 'beta'])
    assert.equal(
      (await verify('/verify?organization=beta')).headers.get('x-auth-organization'),
      'beta',
    )
    const refused = await verify('/verify?organization=acme')
    assert.deepEqual([refused.status, refused.headers.get('x-auth-user')], [403, ''])
    assert.equal(((await refused.json()) as { code: string }).code, 'sso_required')
    assert.equal((await verify('/verify?organization=nowhere')).status, 401)

    const { sallyport } = app
    const headers = { cookie: browser.cookieHeader() }
    const who = await sallyport.authenticate({ headers }, { organization: 'acme' })
    assert.deepEqual([who.signedIn, !who.signedIn && who.code], [false, 'sso_required'])
    const request = new Request(`${app.origin}/reports`, { headers })
    const problem = await sallyport.challenge(request, who)
    assert.equal(problem.status, 403)
    const { login_url: to } = (await problem.json()) as Record<string, string>
    assert.equal(to, `${app.origin}/login/acme?return_to=%2Freports`)
    const navigation = new Request(`${app.origin}/reports`, {
      headers: { ...headers, accept: 'text/html' },
    })
    assert.equal((await sallyport.challenge(navigation, who)).headers.get('location'), to)

    await app.signIn(browser, 'both')
    assert.deepEqual(await slugs(browser), ['acme', 'beta'])
    const acme = await verify('/verify?organization=acme')
    assert.deepEqual([acme.status, acme.headers.get('x-auth-organization')], [204, 'acme'])
  })

  it('SSO-159 SSO-164 where it is required, an identity whose link is not good lets nobody in, and so does a suspended account', async () => {
    const { db, node } = app.sallyport.services
    const { owner } = await required('states')
    const worker = await member('stateful')
    const { user } = await me(worker)
    const set = async (link_state: 'unlinked' | 'linked' | 'suspect' | 'revoked') => {
      await db
        .updateTable('memberships')
        .set({ link_state })
        .where('user_id', '=', user.id)
        .execute()
      node.memory.clear(node.memory.position)
      return (await worker.clone().api('/verify?organization=acme')).status
    }
    assert.deepEqual(
      [await set('unlinked'), await set('revoked'), await set('suspect'), await set('linked')],
      [401, 401, 401, 204],
    )
    // Nobody could ask about them for too long: what then is the connection’s to say.
    await db.updateTable('connections').set({ outage_policy: 'keep' }).execute()
    assert.equal(await set('suspect'), 204)
    await set('linked')
    await suspendPerson(app.sallyport.services, user.id, {}, app.clock.now())
    assert.equal((await worker.api('/verify?organization=acme')).status, 401)
    assert.equal((await app.signIn(app.browser(), 'stateful')).status, 403)
    assert.equal(
      (await app.browser().api('/verify?organization=acme')).status,
      401,
      'nobody at all',
    )
    assert.equal((await owner.api('/verify?organization=acme')).status, 204)
  })

  it('SSO-166 SSO-167 SSO-169 a proof lasts as long as the organization says, and no longer than the provider does', async () => {
    const { services } = app.sallyport
    await required('lasting')
    const worker = await member('lasting-worker')
    const limits = {
      idleMinutes: null,
      absoluteMinutes: 30,
      keepSignedIn: true,
      reauthMinutes: null,
    }
    await limitSessions(services, app.acme.id, limits)
    const passes = async (browser: Browser) =>
      (await browser.api('/verify?organization=acme')).status === 204
    app.clock.advance(minutes(29))
    assert.equal(await passes(worker), true)
    app.clock.advance(minutes(2))
    assert.equal(await passes(worker), false)
    await limitSessions(services, app.acme.id, { ...limits, absoluteMinutes: null })
    const told = async (sessionEndsAt?: Date) => {
      app.provider.people.set(
        'told',
        sessionEndsAt ? { sessionEndsAt: sessionEndsAt.toISOString() } : {},
      )
      const browser = app.browser()
      await app.signIn(browser, 'told')
      return browser
    }
    const at = (milliseconds: number) => new Date(app.clock.now().getTime() + milliseconds)
    assert.equal(await passes(await told(at(-minutes(1)))), false, 'over before it began')
    const briefly = await told(at(minutes(5)))
    const asever = await told()
    assert.deepEqual([await passes(briefly), await passes(asever)], [true, true])
    app.clock.advance(minutes(6))
    assert.deepEqual([await passes(briefly), await passes(asever)], [false, true])
  })

  it('SSO-170 what somebody was about to do elsewhere is not where the sign-in leads back to', async () => {
    await member('next')
    await required('next-owner')
    const browser = await byMail('next')
    const { headers } = await browser.get('/organizations/acme?x=//evil.example')
    const to = new URL(headers.get('location')!)
    assert.deepEqual([to.origin, to.pathname], [app.origin, '/login/acme'])
    const foreign = ['https://evil.example/', '//evil.example/', '/login/acme', '/\\evil.example']
    for (const returnTo of foreign) {
      const page = await readPage(
        await browser.get(`/login/acme?return_to=${encodeURIComponent(returnTo)}`),
      )
      assert.match(page.html, /name="return_to" value="\/"/, returnTo)
    }
    const form = await browser.post('/organizations/acme/domains', { domain: 'x.example' })
    const refused = await readPage(form)
    assert.equal(refused.status, 403)
    assert.ok(refused.links.some((link) => link.startsWith(`${app.origin}/login/acme?return_to=`)))
  })

  it('members can always leave, whatever sign-in is required', async () => {
    await member('leaver')
    await required('leaver-owner')
    const browser = await byMail('leaver')
    assert.deepEqual(await slugs(browser), [])
    const page = await readPage(await browser.get('/account'))
    assert.match(page.text, /It asks for its own sign-in, which this session lacks/)
    const leave = page.links.find((link) => link.endsWith('/leave'))!
    assert.equal((await browser.get(leave)).status, 200)
    assert.equal((await browser.post(leave)).headers.get('location'), '/account')
    assert.match((await readPage(await browser.get('/account'))).text, /You belong to none/)
  })

  it('FWD-07 behind a proxy people are led to the organization’s sign-in; below the path for Envoy the query is the client’s own', async () => {
    const proxied = await startTestApp({
      env: {
        SALLYPORT_PROXIES: '192.0.2.0/24',
        SALLYPORT_PROXY_SECRET: secret,
        SALLYPORT_GUESTS: 'on',
      },
    })
    try {
      const browser = proxied.browser()
      await proxied.signIn(browser, 'pat')
      const { db } = proxied.sallyport.services
      const userId = ((await (await browser.api('/me')).json()) as Me).user.id
      const strict = await createOrganization(
        db,
        { slug: 'strict', name: 'Strict' },
        proxied.clock.now(),
      )
      await db
        .updateTable('organizations')
        .set({ sso_required_since: proxied.clock.now() })
        .where('id', '=', strict.id)
        .execute()
      await addMember(
        db,
        { organizationId: strict.id, userId, role: 'member' },
        proxied.clock.now(),
      )
      proxied.sallyport.services.node.memory.clear(0)
      const headers = {
        'x-sallyport-proxy': secret,
        'x-forwarded-for': '198.51.100.9',
        'x-forwarded-host': 'app.example',
        'x-forwarded-method': 'GET',
        'x-forwarded-proto': 'https',
        'x-forwarded-uri': '/reports',
        accept: 'text/html',
        'sec-fetch-mode': 'navigate',
      }
      const to = `${proxied.origin}/login/strict?return_to=%2Freports`
      const led = await browser.request('/verify?organization=strict', { headers })
      assert.deepEqual([led.status, led.headers.get('location')], [303, to])
      const asStatus = await browser.request('/verify?organization=strict&deny=status', { headers })
      assert.deepEqual(
        [asStatus.status, asStatus.headers.get('location'), asStatus.headers.get('x-auth-user')],
        [401, to, ''],
      )
      const guest = proxied.browser()
      await guest.post('/guest')
      const { 'x-forwarded-uri': _uri, ...envoy } = headers
      const passed = await guest.request('/verify/envoy/reports?access=guest', {
        headers: { ...envoy, host: 'app.example' },
      })
      assert.notEqual(passed.status, 204)
    } finally {
      await proxied.close()
    }
  })

  it('ORG-03 turning it on and off holds on every node when it returns', async (t: TestContext) => {
    await member('two-nodes')
    const personal = await byMail('two-nodes')
    const outside = app.browser()
    const there = await elsewhere('gamma')
    await linkedAt(personal, there, 'two-nodes')
    await app.signIn(outside, 'two-nodes', { connectionId: there.connectionId })
    const owner = await member('two-nodes-owner', 'owner')
    await codesOf(owner)
    const node = await startMember(t, app)
    const { authenticate } = await import('../../src/sessions/authenticate.ts')
    const seen = async (browser: Browser) => {
      const cookie = `${app.sallyport.services.cookies.session}=${tokenOf(browser)}`
      const { session } = await authenticate(node.services, cookie)
      return {
        proven: session!.organizations.map(({ slug }) => slug).sort(),
        required: session!.unproven
          .filter(({ ssoRequired }) => ssoRequired)
          .map(({ slug }) => slug),
      }
    }
    for (let round = 0; round < 5; round++) {
      assert.deepEqual(await seen(personal), { proven: ['acme'], required: [] })
      assert.deepEqual(await seen(outside), { proven: ['gamma'], required: [] })
      assert.deepEqual(
        await requireSso(app.sallyport.services, app.acme.id, {}, app.clock.now()),
        [],
      )
      assert.deepEqual(await seen(personal), { proven: [], required: ['acme'] })
      assert.deepEqual(await seen(outside), { proven: ['gamma'], required: ['acme'] })
      await stopRequiringSso(app.sallyport.services, app.acme.id, {}, app.clock.now())
    }
  })

  it('ADM-03 a recovery code lets an owner in past it, once, in one session and for an hour, loudly', async (t: TestContext) => {
    const { owner, codes } = await required('break-glass')
    assert.equal(codes.length, 10)
    assert.equal(new Set(codes).size, 10)
    await member('witness', 'owner')
    const browser = await byMail('break-glass')
    assert.deepEqual(await slugs(browser), [])
    assert.match((await readPage(await browser.get(recovery))).text, /Your code/)
    const node = await startMember(t, app)
    const { authenticate } = await import('../../src/sessions/authenticate.ts')
    const provenOn = async (of: Browser) => {
      const cookie = `${app.sallyport.services.cookies.session}=${tokenOf(of)}`
      const { session } = await authenticate(node.services, cookie)
      return session?.organizations.map(({ slug }) => slug)
    }
    assert.deepEqual(await provenOn(browser), [])
    const mails = (await app.mails()).length
    const written = ` ${codes[0]!.toUpperCase().replaceAll('-', ' ')} `
    const done = await browser.post(recovery, { code: written })
    assert.equal(done.headers.get('location'), own)
    assert.deepEqual(await slugs(browser), ['acme'])
    assert.deepEqual(await provenOn(browser), ['acme'], 'on every node at once')
    const [event] = (await events('recovery.code_used')).slice(-1)
    assert.deepEqual(event?.target, (await me(browser)).session.id)
    assert.equal((event!.data as { left: number }).left, 9)
    const told = (await app.mails())
      .slice(mails)
      .filter(({ mail }) => mail === 'recovery_code_used')
    const to = told.map((mail) => mail.to)
    assert.ok(
      to.includes('break-glass@home.example') && to.includes('witness@home.example'),
      String(to),
    )

    const beside = await byMail('break-glass')
    assert.deepEqual(await slugs(beside), [], 'in that session only')
    assert.equal((await beside.post(recovery, { code: codes[0]! })).status, 403, 'once')
    assert.match(
      (await readPage(await owner.get('/organizations/acme/recovery'))).text,
      /9 of 10 left/,
    )

    app.clock.advance(minutes(11))
    await byMail('break-glass', browser)
    assert.deepEqual(
      await slugs(browser),
      ['acme'],
      'confirming that it is them takes nothing away',
    )
    app.clock.advance(minutes(30))
    assert.deepEqual(await slugs(browser), ['acme'])
    assert.deepEqual(await provenOn(browser), ['acme'])
    app.clock.advance(minutes(18.9))
    assert.deepEqual(await provenOn(browser), ['acme'])
    app.clock.advance(minutes(0.2))
    assert.deepEqual(await provenOn(browser), [], 'on every node')
    assert.deepEqual(await slugs(browser), [])
    assert.equal((await browser.api('/me')).status, 200, 'and what else the session is goes on')
  })

  it('ADM-03 where nobody can sign in by themself it cannot be required, for codes would be of no use', async () => {
    const closed = await startTestApp()
    try {
      const browser = closed.browser()
      await closed.signIn(browser, 'closed')
      const { services } = closed.sallyport
      const { user } = await me(browser)
      const now = closed.clock.now()
      await changeRole(
        services,
        { organizationId: closed.acme.id, userId: user.id, role: 'owner' },
        {},
        now,
      )
      const address = 'closed@home.example'
      await addVerifiedEmail(services.db, { userId: user.id, address, primary: false }, now)
      assert.match(
        (await readPage(await browser.get('/organizations/acme/recovery'))).text,
        /Nobody can sign in by themself here/,
      )
      await browser.post('/organizations/acme/recovery')
      assert.match((await readPage(await browser.get(own))).text, /No owner has recovery codes/)
      assert.equal((await browser.post(own, { required: 'yes' })).status, 422)
    } finally {
      await closed.close()
    }
  })

  it('ADM-03 the overview says when nobody could get in any more', async () => {
    const { services } = app.sallyport
    const { owner, codes } = await required('overseer')
    const overview = async (browser: Browser) =>
      (await readPage(await browser.get('/organizations/acme'))).text
    assert.doesNotMatch(await overview(owner), /nobody gets/)
    await services.db.updateTable('recovery_codes').set({ used_at: app.clock.now() }).execute()
    assert.match(await overview(owner), /nobody gets past it/)
    await services.db.updateTable('recovery_codes').set({ used_at: null }).execute()
    const browser = await byMail('overseer')
    await browser.post(recovery, { code: codes[0]! })
    await changeConnectionState(services, app.connectionId, 'disabled', app.clock.now())
    assert.match(await overview(browser), /no connection is switched on/)
    await changeConnectionState(services, app.connectionId, 'active', app.clock.now())

    // Requiring it anew takes along whoever had got past it before.
    await browser.post(own, { required: 'no' })
    const sso = app.browser()
    await app.signIn(sso, 'overseer')
    assert.equal((await sso.post(own, { required: 'yes' })).status, 303)
    assert.deepEqual(await slugs(browser), [])
  })

  it('ADM-03 a code is nothing without its owner, who signed in by themself, and nobody hears why', async () => {
    const { db } = app.sallyport.services
    const { owner, codes } = await required('careful')
    const other = await member('other-owner', 'owner')
    const [theirs] = await codesOf(other)
    await member('not-owner')
    const browser = await byMail('careful')
    const plain = await byMail('not-owner')
    const sso = app.browser()
    await app.signIn(sso, 'careful')
    const reason = async () =>
      ((await events('recovery.refused')).at(-1)!.data as { reason: string }).reason
    const untouched = await fingerprint(db)
    const cases: [Browser, string, string, string][] = [
      [browser, recovery, theirs!, 'no_such_code'],
      [browser, recovery, '0000-0000-0000-0000', 'no_such_code'],
      [browser, recovery, '', 'no_such_code'],
      [browser, '/recover/nowhere', codes[0]!, 'unknown_organization'],
      [plain, recovery, codes[0]!, 'not_an_owner'],
      [sso, recovery, codes[0]!, 'no_personal_proof'],
    ]
    const answers = new Set<string>()
    for (const [who, path, code, why] of cases) {
      const refused = await who.post(path, { code })
      assert.equal(refused.status, 403, why)
      answers.add((await refused.text()).replace(/<code>[^<]*<\/code>/g, ''))
      assert.equal(await reason(), why)
    }
    assert.equal(answers.size, 1, 'one answer for all of them')
    assert.deepEqual(await fingerprint(db), untouched)
    assert.equal((await app.browser().post(recovery, { code: codes[0]! })).status, 401)

    await db.deleteFrom('rate_limits').execute()
    // New codes void the old, and a role that is gone takes the door along.
    const again = await codesOf(owner)
    assert.equal((await browser.post(recovery, { code: codes[0]! })).status, 403)
    assert.equal((await browser.post(recovery, { code: again[0]! })).status, 303)
    assert.deepEqual(await slugs(browser), ['acme'])
    const { user } = await me(browser)
    await changeRole(
      app.sallyport.services,
      { organizationId: app.acme.id, userId: user.id, role: 'member' },
      {},
      app.clock.now(),
    )
    assert.deepEqual(await slugs(browser), [])
  })

  it('RAT-04 RAT-09 codes cannot be guessed at: five tries in ten minutes, however many at once', async () => {
    await required('guessed')
    const browser = await byMail('guessed')
    const tries = await Promise.all(
      Array.from({ length: 12 }, () => browser.post(recovery, { code: '0000-0000-0000-0000' })),
    )
    const statuses = tries.map(({ status }) => status)
    assert.equal(statuses.filter((status) => status === 403).length, 5)
    assert.equal(statuses.filter((status) => status === 429).length, 7)
  })

  it('one code used by two requests at once lets one of them in', async () => {
    const { codes } = await required('racing')
    const browsers = [await byMail('racing'), await byMail('racing')]
    const answers = await Promise.all(
      browsers.map((browser) => browser.post(recovery, { code: codes[3]! })),
    )
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [303, 403])
  })

  it('the page for recovery is the same whatever organization its address names', async () => {
    await required('same-page')
    const text = async (slug: string, browser: Browser) =>
      (await (await browser.get(`/recover/${slug}`)).text()).replaceAll(slug, 'x')
    const stranger = app.browser()
    assert.equal(await text('acme', stranger), await text('nowhere', stranger))
    const owner = await byMail('same-page')
    assert.equal(await text('acme', owner), await text('nowhere', owner))
  })

  it('codes are for owners, who see them once; nothing of them is kept but hashes', async () => {
    const admin = await member('codes-admin', 'admin')
    assert.equal((await admin.get('/organizations/acme/recovery')).status, 403)
    assert.equal((await admin.post('/organizations/acme/recovery')).status, 403)
    const owner = await member('codes-owner', 'owner')
    const codes = await codesOf(owner)
    const shown = await (await owner.get('/organizations/acme/recovery')).text()
    assert.ok(codes.every((code) => !shown.includes(code)))
    const { db } = app.sallyport.services
    const rows = JSON.stringify(await db.selectFrom('recovery_codes').selectAll().execute())
    const audit = JSON.stringify(await db.selectFrom('audit_events').selectAll().execute())
    for (const code of codes)
      for (const kept of [rows, audit, app.logged()])
        assert.ok(!kept.includes(code) && !kept.includes(code.replaceAll('-', '')))
    app.clock.advance(minutes(11))
    assert.match(
      (await owner.post('/organizations/acme/recovery')).headers.get('location')!,
      /reauth=1/,
    )
  })
})
