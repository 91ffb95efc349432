import assert from 'node:assert/strict'
import { test } from 'node:test'
import { minutes } from '../../src/lib/clock.ts'
import { AppError } from '../../src/lib/errors.ts'
import { checkConnection } from '../../src/providers/index.ts'
import type { Json } from '../hostile-provider.ts'
import { createWorld, destination, refuses } from './_sign-in.ts'

const world = await createWorld()
const { hostile } = world

/** Expects begin to refuse this document and set-up to refuse it in one sentence; nothing else is asked. */
async function refusesDocument(change: (document: Json) => Json, reason: string): Promise<void> {
  hostile.twist({ discovery: change })
  await refuses(world, world.connect().begin(destination), 'sso_failed', reason)
  await assert.rejects(
    checkConnection('oidc', world.settings(), world.context()),
    (error: unknown) => {
      assert.ok(error instanceof AppError)
      assert.equal(error.code, 'config_rejected')
      assert.equal(error.reason, reason)
      assert.deepEqual(error.members.problems, [
        'issuer: Its discovery document cannot be read, or does not describe this issuer.',
      ])
      return true
    },
  )
  assert.equal(hostile.arrivals.length, hostile.count('discovery'))
}

const endpoints = [
  'authorization_endpoint',
  'token_endpoint',
  'jwks_uri',
  'userinfo_endpoint',
] as const

for (const endpoint of endpoints) {
  test(`FET-06 a relative ${endpoint} is refused`, async () => {
    for (const url of ['/token', '//evil.example/token', 'token', '']) {
      const reason = `discovery: ${endpoint} is not an absolute URL`
      await refusesDocument((document) => ({ ...document, [endpoint]: url }), reason)
      hostile.reset()
    }
  })

  test(`FET-06 a ${endpoint} that the egress client would not ask is refused`, async () => {
    const urls = [
      'data:application/json,{}',
      'javascript:alert(1)',
      'file:///etc/passwd',
      'http://10.0.0.1/token',
      'https://10.0.0.1/token',
      'https://169.254.169.254/token',
      'https://user:password@127.0.0.1/token',
    ]
    for (const url of urls) {
      const reason = `discovery: ${endpoint}: egress_blocked`
      await refusesDocument((document) => ({ ...document, [endpoint]: url }), reason)
      hostile.reset()
    }
  })
}

test('FET-06 an issuer on a private host is refused by name and by number', async () => {
  for (const issuer of ['https://10.0.0.1', 'http://169.254.169.254', 'https://localhost.']) {
    const begin = world.connect({ issuer }).begin(destination)
    await refuses(world, begin, 'sso_failed', 'discovery: egress_blocked')
  }
  assert.equal(hostile.arrivals.length, 0)
})

test('the document must describe the configured issuer, character for character', async () => {
  const others = [
    `${hostile.issuer}/`,
    hostile.issuer.replace('http', 'HTTP'),
    'https://evil.example',
    'https://login.microsoftonline.com/{tenantid}/v2.0',
  ]
  for (const issuer of others) {
    await refusesDocument((document) => ({ ...document, issuer }), 'discovery: issuer differs')
    hostile.reset()
  }
  const begin = world.connect({ issuer: `${hostile.issuer}/` }).begin(destination)
  await refuses(world, begin, 'sso_failed', 'discovery: issuer differs')
})

test('a document without an endpoint is refused', async () => {
  for (const name of ['issuer', 'authorization_endpoint', 'token_endpoint', 'jwks_uri']) {
    await refusesDocument(
      (document) => ({ ...document, [name]: undefined }),
      'discovery: incomplete',
    )
    hostile.reset()
  }
})

test('a redirect, a page, and a name that comes twice are not discovery documents', async () => {
  const json = { 'content-type': 'application/json' }
  hostile.twist({
    answer: { discovery: (r) => r.writeHead(302, { location: `${hostile.issuer}/token` }).end() },
  })
  await refuses(world, world.signIn(), 'sso_failed', 'discovery: egress_redirect')
  hostile.twist({ answer: { discovery: (r) => r.writeHead(200).end('<p>') } })
  await refuses(world, world.signIn(), 'sso_failed', 'discovery: status 200, not JSON')
  hostile.twist({
    answer: { discovery: (r) => r.writeHead(200, json).end('{"issuer":"a","issuer":"b"}') },
  })
  await refuses(world, world.signIn(), 'sso_failed', 'discovery: malformed JSON')
  assert.equal(hostile.arrivals.length, 3)
})

test('a provider that is down gives a try-again, with a time', async () => {
  hostile.twist({ answer: { discovery: (response) => response.writeHead(502).end() } })
  const attempt = world.connect().begin(destination)
  await refuses(world, attempt, 'sso_unavailable', 'discovery: status 502')
  await assert.rejects(attempt, { headers: { 'Retry-After': '30' } })
})

test('however many begin at once, the document is asked for once, and again after ten minutes', async () => {
  const provider = world.connect()
  await Promise.all(Array.from({ length: 50 }, () => provider.begin(destination)))
  assert.equal(hostile.count('discovery'), 1)
  world.pass(minutes(10))
  await provider.begin(destination)
  assert.equal(hostile.count('discovery'), 1)
  world.pass(1)
  await provider.begin(destination)
  assert.equal(hostile.count('discovery'), 2)
})

test('a failure is not kept', async () => {
  const provider = world.connect()
  hostile.twist({ answer: { discovery: (response) => response.writeHead(500).end() } })
  await refuses(world, provider.begin(destination), 'sso_unavailable', 'discovery: status 500')
  hostile.twist({})
  await provider.begin(destination)
})

test('what one connection heard is not believed for another', async () => {
  await world.connect().begin(destination)
  hostile.twist({ discovery: (document) => ({ ...document, issuer: 'https://evil.example' }) })
  const begin = world.connect().begin(destination)
  await refuses(world, begin, 'sso_failed', 'discovery: issuer differs')
})

test('checking settings asks anew, and answers with what the provider publishes', async () => {
  const context = world.context()
  await world.connect({}, context).begin(destination)
  const published = await checkConnection('oidc', world.settings(), context)
  assert.equal(published.token_endpoint, `${hostile.issuer}/token`)
  assert.equal(hostile.count('discovery'), 2)
  hostile.twist({ answer: { discovery: (response) => response.writeHead(500).end() } })
  await assert.rejects(checkConnection('oidc', world.settings(), context), {
    code: 'config_rejected',
    reason: 'discovery: status 500',
  })
})

test('checking settings says what the provider does not offer', async () => {
  hostile.twist({
    discovery: (document) => ({
      ...document,
      userinfo_endpoint: undefined,
      id_token_signing_alg_values_supported: ['HS256', 'none'],
      token_endpoint_auth_methods_supported: ['client_secret_post'],
    }),
  })
  const attempt = checkConnection('oidc', world.settings({ userinfo: true }), world.context())
  await assert.rejects(attempt, {
    code: 'config_rejected',
    members: {
      problems: [
        'signingAlgorithms: The provider signs with none of these.',
        'clientAuth: The provider does not accept this way of authenticating.',
        'userinfo: The provider has no UserInfo endpoint.',
      ],
    },
  })
})
