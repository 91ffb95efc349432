import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { minutes, seconds } from '../../src/lib/clock.ts'
import { createSigner, startHostileProvider, type Json } from '../hostile-provider.ts'
import { createWorld, destination, refuses } from './_sign-in.ts'

const world = await createWorld()
const { hostile } = world

const rsa = (modulusLength: number, publicExponent = 65537): Json => ({
  ...generateKeyPairSync('rsa', { modulusLength, publicExponent }).publicKey.export({
    format: 'jwk',
  }),
})

const another = createSigner('RS256').jwk
const edwards = createSigner('Ed25519').jwk

/** Publishes `change` of the honest keys. */
function publish(change: (keys: Json[]) => unknown): void {
  hostile.twist({ jwks: ({ keys }) => ({ keys: change(keys) }) })
}

/** Publishes the signing key changed like this, under its own name. */
function publishChanged(change: Json): void {
  publish((keys) => keys.map((key) => ({ ...key, ...change })))
}

test('FET-08 a set of 100 keys is read, one of 101 is refused as a whole, 10 000 too', async () => {
  const many = (count: number) => (keys: Json[]) => [
    ...keys,
    ...Array.from({ length: count - 1 }, (_, at) => ({ kty: 'RSA', kid: `${at}` })),
  ]
  publish(many(100))
  assert.equal((await world.signIn()).subject, 'ada')
  for (const count of [101, 4000]) {
    publish(many(count))
    await refuses(world, world.signIn(), 'sso_failed', 'jwks: too many keys')
  }
  publish(() => Array.from({ length: 10_000 }, () => another))
  await refuses(world, world.signIn(), 'sso_failed', 'jwks: egress_too_large')
})

const secretMembers: readonly Json[] = [
  { kty: 'oct', k: 'c2VjcmV0' },
  { kty: 'oct' },
  ...['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'].map((name) => ({ ...another, [name]: 'AQAB' })),
]

for (const key of secretMembers) {
  const name = key.kty === 'oct' ? Object.keys(key).join() : Object.keys(key).at(-1)
  test(`FET-08 a set that holds a secret (${key.kty} with ${name}) is refused as a whole`, async () => {
    publish((keys) => [...keys, key])
    await refuses(world, world.signIn(), 'sso_failed', 'jwks: holds secret keys')
  })
}

const unsuitable: readonly (readonly [name: string, change: Json])[] = [
  ['an RSA key of 512 bits', rsa(512)],
  ['an RSA key of 1024 bits', rsa(1024)],
  ['an RSA key of 2047 bits', { n: rsaNumber(2047) }],
  ['an RSA key of 16 384 bits', { n: rsaNumber(16_384) }],
  ['an RSA key of 4097 bits', { n: rsaNumber(4097) }],
  ['an RSA key with e = 1', { e: 'AQ' }],
  ['an RSA key with e = 3', { e: 'Aw' }],
  ['an RSA key without a modulus', { n: undefined }],
  ['an encryption key', { use: 'enc' }],
  ['a key for other operations', { key_ops: ['encrypt'] }],
  ['operations that are no list', { key_ops: 'verify' }],
  ['a key of another algorithm', { alg: 'RS512' }],
  ['an unknown kty', { kty: 'XYZ' }],
  ['no kty', { kty: undefined }],
  ['another kind of key under the name', { ...edwards, kid: undefined }],
]

/** A number of exactly so many bits, as a modulus is written. */
function rsaNumber(bits: number): string {
  const hex = (1n << BigInt(bits - 1)).toString(16)
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url')
}

for (const [name, change] of unsuitable) {
  test(`FET-08 ${name} verifies nothing`, async () => {
    publish((keys) => keys.map(({ kid, ...key }) => ({ ...key, ...change, kid })))
    await refuses(world, world.signIn(), 'sso_failed', 'key_not_found')
  })
}

test('FET-08 keys of 3072 and 4096 bits pass the filter', async () => {
  for (const bits of [3072, 4096]) {
    publishChanged({ n: rsaNumber(bits) })
    await refuses(world, world.signIn(), 'sso_failed', 'id_token_invalid: signature')
  }
})

test('FET-08 a name that two keys share names neither', async () => {
  publish((keys) => [...keys, { ...another, kid: keys[0]?.kid }])
  await refuses(world, world.signIn(), 'sso_failed', 'key_not_found')
  publish((keys) => [...keys, { ...edwards, kid: keys[0]?.kid }])
  await refuses(world, world.signIn(), 'sso_failed', 'key_not_found')
})

test('FET-08 what is no key set is refused', async () => {
  const sets = [undefined, null, 'keys', {}, { 0: {} }, [null], ['key'], [[]]]
  for (const keys of sets) {
    hostile.twist({ jwks: () => ({ keys }) })
    await refuses(world, world.signIn(), 'sso_failed', 'jwks: malformed')
  }
})

test('a key set may come as application/jwk-set+json', async () => {
  await world.signIn()
  const set = JSON.stringify({ keys: [hostile.signer.jwk] })
  const type = { 'content-type': 'application/jwk-set+json; charset=utf-8' }
  hostile.twist({ answer: { jwks: (response) => response.writeHead(200, type).end(set) } })
  assert.equal((await world.signIn()).subject, 'ada')
})

test('FET-09 a flood of unknown names asks for the keys once in 30 seconds', async () => {
  const provider = world.connect()
  await world.signIn(provider)
  assert.equal(hostile.count('jwks'), 1)
  world.pass(seconds(1))
  let kids = 0
  const unknown = { header: (header: Json) => ({ ...header, kid: `unknown ${++kids}` }) }
  hostile.twist(unknown)

  const flood = async (): Promise<void> => {
    for (let round = 0; round < 5; round++) {
      const wave = Array.from({ length: 15 }, () =>
        refuses(world, world.signIn(provider), 'sso_failed', 'key_not_found'),
      )
      await Promise.all(wave)
    }
  }
  await flood()
  assert.equal(hostile.count('jwks'), 2)
  world.pass(seconds(29))
  await flood()
  assert.equal(hostile.count('jwks'), 2)
  world.pass(seconds(1))
  await flood()
  assert.equal(hostile.count('jwks'), 3)
})

test('FET-09 the first sign-in of all asks for the keys once, even when they do not fit', async () => {
  hostile.twist({ header: (header) => ({ ...header, kid: 'unknown' }) })
  const provider = world.connect()
  await refuses(world, world.signIn(provider), 'sso_failed', 'key_not_found')
  assert.equal(hostile.count('jwks'), 1)
})

test('FET-10 a key published just before signing is found, by all who wait for it', async () => {
  const provider = world.connect()
  await world.signIn(provider)
  world.pass(seconds(1))
  hostile.rotate()
  const proofs = await Promise.all(Array.from({ length: 10 }, () => world.signIn(provider)))
  assert.equal(proofs.length, 10)
  assert.equal(hostile.count('jwks'), 2)
})

test('FET-10 a removed key signs nothing ten minutes later', async () => {
  const provider = world.connect()
  await world.signIn(provider)
  publish(() => [another])
  world.pass(minutes(10))
  assert.equal((await world.signIn(provider)).subject, 'ada')
  world.pass(1)
  await refuses(world, world.signIn(provider), 'sso_failed', 'key_not_found')
})

test('FET-10 without the endpoint, keys serve until they are ten minutes old, and not longer', async () => {
  const provider = world.connect()
  await world.signIn(provider)
  hostile.twist({ answer: { jwks: (response) => response.writeHead(500).end() } })
  world.pass(minutes(10))
  assert.equal((await world.signIn(provider)).subject, 'ada')
  world.pass(1)
  await refuses(world, world.signIn(provider), 'sso_unavailable', 'jwks: status 500')
  hostile.twist({})
  assert.equal((await world.signIn(provider)).subject, 'ada')
})

test('FET-10 an unknown name while the endpoint is down gives a try-again, and known keys still serve', async () => {
  const provider = world.connect()
  await world.signIn(provider)
  world.pass(seconds(1))
  const down = { answer: { jwks: (response: { destroy(): unknown }) => void response.destroy() } }
  hostile.twist({ ...down, header: (header) => ({ ...header, kid: 'unknown' }) })
  await refuses(world, world.signIn(provider), 'sso_unavailable', 'jwks: egress_failed')
  await refuses(world, world.signIn(provider), 'sso_unavailable', 'jwks: egress_failed')
  assert.equal(hostile.count('jwks'), 2)
  hostile.twist(down)
  assert.equal((await world.signIn(provider)).subject, 'ada')
})

test('the keys of one connection are not used for another', async () => {
  await world.signIn()
  publish(() => [another])
  await refuses(world, world.signIn(), 'sso_failed', 'key_not_found')
})

test('IDT-04 without a name, one suitable key is used, and unsuitable ones do not count', async () => {
  const nameless = (header: Json): Json => ({ ...header, kid: undefined })
  hostile.twist({ header: nameless })
  assert.equal((await world.signIn()).subject, 'ada')
  hostile.twist({
    header: nameless,
    jwks: ({ keys }) => ({ keys: [edwards, { ...another, use: 'enc' }, rsa(1024), ...keys] }),
  })
  assert.equal((await world.signIn()).subject, 'ada')
})

test('IDT-04 a key of another kind or on another curve is not a suitable one', async () => {
  const header = (own: Json): Json => ({ ...own, kid: undefined })
  hostile.twist({ header, jwks: ({ keys }) => ({ keys: [{ ...keys[0], kty: 'XYZ' }, ...keys] }) })
  assert.equal((await world.signIn()).subject, 'ada')

  const other = await startHostileProvider({
    algorithm: 'ES256',
    now: () => new Date(world.time() * 1000),
  })
  try {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
    const onP384 = { ...publicKey.export({ format: 'jwk' }) }
    other.twist({ header, jwks: ({ keys }) => ({ keys: [onP384, ...keys] }) })
    const { issuer, clientSecret } = other
    const provider = world.connect({ issuer, clientSecret, signingAlgorithms: ['ES256'] })
    const { redirect, remember } = await provider.begin(destination)
    assert.equal((await provider.complete(other.visit(redirect), remember)).subject, 'ada')
  } finally {
    await other.close()
  }
})

test('IDT-04 without a name, several suitable keys are ambiguous', async () => {
  hostile.twist({
    header: (header) => ({ ...header, kid: undefined }),
    jwks: ({ keys }) => ({ keys: [...keys, another] }),
  })
  await refuses(world, world.signIn(), 'sso_failed', 'key_ambiguous')
  assert.equal(hostile.count('jwks'), 1)
})

test('IDT-04 the name of an encryption key names no key', async () => {
  hostile.twist({
    header: (header) => ({ ...header, kid: 'enc' }),
    jwks: ({ keys }) => ({ keys: [...keys, { ...keys[0], kid: 'enc', use: 'enc' }] }),
  })
  await refuses(world, world.signIn(), 'sso_failed', 'key_not_found')
})

test('IDT-04 odd names are only looked up', async () => {
  const odd = ['../../etc/passwd', "' or 1=1 --", '', '__proto__', 'toString', 'k'.repeat(10_240)]
  for (const kid of odd) {
    hostile.twist({ header: (header) => ({ ...header, kid }) })
    await refuses(world, world.signIn(), 'sso_failed', 'key_not_found')
  }
  for (const kid of [0, null, {}, ['a'], true]) {
    hostile.twist({ header: (header) => ({ ...header, kid }) })
    await refuses(world, world.signIn(), 'sso_failed', 'id_token_invalid: kid')
  }
})

test('a new jwks_uri in a new document is what is asked from then on', async () => {
  const provider = world.connect()
  await world.signIn(provider)
  hostile.twist({ discovery: (document) => ({ ...document, jwks_uri: `${hostile.issuer}/gone` }) })
  world.pass(minutes(10) + 1)
  const { redirect, remember } = await provider.begin(destination)
  const attempt = provider.complete(hostile.visit(redirect), remember)
  await refuses(world, attempt, 'sso_failed', 'jwks: status 404')
})
