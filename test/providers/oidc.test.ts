import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { assertProof } from '../../src/providers/proof.ts'
import { startHostileProvider } from '../hostile-provider.ts'
import { createWorld, destination, refuses } from './_sign-in.ts'

const clientSecret = 'se:cr%t +/&=ü漢-~'
const clientKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const world = await createWorld({ clientSecret, clientKey: clientKeys.publicKey })
const { hostile } = world

test('an honest provider proves who somebody is', async () => {
  const proof = await world.signIn()
  assertProof(proof)
  const { grant, idToken, ...vouched } = proof
  assert.equal(grant?.accessEndsAt, '2030-01-01T00:05:00.000Z')
  assert.match(idToken!, /^[\w-]+\.[\w-]+\.[\w-]+$/)
  assert.deepEqual(vouched, {
    connectionId: proof.connectionId,
    issuer: hostile.issuer,
    subject: 'ada',
    authenticatedAt: '2029-12-31T23:59:55.000Z',
    claims: {
      name: 'Ada',
      email: 'ada@example.com',
      emailVerified: true,
      raw: {
        iss: hostile.issuer,
        sub: 'ada',
        name: 'Ada',
        email: 'ada@example.com',
        email_verified: 'true',
      },
    },
  })
})

test('ORG-07 groups and all other claims are in the proof whole or not at all, and not without end', async () => {
  const many = Array.from({ length: 150 }, (_, index) => `group-${index}`)
  const more = Object.fromEntries(Array.from({ length: 80 }, (_, index) => [`c${index}`, 'x']))
  hostile.twist({
    claims: (claims) => ({
      ...claims,
      groups: ['ad\u0000min', 'x'.repeat(256), 7, { admin: true }, ...many],
      ...more,
    }),
  })
  const { groups = [], raw = {} } = (await world.signIn()).claims
  assert.deepEqual(groups.slice(0, 2), ['7', 'group-0'])
  assert.equal(groups.length, 100)
  assert.equal(Object.keys(raw).length, 50)
  assert.ok(!('nonce' in raw) && !('exp' in raw))
})

test('groups are read from the claim that the settings name, one name or several', async () => {
  hostile.twist({ claims: (claims) => ({ ...claims, roles: 'staff' }) })
  const proof = await world.signIn(world.connect({ claims: { groups: 'roles' } }))
  assert.deepEqual(proof.claims.groups, ['staff'])
})

test('acr, amr and the provider’s session are in the proof when they are well formed', async () => {
  hostile.twist({ claims: (claims) => ({ ...claims, acr: 'a', amr: ['otp'], sid: 's' }) })
  const { acr, amr, providerSession } = await world.signIn()
  assert.deepEqual({ acr, amr, providerSession }, { acr: 'a', amr: ['otp'], providerSession: 's' })
  hostile.twist({ claims: (claims) => ({ ...claims, acr: 1, amr: 'otp', sid: {}, name: 7 }) })
  const other = await world.signIn()
  assert.deepEqual(Object.keys(other).sort(), [
    'authenticatedAt',
    'claims',
    'connectionId',
    'grant',
    'idToken',
    'issuer',
    'subject',
  ])
  assert.equal(other.claims.name, undefined)
})

test('name and address are shown from the claims that the settings name, and only printable', async () => {
  hostile.twist({ claims: (claims) => ({ ...claims, nick: 'A\u202Ed\u0000a', upn: 'ada@x' }) })
  const proof = await world.signIn(world.connect({ claims: { name: 'nick', email: 'upn' } }))
  const { name, email, emailVerified } = proof.claims
  assert.deepEqual(
    { name, email, emailVerified },
    { name: 'Ada', email: 'ada@x', emailVerified: undefined },
  )
})

test('OAC-08 a code of somebody else’s flow fails on PKCE, and on the nonce where PKCE is ignored', async () => {
  const provider = world.connect()
  const mine = await provider.begin(destination)
  const theirs = await provider.begin(destination)
  await refuses(
    world,
    provider.complete(hostile.visit(theirs.redirect), mine.remember),
    'sso_failed',
    'token: invalid_grant',
  )
  hostile.twist({ ignoresPkce: true })
  await refuses(
    world,
    provider.complete(hostile.visit(theirs.redirect), mine.remember),
    'sso_failed',
    'oidc_code_injection',
  )
  hostile.twist({ claims: (claims) => ({ ...claims, nonce: undefined }) })
  await refuses(world, world.signIn(provider), 'sso_failed', 'oidc_code_injection')
  assert.equal(hostile.count('token'), 3)
  assert.equal(hostile.count('userinfo'), 0)
})

test('OAC-09 S256 is sent with state and nonce, whatever the metadata says of PKCE', async () => {
  for (const methods of [undefined, ['plain']]) {
    hostile.twist({ discovery: (d) => ({ ...d, code_challenge_methods_supported: methods }) })
    const { redirect, remember } = await world.connect().begin(destination)
    const sent = redirect.searchParams
    assert.equal(sent.get('code_challenge_method'), 'S256')
    assert.match(sent.get('code_challenge') ?? '', /^[\w-]{43}$/)
    assert.notEqual(sent.get('code_challenge'), remember.verifier)
    assert.equal(sent.get('state'), destination.handle)
    assert.equal(sent.get('nonce'), remember.nonce)
    assert.equal(sent.get('response_type'), 'code')
    assert.ok(!sent.has('response_mode'))
  }
})

test('OAC-10 verifier and nonce of 10 000 requests are long, fresh, and the verifier is in no URL', async () => {
  const provider = world.connect()
  const seen = new Set<unknown>()
  for (let round = 0; round < 10_000; round++) {
    const { redirect, remember } = await provider.begin(destination)
    assert.match(String(remember.verifier), /^[\w-]{43,128}$/)
    assert.match(String(remember.nonce), /^[\w-]{43}$/)
    assert.ok(!redirect.href.includes(String(remember.verifier)))
    seen.add(remember.verifier).add(remember.nonce).add(redirect.searchParams.get('code_challenge'))
  }
  assert.equal(seen.size, 30_000)
})

test('what the destination asks for is sent, and the stricter age counts', async () => {
  const provider = world.connect({
    maxAge: 600,
    requiredAcr: ['gold', 'silver'],
    authorizationParameters: { prompt: 'login' },
  })
  const { redirect, remember } = await provider.begin({
    ...destination,
    loginHint: 'ada@example.com',
    maxAge: 60,
  })
  const sent = Object.fromEntries(redirect.searchParams)
  assert.equal(sent.max_age, '60')
  assert.equal(remember.maxAge, 60)
  assert.equal(sent.acr_values, 'gold silver')
  assert.equal(sent.login_hint, 'ada@example.com')
  assert.equal(sent.prompt, 'login')
  assert.equal(sent.redirect_uri, destination.redirectUri)
})

test('OAC-08 a return is not read under other settings than those it was begun with', async () => {
  const { redirect, remember } = await world.connect().begin(destination)
  const attempt = world
    .connect()
    .complete(hostile.visit(redirect), { ...remember, issuer: 'https://other.example' })
  await refuses(world, attempt, 'sso_failed', 'provider_changed')
  assert.equal(hostile.count('token'), 0)
})

const json = { 'content-type': 'application/json' }

const badTokenAnswers: readonly (readonly [
  name: string,
  reason: string | RegExp,
  answer: (response: ServerResponse) => void,
])[] = [
  ['a redirect 302', 'token: egress_redirect', redirecting(302)],
  ['a redirect 307', 'token: egress_redirect', redirecting(307)],
  [
    'HTML',
    'token: status 200, not JSON',
    (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Hello'),
  ],
  ['no JSON', 'token: malformed JSON', (response) => response.writeHead(200, json).end('{"a":')],
  ['an array', 'token: malformed JSON', (response) => response.writeHead(200, json).end('[]')],
  [
    'a name twice',
    'token: malformed JSON',
    (response) => response.writeHead(200, json).end('{"token_type":"mac","token_type":"Bearer"}'),
  ],
  [
    'an error with status 200',
    'token: invalid_grant',
    (response) => response.writeHead(200, json).end('{"error":"invalid_grant"}'),
  ],
  [
    '10 MiB',
    'token: egress_too_large',
    (response) => response.writeHead(200, json).end(`{"a":"${'x'.repeat(10 << 20)}"}`),
  ],
]

for (const [name, reason, answer] of badTokenAnswers) {
  test(`OAC-12 the token endpoint answers with ${name}`, async () => {
    hostile.twist({ answer: { token: answer } })
    await refuses(world, world.signIn(), 'sso_failed', reason)
    assert.equal(hostile.count('token'), 1)
    assert.equal(hostile.arrivals.length, 2)
  })
}

function redirecting(status: number) {
  return (response: ServerResponse): void => {
    response.writeHead(status, { location: `${hostile.issuer}/elsewhere` }).end()
  }
}

const badTokenBodies: readonly (readonly [name: string, reason: string, change: object])[] = [
  ['a token type other than Bearer', 'token: token_type', { token_type: 'mac' }],
  ['no token type', 'token: token_type', { token_type: undefined }],
  ['no ID token', 'token: id_token', { id_token: undefined }],
  ['no access token', 'token: access_token', { access_token: undefined }],
  ['an access token with a line break', 'token: access_token', { access_token: 'a\r\nb' }],
  ['an error beside tokens', 'token: invalid_grant', { error: 'invalid_grant' }],
]

for (const [name, reason, change] of badTokenBodies) {
  test(`OAC-12 the token endpoint answers with ${name}`, async () => {
    hostile.twist({ tokenResponse: (body) => ({ ...body, ...change }) })
    await refuses(world, world.signIn(), 'sso_failed', reason)
    assert.equal(hostile.count('jwks'), 0)
  })
}

test('OAC-12 a token endpoint that hangs, fails or drips gives a try-again, and is asked once', async () => {
  const answers: [RegExp, (response: ServerResponse) => void][] = [
    [/^token: egress_timeout$/, () => {}],
    [/^token: egress_timeout$/, (response) => void response.writeHead(200, json).write('{')],
    [/^token: status 503$/, (response) => response.writeHead(503).end()],
    [/^token: status 429$/, (response) => response.writeHead(429).end()],
    [/^token: egress_failed$/, (response) => response.destroy()],
  ]
  for (const [reason, token] of answers) {
    hostile.reset()
    hostile.twist({ answer: { token } })
    await refuses(world, world.signIn(), 'sso_unavailable', reason)
    assert.equal(hostile.count('token'), 1)
  }
})

test('OAC-14 a secret full of reserved characters reaches the token endpoint intact, and nothing else', async () => {
  for (const clientAuth of ['client_secret_basic', 'client_secret_post']) {
    hostile.reset()
    await world.signIn(world.connect({ clientAuth }))
    const [arrival] = hostile.arrivals.filter(({ endpoint }) => endpoint === 'token')
    assert.equal(arrival?.form.has('client_secret'), clientAuth === 'client_secret_post')
    assert.equal('authorization' in (arrival?.headers ?? {}), clientAuth === 'client_secret_basic')
    for (const { url } of hostile.arrivals) assert.ok(!/secret|%25t/.test(url))
  }
})

test('OAC-14 a refused client is refused: no other way of authenticating is tried', async () => {
  for (const clientAuth of ['client_secret_basic', 'client_secret_post']) {
    hostile.reset()
    const provider = world.connect({ clientAuth, clientSecret: 'wrong' })
    await refuses(world, world.signIn(provider), 'sso_failed', 'token: invalid_client')
    assert.equal(hostile.count('token'), 1)
  }
})

const keyed = {
  clientAuth: 'private_key_jwt',
  clientSecret: undefined,
  privateKey: { ...clientKeys.privateKey.export({ format: 'jwk' }), kid: 'our key' },
}

test('OAC-15 an assertion is for one issuer, for a minute, and used once', async () => {
  const provider = world.connect(keyed)
  await world.signIn(provider)
  await world.signIn(provider)
  const assertions = hostile.arrivals.flatMap(({ form }) => form.getAll('client_assertion'))
  const [one, two] = assertions.map((assertion) => decodeJwt(assertion))
  assert.equal(one?.aud, hostile.issuer)
  assert.equal(one?.iss, hostile.clientId)
  assert.equal(one?.sub, hostile.clientId)
  assert.equal(one?.iat, world.time())
  assert.ok(Number(one?.exp) - Number(one?.iat) <= 60)
  assert.ok(one?.jti)
  assert.notEqual(one?.jti, two?.jti)
  assert.deepEqual(decodeProtectedHeader(assertions[0] ?? ''), { alg: 'ES256', kid: 'our key' })
  const token = hostile.arrivals.find(({ endpoint }) => endpoint === 'token')
  assert.ok(!token?.form.has('client_secret') && !token?.headers.authorization)
})

test('OAC-15 an assertion lured to an honest token endpoint is of no use there', async () => {
  const evil = await startHostileProvider({ now: () => new Date(world.time() * 1000) })
  try {
    evil.twist({ discovery: (d) => ({ ...d, token_endpoint: `${hostile.issuer}/token` }) })
    const provider = world.connect({ ...keyed, issuer: evil.issuer })
    const { redirect, remember } = await provider.begin(destination)
    const attempt = provider.complete(evil.visit(redirect), remember)
    await refuses(world, attempt, 'sso_failed', 'token: invalid_client')
    const [lured] = hostile.arrivals
    assert.equal(decodeJwt(lured?.form.get('client_assertion') ?? '').aud, evil.issuer)
  } finally {
    await evil.close()
  }
})

test('OAC-15 a key given as PEM signs too', async () => {
  const privateKey = clientKeys.privateKey.export({ format: 'pem', type: 'pkcs8' })
  assert.equal((await world.signIn(world.connect({ ...keyed, privateKey }))).subject, 'ada')
})

test('IDT-10 the UserInfo endpoint completes what the ID token says, when the settings ask for it', async () => {
  hostile.twist({ claims: (claims) => ({ ...claims, name: undefined }) })
  const proof = await world.signIn(world.connect({ userinfo: true }))
  assert.equal(proof.claims.name, 'Ada')
  assert.equal(hostile.count('userinfo'), 1)
  hostile.reset()
  await world.signIn()
  assert.equal(hostile.count('userinfo'), 0)
})

test('IDT-10 an address from UserInfo is not verified by what the ID token said of another', async () => {
  hostile.twist({ userinfo: (claims) => ({ ...claims, email_verified: undefined, email: 'x@y' }) })
  const { claims } = await world.signIn(world.connect({ userinfo: true }))
  assert.equal(claims.email, 'x@y')
  assert.ok(!('emailVerified' in claims))
  assert.ok(!('email_verified' in (claims.raw ?? {})))
})

test('IDT-10 UserInfo about somebody else fails the sign-in, and never replaces what the ID token proved', async () => {
  const provider = world.connect({ userinfo: true })
  for (const sub of ['Ada', 'eve', '', undefined, 7, ['ada']]) {
    hostile.twist({ userinfo: (claims) => ({ ...claims, sub }) })
    await refuses(world, world.signIn(provider), 'sso_failed', 'userinfo: sub differs')
  }
  hostile.twist({ userinfo: (claims) => ({ ...claims, iss: 'https://evil.example', acr: 'gold' }) })
  const proof = await world.signIn(provider)
  assert.equal(proof.issuer, hostile.issuer)
  assert.equal(proof.acr, undefined)
})

test('IDT-10 a UserInfo endpoint that refuses, fails, hangs or answers with a page or a token fails the sign-in', async () => {
  const answers: ['sso_failed' | 'sso_unavailable', string, (response: ServerResponse) => void][] =
    [
      [
        'sso_failed',
        'userinfo: invalid_token',
        (r) => r.writeHead(401, json).end('{"error":"invalid_token"}'),
      ],
      ['sso_failed', 'userinfo: status 403', (r) => r.writeHead(403, json).end('{}')],
      ['sso_unavailable', 'userinfo: status 500', (r) => r.writeHead(500).end()],
      ['sso_unavailable', 'userinfo: egress_timeout', () => {}],
      [
        'sso_failed',
        'userinfo: status 200, not JSON',
        (r) => r.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
      ],
      [
        'sso_failed',
        'userinfo: status 200, not JSON',
        (r) => r.writeHead(200, { 'content-type': 'application/jwt' }).end('e30.e30.'),
      ],
    ]
  for (const [code, reason, userinfo] of answers) {
    hostile.twist({ answer: { userinfo } })
    await refuses(world, world.signIn(world.connect({ userinfo: true })), code, reason)
  }
  hostile.twist({ discovery: (document) => ({ ...document, userinfo_endpoint: undefined }) })
  const provider = world.connect({ userinfo: true })
  await refuses(world, world.signIn(provider), 'sso_failed', 'userinfo: no endpoint')
})
