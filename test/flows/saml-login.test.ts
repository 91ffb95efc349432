import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { sql } from 'kysely'
import { refreshOf, type Browser } from '../_browser.ts'
import {
  assertionOf,
  encoded,
  nameId,
  responseAround,
  said,
  settings,
} from '../providers/saml/_provider.ts'
import { startSamlApp, type SamlApp } from './_saml.ts'

describe('signing in through SAML', () => {
  let world: SamlApp
  before(async () => {
    world = await startSamlApp()
  })
  after(() => world.app.close())

  const db = () => world.app.sallyport.services.db
  const count = async (
    table: 'sessions' | 'identities' | 'users' | 'memberships' | 'used_once' | 'audit_events',
  ): Promise<number> => {
    const { rows } = await sql<{
      n: number
    }>`select count(*)::int as n from ${sql.table(table)}`.execute(db())
    return rows[0]!.n
  }
  const reasons = async (): Promise<readonly string[]> => {
    const { rows } = await sql<{ reason: string }>`
      select data->>'reason' as reason from audit_events where outcome = 'deny' order by id`.execute(
      db(),
    )
    return rows.map(({ reason }) => reason)
  }

  /** Nothing may come of what is refused: no authority, no cookie, one page, one line in the audit. */
  async function refusedAs(
    response: Response,
    status: number,
    reason: string | RegExp,
    before: number,
  ): Promise<void> {
    const text = await response.text()
    assert.equal(response.status, status, text)
    assert.deepEqual(response.headers.getSetCookie(), [])
    assert.equal(response.headers.get('cache-control'), 'no-store')
    assert.doesNotMatch(text, /saml_|<b>No|Exception|select /)
    assert.equal(await count('sessions'), before)
    const told = (await reasons()).at(-1) ?? ''
    if (typeof reason === 'string') assert.equal(told, reason)
    else assert.match(told, reason)
  }

  async function post(
    browser: Browser,
    xml: string,
    handle?: string,
    more: Record<string, string> = {},
  ): Promise<Response> {
    const relay: Record<string, string> = handle === undefined ? {} : { RelayState: handle }
    return world.post(browser, { SAMLResponse: encoded(xml), ...relay, ...more })
  }

  it('SSO-130 leads to the provider, and back to where the person was', async () => {
    const browser = world.app.browser()
    const arrived = await world.signIn(browser)
    assert.equal(arrived.status, 303, await arrived.text())
    assert.equal(arrived.headers.get('location'), '/account')
    assert.match(await (await browser.get('/account')).text(), /Alice Adams/)
  })
  it('SSO-130 finds the same person the next time, whatever their address is', async () => {
    const users = await count('users')
    await world.signIn(world.app.browser(), { nameId: nameId('bob') })
    await world.signIn(world.app.browser(), { nameId: nameId('bob'), attributes: '' })
    assert.equal(await count('users'), users + 1)
  })
  it('CKI-02 the post brings no cookie, needs none and sets none', async () => {
    const browser = world.app.browser()
    const { handle, requestId } = await world.begin(browser)
    const before = new Map(browser.cookies)
    const posted = await post(browser, world.respond(requestId), handle)
    assert.equal(posted.status, 303)
    assert.deepEqual(posted.headers.getSetCookie(), [])
    assert.deepEqual(browser.cookies, before)
    const back = posted.headers.get('location')!
    assert.equal(back, `/sso/${world.connectionId}/callback?state=${handle}`)
  })
  it('CKI-02 the post does not look at a cookie that comes along all the same', async () => {
    const browser = world.app.browser()
    await world.signIn(browser)
    const sessions = await count('sessions')
    const form = { SAMLResponse: encoded(world.respond('_x')), RelayState: 'x' }
    const posted = await browser.post(`/sso/${world.connectionId}/acs`, form)
    assert.deepEqual(posted.headers.getSetCookie(), [])
    assert.equal(await count('sessions'), sessions)
    assert.equal((await browser.get('/account')).status, 200)
  })
  it('CSR-01, SML-17 signs nobody in whose browser did not begin: no login CSRF', async () => {
    const attacker = world.app.browser()
    const { handle, requestId } = await world.begin(attacker)
    const victim = world.app.browser()
    await victim.get('/login')
    const sessions = await count('sessions')
    const posted = await post(victim, world.respond(requestId), handle)
    const back = await victim.get(posted.headers.get('location')!, {
      'sec-fetch-site': 'cross-site',
    })
    await refusedAs(back, 400, /browser/, sessions)
  })

  for (const [name, changed, status, reason] of [
    ['is not signed', undefined, 400, 'saml_unsigned'],
    ['answers another request', { inResponseTo: '_x' }, 400, 'saml_in_response_to'],
    ['is for another audience', { conditions: '' }, 400, 'saml_audience'],
    [
      'is for another connection',
      { destination: 'https://app.example.com/sso/x/acs' },
      400,
      'saml_destination',
    ],
    [
      'is a refusal',
      {
        status:
          '<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:AuthnFailed"/><samlp:StatusMessage>&lt;b&gt;No</samlp:StatusMessage></samlp:Status>',
      },
      403,
      'saml_status: AuthnFailed: <b>No',
    ],
  ] as const)
    it(`SML-20, SML-12 changes nothing where a response ${name}, and the sign-in can still go on`, async () => {
      const browser = world.app.browser()
      const { handle, requestId } = await world.begin(browser)
      const before = {
        sessions: await count('sessions'),
        identities: await count('identities'),
        users: await count('users'),
        used: await count('used_once'),
      }
      const it = said(requestId, { destination: world.acs })
      const xml = changed ? world.respond(requestId, changed) : responseAround(it, assertionOf(it))
      await refusedAs(await post(browser, xml, handle), status, reason, before.sessions)
      assert.deepEqual(
        {
          sessions: await count('sessions'),
          identities: await count('identities'),
          users: await count('users'),
          used: await count('used_once'),
        },
        before,
      )
      const honest = await post(browser, world.respond(requestId), handle)
      const back = await browser.get(honest.headers.get('location')!)
      assert.equal(back.headers.get('location'), '/account')
    })

  it('SML-18 a message counts once: again in the same sign-in, in another, in another wrapping', async () => {
    const browser = world.app.browser()
    const { handle, requestId } = await world.begin(browser)
    const xml = world.respond(requestId)
    const first = await post(browser, xml, handle)
    const again = await post(browser, xml, handle)
    assert.equal(again.status, 303, 'a reload')
    assert.equal(again.headers.get('location'), first.headers.get('location'))
    const sessions = await count('sessions')
    await browser.get(first.headers.get('location')!)
    assert.equal(await count('sessions'), sessions + 1)
    await browser.get(again.headers.get('location')!)
    assert.equal(await count('sessions'), sessions + 1)

    const rewrapped = xml.replace(/ID="_r[^"]+"/, 'ID="_rewrapped"')
    const other = world.app.browser()
    const begun = await world.begin(other)
    await refusedAs(
      await post(other, rewrapped, begun.handle),
      400,
      'saml_in_response_to',
      sessions + 1,
    )
  })
  it('SML-18 fifty at once are one', async () => {
    const browser = world.app.browser()
    const { handle, requestId } = await world.begin(browser)
    const xml = world.respond(requestId)
    const [sessions, used] = [await count('sessions'), await count('used_once')]
    const posted = await Promise.all(Array.from({ length: 50 }, () => post(browser, xml, handle)))
    assert.deepEqual([...new Set(posted.map(({ status }) => status))], [303])
    assert.equal(await count('used_once'), used + 1)
    const back = await Promise.all(
      posted.slice(0, 10).map((one) => browser.clone().get(one.headers.get('location')!)),
    )
    assert.equal(await count('sessions'), sessions + 1)
    assert.deepEqual([...new Set(back.map(({ status }) => status))], [303])
  })
  it('SML-18 a second message for a sign-in that has one is refused', async () => {
    const browser = world.app.browser()
    const { handle, requestId } = await world.begin(browser)
    await post(browser, world.respond(requestId), handle)
    const sessions = await count('sessions')
    const second = await post(
      browser,
      world.respond(requestId, { nameId: nameId('mallory') }),
      handle,
    )
    await refusedAs(second, 400, 'saml_replay', sessions)
  })
  it('SML-18 what was used once is remembered longer than it could be used', async () => {
    await world.signIn(world.app.browser())
    const { rows } = await sql<{ until: Date }>`
      select until from used_once where scope = ${world.connectionId} order by until desc limit 1`.execute(
      db(),
    )
    // Ends in 300 seconds, and a minute for clocks.
    assert.ok(rows[0]!.until.getTime() >= world.app.clock.now().getTime() + 360_000)
  })

  for (const handle of [
    'https://evil.example/',
    '//evil.example',
    '/\\evil.example',
    'javascript:alert(1)',
    'x'.repeat(81),
    'A'.repeat(43),
    '',
    undefined,
  ])
    it(`SML-22 a response that says it belongs to “${handle?.slice(0, 24)}” leads nowhere`, async () => {
      const browser = world.app.browser()
      const { requestId } = await world.begin(browser)
      const sessions = await count('sessions')
      const posted = await post(browser, world.respond(requestId), handle)
      assert.equal(posted.headers.get('location'), null)
      assert.equal(posted.status, 400)
      assert.match(
        world.app.logged(),
        /"code":"flow_invalid","reason":"unasked: saml_in_response_to"/,
      )
      assert.equal(await count('sessions'), sessions)
    })
  it('SML-22 the handle of another sign-in does not help, nor that of another connection', async () => {
    const browser = world.app.browser()
    const first = await world.begin(browser)
    const second = await world.begin(browser)
    const sessions = await count('sessions')
    const posted = await post(browser, world.respond(first.requestId), second.handle)
    await refusedAs(posted, 400, 'saml_in_response_to', sessions)
    const other = await world.app.connect({ kind: 'saml', settings: settings() })
    const path = `/sso/${other}/acs`
    const form = { SAMLResponse: encoded(world.respond(first.requestId)), RelayState: first.handle }
    const elsewhere = await browser.post(path, form, { cookie: '', 'sec-fetch-site': 'cross-site' })
    assert.equal(elsewhere.status, 400)
    assert.equal(await count('sessions'), sessions)
  })

  it('SML-28 only a posted form will do', async () => {
    const browser = world.app.browser()
    const path = `/sso/${world.connectionId}/acs`
    const got = await browser.get(`${path}?SAMLResponse=x`)
    assert.equal(got.status, 405)
    assert.equal(got.headers.get('allow'), 'POST')
    const multipart = new FormData()
    multipart.set('SAMLResponse', 'x')
    assert.equal((await browser.request(path, { method: 'POST', body: multipart })).status, 415)
    const headers = { 'content-type': 'application/x-www-form-urlencoded', accept: 'text/html' }
    const twice = 'SAMLResponse=x&SAMLResponse=y'
    assert.equal(
      (await browser.request(path, { method: 'POST', body: twice, headers })).status,
      400,
    )
    const soap = { 'content-type': 'text/xml' }
    assert.equal(
      (await browser.request(path, { method: 'POST', body: '<x/>', headers: soap })).status,
      415,
    )
    const { handle } = await world.begin(browser)
    assert.equal((await world.post(browser, { SAMLart: 'x', RelayState: handle })).status, 400)
  })
  it('SML-11 takes forms as large as a message may be, here and nowhere else', async () => {
    const browser = world.app.browser()
    const path = `/sso/${world.connectionId}/acs`
    const large = { SAMLResponse: 'A'.repeat(300_000) }
    assert.equal((await world.post(browser, large)).status, 400)
    assert.equal((await world.post(browser, { SAMLResponse: 'A'.repeat(500_000) })).status, 413)
    const start = await browser.post(path.replace('/acs', '/start'), large)
    assert.equal(start.status, 413)
  })
  it('knows no such address of a connection that asks otherwise', async () => {
    const oidc = await world.app.connect({ kind: 'oauth2' })
    const posted = await world.app.browser().post(`/sso/${oidc}/acs`, { SAMLResponse: 'x' })
    assert.ok([404, 500].includes(posted.status))
    const none = await world.app.browser().post('/sso/x/acs', { SAMLResponse: 'x' })
    assert.equal(none.status, 404)
  })
  it('FLT-09 a connection that was switched off takes no response', async () => {
    const { setConnectionState } = await import('../../src/accounts/connections.ts')
    const browser = world.app.browser()
    const { handle, requestId } = await world.begin(browser)
    await setConnectionState(db(), world.connectionId, 'disabled')
    const sessions = await count('sessions')
    const posted = await post(browser, world.respond(requestId), handle)
    await setConnectionState(db(), world.connectionId, 'active')
    await refusedAs(posted, 403, 'connection_disabled', sessions)
  })
  it('SEC-06 no message is in the log, nor who it is about', () => {
    assert.doesNotMatch(world.app.logged(), /PHNhbWxw|alice@acme|Alice Adams|samlp:Response/)
  })
})

describe('a sign-in that the provider begins', () => {
  let world: SamlApp
  before(async () => {
    world = await startSamlApp()
  })
  after(() => world.app.close())

  const allow = (allowed: boolean) =>
    world.app.sallyport.services.db
      .updateTable('connections')
      .set({ idp_initiated: allowed })
      .where('id', '=', world.connectionId)
      .execute()

  it('SML-21 is refused unless the connection allows it', async () => {
    const form = { SAMLResponse: encoded(world.respond(null)) }
    const posted = await world.post(world.app.browser(), form)
    assert.equal(posted.status, 400)
    assert.match(world.app.logged(), /"code":"sso_failed","reason":"saml_unsolicited"/)
  })
  it('SML-21 SSO-131 PIP-16 asks first, and then begins anew: the message itself signs nobody in', async () => {
    await allow(true)
    const browser = world.app.browser()
    const form = { SAMLResponse: encoded(world.respond(null)), RelayState: '/account' }
    const posted = await world.post(browser, form)
    assert.equal(posted.status, 303)
    assert.deepEqual(posted.headers.getSetCookie(), [])
    const asked = posted.headers.get('location')!
    assert.equal(asked, `/sso/${world.connectionId}/start?return_to=%2Faccount`)
    const page = await browser.get(asked, { 'sec-fetch-site': 'cross-site' })
    const text = await page.text()
    assert.match(text, /Sign in to <bdi>Acme<\/bdi>\?/)
    assert.match(text, /value="\/account"/)
    const left = await browser.post(`/sso/${world.connectionId}/start`, { return_to: '/account' })
    assert.ok(refreshOf(left).searchParams.has('SAMLRequest'))
    const { rows } = await sql<{ n: number }>`select count(*)::int as n from sessions`.execute(
      world.app.sallyport.services.db,
    )
    assert.equal(rows[0]!.n, 0)
  })
  it('SML-21 counts once, and has to be right', async () => {
    await allow(true)
    const form = { SAMLResponse: encoded(world.respond(null)) }
    assert.equal((await world.post(world.app.browser(), form)).status, 303)
    assert.equal((await world.post(world.app.browser(), form)).status, 400)
    const wrong = { SAMLResponse: encoded(world.respond(null, { conditions: '' })) }
    assert.equal((await world.post(world.app.browser(), wrong)).status, 400)
  })
  for (const relay of ['https://evil.example/', '//evil.example', 'javascript:alert(1)', '/login'])
    it(`SML-21, SML-22 does not lead to ${relay}`, async () => {
      await allow(true)
      const form = { SAMLResponse: encoded(world.respond(null)), RelayState: relay }
      const posted = await world.post(world.app.browser(), form)
      assert.equal(posted.headers.get('location'), `/sso/${world.connectionId}/start?return_to=%2F`)
    })
  it('SML-21 changes nothing for somebody who is signed in', async () => {
    await allow(true)
    const browser = world.app.browser()
    await world.signIn(browser)
    const form = { SAMLResponse: encoded(world.respond(null, { nameId: nameId('mallory') })) }
    const posted = await world.post(browser, form)
    const page = await browser.get(posted.headers.get('location')!, {
      'sec-fetch-site': 'cross-site',
    })
    const text = await page.text()
    assert.match(text, /signed in as\s*<strong><bdi>Alice Adams/)
    assert.doesNotMatch(text, /<form[^>]*action="\/sso/)
    assert.deepEqual(page.headers.getSetCookie(), [])
    assert.match(await (await browser.get('/account')).text(), /Alice Adams/)
  })
  it('DOS-02 what anybody can send fills no audit', async () => {
    await allow(false)
    const { db } = world.app.sallyport.services
    const lines = async (): Promise<number> =>
      (await sql<{ n: number }>`select count(*)::int as n from audit_events`.execute(db)).rows[0]!.n
    await world.post(world.app.browser(), { SAMLResponse: 'garbage=' })
    const before = await lines()
    for (let i = 0; i < 20; i++) await world.post(world.app.browser(), { SAMLResponse: 'garbage=' })
    assert.equal(await lines(), before)
  })
})

describe('leaving by a form', () => {
  it('UIX-04 the form goes to the provider and nowhere else, with a button for browsers without scripts', async () => {
    const stored = settings({}, { ssoBinding: 'post', ssoUrl: 'https://idp.example/sso?a=1&b="2"' })
    const { app, connectionId } = await startSamlApp({}, stored)
    await using _closing = app
    const left = await app.browser().post(`/sso/${connectionId}/start`, { return_to: '/' })
    const text = await left.text()
    assert.equal(left.status, 200)
    assert.match(
      text,
      /<form method="post" action="https:\/\/idp\.example\/sso\?a=1&amp;b=%222%22">/,
    )
    assert.match(text, /name="SAMLRequest" value="[A-Za-z0-9+/=]+"/)
    assert.match(text, /name="RelayState" value="[\w-]{43}"/)
    assert.match(text, /<button class="primary">Continue<\/button>/)
    const policy = left.headers.get('content-security-policy') ?? ''
    assert.match(policy, /form-action https:;/)
    assert.match(policy, /script-src 'self'/)
    assert.equal(left.headers.get('refresh'), null)
    const [, script] = /<script src="([^"]+leave[^"]+)"/.exec(text) ?? []
    assert.match(await (await app.browser().get(script!)).text(), /submit\(\)/)
  })
})
