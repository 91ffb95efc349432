import { generateKeyPairSync, sign } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { listen } from '../../src/http/server.ts'
import { work } from '../process.ts'

/**
 * An OpenID provider that refreshes and nothing else, as fast as it can. Every family of refresh tokens is there from
 * the start: `<family>.<n>` is its n-th token and gives the next one and a signed ID token. One that comes a second time
 * revokes its family, as providers that rotate do, and is counted.
 */
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const header = encode({ alg: 'ES256', kid: 'bench' })

/** The token of each family that is good now, where it is not the first; 0: none is. */
const current = new Map<string, number>()
let reuses = 0
let refused = 0

/** What came, by client, in tenths of a second since 1970. */
const counted = new Map<string, Map<number, number>>()

let issuer = ''

const published: Readonly<Record<string, () => unknown>> = {
  '/.well-known/openid-configuration': () => ({
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/jwks`,
    response_types_supported: ['code'],
    id_token_signing_alg_values_supported: ['ES256'],
    token_endpoint_auth_methods_supported: ['client_secret_basic'],
  }),
  '/.well-known/ssf-configuration': () => ({ issuer, jwks_uri: `${issuer}/jwks` }),
  '/jwks': () => ({
    keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'bench', alg: 'ES256', use: 'sig' }],
  }),
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [status, body] =
    request.url === '/token' ? await token(request) : [200, published[request.url!]!()]
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

async function token(request: IncomingMessage): Promise<[number, unknown]> {
  const [clientId = ''] = atob(request.headers.authorization!.slice('Basic '.length)).split(':')
  count(clientId)
  const presented = new URLSearchParams(await text(request)).get('refresh_token')!
  const [family = '', n] = presented.split('.')
  const good = current.get(family) ?? 1
  if (Number(n) !== good) {
    // Somebody who is suspended has no good token; whoever brings an older one than the good one has kept it.
    if (good > 0) reuses++
    current.set(family, 0)
    refused++
    return [400, { error: 'invalid_grant' }]
  }
  current.set(family, good + 1)
  const at = Math.floor(Date.now() / 1000)
  const claims = { iss: issuer, aud: clientId, sub: family, iat: at, exp: at + 300 }
  return [
    200,
    {
      access_token: 'bench',
      token_type: 'Bearer',
      expires_in: 300,
      refresh_token: `${family}.${good + 1}`,
      id_token: signed(header, claims),
    },
  ]
}

function count(clientId: string): void {
  const tenths = counted.get(clientId) ?? new Map<number, number>()
  counted.set(clientId, tenths)
  const tenth = Math.floor(Date.now() / 100)
  tenths.set(tenth, (tenths.get(tenth) ?? 0) + 1)
}

function signed(head: string, claims: object): string {
  const text = `${head}.${encode(claims)}`
  const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const
  return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** How often each client came in each tenth of a second. */
export type Counted = Readonly<Record<string, readonly (readonly [tenth: number, count: number])[]>>

const server = createServer((request, response) => void answer(request, response))
const port = await listen(server, { host: '127.0.0.1', port: 0 })
issuer = `http://127.0.0.1:${port}`

const jobs = {
  /** What came since the last time this was asked. */
  counted(): Counted {
    const all = [...counted].map(([clientId, tenths]) => [clientId, [...tenths]] as const)
    counted.clear()
    return Object.fromEntries(all)
  },

  /** Tokens that came a second time, and refusals, since the start. */
  refusals: () => ({ reuses, refused }),

  /** From now on this person is nobody's. */
  suspend: (sub: string) => void current.set(sub, 0),

  /** Whoever connects is refused, or not any more. */
  async away(yes: boolean) {
    if (!yes) return void (await listen(server, { host: '127.0.0.1', port }))
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  },

  /** A logout token for somebody (OpenID Connect Back-Channel Logout 1.0 §2.4). */
  logoutToken({ clientId, sub }: { clientId: string; sub: string }) {
    const iat = Math.floor(Date.now() / 1000)
    const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
    const claims = { iss: issuer, aud: clientId, sub, iat, exp: iat + 120, jti: sub, events }
    return signed(encode({ alg: 'ES256', kid: 'bench', typ: 'logout+jwt' }), claims)
  },

  /** A security event token that says that somebody is disabled (RFC 8417, RISC 1.0 §2.3). */
  securityEvent(sub: string) {
    const iat = Math.floor(Date.now() / 1000)
    const type = 'https://schemas.openid.net/secevent/risc/event-type/account-disabled'
    const sub_id = { format: 'iss_sub', iss: issuer, sub }
    const claims = {
      iss: issuer,
      aud: 'bench',
      iat,
      jti: `set-${sub}`,
      sub_id,
      events: { [type]: {} },
    }
    return signed(encode({ alg: 'ES256', kid: 'bench', typ: 'secevent+jwt' }), claims)
  },
}

work({ issuer }, jobs, () => server.closeAllConnections())
