import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { setConnectionState } from '../../src/accounts/connections.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import { plant } from '../_canaries.ts'
import { refreshOf, type Browser } from '../_browser.ts'
import { startHostileProvider, type HostileProvider } from '../hostile-provider.ts'

describe('signing in with OpenID Connect, from the first page to the session', () => {
  let app: TestApp
  let provider: HostileProvider
  let connection: string

  before(async () => {
    app = await startTestApp({ rim: 'node', realProviders: true })
    provider = await startHostileProvider({
      now: () => app.clock.now(),
      person: { sub: 'alice-1', name: 'Alice Archer', email: 'alice@acme.example' },
    })
    const { issuer, clientId, clientSecret } = provider
    connection = await app.connect({
      name: 'Acme OIDC',
      settings: { issuer, clientId, clientSecret, clientAuth: 'client_secret_basic' },
    })
  })
  after(async () => {
    plant(...provider.canaries)
    await provider.close()
    await app.close()
  })
  beforeEach(() => provider.reset())

  async function leave(browser: Browser): Promise<URL> {
    return refreshOf(await browser.post(`/sso/${connection}/start`, { return_to: '/account' }))
  }
  async function back(browser: Browser, to: URL): Promise<Response> {
    const { pathname, search } = provider.visit(to)
    return browser.get(`${pathname}${search}`)
  }

  it('S1-04 OAC-09 OAC-10 asks with PKCE S256, state and nonce, and opens a session with what comes back', async () => {
    const browser = app.browser()
    const to = await leave(browser)
    const asked = Object.fromEntries(to.searchParams)
    assert.equal(asked['code_challenge_method'], 'S256')
    assert.equal(asked['response_type'], 'code')
    assert.equal(asked['redirect_uri'], `${app.origin}/sso/${connection}/callback`)
    for (const name of ['state', 'nonce', 'code_challenge'])
      assert.match(asked[name] ?? '', /^[\w-]{43}$/, name)
    const arrived = await back(browser, to)
    assert.deepEqual([arrived.status, arrived.headers.get('location')], [303, '/account'])
    const { user } = (await (await browser.api('/me')).json()) as { user: object }
    assert.deepEqual(
      { ...user, id: '' },
      { id: '', name: 'Alice Archer', email: 'alice@acme.example' },
    )
    assert.equal(provider.count('token'), 1)
  })

  const attacks: readonly [string, Parameters<HostileProvider['twist']>[0], number][] = [
    [
      'IDT-01 an unsigned ID token',
      { idToken: (token) => `${token.split('.').slice(0, 2).join('.')}.` },
      400,
    ],
    [
      'IDT-05 another issuer’s ID token',
      { claims: (claims) => ({ ...claims, iss: 'https://other.example' }) },
      400,
    ],
    [
      'IDT-06 an ID token for another client',
      { claims: (claims) => ({ ...claims, aud: 'somebody-else' }) },
      400,
    ],
    [
      'OAC-08 an ID token without our nonce',
      { claims: (claims) => ({ ...claims, nonce: undefined }) },
      400,
    ],
    [
      'OAC-04 a return with another issuer',
      { back: (url) => url.searchParams.set('iss', 'https://other.example') },
      400,
    ],
    [
      'OAC-02 a refusal by the provider',
      {
        back: (url) => {
          url.searchParams.delete('code')
          url.searchParams.set('error', 'access_denied')
          url.searchParams.set('error_description', '<script>alert(1)</script>')
        },
      },
      403,
    ],
    [
      'OAC-12 a token answer that is not JSON',
      {
        answer: {
          token: (response) => response.setHeader('content-type', 'text/html').end('<h1>hi</h1>'),
        },
      },
      400,
    ],
    [
      'FET-04 a token endpoint that redirects',
      {
        answer: {
          token: (response) => response.writeHead(302, { location: 'https://evil.example' }).end(),
        },
      },
      400,
    ],
    [
      'SEED-41 a token endpoint that is down',
      { answer: { token: (response) => response.writeHead(503).end() } },
      503,
    ],
  ]

  for (const [what, twist, status] of attacks) {
    it(`${what} opens no session and tells nothing`, async () => {
      const browser = app.browser()
      const to = await leave(browser)
      provider.twist(twist)
      const refused = await back(browser, to)
      assert.equal(refused.status, status)
      assert.equal((await browser.api('/me')).status, 401)
      const page = await refused.text()
      for (const leak of [
        'script',
        'evil.example',
        'other.example',
        'id_token',
        ...provider.canaries,
      ])
        assert.ok(!page.includes(leak), leak)
    })
  }

  it('OAC-20 DOS-06 a connection switched off meanwhile costs the provider nothing', async () => {
    const browser = app.browser()
    const to = await leave(browser)
    const { db } = app.sallyport.services
    await setConnectionState(db, connection, 'disabled')
    assert.equal((await back(browser, to)).status, 403)
    await setConnectionState(db, connection, 'active')
    assert.equal(provider.count('token'), 0)
  })

  it('OAC-08 a code that another browser’s sign-in got is worth nothing here', async () => {
    const [attacker, victim] = [app.browser(), app.browser()]
    const stolen = provider.visit(await leave(victim)).searchParams.get('code')!
    const own = provider.visit(await leave(attacker))
    own.searchParams.set('code', stolen)
    const refused = await attacker.get(`${own.pathname}${own.search}`)
    assert.equal(refused.status, 400)
    assert.equal((await attacker.api('/me')).status, 401)
  })

  it('SEED-77 S1-21 SEC-06 no code, token, secret or cookie is in any log line of all this', async () => {
    const browser = app.browser()
    const to = await leave(browser)
    await back(browser, to)
    const logged = app.logged()
    for (const canary of [
      ...provider.canaries,
      ...browser.cookies.values(),
      to.searchParams.get('state')!,
    ])
      assert.ok(!logged.includes(canary), 'a secret is in the log')
    const audit = JSON.stringify(
      await app.sallyport.services.db.selectFrom('audit_events').selectAll().execute(),
    )
    for (const canary of provider.canaries)
      assert.ok(!audit.includes(canary), 'a secret is in the audit')
  })
})
