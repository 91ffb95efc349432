import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setConnectionState } from '../../src/accounts/connections.ts'
import { createOrganization } from '../../src/accounts/organizations.ts'
import { loginFlow } from '../../src/flows/login.ts'
import { signatureOf } from '../../src/flows/flow.ts'
import { revoke } from '../../src/sessions/revoke.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import { scriptedAuthorize } from '../_provider.ts'
import { refreshOf, type Browser } from '../_browser.ts'

const cookie = '__Host-Http-sallyport'
const minute = 60_000

describe('signing in', () => {
  let app: TestApp
  let globex: string

  before(async () => {
    app = await startTestApp()
    const { db, clock } = app.sallyport.services
    const organization = await createOrganization(
      db,
      { slug: 'globex', name: 'Globex' },
      clock.now(),
    )
    globex = await app.connect({ organizationId: organization.id, name: 'Globex SSO' })
  })
  after(() => app.close())

  const name = async (browser: Browser) => {
    const response = await browser.api('/me')
    return response.status === 200
      ? ((await response.json()) as { user: { name: string } }).user.name
      : response.status
  }
  const count = async (table: 'sessions' | 'identities' | 'users' | 'memberships') =>
    (await app.sallyport.services.db.selectFrom(table).select('id').execute()).length
  const denials = async () =>
    (
      await app.sallyport.services.db
        .selectFrom('audit_events')
        .select('data')
        .where('outcome', '=', 'deny')
        .execute()
    ).map(({ data }) => (data as { reason?: string }).reason)

  it('S0-07 S0-18 S3-05 S3-12b SEED-28 leads to the provider and back to the page first asked for, signed in', async () => {
    const browser = app.browser()
    const arrived = await app.signIn(browser, 'alice', { returnTo: '/account?tab=2&x=%20y' })
    assert.equal(arrived.headers.get('location'), '/account?tab=2&x=%20y')
    const me = (await (await browser.api('/me')).json()) as {
      user: { name: string }
      organizations: { slug: string; role: string }[]
    }
    assert.equal(me.user.name, 'alice')
    assert.deepEqual(
      me.organizations.map(({ slug, role }) => [slug, role]),
      [['acme', 'member']],
    )
  })

  it('S0-03 S0-01 S0-04 the way out names the organization’s own provider, and the handle travels in state', async () => {
    const left = await app
      .browser()
      .post(`/sso/${app.connectionId}/start`, { login_hint: 'alice@acme.example' })
    const to = refreshOf(left)
    assert.equal(left.status, 200)
    assert.equal(to.origin + to.pathname, scriptedAuthorize)
    assert.equal(
      to.searchParams.get('redirect_uri'),
      `${app.origin}/sso/${app.connectionId}/callback`,
    )
    assert.equal(to.searchParams.get('login_hint'), 'alice@acme.example')
    assert.match(to.searchParams.get('state') ?? '', /^[\w-]{43}$/)
  })

  it('RDR-06 UIX-02 the page on the way out says whose sign-in it is and where', async () => {
    const page = await (await app.browser().post(`/sso/${globex}/start`)).text()
    assert.match(page, /Globex/)
    assert.match(page, /idp\.example/)
  })

  it('S0-09 S0-14 PIP-09 CKI-07 sixty sign-ins run side by side in one browser, in two cookies at most', async () => {
    const browser = app.browser()
    const states: string[] = []
    for (let i = 0; i < 60; i++)
      states.push(await app.begin(browser, { connectionId: i % 2 ? globex : app.connectionId }))
    assert.equal(browser.cookies.size, 1)
    assert.ok(browser.cookieHeader().length < 256)
    await app.comeBack(app.browser(), states[0]!, 'tabs')
    assert.equal((await app.comeBack(browser, states[58]!, 'tabs')).status, 303)
    assert.equal((await app.comeBack(browser, states[0]!, 'tabs')).status, 303)
    assert.equal(await name(browser), 'tabs')
  })

  it('PIP-01 OAC-04 an altered, missing, doubled or huge state is refused, and the provider is not asked', async () => {
    const browser = app.browser()
    const state = await app.begin(browser)
    const asked = app.provider.completed.length
    const flipped = (state[0] === 'A' ? 'B' : 'A') + state.slice(1)
    const queries = [
      `state=${flipped}`,
      '',
      `state=${state}&state=${state}`,
      `state[]=${state}`,
      `state=${'a'.repeat(4000)}`,
      'state=%00',
      'state=../../x',
    ]
    for (const query of queries) {
      const refused = await browser.get(`/sso/${app.connectionId}/callback?code=alice&${query}`)
      assert.equal(refused.status, 400, query.slice(0, 60))
      assert.equal(refused.headers.get('location'), null)
    }
    assert.equal(app.provider.completed.length, asked)
    assert.equal((await app.comeBack(browser, state)).status, 303)
  })

  it('CSR-06 PIP-02 SEED-44 a callback in another browser is refused, does not consume the sign-in, and is not sent on', async () => {
    const attacker = app.browser()
    const state = await app.begin(attacker)
    const asked = app.provider.completed.length
    const victim = app.browser()
    await app.signIn(victim, 'victim')
    const before = victim.cookies.get(cookie)
    const refused = await app.comeBack(victim, state, 'attacker')
    assert.equal(refused.status, 400)
    assert.match(await refused.text(), /another browser/)
    assert.equal(
      app.provider.completed.length,
      asked + 1,
      'only the victim’s own sign-in reached the provider',
    )
    assert.equal(victim.cookies.get(cookie), before)
    assert.ok((await denials()).includes('browser_mismatch'))
    assert.equal((await app.comeBack(attacker, state, 'attacker')).status, 303)
  })

  it('PIP-02 after five tries by other browsers the sign-in is over', async () => {
    const browser = app.browser()
    const state = await app.begin(browser)
    const stranger = app.browser()
    await app.begin(stranger)
    for (let i = 0; i < 5; i++) await app.comeBack(stranger, state)
    assert.equal((await app.comeBack(browser, state)).status, 400)
  })

  it('OAC-05 OAC-06 PIP-03 S0-06 a return at another connection’s address goes to nobody', async () => {
    const browser = app.browser()
    for (const [from, to] of [
      [app.connectionId, globex],
      [globex, app.connectionId],
    ] as const) {
      const state = await app.begin(browser, { connectionId: from })
      const asked = app.provider.completed.length
      const refused = await app.comeBack(browser, state, 'mixed-up', to)
      assert.equal(refused.status, 400)
      assert.match(await refused.text(), /another organization/)
      assert.equal(app.provider.completed.length, asked)
    }
    assert.ok((await denials()).includes('org_mismatch'))
  })

  it('OAC-20 a connection switched off meanwhile ends the sign-in before the provider is asked', async () => {
    const browser = app.browser()
    const closing = await app.connect({ name: 'Closing' })
    const state = await app.begin(browser, { connectionId: closing })
    const asked = app.provider.completed.length
    await setConnectionState(app.sallyport.services.db, closing, 'disabled')
    const refused = await app.comeBack(browser, state, 'late', closing)
    assert.equal(refused.status, 403)
    assert.equal(app.provider.completed.length, asked)
    assert.equal((await browser.post(`/sso/${closing}/start`)).status, 403)
  })

  it('OAC-16 the return shows nothing: 303 to a clean address, no referrer', async () => {
    const browser = app.browser()
    const arrived = await app.signIn(browser)
    assert.equal(arrived.status, 303)
    assert.equal(await arrived.text(), '')
    assert.equal(arrived.headers.get('referrer-policy'), 'no-referrer')
    assert.ok(!arrived.headers.get('location')!.includes('code'))
  })

  it('OAC-17 every redirect after a form is a 303', async () => {
    const browser = app.browser()
    await app.signIn(browser)
    for (const path of ['/account/sessions/end-others', '/logout'])
      assert.equal((await browser.post(path)).status, 303)
  })

  it('PIP-07 S0-24 OAC-09 the same callback twice gives the same outcome, and the provider is asked once', async () => {
    const browser = app.browser()
    const state = await app.begin(browser)
    const asked = app.provider.completed.length
    const first = await app.comeBack(browser, state, 'reloading')
    const sessions = await count('sessions')
    const token = browser.cookies.get(cookie)
    const second = await app.comeBack(browser, state, 'reloading')
    assert.deepEqual(
      [second.status, second.headers.get('location')],
      [first.status, first.headers.get('location')],
    )
    assert.ok(second.headers.getSetCookie().every((line) => !line.startsWith(`${cookie}=`)))
    assert.equal(browser.cookies.get(cookie), token)
    assert.equal(await count('sessions'), sessions)
    assert.equal(app.provider.completed.length, asked + 1)
  })

  it('PIP-08 S0-12 fifty callbacks at once make one session and ask the provider once', async () => {
    const browser = app.browser()
    const state = await app.begin(browser)
    const [asked, sessions] = [app.provider.completed.length, await count('sessions')]
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => app.comeBack(browser.clone(), state, 'crowd')),
    )
    assert.equal(app.provider.completed.length, asked + 1)
    assert.equal(await count('sessions'), sessions + 1)
    const cookies = answers
      .flatMap((answer) => answer.headers.getSetCookie())
      .filter((line) => line.startsWith(`${cookie}=`))
    assert.equal(cookies.length, 1)
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [303])
  })

  it('S0-24 a refusal is repeated as it was, and a new start is needed', async () => {
    const browser = app.browser()
    const state = await app.begin(browser)
    const asked = app.provider.completed.length
    app.provider.refuseNext('sso_failed', 'id_token_invalid')
    assert.equal((await app.comeBack(browser, state)).status, 400)
    assert.equal((await app.comeBack(browser, state)).status, 400)
    assert.equal(app.provider.completed.length, asked + 1)
    assert.equal(await name(browser), 401)
  })

  it('S0-11 PIP-10 SEED-43 finishes at 9:59 and not at 10:01', async () => {
    for (const [wait, status] of [
      [10 * minute - 1000, 303],
      [10 * minute + 1000, 400],
    ] as const) {
      const browser = app.browser()
      const state = await app.begin(browser)
      app.clock.advance(wait)
      const answer = await app.comeBack(browser, state)
      assert.equal(answer.status, status)
      if (status === 400) assert.match(await answer.text(), /took too long/)
    }
  })

  it('S0-08 looking at a sign-in moves its idle end on, but never past its absolute end', async () => {
    await app.signIn(app.browser(), 'switch-b')
    const browser = app.browser()
    await app.signIn(browser, 'switch-a')
    const state = await app.begin(browser)
    await app.comeBack(browser, state, 'switch-b')
    const look = () => browser.get(`/sso/${app.connectionId}/continue?state=${state}`)
    for (let spent = 0; spent < 54; spent += 9) {
      assert.equal((await look()).status, 200, `after ${spent} minutes`)
      app.clock.advance(9 * minute)
      await browser.api('/me')
    }
    app.clock.advance(9 * minute)
    assert.equal((await look()).status, 400)
  })

  it('PIP-04 answering a question that was not asked yet runs nothing', async () => {
    const browser = app.browser()
    const state = await app.begin(browser)
    const asked = app.provider.completed.length
    assert.equal(
      (await browser.post(`/sso/${app.connectionId}/continue`, { state, choice: 'switch' })).status,
      400,
    )
    assert.equal(
      (await browser.get(`/sso/${app.connectionId}/continue?state=${state}`)).status,
      400,
    )
    assert.equal(app.provider.completed.length, asked)
    assert.equal((await app.comeBack(browser, state)).status, 303)
  })

  it('PIP-05 S0-06 a sign-in begun under other steps or settings starts again instead of running a wrong one', async () => {
    const browser = app.browser()
    const state = await app.begin(browser)
    await app.sallyport.services.db
      .updateTable('connections')
      .set({ config_version: 2 })
      .where('id', '=', app.connectionId)
      .execute()
    const refused = await app.comeBack(browser, state)
    assert.equal(refused.status, 400)
    await app.sallyport.services.db
      .updateTable('connections')
      .set({ config_version: 1 })
      .where('id', '=', app.connectionId)
      .execute()

    const flow = { organizationId: 'o', connectionId: 'c', configVersion: 1 }
    const signatures = [
      signatureOf('login', loginFlow.steps, flow),
      signatureOf('setup', loginFlow.steps, flow),
      signatureOf('login', loginFlow.steps.slice(1), flow),
      signatureOf('login', loginFlow.steps.toReversed(), flow),
      signatureOf(
        'login',
        loginFlow.steps.map((step) => ({ ...step, version: 2 })),
        flow,
      ),
      signatureOf('login', loginFlow.steps, { ...flow, organizationId: 'p' }),
      signatureOf('login', loginFlow.steps, { ...flow, connectionId: 'd' }),
      signatureOf('login', loginFlow.steps, { ...flow, configVersion: 2 }),
    ]
    assert.equal(new Set(signatures).size, signatures.length)
  })

  it('PIP-14 S0-18 a fault in the middle of the commit leaves nothing behind', async () => {
    const { db } = app.sallyport.services
    const browser = app.browser()
    const state = await app.begin(browser)
    const before = [
      await count('users'),
      await count('identities'),
      await count('memberships'),
      await count('sessions'),
    ]
    // The last write of the commit is the audit row; make just that one fail.
    await db.schema.alterTable('audit_events').addColumn('trap', 'integer').execute()
    const { sql } = await import('kysely')
    await sql`alter table audit_events add constraint trap check (action <> 'login.succeeded') not valid`.execute(
      db,
    )
    const failed = await app.comeBack(browser, state, 'half-made')
    await sql`alter table audit_events drop constraint trap, drop column trap`.execute(db)
    assert.equal(failed.status, 500)
    assert.deepEqual(
      [
        await count('users'),
        await count('identities'),
        await count('memberships'),
        await count('sessions'),
      ],
      before,
    )
    assert.equal(await name(browser), 401)
    assert.equal(
      (await app.comeBack(browser, state, 'half-made')).status,
      500,
      'a retry needs a new sign-in',
    )
    assert.equal((await app.signIn(browser, 'half-made')).status, 303)
  })

  it('S0-24 two first sign-ins of one person at once make one account', async () => {
    const [one, two] = [app.browser(), app.browser()]
    const states = [await app.begin(one), await app.begin(two)]
    const users = await count('users')
    const answers = await Promise.all([
      app.comeBack(one, states[0]!, 'newcomer'),
      app.comeBack(two, states[1]!, 'newcomer'),
    ])
    assert.deepEqual(
      answers.map(({ status }) => status),
      [303, 303],
    )
    assert.equal(await count('users'), users + 1)
  })

  it('IDT-09 LNK-04 two subjects that differ in case are two people; an address makes nobody the same', async () => {
    app.provider.people.set('Same', { claims: { name: 'Upper', email: 'same@acme.example' } })
    app.provider.people.set('same', { claims: { name: 'lower', email: 'same@acme.example' } })
    const [upper, lower] = [app.browser(), app.browser()]
    await app.signIn(upper, 'Same')
    await app.signIn(lower, 'same')
    assert.deepEqual([await name(upper), await name(lower)], ['Upper', 'lower'])
    const elsewhere = app.browser()
    await app.signIn(elsewhere, 'same', { connectionId: globex })
    const ids = await app.sallyport.services.db
      .selectFrom('identities')
      .select('user_id')
      .where('subject', 'in', ['same', 'Same'])
      .execute()
    assert.equal(new Set(ids.map(({ user_id }) => user_id)).size, 3)
  })

  it('LNK-02 an identity never changes whose it is: the database refuses', async () => {
    const { db } = app.sallyport.services
    const [first, second] = await db.selectFrom('identities').selectAll().limit(2).execute()
    await assert.rejects(
      db
        .updateTable('identities')
        .set({ user_id: second!.user_id })
        .where('id', '=', first!.id)
        .execute(),
    )
  })

  it('ORG-01 whoever the organization removed does not come back by signing in', async () => {
    const browser = app.browser()
    await app.signIn(browser, 'removed')
    const { db, clock } = app.sallyport.services
    const { user } = (await (await browser.api('/me')).json()) as { user: { id: string } }
    const now = clock.now()
    const remove = async (tx: typeof db) => {
      await tx
        .updateTable('memberships')
        .set({ removed_at: now })
        .where('user_id', '=', user.id)
        .execute()
      return { result: undefined, targets: [{ kind: 'user', id: user.id }] as const }
    }
    await revoke(app.sallyport.services, remove)
    assert.equal(await name(browser), 401, 'the session proves nothing any more')
    assert.equal((await app.signIn(app.browser(), 'removed')).status, 403)
  })

  it('S0-10 S0-16 SEC-01 S0-13 what a sign-in stores is sealed, and is gone when it is over', async () => {
    const browser = app.browser()
    const state = await app.begin(browser, { returnTo: '/account?canary=needle' })
    const rows = async () =>
      app.sallyport.services.db
        .selectFrom('flows')
        .select('data')
        .orderBy('created_at', 'desc')
        .orderBy('id', 'desc')
        .execute()
    assert.ok(!(await rows()).some(({ data }) => data.includes('needle')))
    await app.comeBack(browser, state)
    assert.equal((await rows())[0]!.data.length, 0)
  })

  it('S0-22 every failed return knows the organization and says how to go on', async () => {
    const browser = app.browser()
    for (const query of ['', 'state=unknown', `state=${await app.begin(app.browser())}`]) {
      const page = await (
        await browser.get(`/sso/${app.connectionId}/callback?code=x&${query}`)
      ).text()
      assert.match(page, /Acme/)
      assert.match(page, /href="\/login\/acme/)
    }
  })

  it('S3-12a how somebody was authenticated at the provider is part of what the session proves', async () => {
    const authenticatedAt = new Date(app.clock.now().getTime() - minute)
    app.provider.people.set('careful', {
      acr: 'urn:example:two-factor',
      amr: ['pwd', 'otp'],
      authenticatedAt: authenticatedAt.toISOString(),
    })
    await app.signIn(app.browser(), 'careful')
    const proof = await app.sallyport.services.db
      .selectFrom('session_proofs')
      .select(['acr', 'amr', 'authenticated_at'])
      .where('acr', 'is not', null)
      .executeTakeFirstOrThrow()
    assert.deepEqual(proof, {
      acr: 'urn:example:two-factor',
      amr: ['pwd', 'otp'],
      authenticated_at: authenticatedAt,
    })
  })

  it('REV-05 until a sign-in is finished there is no session anywhere, and nothing to remember', async () => {
    await app.signIn(app.browser(), 'bob')
    const browser = app.browser()
    await app.signIn(browser, 'alice')
    const before = await count('sessions')
    const { memory } = app.sallyport.services.node
    const remembered = memory.size
    const state = await app.begin(browser)
    assert.equal(await name(browser), 'alice')
    const asked = await app.comeBack(browser, state, 'bob')
    assert.match(asked.headers.get('location') ?? '', /\/continue\?/)
    assert.equal(await name(browser), 'alice', 'vouched for as Bob, but not agreed to switch')
    const fresh = app.browser()
    await app.begin(fresh, {})
    assert.equal(await name(fresh), 401)
    assert.equal(await count('sessions'), before)
    assert.ok(memory.size <= remembered + 1)
  })

  it('CSR-01 CSR-07 SEED-53 a sign-in begins, and a session ends, only from our own pages', async () => {
    const browser = app.browser()
    await app.signIn(browser)
    const strangers: Record<string, string>[] = [
      { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
      { 'sec-fetch-site': 'same-site', origin: 'https://sub.app.example' },
      { 'sec-fetch-site': 'none', origin: app.origin },
      { 'sec-fetch-site': 'same-origin', origin: 'null' },
      { 'sec-fetch-site': 'same-origin', origin: `${app.origin}.evil.example` },
      { 'sec-fetch-site': 'same-origin', origin: app.origin.replace('https', 'http') },
      { 'sec-fetch-site': 'same-origin', origin: `${app.origin}:8443` },
      { 'sec-fetch-site': 'same-origin', origin: app.origin.toUpperCase() },
    ]
    for (const headers of strangers) {
      for (const path of [
        '/logout',
        '/account/sessions/end-others',
        `/sso/${app.connectionId}/start`,
      ]) {
        const refused = await browser.post(path, {}, headers)
        assert.equal(refused.status, 403, JSON.stringify(headers))
      }
    }
    const silent = await browser.request('/logout', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
    assert.equal(silent.status, 403)
    assert.equal(await name(browser), 'alice')
  })
})
