import assert from 'node:assert/strict'
import { createHmac, createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { glob, readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { CompactEncrypt } from 'jose'
import {
  createSigner,
  startHostileProvider,
  type HostileAlgorithm,
  type Json,
  type Twists,
} from '../hostile-provider.ts'
import { createWorld, destination, refuses, type World } from './_sign-in.ts'

const world = await createWorld()
const { hostile } = world

/** Signs in with twisted ID tokens and expects this refusal; UserInfo must never have been asked. */
async function refusesToken(
  twists: Twists,
  reason: string | RegExp,
  settings: Json = {},
): Promise<void> {
  hostile.twist(twists)
  const provider = world.connect({ userinfo: true, ...settings })
  await refuses(world, world.signIn(provider), 'sso_failed', reason)
  assert.equal(hostile.count('userinfo'), 0)
}

/** The ID token's claims changed like this. */
const claiming = (change: Json): Twists => ({ claims: (claims) => ({ ...claims, ...change }) })

const heading = (change: Json): Twists => ({ header: (header) => ({ ...header, ...change }) })

const base64url = (text: string): string => Buffer.from(text).toString('base64url')

for (const alg of [
  'none',
  'None',
  'NONE',
  undefined,
  null,
  '',
  ['RS256'],
  'RS512',
  'PS256',
  'HS256',
]) {
  test(`IDT-01 an alg of ${JSON.stringify(alg)} is refused`, async () => {
    await refusesToken(heading({ alg }), 'id_token_invalid: alg')
    assert.equal(hostile.count('jwks'), 0)
  })
}

test('IDT-01 an unsigned token is refused, with a header that says so and with one that does not', async () => {
  const strip = (token: string): string => token.replace(/[^.]+$/, '')
  await refusesToken({ idToken: strip }, 'id_token_invalid: not a signed token')
  await refusesToken(
    { ...heading({ alg: 'none' }), idToken: strip },
    'id_token_invalid: not a signed token',
  )
  const cut = (token: string): string => token.split('.').slice(0, 2).join('.')
  await refusesToken({ idToken: cut }, 'id_token_invalid: not a signed token')
})

test('IDT-01 a token signed with the public key as a shared secret is refused', async () => {
  const idToken = (token: string): string => {
    const key = createPublicKey({ key: hostile.signer.jwk, format: 'jwk' })
    const pem = key.export({ format: 'pem', type: 'spki' })
    const input = `${base64url(JSON.stringify({ alg: 'HS256', kid: hostile.signer.kid }))}.${token.split('.')[1]}`
    return `${input}.${createHmac('sha256', pem).update(input).digest('base64url')}`
  }
  await refusesToken({ idToken }, 'id_token_invalid: alg')
})

test('IDT-03 one flipped bit in header, claims or signature is refused', async () => {
  for (const at of [0, 1, 2]) {
    const idToken = (token: string): string => {
      const parts = token.split('.')
      const bytes = Buffer.from(parts[at] ?? '', 'base64url')
      // The last bit of a string's last letter, where JSON stays JSON.
      const place = at === 2 ? 0 : bytes.lastIndexOf('"') - 1
      bytes[place] = (bytes[place] ?? 0) ^ 1
      parts[at] = bytes.toString('base64url')
      return parts.join('.')
    }
    await refusesToken({ idToken }, /^(id_token_invalid: (signature|not JSON)|key_not_found)$/)
  }
})

test('IDT-03 a token signed with another key under the right name is refused', async () => {
  const forger = createSigner('RS256')
  await refusesToken(
    {
      idToken(token) {
        const [header = '', claims = ''] = token.split('.')
        const read = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Json
        return forger.sign(read(header), read(claims))
      },
    },
    'id_token_invalid: signature',
  )
})

const misspelt: readonly (readonly [name: string, idToken: (token: string) => string])[] = [
  ['padding', (token) => `${token}==`],
  [
    'stray bits in the last character',
    (token) => token.replace(/[AQgw]$/, (last) => String.fromCharCode(last.charCodeAt(0) + 1)),
  ],
  ['the standard alphabet', (token) => token.replace(/[^.]+$/, () => '+/+/')],
  ['a line break', (token) => `${token}\n`],
  ['a space before it', (token) => ` ${token}`],
  ['a fourth part', (token) => `${token}.e30`],
  ['a dot behind', (token) => `${token}.`],
  ['no claims', (token) => token.replace(/\..*\./, '..')],
  ['nothing in it', () => ''],
]

for (const [name, idToken] of misspelt) {
  test(`IDT-03 a token with ${name} is refused`, async () => {
    await refusesToken({ idToken }, 'id_token_invalid: not a signed token')
  })
}

test('IDT-03 an encrypted token is refused', async () => {
  const secret = new Uint8Array(32)
  const jwe = await new CompactEncrypt(new TextEncoder().encode('{}'))
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
    .encrypt(secret)
  await refusesToken({ idToken: () => jwe }, 'id_token_invalid: not a signed token')
})

test('IDT-03 a token inside a token is refused', async () => {
  const claims = (own: Json): string => `"${hostile.signer.sign({ alg: 'RS256' }, own)}"`
  await refusesToken({ ...heading({ cty: 'JWT' }), claims }, 'id_token_invalid: not JSON')
})

test('IDT-03 extensions that must be understood are refused, and so is an unencoded payload', async () => {
  const headers = [
    { crit: ['exp'] },
    { crit: [] },
    { crit: ['b64'], b64: false },
    { b64: false },
    { b64: true },
  ]
  for (const header of headers) await refusesToken(heading(header), 'id_token_invalid: crit')
})

test('IDT-03 names that come twice, in claims or header, are refused', async () => {
  const claims = (own: Json): string => `${JSON.stringify(own).slice(0, -1)},"sub":"eve"}`
  await refusesToken({ claims }, 'id_token_invalid: not JSON')
  const idToken = (token: string): string => {
    const header = `{"alg":"none","alg":"RS256","kid":"${hostile.signer.kid}"}`
    const input = `${base64url(header)}.${token.split('.')[1]}`
    const signature = sign('sha256', Buffer.from(input), hostile.signer.privateKey)
    return `${input}.${signature.toString('base64url')}`
  }
  await refusesToken({ idToken }, 'id_token_invalid: not JSON')
})

for (const claims of ['[]', 'null', '"ada"', '{', '{"a":1}{', '\uFEFF{}']) {
  test(`IDT-03 claims that are ${JSON.stringify(claims)} are refused`, async () => {
    await refusesToken({ claims: () => claims }, 'id_token_invalid: not JSON')
  })
}

for (const algorithm of ['PS256', 'ES256', 'Ed25519'] satisfies HostileAlgorithm[]) {
  test(`IDT-03 ${algorithm} is verified, and only where it was agreed on`, async () => {
    const other = await startHostileProvider({
      algorithm,
      now: () => new Date(world.time() * 1000),
    })
    try {
      const there: World = { ...world, hostile: other }
      const signIn = async (signingAlgorithms: string[]) => {
        const provider = world.connect({
          issuer: other.issuer,
          clientSecret: other.clientSecret,
          signingAlgorithms,
        })
        const { redirect, remember } = await provider.begin(destination)
        return provider.complete(other.visit(redirect), remember)
      }
      assert.equal((await signIn([algorithm])).subject, 'ada')
      await refuses(there, signIn(['RS256']), 'sso_failed', 'id_token_invalid: alg')
      other.twist({ idToken: (token) => token.replace(/[^.]{8}$/, 'AAAAAAAA') })
      await refuses(
        there,
        signIn([algorithm]),
        'sso_failed',
        /^id_token_invalid: (signature|not a signed token)$/,
      )
      if (algorithm !== 'ES256') return
      const idToken = (token: string): string => {
        const input = token.split('.').slice(0, 2).join('.')
        const key = createPrivateKey(
          other.signer.privateKey.export({ format: 'pem', type: 'pkcs8' }),
        )
        return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`
      }
      other.twist({ idToken })
      await refuses(there, signIn([algorithm]), 'sso_failed', 'id_token_invalid: signature')
    } finally {
      await other.close()
    }
  })
}

test('IDT-05 an issuer that is missing, another, respelt or a list is refused', async () => {
  const { issuer } = hostile
  const wrong = [
    undefined,
    null,
    '',
    'https://evil.example',
    `${issuer}/`,
    issuer.toUpperCase(),
    [issuer],
  ]
  for (const iss of wrong) await refusesToken(claiming({ iss }), 'id_token_invalid: iss')
})

test('IDT-05 a token of another connection’s provider is refused', async () => {
  const other = await startHostileProvider({ now: () => new Date(world.time() * 1000) })
  try {
    const provider = world.connect({ issuer: other.issuer, clientSecret: other.clientSecret })
    const { redirect, remember } = await provider.begin(destination)
    let foreign = ''
    other.twist({ idToken: (token) => (foreign = token) })
    await provider.complete(other.visit(redirect), remember)
    assert.notEqual(foreign, '')
    await refusesToken({ idToken: () => foreign }, 'key_not_found')
    // Even if both publish the same keys.
    const jwks = (): unknown => ({ keys: [other.signer.jwk] })
    await refusesToken({ idToken: () => foreign, jwks }, 'id_token_invalid: iss')
  } finally {
    await other.close()
  }
})

test('IDT-06 an audience that is not this client alone is refused', async () => {
  const wrong = [
    undefined,
    null,
    '',
    'other',
    'Client',
    'client ',
    7,
    {},
    [],
    ['other'],
    [['client']],
    ['client', 'other'],
    ['other', 'client'],
    ['client', 'client'],
  ]
  for (const aud of wrong) {
    await refusesToken(claiming({ aud }), 'id_token_invalid: aud')
    await refusesToken(claiming({ aud, azp: 'client' }), 'id_token_invalid: aud')
  }
})

test('IDT-06 an authorized party other than this client is refused', async () => {
  for (const azp of ['other', '', null, ['client']]) {
    await refusesToken(claiming({ azp }), 'id_token_invalid: azp')
  }
})

test('IDT-06 this client alone may come as a list, and as authorized party', async () => {
  hostile.twist(claiming({ aud: ['client'], azp: 'client' }))
  assert.equal((await world.signIn()).subject, 'ada')
})

const day = 86_400

/** Offsets from now, in seconds: the last that is accepted and the first that is not. */
const edges: readonly (readonly [claim: string, accepted: number, refused: number])[] = [
  ['exp', -59, -60],
  ['exp', 30 * day, 30 * day + 1],
  ['exp', -59, -day],
  ['exp', 300, 3650 * day],
  ['iat', 60, 61],
  ['iat', -600, -601],
  ['nbf', 60, 61],
  ['nbf', -10 * day, 3650 * day],
]

for (const [claim, accepted, refused] of edges) {
  test(`IDT-07 ${claim} ${accepted} s from now is accepted, ${refused} s is not`, async () => {
    hostile.twist(claiming({ [claim]: world.time() + accepted }))
    assert.equal((await world.signIn()).subject, 'ada')
    await refusesToken(claiming({ [claim]: world.time() + refused }), `id_token_invalid: ${claim}`)
  })
}

test('IDT-07 times that are no whole numbers are refused, and exp and iat must be there', async () => {
  for (const claim of ['exp', 'iat', 'nbf']) {
    const wrong = [
      null,
      `${world.time()}`,
      world.time() + 0.5,
      -1,
      -world.time(),
      {},
      [world.time()],
      true,
      1e300,
    ]
    const missing = claim === 'nbf' ? [] : [undefined]
    for (const value of [...wrong, ...missing]) {
      await refusesToken(claiming({ [claim]: value }), `id_token_invalid: ${claim}`)
    }
    for (const text of ['NaN', '1e309', 'Infinity']) {
      const claims = (own: Json): string =>
        JSON.stringify({ ...own, [claim]: 0 }).replace(`"${claim}":0`, `"${claim}":${text}`)
      await refusesToken({ claims }, 'id_token_invalid: not JSON')
    }
  }
})

test('IDT-09 a subject that is no identifier is refused', async () => {
  const wrong = [
    undefined,
    null,
    '',
    7,
    0,
    true,
    {},
    ['ada'],
    'a'.repeat(256),
    'ada\u0000',
    'a\nda',
    '\u007Fada',
    '\u0085',
  ]
  for (const sub of wrong) await refusesToken(claiming({ sub }), 'identity_missing_subject')
})

test('IDT-09 a subject is passed on byte for byte', async () => {
  const subjects = ['ada', 'Ada', ' ada ', 'аda', 'a\u0301', '\u00E1', 'ﬁ', '7', 'a'.repeat(255)]
  const proven = new Set<string>()
  for (const sub of subjects) {
    hostile.twist(claiming({ sub }))
    proven.add((await world.signIn()).subject)
  }
  assert.deepEqual([...proven], subjects)
})

test('IDT-11 tokens of other kinds are refused by their type', async () => {
  const types = [
    'at+jwt',
    'application/at+jwt',
    'logout+jwt',
    'secevent+jwt',
    'dpop+jwt',
    'JOSE',
    '',
    null,
    ['JWT'],
  ]
  for (const typ of types) await refusesToken(heading({ typ }), 'id_token_invalid: typ')
})

test('IDT-11 a token with events is refused, whatever its type', async () => {
  const logout = { 'http://schemas.openid.net/event/backchannel-logout': {} }
  for (const events of [logout, {}, null, []]) {
    await refusesToken(claiming({ events }), 'id_token_invalid: events')
    await refusesToken(
      { ...claiming({ events }), ...heading({ typ: undefined }) },
      'id_token_invalid: events',
    )
  }
})

test('IDT-11 an access token or a client assertion as ID token is refused', async () => {
  const accessToken = (claims: Json): Json => ({
    iss: claims.iss,
    aud: claims.aud,
    sub: claims.sub,
    exp: claims.exp,
    iat: claims.iat,
    scope: 'openid',
  })
  await refusesToken({ claims: accessToken }, 'oidc_code_injection')
  await refusesToken(
    claiming({ iss: 'client', sub: 'client', aud: hostile.issuer }),
    'id_token_invalid: iss',
  )
})

test('a token without a type is an ID token too', async () => {
  hostile.twist(heading({ typ: undefined }))
  assert.equal((await world.signIn()).subject, 'ada')
})

test('IDT-12 hashes that do not fit the code or the access token are refused', async () => {
  for (const claim of ['at_hash', 'c_hash']) {
    for (const value of ['', 'AAAAAAAAAAAAAAAAAAAAAA', null, 7, {}]) {
      await refusesToken(claiming({ [claim]: value }), `id_token_invalid: ${claim}`)
    }
  }
  await refusesToken(
    { claims: (claims) => ({ ...claims, at_hash: claims.c_hash, c_hash: claims.at_hash }) },
    'id_token_invalid: c_hash',
  )
})

test('IDT-12 hashes may be absent', async () => {
  hostile.twist(claiming({ at_hash: undefined, c_hash: undefined }))
  assert.equal((await world.signIn()).subject, 'ada')
})

test('IDT-13 an authentication that is missing, too old, in the future or no number is not enough', async () => {
  const now = world.time()
  for (const at of [undefined, null, now - 361, now + 61, `${now}`, now + 0.5, -1]) {
    await refusesToken(claiming({ auth_time: at }), 'assurance_insufficient', { maxAge: 300 })
  }
  for (const at of [null, now + 61, `${now}`, -1]) {
    await refusesToken(claiming({ auth_time: at }), 'assurance_insufficient')
  }
})

test('IDT-13 an authentication as old as was asked, and the skew, is enough', async () => {
  for (const age of [360, 0, -60]) {
    hostile.twist(claiming({ auth_time: world.time() - age }))
    assert.equal((await world.signIn(world.connect({ maxAge: 300 }))).subject, 'ada')
  }
})

test('IDT-13 an age is counted from when it was asked: somebody may take their time at the provider', async () => {
  const provider = world.connect()
  const { redirect, remember } = await provider.begin({
    ...destination,
    maxAge: 0,
    prompt: 'login',
  })
  assert.deepEqual(
    ['prompt', 'max_age'].map((name) => redirect.searchParams.get(name)),
    ['login', '0'],
  )
  const asked = world.time()
  world.pass(300_000)
  hostile.twist(claiming({ auth_time: asked + 10 }))
  assert.equal((await provider.complete(hostile.visit(redirect), remember)).subject, 'ada')
})

test('a session that the provider says will end is remembered so, and one that has ended is refused', async () => {
  const end = world.time() + 3600
  hostile.twist(claiming({ session_expiry: end }))
  const { sessionEndsAt } = await world.signIn()
  assert.equal(sessionEndsAt, new Date(end * 1000).toISOString())
  for (const session_expiry of [world.time(), -1, 'tomorrow', null]) {
    hostile.twist(claiming({ session_expiry }))
    await refuses(world, world.signIn(), 'sso_failed', 'id_token_invalid: session_expiry')
  }
})

test('IDT-13 what the destination asked counts when it is stricter', async () => {
  hostile.twist(claiming({ auth_time: world.time() - 100 }))
  const provider = world.connect({ maxAge: 300 })
  assert.equal((await world.signIn(provider)).subject, 'ada')
  await refuses(
    world,
    world.signIn(provider, { maxAge: 0 }),
    'sso_failed',
    'assurance_insufficient',
  )
  await refuses(
    world,
    world.signIn(world.connect(), { maxAge: 30 }),
    'sso_failed',
    'assurance_insufficient',
  )
})

test('IDT-13 a class that is missing, weaker or a list is not enough', async () => {
  for (const acr of [undefined, null, '', '0', 'Gold', 'gold silver', ['gold'], 1]) {
    await refusesToken(claiming({ acr }), 'assurance_insufficient', {
      requiredAcr: ['gold', 'silver'],
    })
  }
  hostile.twist(claiming({ acr: 'silver' }))
  assert.equal(
    (await world.signIn(world.connect({ requiredAcr: ['gold', 'silver'] }))).acr,
    'silver',
  )
})

test('IDT-16 a pinned tenant must be exactly that tenant', async () => {
  const settings = { requiredClaims: { tid: 'tenant-y' } }
  for (const tid of [undefined, null, '', 'tenant-x', 'Tenant-Y', ['tenant-y']]) {
    await refusesToken(
      claiming({ tid, email: 'victim@example.com' }),
      'required_claim_differs',
      settings,
    )
  }
  hostile.twist(claiming({ tid: 'tenant-y' }))
  assert.equal((await world.signIn(world.connect(settings))).subject, 'ada')
})

test('IDT-16 the shared issuer of all tenants is refused before anybody is sent anywhere', async () => {
  const issuer = 'https://login.microsoftonline.com/{tenantid}/v2.0'
  hostile.twist({ discovery: (document) => ({ ...document, issuer }) })
  await refuses(
    world,
    world.connect().begin(destination),
    'sso_failed',
    'discovery: issuer differs',
  )
})

test('IDT-17 SSO-142 several domains may be pinned, and one is read like a list of one', async () => {
  const several = { requiredClaims: { hd: ['example.com', 'example.org'] } }
  hostile.twist(claiming({ hd: 'example.org' }))
  assert.equal((await world.signIn(world.connect(several))).subject, 'ada')
  for (const hd of [undefined, 'example.net', 'example.com example.org', several.requiredClaims.hd])
    await refusesToken(claiming({ hd }), 'required_claim_differs', several)
  for (const hd of ['example.com', ['example.com']]) {
    hostile.twist(claiming({ hd: 'example.com' }))
    assert.equal((await world.signIn(world.connect({ requiredClaims: { hd } }))).subject, 'ada')
  }
})

test('IDT-17 a pinned domain must be exactly that domain, whatever the address says', async () => {
  const settings = { requiredClaims: { hd: 'example.com' } }
  for (const hd of [
    undefined,
    null,
    '',
    'alias.example.com',
    'Example.com',
    'evil.com',
    ['example.com'],
    true,
  ]) {
    await refusesToken(
      claiming({ hd, email: 'ada@example.com' }),
      'required_claim_differs',
      settings,
    )
  }
  hostile.twist(claiming({ hd: 'example.com' }))
  assert.equal((await world.signIn(world.connect(settings))).subject, 'ada')
})

test('FET-13 keys and addresses in the token’s header are never used and never asked', async () => {
  const forger = createSigner('RS256')
  const lures: Json = {
    jku: `${hostile.issuer}/lure`,
    x5u: `${hostile.issuer}/lure`,
    jwk: forger.jwk,
    x5c: ['MIIB'],
    x5t: 'AAAA',
  }
  for (const [name, value] of Object.entries(lures)) {
    hostile.reset()
    const idToken = (token: string): string => {
      const claims = JSON.parse(
        Buffer.from(token.split('.')[1] ?? '', 'base64url').toString(),
      ) as Json
      return forger.sign({ alg: 'RS256', kid: hostile.signer.kid, [name]: value }, claims)
    }
    await refusesToken({ idToken }, 'id_token_invalid: signature')
    hostile.twist(heading({ [name]: value }))
    assert.equal((await world.signIn()).subject, 'ada')
    assert.ok(hostile.arrivals.every(({ endpoint }) => endpoint !== undefined))
  }
})

test('FET-13 addresses inside the published keys are not asked either', async () => {
  const lure = { x5u: `${hostile.issuer}/lure`, x5c: ['MIIB'], jku: `${hostile.issuer}/lure` }
  hostile.twist({ jwks: ({ keys }) => ({ keys: keys.map((key) => ({ ...key, ...lure })) }) })
  assert.equal((await world.signIn()).subject, 'ada')
  assert.ok(hostile.arrivals.every(({ endpoint }) => endpoint !== undefined))
})

test('IDT-18 one function reads signed tokens, and each kind of token has one judge', async () => {
  const readers =
    /\b(compactVerify|flattenedVerify|generalVerify|jwtVerify|decodeJwt|decodeProtectedHeader|processAuthorizationCodeResponse|getValidatedIdTokenClaims)\b/
  const [users, judges]: string[][] = [[], []]
  for await (const file of glob('src/**/*.ts')) {
    const text = await readFile(file, 'utf8')
    if (readers.test(text)) users!.push(file)
    if (/\breadJws\(/.test(text)) judges!.push(file)
  }
  assert.deepEqual(users, ['src/providers/jws.ts'])
  assert.deepEqual(judges!.sort(), [
    'src/providers/id-token.ts',
    'src/providers/jws.ts',
    'src/providers/logout-token.ts',
    'src/providers/security-event.ts',
  ])
})
