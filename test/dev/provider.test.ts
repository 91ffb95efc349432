import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, before, describe, mock, test } from 'node:test'
import { exportJWK, generateKeyPair } from 'jose'
import * as oauth from 'oauth4webapi'
import {
  startDevelopmentProvider,
  type DevelopmentClient,
  type DevelopmentProvider,
} from '../../dev/provider.ts'
import { createBrowser, type Browser } from './_browser.ts'

const redirectUri = 'http://localhost:3000/sso/0197/callback'
const insecure = { [oauth.allowInsecureRequests]: true }

const consoleCalls = (['log', 'info', 'warn', 'error'] as const).map((name) =>
  mock.method(console, name),
)

let provider: DevelopmentProvider
let server: oauth.AuthorizationServer
let client: oauth.Client
let authentication: oauth.ClientAuth

before(async () => {
  provider = await startDevelopmentProvider({ redirectUris: [redirectUri] })
  const issuer = new URL(provider.issuer)
  const discovery = await oauth.discoveryRequest(issuer, insecure)
  server = await oauth.processDiscoveryResponse(issuer, discovery)
  client = { client_id: provider.clientId }
  authentication = oauth.ClientSecretBasic(provider.clientSecret)
})

after(() => provider.close())

/** One authorization request and what is needed to finish it. */
interface Attempt {
  readonly url: URL
  readonly verifier: string
  readonly state: string
}

async function attempt(parameters: Record<string, string> = {}): Promise<Attempt> {
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const url = new URL(server.authorization_endpoint ?? '')
  url.search = new URLSearchParams({
    client_id: provider.clientId,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'openid profile email',
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...parameters,
  }).toString()
  return { url, verifier, state }
}

/** Opens the authorization request; answers the sign-in page, or the redirect that leaves the provider. */
async function open(browser: Browser, { url }: Attempt): Promise<Response> {
  return browser.follow(await browser.get(url), provider.issuer)
}

/** Presses a person's button on the sign-in page; answers the redirect that leaves the provider. */
async function choose(browser: Browser, page: Response, person: string): Promise<Response> {
  const pressed = await browser.post(`${page.url}/sign-in/${person}`)
  return browser.follow(pressed, provider.issuer)
}

function sentBack(response: Response): URL {
  const location = new URL(response.headers.get('location') ?? 'missing:')
  assert.equal(location.origin + location.pathname, redirectUri)
  return location
}

async function redeem(
  { verifier, state }: Attempt,
  callback: URL,
  as = client,
  auth = authentication,
): Promise<oauth.TokenEndpointResponse> {
  const parameters = oauth.validateAuthResponse(server, as, callback, state)
  const response = await oauth.authorizationCodeGrantRequest(
    server,
    as,
    auth,
    parameters,
    redirectUri,
    verifier,
    insecure,
  )
  return oauth.processAuthorizationCodeResponse(server, as, response, { requireIdToken: true })
}

async function signIn(
  person: string,
  parameters: Record<string, string> = {},
  browser: Browser = createBrowser(),
): Promise<oauth.TokenEndpointResponse> {
  const request = await attempt(parameters)
  const page = await open(browser, request)
  return redeem(request, sentBack(await choose(browser, page, person)))
}

async function refresh(token: string | undefined): Promise<oauth.TokenEndpointResponse> {
  const response = await oauth.refreshTokenGrantRequest(
    server,
    client,
    authentication,
    token ?? '',
    insecure,
  )
  return oauth.processRefreshTokenResponse(server, client, response)
}

async function introspect(
  token: string,
  as = client,
  auth = authentication,
): Promise<oauth.IntrospectionResponse> {
  const response = await oauth.introspectionRequest(server, as, auth, token, insecure)
  return oauth.processIntrospectionResponse(server, as, response)
}

const invalidGrant = { error: 'invalid_grant' }

describe('signing in', () => {
  test('a whole code flow ends with an ID token that carries every claim', async () => {
    const claims = oauth.getValidatedIdTokenClaims(await signIn('alice'))
    assert.partialDeepStrictEqual(claims, {
      iss: provider.issuer,
      sub: 'alice',
      aud: provider.clientId,
      name: 'Alice Archer',
      email: 'alice@acme.example',
      email_verified: true,
    })
    assert.ok(Math.abs(Number(claims?.auth_time) - Date.now() / 1000) < 60)
    assert.equal(claims?.acr, undefined)
  })

  test('the ID token is signed with RS256 by a published key', async () => {
    const request = await attempt()
    const browser = createBrowser()
    const callback = sentBack(await choose(browser, await open(browser, request), 'bob'))
    const parameters = oauth.validateAuthResponse(server, client, callback, request.state)
    const response = await oauth.authorizationCodeGrantRequest(
      server,
      client,
      authentication,
      parameters,
      redirectUri,
      request.verifier,
      insecure,
    )
    await oauth.processAuthorizationCodeResponse(server, client, response)
    await oauth.validateApplicationLevelSignature(server, response, insecure)
  })

  test('acr and amr are told when asked for', async () => {
    const claims = JSON.stringify({ id_token: { amr: null } })
    const tokens = await signIn('alice', { acr_values: 'urn:development:two-factor', claims })
    assert.partialDeepStrictEqual(oauth.getValidatedIdTokenClaims(tokens), {
      acr: 'urn:development:two-factor',
      amr: ['user'],
    })
  })

  test('userinfo answers the same person', async () => {
    const tokens = await signIn('bob')
    const response = await oauth.userInfoRequest(server, client, tokens.access_token, insecure)
    const claims = await oauth.processUserInfoResponse(server, client, 'bob', response)
    assert.equal(claims.email, 'bob@acme.example')
  })

  test('a second sign-in is silent', async () => {
    const browser = createBrowser()
    await signIn('bob', {}, browser)
    const request = await attempt({ prompt: 'none' })
    const tokens = await redeem(request, sentBack(await open(browser, request)))
    assert.equal(oauth.getValidatedIdTokenClaims(tokens)?.sub, 'bob')
  })

  const insistence = { 'prompt=login': { prompt: 'login' }, 'max_age=0': { max_age: '0' } }
  for (const [what, parameters] of Object.entries(insistence)) {
    test(`${what} asks again`, async (t) => {
      const browser = createBrowser()
      await signIn('bob', {}, browser)
      // max_age counts whole seconds.
      t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 2000 })
      const page = await open(browser, await attempt({ ...parameters }))
      assert.equal(page.status, 200)
      assert.match(await page.text(), /Who are you\?/)
    })
  }

  test('signing out at the provider ends the silence, not the refresh tokens', async () => {
    const browser = createBrowser()
    const tokens = await signIn('bob', {}, browser)
    const page = await (await browser.get(server.end_session_endpoint ?? '')).text()
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(page)?.[1] ?? ''
    const confirm = new URL(`${server.end_session_endpoint}/confirm`)
    const done = await browser.post(confirm, { fields: { xsrf, logout: 'yes' } })
    assert.match(await (await browser.follow(done, provider.issuer)).text(), /Signed out/)

    const asked = await open(browser, await attempt({ prompt: 'none' }))
    assert.equal(sentBack(asked).searchParams.get('error'), 'login_required')
    await refresh(tokens.refresh_token)
  })

  test('a resource is not asked for: the parameter changes nothing', async () => {
    const { access_token } = await signIn('alice', { resource: 'https://api.example' })
    assert.equal((await introspect(access_token)).aud, undefined)
  })

  test('a hinted person comes first', async () => {
    const page = await open(createBrowser(), await attempt({ login_hint: 'bob@acme.example' }))
    const text = await page.text()
    assert.match(text, /autofocus\s*>\s*<strong>Bob Baker/)
    assert.ok(text.indexOf('Bob Baker') < text.indexOf('Alice Archer'))
  })

  test('the page shows what the client sent, escaped', async () => {
    const clientId = '<i>client</i>'
    const secret = { clientSecret: 's'.repeat(43), redirectUris: [redirectUri] }
    provider.addClient({ clientId, ...secret, tokenEndpointAuthMethod: 'client_secret_basic' })
    const page = await open(createBrowser(), await attempt({ client_id: clientId }))
    assert.match(await page.text(), /&lt;i&gt;client&lt;\/i&gt;/)
  })

  test('consent is given without a question, even when the client insists on it', async () => {
    const tokens = await signIn('alice', { prompt: 'consent', scope: 'openid offline_access' })
    assert.equal(tokens.scope, 'openid offline_access')
  })

  test('cancelling is access_denied', async () => {
    const browser = createBrowser()
    const page = await open(browser, await attempt())
    const pressed = await browser.post(`${page.url}/cancel`)
    const back = sentBack(await browser.follow(pressed, provider.issuer))
    assert.equal(back.searchParams.get('error'), 'access_denied')
  })

  test('a sign-in of another browser cannot be continued', async () => {
    const page = await open(createBrowser(), await attempt())
    const stolen = await createBrowser().post(`${page.url}/sign-in/alice`)
    assert.equal(stolen.status, 400)
    assert.match(await stolen.text(), /Start again/)
  })

  test('nobody can sign in as a person who does not exist', async () => {
    const browser = createBrowser()
    const page = await open(browser, await attempt())
    assert.equal((await browser.post(`${page.url}/sign-in/mallory`)).status, 404)
  })

  test('the sign-in page lets its form end at an application on another origin', async () => {
    const page = await open(createBrowser(), await attempt())
    const policy = page.headers.get('content-security-policy') ?? ''
    assert.match(policy, /default-src 'none'/)
    assert.match(policy, /form-action 'self' http: https:/)
  })
})

test('the script that submits a form_post answer is allowed by its hash', async () => {
  const request = await attempt({ prompt: 'none', response_mode: 'form_post' })
  const page = await open(createBrowser(), request)
  assert.match(await page.text(), /name="error" value="login_required"/)
  const policy = page.headers.get('content-security-policy') ?? ''
  assert.match(policy, /script-src 'self' 'sha256-/)
})

describe('what it refuses', () => {
  const withoutChallenge = { code_challenge: '', code_challenge_method: '' }
  const plain = { code_challenge_method: 'plain' }
  for (const [what, parameters] of Object.entries({ 'no PKCE': withoutChallenge, plain })) {
    test(`${what} is refused`, async () => {
      const back = sentBack(await open(createBrowser(), await attempt(parameters)))
      assert.equal(back.searchParams.get('error'), 'invalid_request')
      assert.equal(back.searchParams.get('iss'), provider.issuer)
    })
  }

  for (const uri of [`${redirectUri}/more`, 'https://elsewhere.example/callback']) {
    test(`${uri} is not redirected to`, async () => {
      const response = await open(createBrowser(), await attempt({ redirect_uri: uri }))
      assert.equal(response.status, 400)
      assert.equal(response.headers.get('location'), null)
    })
  }

  test('a redirect URI added later is used', async () => {
    const added = 'http://localhost:3000/sso/0198/callback'
    const request = await attempt({ redirect_uri: added })
    assert.equal((await open(createBrowser(), request)).status, 400)
    provider.addRedirectUri(added)
    const browser = createBrowser()
    const back = await choose(browser, await open(browser, request), 'alice')
    assert.ok(back.headers.get('location')?.startsWith(`${added}?code=`))
  })

  test('a code is redeemed once; the second time kills what the first gave', async () => {
    const browser = createBrowser()
    const request = await attempt()
    const callback = sentBack(await choose(browser, await open(browser, request), 'alice'))
    const tokens = await redeem(request, callback)
    await assert.rejects(redeem(request, callback), invalidGrant)
    await assert.rejects(refresh(tokens.refresh_token), invalidGrant)
  })
})

test('pages of other origins cannot read what it answers', async () => {
  const { access_token } = await signIn('alice')
  const headers = { origin: 'http://localhost:3000', authorization: `Bearer ${access_token}` }
  const response = await fetch(server.userinfo_endpoint ?? '', { headers })
  assert.notEqual(response.status, 200)
  assert.doesNotMatch(await response.text(), /alice/)
})

describe('client authentication', () => {
  const common = { redirectUris: [redirectUri], clientSecret: 'x'.repeat(43) }
  const clients = {
    client_secret_basic: async () => [
      { ...common, clientId: 'basic', tokenEndpointAuthMethod: 'client_secret_basic' },
      oauth.ClientSecretBasic(common.clientSecret),
    ],
    client_secret_post: async () => [
      { ...common, clientId: 'post', tokenEndpointAuthMethod: 'client_secret_post' },
      oauth.ClientSecretPost(common.clientSecret),
    ],
    private_key_jwt: async () => {
      const { privateKey, publicKey } = await generateKeyPair('ES256')
      const jwks = { keys: [{ ...(await exportJWK(publicKey)), kty: 'EC', alg: 'ES256' }] }
      const registered = { clientId: 'key', redirectUris: [redirectUri], jwks } as const
      return [
        { ...registered, tokenEndpointAuthMethod: 'private_key_jwt' },
        oauth.PrivateKeyJwt(privateKey),
      ]
    },
  } satisfies Record<string, () => Promise<[DevelopmentClient, oauth.ClientAuth]>>

  for (const [method, make] of Object.entries(clients)) {
    test(`${method} is accepted, a wrong secret is not`, async () => {
      const [registered, auth] = await make()
      provider.addClient(registered)
      const as = { client_id: registered.clientId }

      const browser = createBrowser()
      const request = await attempt({ client_id: registered.clientId })
      const callback = sentBack(await choose(browser, await open(browser, request), 'alice'))
      const wrong = oauth.ClientSecretBasic('wrong')
      await assert.rejects(redeem(request, callback, as, wrong), { status: 401 })
      const tokens = await redeem(request, callback, as, auth)
      assert.equal(oauth.getValidatedIdTokenClaims(tokens)?.aud, registered.clientId)
    })
  }

  test('a client learns nothing of the tokens of another, and cannot revoke them', async () => {
    const [other, auth] = await clients.client_secret_basic()
    provider.addClient(other)
    const as = { client_id: other.clientId }
    const { access_token } = await signIn('alice')
    assert.equal((await introspect(access_token, as, auth)).active, false)
    await oauth.revocationRequest(server, as, auth, access_token, insecure)
    assert.equal((await introspect(access_token)).active, true)
  })
})

describe('refreshing', () => {
  test('every refresh gives a new token; a used one kills the whole family', async () => {
    const first = await signIn('alice')
    const second = await refresh(first.refresh_token)
    assert.notEqual(second.refresh_token, first.refresh_token)
    const third = await refresh(second.refresh_token)
    assert.equal(oauth.getValidatedIdTokenClaims(third)?.sub, 'alice')

    await assert.rejects(refresh(first.refresh_token), invalidGrant)
    await assert.rejects(refresh(third.refresh_token), invalidGrant)
    assert.equal((await introspect(third.access_token)).active, false)
  })

  test('another sign-in of the same browser is another family', async () => {
    const browser = createBrowser()
    const first = await signIn('alice', {}, browser)
    const second = await signIn('alice', { prompt: 'login' }, browser)
    await refresh(first.refresh_token)
    await assert.rejects(refresh(first.refresh_token), invalidGrant)
    await refresh(second.refresh_token)
  })

  test('a revoked refresh token is dead', async () => {
    const { refresh_token = '' } = await signIn('alice')
    const revoked = await oauth.revocationRequest(
      server,
      client,
      authentication,
      refresh_token,
      insecure,
    )
    await oauth.processRevocationResponse(revoked)
    await assert.rejects(refresh(refresh_token), invalidGrant)
  })
})

describe('suspending', () => {
  test('a suspended person is refused', async () => {
    const browser = createBrowser()
    const back = sentBack(await choose(browser, await open(browser, await attempt()), 'carol'))
    assert.equal(back.searchParams.get('error'), 'access_denied')
    assert.equal(back.searchParams.get('iss'), provider.issuer)
    assert.match(await (await open(browser, await attempt())).text(), /Who are you\?/)
  })

  test('suspending kills session, access and refresh tokens; restoring brings none back', async () => {
    const browser = createBrowser()
    const tokens = await signIn('bob', {}, browser)
    provider.suspend('bob')
    assert.equal(provider.people.find(({ id }) => id === 'bob')?.suspended, true)
    await assert.rejects(refresh(tokens.refresh_token), invalidGrant)

    provider.restore('bob')
    await assert.rejects(refresh(tokens.refresh_token), invalidGrant)
    assert.equal((await introspect(tokens.access_token)).active, false)
    const asked = await open(browser, await attempt({ prompt: 'none' }))
    assert.equal(sentBack(asked).searchParams.get('error'), 'login_required')
    await signIn('bob', {}, browser)
  })

  test('suspending leaves everybody else alone', async () => {
    const tokens = await signIn('alice')
    provider.suspend('bob')
    provider.restore('bob')
    await refresh(tokens.refresh_token)
  })

  test('a person suspended between the sign-in page and the code gets no code', async () => {
    const browser = createBrowser()
    const page = await open(browser, await attempt())
    const pressed = await browser.post(`${page.url}/sign-in/bob`)
    provider.suspend('bob')
    const back = sentBack(await browser.follow(pressed, provider.issuer))
    provider.restore('bob')
    assert.equal(back.searchParams.get('error'), 'access_denied')
  })

  test('a code issued before the suspension is worth nothing after', async () => {
    const browser = createBrowser()
    const request = await attempt()
    const callback = sentBack(await choose(browser, await open(browser, request), 'bob'))
    provider.suspend('bob')
    provider.restore('bob')
    await assert.rejects(redeem(request, callback), invalidGrant)
  })

  test('an unknown person cannot be suspended', () => {
    assert.throws(() => provider.suspend('mallory'), /no person "mallory"/)
  })
})

describe('the page of the people', () => {
  const suspended = (id: string): boolean | undefined =>
    provider.people.find((person) => person.id === id)?.suspended

  test('it lists everybody and says what it is', async () => {
    const response = await createBrowser().get(provider.issuer)
    const text = await response.text()
    assert.match(text, /Acme’s identity provider \(development\)/)
    assert.match(text, /aria-label="Suspend Alice Archer"/)
    assert.match(text, /aria-label="Restore Carol Clark"/)
    assert.match(response.headers.get('content-security-policy') ?? '', /form-action 'self'$/)
  })

  test('its buttons suspend and restore', async () => {
    const browser = createBrowser()
    const answer = await browser.post(`${provider.issuer}/people/bob/suspend`)
    assert.equal(answer.status, 303)
    assert.equal(suspended('bob'), true)
    await browser.post(`${provider.issuer}/people/bob/restore`)
    assert.equal(suspended('bob'), false)
  })

  const strangers = {
    'another site': { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
    'another port': { origin: 'http://127.0.0.1:1', 'sec-fetch-site': 'same-site' },
    'an old browser on another site': { origin: 'https://evil.example' },
    'nobody who says where they are': {},
  }
  for (const [who, headers] of Object.entries(strangers)) {
    test(`a press from ${who} is refused`, async () => {
      const answer = await createBrowser().post(`${provider.issuer}/people/bob/suspend`, {
        headers,
      })
      assert.equal(answer.status, 403)
      assert.equal(suspended('bob'), false)
    })
  }

  test('an unknown person or action is not found', async () => {
    for (const path of ['/people/mallory/suspend', '/people/bob/promote']) {
      assert.equal((await createBrowser().post(provider.issuer + path)).status, 404)
    }
  })
})

describe('starting and stopping', () => {
  test('the issuer may be localhost, and the organization another', async () => {
    const options = { host: 'localhost', organization: 'Globex', redirectUris: [] } as const
    const second = await startDevelopmentProvider(options)
    assert.match(second.issuer, /^http:\/\/localhost:\d+$/)
    assert.equal(second.people[0]?.email, 'alice@globex.example')
    await second.close()
    await assert.rejects(fetch(second.issuer))
  })

  test('closing cuts off a request that is half sent', { timeout: 5000 }, async () => {
    const second = await startDevelopmentProvider({ redirectUris: [] })
    const socket = connect(Number(new URL(second.issuer).port), '127.0.0.1')
    await once(socket, 'connect')
    socket.on('error', () => {})
    socket.write('GET / HTTP/1.1\r\n')
    await fetch(second.issuer)
    await Promise.all([once(socket, 'close'), second.close()])
  })

  test('a taken port is an error', async () => {
    const port = Number(new URL(provider.issuer).port)
    await assert.rejects(startDevelopmentProvider({ port, redirectUris: [] }), {
      code: 'EADDRINUSE',
    })
  })
})

// Last, so that everything above has had its chance.
test('it prints nothing', () => {
  assert.deepEqual(
    consoleCalls.flatMap((call) => call.mock.calls.map(({ arguments: [text] }) => text)),
    [],
  )
})
