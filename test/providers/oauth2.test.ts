import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { after, afterEach, test } from 'node:test'
import { createEgress } from '../../src/lib/egress.ts'
import type { ErrorCode } from '../../src/lib/errors.ts'
import { createLog } from '../../src/lib/log.ts'
import type { Answer } from '../../src/providers/again.ts'
import { checkConnection, openProvider } from '../../src/providers/index.ts'
import { presets, readAnswers } from '../../src/providers/presets.ts'
import { assertProof, type Proof } from '../../src/providers/proof.ts'
import type { Provider, ProviderContext } from '../../src/providers/provider.ts'
import { startGitHub } from '../_github.ts'
import { destination, refuses } from './_sign-in.ts'

const github = await startGitHub()
const egress = createEgress({ allowLoopback: true, deadlineMs: 1000 })
const context: ProviderContext = {
  egress,
  clock: { now: () => new Date('2030-01-01T00:00:00Z') },
  log: createLog('silent'),
  connectionId: 'c1',
}
afterEach(() => github.reset())
after(async () => {
  await egress.close()
  await github.close()
})

/** The settings that the preset makes, for the imitation, changed by `more`. */
function settings(more: object = {}): Record<string, unknown> {
  const { clientId, clientSecret } = github
  const answers = { organization: 'acme', organizationId: '9919', clientId, clientSecret }
  return github.here({ ...readAnswers(presets.github, answers), ...more })
}

function connect(more?: object): Provider {
  return openProvider('oauth2', settings(more), context)
}

async function signIn(provider = connect()): Promise<Proof> {
  const { redirect, remember } = await provider.begin(destination)
  return provider.complete(github.visit(redirect), remember)
}

async function isRefused(
  code: ErrorCode,
  reason: string | RegExp,
  attempt = signIn(),
): Promise<void> {
  await refuses({ hostile: github }, attempt, code, reason)
}

test('S1-04 SSO-148 an active member of the organization is proven by their number and verified address', async () => {
  const proof = await signIn()
  assertProof(proof)
  const { raw, ...claims } = proof.claims
  assert.deepEqual(
    { ...proof, claims },
    {
      connectionId: 'c1',
      issuer: `${github.origin}/login/oauth`,
      subject: '583231',
      claims: { name: 'Ada', email: 'ada@example.com', emailVerified: true },
      grant: { accessToken: github.canaries.at(-1) },
    },
  )
  assert.equal(raw?.['membership.role'], 'admin')
  assert.equal(raw?.login, 'ada')
  assert.deepEqual(github.asked, [
    '/login/oauth/access_token',
    '/user',
    '/user/memberships/orgs/acme',
    '/user/emails',
  ])
})

test('S1-04 the redirect carries state, PKCE and scopes, and neither secret nor verifier', async () => {
  const { redirect, remember } = await connect().begin(destination)
  const { code_challenge: challenge, ...sent } = Object.fromEntries(redirect.searchParams)
  assert.match(challenge ?? '', /^[\w-]{43}$/)
  assert.deepEqual(sent, {
    response_type: 'code',
    client_id: github.clientId,
    redirect_uri: destination.redirectUri,
    scope: 'read:org user:email',
    state: destination.handle,
    code_challenge_method: 'S256',
  })
  assert.ok(!redirect.href.includes(github.clientSecret))
  assert.ok(!redirect.href.includes(String(remember.verifier)))
})

test('S1-04 a code of somebody else’s flow fails on PKCE', async () => {
  const provider = connect()
  const mine = await provider.begin(destination)
  const theirs = await provider.begin(destination)
  const attempt = provider.complete(github.visit(theirs.redirect), mine.remember)
  await isRefused('sso_failed', 'token: bad_verification_code', attempt)
  assert.equal(github.asked.length, 1)
})

test('a return is not read under other settings than those it was begun with', async () => {
  const { redirect, remember } = await connect().begin(destination)
  const other = connect({ issuer: 'https://other.example' })
  await isRefused(
    'sso_failed',
    'provider_changed',
    other.complete(github.visit(redirect), remember),
  )
  assert.equal(github.asked.length, 0)
})

const badReturns: readonly (readonly [
  name: string,
  code: ErrorCode,
  reason: string | RegExp,
  back: (url: URL) => void,
])[] = [
  ['without a code', 'sso_failed', 'oidc_code_missing', (url) => url.searchParams.delete('code')],
  [
    'in another issuer’s name',
    'sso_failed',
    'oidc_iss_mismatch',
    (url) => url.searchParams.set('iss', 'https://evil.example'),
  ],
  [
    'with a token in it',
    'sso_failed',
    'oidc_response_mode',
    (url) => url.searchParams.set('access_token', 'x'),
  ],
  [
    'with two codes',
    'sso_failed',
    'oidc_parameter_repeated',
    (url) => url.searchParams.append('code', 'x'),
  ],
  [
    'with a refusal in 500 characters of quotes, tags and line breaks',
    'sso_denied',
    /^provider_error: access_denied: [^\r\n]{1,256}$/,
    (url) => {
      url.searchParams.delete('code')
      url.searchParams.set('error', 'access_denied')
      url.searchParams.set('error_description', `"<b>\r\n'`.repeat(70))
    },
  ],
]

for (const [name, code, reason, back] of badReturns) {
  test(`SSO-145 a return ${name} is refused, and nobody is asked`, async () => {
    github.back = back
    await isRefused(code, reason)
    assert.deepEqual(github.asked, [])
  })
}

test('a return that does not name its issuer is read: older servers send none', async () => {
  github.back = (url) => url.searchParams.delete('iss')
  assert.equal((await signIn()).subject, '583231')
})

test('S1-04 a token answer may be a form where it says so', async () => {
  github.form = true
  assert.equal((await signIn()).subject, '583231')
})

const json = { 'content-type': 'application/json' }
const form = { 'content-type': 'application/x-www-form-urlencoded' }
const token = '/login/oauth/access_token'

const badTokens: readonly (readonly [reason: string, (response: ServerResponse) => void])[] = [
  ['token: malformed form', (r) => r.writeHead(200, form).end('access_token=a&access_token=b')],
  ['token: incorrect_client', (r) => r.writeHead(200, form).end('error=incorrect_client')],
  ['token: access_token', (r) => r.writeHead(200, form).end('token_type=bearer')],
  ['token: token_type', (r) => r.writeHead(200, json).end('{"access_token":"a"}')],
  [
    'token: access_token',
    (r) => r.writeHead(200, json).end('{"access_token":"a b","token_type":"bearer"}'),
  ],
  ['token: malformed JSON', (r) => r.writeHead(200, json).end('[]')],
  [
    'token: status 200, not JSON',
    (r) => r.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
  ],
  ['token: egress_redirect', (r) => r.writeHead(302, { location: '/user' }).end()],
]

for (const [index, [reason, answer]] of badTokens.entries()) {
  test(`OAC-12 token answer ${index + 1} of an OAuth 2 provider is refused: ${reason}`, async () => {
    github.answers.set(token, answer)
    await isRefused('sso_failed', reason)
    assert.deepEqual(github.asked, [token])
  })
}

const noSubjects: readonly unknown[] = [
  undefined,
  null,
  '',
  '583231',
  0,
  -1,
  1.5,
  2 ** 53,
  true,
  { id: 1 },
  [583231],
]

test('OAC-18 an identifier that is missing, empty, no whole number or of another type names nobody', async () => {
  for (const id of noSubjects) {
    github.user = { id, login: 'ada', email: 'ada@example.com' }
    await isRefused('sso_failed', 'identity_missing_subject')
  }
  assert.ok(!github.asked.includes('/user/emails'))
})

test('OAC-18 an identifier that is agreed to be text is no number, not empty and at most 255 long', async () => {
  const provider = connect({ subject: { path: 'data.id', type: 'string' } })
  for (const id of [...noSubjects.filter((id) => id !== '583231'), 7, 'a'.repeat(256), 'a\u0000']) {
    github.user = { data: { id } }
    await isRefused('sso_failed', 'identity_missing_subject', signIn(provider))
  }
  github.user = { data: { id: 'Ada' } }
  assert.equal((await signIn(provider)).subject, 'Ada')
})

test('an identifier is not looked for in what every object has', async () => {
  const provider = connect({ subject: { path: 'constructor.length', type: 'integer' } })
  await isRefused('sso_failed', 'identity_missing_subject', signIn(provider))
})

/** What the interface may say of a membership, and what comes of it. */
const memberships: readonly (readonly [
  name: string,
  code: ErrorCode,
  reason: string,
  arrange: () => void,
])[] = [
  [
    'nobody by that name',
    'sso_denied',
    'membership: not a member: status 404',
    () => (github.memberships = {}),
  ],
  [
    'an invitation that is not accepted',
    'sso_denied',
    'membership: not a member: state',
    () => (github.memberships.acme!.state = 'pending'),
  ],
  [
    'an organization that has taken over the name',
    'sso_denied',
    'membership: not a member: organization.id',
    () => (github.memberships.acme!.organization = { login: 'acme', id: 666 }),
  ],
  [
    'a number that is only spelled alike',
    'sso_denied',
    'membership: not a member: organization.id',
    () => (github.memberships.acme!.organization = { login: 'acme', id: '9919' }),
  ],
  [
    'no organization at all',
    'sso_failed',
    'membership: no organization.id',
    () => delete github.memberships.acme!.organization,
  ],
  [
    'that the scope is missing',
    'sso_unavailable',
    'membership: status 403',
    () => (github.scopes = ['user:email']),
  ],
  ['500', 'sso_unavailable', 'membership: status 500', answering((r) => r.writeHead(500).end())],
  ['401', 'sso_unavailable', 'membership: status 401', answering((r) => r.writeHead(401).end())],
  [
    '403 because of too many questions',
    'sso_unavailable',
    'membership: status 403',
    answering((r) => r.writeHead(403, { ...json, 'x-ratelimit-remaining': '0' }).end('{}')),
  ],
  ['429', 'sso_unavailable', 'membership: status 429', answering((r) => r.writeHead(429).end())],
  ['204', 'sso_unavailable', 'membership: status 204', answering((r) => r.writeHead(204).end())],
  [
    'another address',
    'sso_failed',
    'membership: egress_redirect',
    answering((r) => r.writeHead(302, { location: '/user' }).end()),
  ],
  [
    'HTML',
    'sso_failed',
    'membership: status 200, not JSON',
    answering((r) => r.writeHead(200, { 'content-type': 'text/html' }).end('active')),
  ],
  [
    'a list',
    'sso_failed',
    'membership: malformed JSON',
    answering((r) => r.writeHead(200, json).end('[{"state":"active"}]')),
  ],
  [
    'a name twice',
    'sso_failed',
    'membership: malformed JSON',
    answering((r) => r.writeHead(200, json).end('{"state":"pending","state":"active"}')),
  ],
  ['nothing', 'sso_unavailable', 'membership: egress_timeout', answering(() => {})],
]

function answering(answer: (response: ServerResponse) => void): () => void {
  return () => void github.answers.set('/user/memberships/orgs/acme', answer)
}

for (const [name, code, reason, arrange] of memberships) {
  test(`GitHub answers with ${name} when asked for the membership: ${code}`, async () => {
    arrange()
    await isRefused(code, reason)
    assert.ok(!github.asked.includes('/user/emails'))
  })
}

test('the person’s page answers with a fault: nothing is known of them', async () => {
  for (const status of [401, 403, 429, 500]) {
    github.answers.set('/user', (response) => response.writeHead(status).end())
    await isRefused('sso_unavailable', `user: status ${status}`)
  }
})

test('SSO-148 without a verified primary address the public one is shown, and not as verified', async () => {
  github.emails = [
    { email: 'ada@example.com', primary: true, verified: false },
    { email: 'old@example.com', primary: false, verified: true },
  ]
  const { email, emailVerified } = (await signIn()).claims
  assert.deepEqual([email, emailVerified], ['ada@public.example', false])
})

test('SSO-148 a sign-in goes on without an address when addresses cannot be told', async () => {
  const answers: ((response: ServerResponse) => void)[] = [
    (response) => response.writeHead(500).end(),
    (response) => response.writeHead(404).end(),
    (response) => response.writeHead(200, json).end('{"email":'),
    (response) =>
      response.writeHead(200, json).end('{"email":"a@b.example","primary":true,"verified":true}'),
    (response) =>
      response.writeHead(200, json).end('[{"email":"a@b.example","primary":"true","verified":1}]'),
    (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('[]'),
    (response) => response.destroy(),
  ]
  for (const answer of answers) {
    github.answers.set('/user/emails', answer)
    const { email, emailVerified } = (await signIn()).claims
    assert.deepEqual([email, emailVerified], ['ada@public.example', false])
  }
})

test('somebody without a name is shown by their login, and without an address by none', async () => {
  github.user = { id: 1, login: 'ada', name: null, email: null }
  github.emails = []
  const { raw: _raw, ...claims } = (await signIn()).claims
  assert.deepEqual(claims, { name: 'ada' })
})

test('an address beside “verified: true” counts as verified, and beside anything else does not', async () => {
  const provider = connect({
    emailsEndpoint: undefined,
    claims: { email: 'email', emailVerified: 'confirmed', groups: 'teams' },
  })
  for (const [confirmed, expected] of [
    [true, true],
    ['true', false],
    [1, false],
    [undefined, false],
  ] as const) {
    github.user = { id: 1, email: 'a@b.example', confirmed, teams: ['x', 'y'] }
    const { emailVerified, groups } = (await signIn(provider)).claims
    assert.equal(emailVerified, expected)
    assert.deepEqual(groups, ['x', 'y'])
  }
})

test('OAC-14 a refused client is refused: no other way of authenticating is tried', async () => {
  await isRefused(
    'sso_failed',
    'token: incorrect_client_credentials',
    signIn(connect({ clientSecret: 'wrong' })),
  )
  assert.equal(github.asked.length, 1)
})

const badSettings: readonly (readonly [name: string, problem: RegExp, more: object])[] = [
  [
    'a subject that people can change',
    /^subject.path: Give what never/,
    { subject: { path: 'login', type: 'string' } },
  ],
  ['an address as subject', /^subject.path: /, { subject: { path: 'data.Email', type: 'string' } }],
  ['a subject without a type', /^subject.type: /, { subject: { path: 'id' } }],
  [
    'a token endpoint without TLS',
    /^tokenEndpoint: /,
    { tokenEndpoint: 'http://idp.example/token' },
  ],
  [
    'an authorization endpoint that is a script',
    /^authorizationEndpoint: /,
    { authorizationEndpoint: 'javascript:alert(1)' },
  ],
  [
    'a parameter of ours',
    /^authorizationParameters: /,
    { authorizationParameters: { state: 'x' } },
  ],
  [
    'a membership that requires nothing',
    /^membership.requires: /,
    { membership: { url: 'https://a.example/', requires: {} } },
  ],
  [
    'a 200 that means no',
    /^membership.absent/,
    { membership: { url: 'https://a.example/', requires: { a: 1 }, absent: [200] } },
  ],
  ['a setting that there is not', /^settings: /, { algorithm: 'none' }],
  [
    'an address inside our network',
    /^userEndpoint: This address cannot be asked/,
    { userEndpoint: 'https://10.0.0.1/user' },
  ],
]

for (const [name, problem, more] of badSettings) {
  test(`IDT-15 FET-01 settings with ${name} are rejected`, async () => {
    await assert.rejects(checkConnection('oauth2', settings(more), context), (error: unknown) => {
      const { code, members } = error as { code: string; members: { problems: string[] } }
      assert.equal(code, 'config_rejected')
      assert.match(members.problems[0]!, problem)
      return true
    })
  })
}

test('the addresses are shown when the settings are checked, and nobody is asked', async () => {
  const published = await checkConnection('oauth2', settings(), context)
  assert.equal(published['membership.url'], `${github.origin}/user/memberships/orgs/acme`)
  assert.deepEqual(github.asked, [])
})

/** Signs in, then asks again after something has changed. */
async function askedAgain(arrange: () => void, fresh = false): Promise<Answer> {
  const provider = connect()
  const { issuer, subject, grant } = await signIn(provider)
  github.asked.length = 0
  arrange()
  return provider.again!.userinfo!(grant!.accessToken!, { issuer, subject }, fresh)
}

const person = (answer: (response: ServerResponse) => void) => () =>
  void github.answers.set('/user', answer)

/** What has changed by the time that GitHub is asked again, and what comes of it. */
const laterAnswers: readonly (readonly [name: string, arrange: () => void, expected: object])[] = [
  ['nothing', () => {}, { answer: 'still_true', reason: 'membership' }],
  [
    'somebody was removed from the organization',
    () => (github.memberships = {}),
    { answer: 'no_longer_true', reason: 'membership: not a member: status 404' },
  ],
  [
    'the organization belongs to somebody else',
    () => (github.memberships.acme!.organization = { id: 666 }),
    { answer: 'no_longer_true', reason: 'membership: not a member: organization.id' },
  ],
  [
    'the token is somebody else’s',
    () => (github.user = { id: 1 }),
    { answer: 'no_longer_true', reason: 'subject_changed' },
  ],
  [
    'GitHub was asked too often',
    answering((r) => r.writeHead(403, json).end('{}')),
    { answer: 'could_not_tell', doubt: 'transient', reason: 'membership: status 403' },
  ],
  [
    'GitHub is down',
    answering((r) => r.writeHead(502).end()),
    { answer: 'could_not_tell', doubt: 'transient', reason: 'membership: status 502' },
  ],
  [
    'GitHub says something else',
    answering((r) => r.writeHead(200, json).end('[]')),
    { answer: 'could_not_tell', doubt: 'transient', reason: 'membership: malformed JSON' },
  ],
  [
    'the person’s own answer is cut off',
    person((r) => r.destroy()),
    { answer: 'could_not_tell', doubt: 'transient', reason: 'user: egress_failed' },
  ],
  [
    'the person’s number is gone',
    () => (github.user = { login: 'ada' }),
    { answer: 'could_not_tell', doubt: 'transient', reason: 'identity_missing_subject' },
  ],
  [
    'the token was withdrawn',
    person((r) => r.writeHead(401, json).end('{}')),
    {
      answer: 'could_not_tell',
      doubt: 'unsupported',
      reason: 'user: the access token is over',
    },
  ],
]

for (const [name, arrange, expected] of laterAnswers) {
  test(`GitHub is asked again, and ${name}`, async () => {
    assert.deepEqual(await askedAgain(arrange), expected)
    assert.ok(!github.asked.includes('/user/emails'))
  })
}

test('a token that was issued just now and is refused says that the person is gone', async () => {
  const refused = person((response) => response.writeHead(401, json).end('{}'))
  const expected = { answer: 'no_longer_true', reason: 'user: status 401' }
  assert.deepEqual(await askedAgain(refused, true), expected)
})

test('when the access token ends is kept, from a form too; what is no time is not', async () => {
  for (const [given, expected] of [
    [28800, '2030-01-01T08:00:00.000Z'],
    ['28800', '2030-01-01T08:00:00.000Z'],
    ['soon', undefined],
    [-1, undefined],
  ] as const) {
    github.tokens = (body) => ({ ...body, expires_in: given })
    assert.equal((await signIn()).grant?.accessEndsAt, expected)
  }
})
