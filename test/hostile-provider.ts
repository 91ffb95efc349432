import {
  constants,
  createHash,
  generateKeyPairSync,
  randomBytes,
  sign,
  type KeyObject,
} from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { jwtVerify } from 'jose'

/** Anything that can be sent as a JSON object; not yet judged by anybody. */
export type Json = Record<string, unknown>

export type Endpoint = 'discovery' | 'jwks' | 'token' | 'userinfo'

/** How this provider differs from an honest one. Whatever is absent is honest. */
export interface Twists {
  discovery?(document: Json): Json
  jwks?(set: { keys: Json[] }): unknown
  /** The ID token's header before signing. */
  header?(header: Json): Json
  /** The ID token's claims before signing; a string is taken as their JSON text. */
  claims?(claims: Json): Json | string
  /** The ID token after signing. */
  idToken?(token: string): string
  tokenResponse?(body: Json): Json
  userinfo?(claims: Json): Json
  /** The URL the browser is sent back to. */
  back?(url: URL): void
  /** Redeems a code without comparing the PKCE verifier. */
  ignoresPkce?: boolean
  /** Endpoints that answer in their own way. */
  answer?: Partial<Record<Endpoint, (response: ServerResponse) => void>>
}

/** A request as it arrived. */
export interface Arrival {
  readonly endpoint: Endpoint | undefined
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly form: URLSearchParams
}

export type HostileAlgorithm = 'RS256' | 'PS256' | 'ES256' | 'Ed25519'

export interface HostileProviderOptions {
  /** @default 'RS256' */
  algorithm?: HostileAlgorithm
  /** The provider's clock. @default the machine's */
  now?: () => Date
  /** @default 'client' */
  clientId?: string
  /** @default 'client-secret' */
  clientSecret?: string
  /** The public half of the client's key, when it authenticates by private_key_jwt. */
  clientKey?: KeyObject
  /** The claims of the one person there is. */
  person?: Json
}

/** An OpenID provider on loopback that is honest until it is told otherwise. */
export interface HostileProvider {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
  /** Every request since the last {@link reset}, oldest first. */
  readonly arrivals: readonly Arrival[]
  /** Every code, token and secret there is: none of them may ever be seen in an error or a log. */
  readonly canaries: readonly string[]
  /** How often a refresh token was presented that had been presented before. */
  readonly reuses: number
  /** How many requests an endpoint got since the last {@link reset}. */
  count(endpoint: Endpoint): number
  /** Differs from now on in these ways only. */
  twist(twists: Twists): void
  /** Honest again, and nothing counted. */
  reset(): void
  /** What signs ID tokens now. */
  readonly signer: Signer
  /** Takes a new signing key, and publishes that one alone. */
  rotate(): void
  /** What the browser does: follows the redirect, signs in, and comes back. */
  visit(redirect: URL): URL
  close(): Promise<void>
}

interface Grant {
  readonly request: URLSearchParams
  readonly accessToken: string
  /** Whose refresh tokens it shares; one that is presented twice ends them all (RFC 9700 §4.14.2). */
  readonly family: { over: boolean }
}

const paths: Readonly<Record<string, Endpoint>> = {
  '/.well-known/openid-configuration': 'discovery',
  '/jwks': 'jwks',
  '/token': 'token',
  '/userinfo': 'userinfo',
}

/** Starts the provider on a free port. */
export async function startHostileProvider(
  options: HostileProviderOptions = {},
): Promise<HostileProvider> {
  const {
    algorithm = 'RS256',
    now = () => new Date(),
    clientId = 'client',
    clientSecret = 'client-secret',
    clientKey,
    person = { sub: 'ada', name: 'Ada', email: 'ada@example.com', email_verified: true },
  } = options
  let twists: Twists = {}
  let arrivals: Arrival[] = []
  let signer = createSigner(algorithm)
  const canaries = [clientSecret]
  const grants = new Map<string, Grant>()
  const bearers = new Set<string>()
  const refreshable = new Map<string, Grant>()
  const spent = new Set<string>()
  let reuses = 0

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      response.writeHead(500).end(String(error))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request
    const endpoint = paths[url]
    const form = new URLSearchParams(await text(request))
    const arrival = { endpoint, method, url, headers, form }
    arrivals.push(arrival)
    if (endpoint === undefined) return send(response, 404, {})
    const own = twists.answer?.[endpoint]
    if (own) return own(response)
    const [status, body] = await endpoints[endpoint](arrival)
    send(response, status, body)
  }

  const endpoints: Record<Endpoint, (arrival: Arrival) => Answer | Promise<Answer>> = {
    discovery: () => [200, twists.discovery?.(metadata()) ?? metadata()],
    jwks: () => [200, twists.jwks?.({ keys: [signer.jwk] }) ?? { keys: [signer.jwk] }],
    token: redeem,
    userinfo({ headers }) {
      if (!bearers.has(headers.authorization ?? '')) return [401, { error: 'invalid_token' }]
      return [200, twists.userinfo?.(person) ?? person]
    },
  }

  function metadata(): Json {
    return {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/jwks`,
      userinfo_endpoint: `${issuer}/userinfo`,
      response_types_supported: ['code'],
      code_challenge_methods_supported: ['S256'],
      id_token_signing_alg_values_supported: [algorithm],
      token_endpoint_auth_methods_supported: [
        'client_secret_basic',
        'client_secret_post',
        'private_key_jwt',
      ],
      authorization_response_iss_parameter_supported: true,
    }
  }

  async function redeem(arrival: Arrival): Promise<Answer> {
    const { form } = arrival
    if (!(await isClient(arrival))) return [401, { error: 'invalid_client' }]
    if (form.get('grant_type') === 'refresh_token') return refresh(form.get('refresh_token') ?? '')
    const code = form.get('code') ?? ''
    const grant = grants.get(code)
    grants.delete(code)
    if (!grant || !fits(grant.request, form)) return [400, { error: 'invalid_grant' }]
    return issue(grant, code)
  }

  /** The same person again, with the next token of the family. */
  function refresh(token: string): Answer {
    const grant = refreshable.get(token)
    if (!grant || grant.family.over) return [400, { error: 'invalid_grant' }]
    if (spent.has(token)) {
      grant.family.over = true
      reuses++
      return [400, { error: 'invalid_grant' }]
    }
    spent.add(token)
    const accessToken = unguessable()
    bearers.add(`Bearer ${accessToken}`)
    return issue({ ...grant, accessToken })
  }

  function issue(grant: Grant, code?: string): Answer {
    const refreshToken = unguessable()
    refreshable.set(refreshToken, grant)
    canaries.push(grant.accessToken, refreshToken)
    const body = {
      access_token: grant.accessToken,
      token_type: 'Bearer',
      expires_in: 300,
      refresh_token: refreshToken,
      id_token: issueIdToken(grant, code),
    }
    return [200, twists.tokenResponse?.(body) ?? body]
  }

  function fits(request: URLSearchParams, form: URLSearchParams): boolean {
    const challenge = hash('sha256', form.get('code_verifier') ?? '').toString('base64url')
    return (
      form.get('grant_type') === 'authorization_code' &&
      form.get('redirect_uri') === request.get('redirect_uri') &&
      (twists.ignoresPkce === true || challenge === request.get('code_challenge'))
    )
  }

  async function isClient({ headers, form }: Arrival): Promise<boolean> {
    const assertion = form.get('client_assertion')
    if (clientKey && assertion !== null) {
      const expected = { issuer: clientId, subject: clientId, audience: issuer, currentDate: now() }
      return jwtVerify(assertion, clientKey, expected).then(
        () => true,
        () => false,
      )
    }
    const basic = headers.authorization?.match(/^Basic (.+)$/)?.[1]
    const [id, secret] = basic
      ? Buffer.from(basic, 'base64').toString().split(':').map(formDecode)
      : [form.get('client_id'), form.get('client_secret')]
    return id === clientId && secret === clientSecret
  }

  function issueIdToken({ request, accessToken }: Grant, code: string | undefined): string {
    const time = Math.floor(now().getTime() / 1000)
    const header = { alg: algorithm, typ: 'JWT', kid: signer.kid }
    const claims = {
      ...person,
      iss: issuer,
      aud: clientId,
      iat: time,
      exp: time + 300,
      auth_time: time - 5,
      at_hash: halfHash(algorithm, accessToken),
      ...(code !== undefined && {
        nonce: request.get('nonce'),
        c_hash: halfHash(algorithm, code),
      }),
    }
    const signed = signer.sign(twists.header?.(header) ?? header, twists.claims?.(claims) ?? claims)
    const token = twists.idToken?.(signed) ?? signed
    canaries.push(token)
    return token
  }

  return {
    issuer,
    clientId,
    clientSecret,
    canaries,
    get arrivals() {
      return arrivals
    },
    get signer() {
      return signer
    },
    get reuses() {
      return reuses
    },
    count: (endpoint) => arrivals.filter((arrival) => arrival.endpoint === endpoint).length,
    twist(next) {
      twists = next
    },
    reset() {
      twists = {}
      arrivals = []
    },
    rotate() {
      signer = createSigner(algorithm)
    },
    visit(redirect) {
      const request = redirect.searchParams
      const [code, accessToken] = [unguessable(), unguessable()]
      canaries.push(code, accessToken)
      grants.set(code, { request, accessToken, family: { over: false } })
      bearers.add(`Bearer ${accessToken}`)
      const back = new URL(request.get('redirect_uri') ?? '')
      back.search = new URLSearchParams({
        code,
        state: request.get('state') ?? '',
        iss: issuer,
      }).toString()
      twists.back?.(back)
      return back
    },
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

type Answer = readonly [status: number, body: unknown]

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

/** Something that signs whatever it is given, with one key. */
export interface Signer {
  readonly kid: string
  /** The public key as published. */
  readonly jwk: Json
  readonly privateKey: KeyObject
  /** A compact JWS over header and claims as they are, however wrong; a string is taken as the claims' JSON text. */
  sign(header: Json, claims: Json | string): string
}

const makers: Readonly<
  Record<HostileAlgorithm, () => { publicKey: KeyObject; privateKey: KeyObject }>
> = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  PS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  Ed25519: () => generateKeyPairSync('ed25519'),
}

/** A signer with a fresh key. */
export function createSigner(algorithm: HostileAlgorithm): Signer {
  const { publicKey, privateKey } = makers[algorithm]()
  const kid = unguessable()
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: algorithm }
  return {
    kid,
    jwk,
    privateKey,
    sign(header, claims) {
      const payload = typeof claims === 'string' ? claims : JSON.stringify(claims)
      const input = `${base64url(JSON.stringify(header))}.${base64url(payload)}`
      return `${input}.${signBytes(algorithm, input, privateKey).toString('base64url')}`
    },
  }
}

function signBytes(algorithm: HostileAlgorithm, input: string, key: KeyObject): Buffer {
  const bytes = Buffer.from(input)
  if (algorithm === 'Ed25519') return sign(null, bytes, key)
  if (algorithm === 'ES256') return sign('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' })
  return sign(
    'sha256',
    bytes,
    algorithm === 'PS256' ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } : key,
  )
}

/** The value of `at_hash` or `c_hash` (OpenID Connect Core §3.1.3.6). */
function halfHash(algorithm: HostileAlgorithm, value: string): string {
  const digest = hash(algorithm === 'Ed25519' ? 'sha512' : 'sha256', value)
  return digest.subarray(0, digest.length / 2).toString('base64url')
}

function hash(name: string, value: string): Buffer {
  return createHash(name).update(value).digest()
}

function base64url(value: string): string {
  return Buffer.from(value).toString('base64url')
}

function unguessable(): string {
  return randomBytes(32).toString('base64url')
}

/** Decodes one part of a Basic header (RFC 6749 §2.3.1). */
function formDecode(part: string): string {
  return new URLSearchParams(`value=${part}`).get('value') ?? ''
}
