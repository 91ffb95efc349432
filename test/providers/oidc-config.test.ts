import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { AppError } from '../../src/lib/errors.ts'
import { checkConnection, openProvider } from '../../src/providers/index.ts'
import { oidcConfig } from '../../src/providers/oidc-config.ts'
import type { Json } from '../hostile-provider.ts'
import { createWorld } from './_sign-in.ts'

const world = await createWorld()
const { hostile } = world

/** Expects these settings to be refused with this problem, before anybody is asked anything. */
async function rejects(more: Json, problem: RegExp, kind = 'oidc'): Promise<void> {
  await assert.rejects(
    checkConnection(kind, world.settings(more), world.context()),
    (error: unknown) => {
      assert.ok(error instanceof AppError, inspect(error))
      assert.equal(error.code, 'config_rejected')
      const { problems } = error.members
      assert.ok(
        Array.isArray(problems) && problems.some((text) => problem.test(text)),
        inspect(problems),
      )
      return true
    },
  )
  assert.equal(hostile.arrivals.length, 0)
}

const reserved = [
  'redirect_uri',
  'client_id',
  'client_secret',
  'client_assertion',
  'client_assertion_type',
  'response_type',
  'response_mode',
  'scope',
  'state',
  'nonce',
  'code',
  'code_challenge',
  'code_challenge_method',
  'code_verifier',
  'request',
  'request_uri',
  'registration',
  'max_age',
  'acr_values',
  'login_hint',
  'id_token_hint',
  'iss',
]

for (const name of reserved) {
  test(`OAC-11 the settings cannot set the parameter “${name}”`, async () => {
    await rejects(
      { authorizationParameters: { [name]: 'x' } },
      /^authorizationParameters: These are/,
    )
  })
}

test('OAC-11 a name of the prototype is no way around', async () => {
  const authorizationParameters = JSON.parse('{"__proto__":{"state":"x"}}') as Json
  const settings = { ...world.settings(), authorizationParameters }
  const parsed = oidcConfig.safeParse(settings)
  assert.ok(!parsed.success || !('state' in parsed.data.authorizationParameters))
})

for (const name of ['id', 'subject', 'sub', 'identifier']) {
  test(`IDT-15 the subject cannot be mapped: claims.${name} is refused`, async () => {
    for (const claim of ['email', 'preferred_username', 'upn', 'sub']) {
      await rejects(
        { claims: { [name]: claim } },
        /^claims: Only name, email and groups can be mapped/,
      )
      await rejects({ [name]: claim }, /^settings: /)
    }
  })
}

const badSettings: readonly (readonly [name: string, more: Json, problem: RegExp])[] = [
  ['no issuer', { issuer: undefined }, /^issuer: /],
  ['an issuer that is no URL', { issuer: 'login.example.com' }, /^issuer: Give the issuer’s URL/],
  ['an issuer of another scheme', { issuer: 'file:///etc/passwd' }, /^issuer: Give/],
  ['an issuer with a query', { issuer: 'https://a.example/?x=1' }, /^issuer: Give/],
  ['an issuer with a fragment', { issuer: 'https://a.example/#' }, /^issuer: Give/],
  ['no client id', { clientId: '' }, /^clientId: Fill this in/],
  ['a setting nobody knows', { skipSignature: true }, /^settings: /],
  ['an unknown client authentication', { clientAuth: 'none' }, /^clientAuth: Choose/],
  ['no secret', { clientSecret: undefined }, /^clientSecret: /],
  ['a secret for a key', { clientAuth: 'private_key_jwt' }, /^privateKey: /],
  ['HS256', { signingAlgorithms: ['RS256', 'HS256'] }, /^signingAlgorithms.1: Choose from RS256/],
  ['none', { signingAlgorithms: ['none'] }, /^signingAlgorithms.0: Choose from/],
  ['no algorithm', { signingAlgorithms: [] }, /^signingAlgorithms: Choose at least one/],
  ['a scope with a space', { scopes: ['openid email'] }, /^scopes.0: A scope has no spaces/],
  ['a negative age', { maxAge: -1 }, /^maxAge: Give whole seconds/],
  ['half a second', { maxAge: 0.5 }, /^maxAge: Give whole seconds/],
  ['another pin', { requiredClaims: { email: 'x' } }, /^requiredClaims: /],
  ['an empty pin', { requiredClaims: { hd: '' } }, /^requiredClaims.hd: Fill this in/],
]

for (const [name, more, problem] of badSettings) {
  test(`settings with ${name} are refused`, () => rejects(more, problem))
}

test('a kind nobody knows is refused', async () => {
  for (const kind of ['magic', 'toString', '__proto__']) {
    await rejects({}, /^kind: There is no such kind/, kind)
    assert.throws(() => openProvider(kind, world.settings(), world.context()), {
      code: 'internal_error',
    })
  }
})

test('keys that cannot sign are refused, and the answer quotes none of them', async () => {
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
  const { publicKey } = generateKeyPairSync('ed25519')
  const montgomery = generateKeyPairSync('x25519').privateKey
  const keys = [
    'not a key',
    { kty: 'oct', k: 'c2VjcmV0' },
    short.export({ format: 'pem', type: 'pkcs8' }),
    publicKey.export({ format: 'jwk' }),
    montgomery.export({ format: 'jwk' }),
  ]
  for (const privateKey of keys) {
    const more = { clientAuth: 'private_key_jwt', clientSecret: undefined, privateKey }
    await rejects(more, /^privateKey: Give an RSA/)
  }
})

test('an RSA key as PEM can sign', () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 4096 })
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' })
  const more = { clientAuth: 'private_key_jwt', clientSecret: undefined, privateKey: pem }
  const config = oidcConfig.parse(world.settings(more))
  assert.ok('privateKey' in config)
  assert.equal(config.privateKey.reveal().algorithm, 'RS256')
})

test('secrets in the settings print as nothing', () => {
  const config = oidcConfig.parse(world.settings({ clientSecret: 'canary' }))
  assert.doesNotMatch(
    `${JSON.stringify(config)} ${inspect(config, { depth: null, showHidden: true })}`,
    /canary/,
  )
})

test('openid is always among the scopes, once', () => {
  assert.deepEqual(oidcConfig.parse(world.settings()).scopes, ['openid', 'profile', 'email'])
  assert.deepEqual(oidcConfig.parse(world.settings({ scopes: ['email', 'openid'] })).scopes, [
    'openid',
    'email',
  ])
})
