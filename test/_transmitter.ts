import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { createSigner, type Json, type Signer } from './hostile-provider.ts'

const caep = 'https://schemas.openid.net/secevent/caep/event-type/'
const risc = 'https://schemas.openid.net/secevent/risc/event-type/'
const ssf = 'https://schemas.openid.net/secevent/ssf/event-type/'

/** Events by their short names. */
export const eventTypes = {
  sessionRevoked: `${caep}session-revoked`,
  claimsChange: `${caep}token-claims-change`,
  credentialChange: `${caep}credential-change`,
  assuranceChange: `${caep}assurance-level-change`,
  complianceChange: `${caep}device-compliance-change`,
  sessionEstablished: `${caep}session-established`,
  disabled: `${risc}account-disabled`,
  enabled: `${risc}account-enabled`,
  purged: `${risc}account-purged`,
  verification: `${ssf}verification`,
  streamUpdated: `${ssf}stream-updated`,
} as const

export type EventName = keyof typeof eventTypes

/** What a stream was asked for with. */
interface Stream {
  readonly method: string
  readonly endpoint?: string
  readonly authorization?: string
  readonly events: readonly string[]
}

/** A Shared Signals transmitter on loopback, written from the specifications; honest until it is told otherwise. */
export interface Transmitter {
  readonly issuer: string
  readonly audience: string
  readonly streamId: string
  /** What whoever manages the stream authenticates with. */
  readonly accessToken: string
  readonly signer: Signer
  readonly stream: Stream | undefined
  /** Everything asked of it, as `METHOD /path`. */
  readonly asked: string[]
  /** What became of the events that were polled: acknowledged, or the error. */
  readonly settled: Map<string, string>
  /** Changes an answer: by path. */
  readonly answers: Map<string, readonly [status: number, body?: unknown]>
  /** Changes what the metadata says. */
  twist: ((metadata: Json) => Json) | undefined
  /** Whether verification events bring the state that was asked for. */
  state: ((asked: string) => string) | undefined
  status: string
  /** A security event token. What is undefined in `claims` or `header` is left out. */
  event(name: EventName | string, subject: unknown, more?: EventParts): string
  /** Pushes a token as RFC 8935 says. */
  push(token: string, headers?: Record<string, string>): Promise<Response>
  /** Puts a token where it is polled. */
  queue(token: string): void
  close(): Promise<void>
}

/** What is different about one event. */
export interface EventParts {
  readonly payload?: Json
  readonly claims?: Json
  readonly header?: Json
  readonly signer?: Signer
}

/** @param options `deliver` brings a push to where it goes; `now` is the transmitter's clock */
export async function startTransmitter(options: {
  readonly now: () => Date
  readonly deliver: (request: Request) => Promise<Response>
}): Promise<Transmitter> {
  const { now, deliver } = options
  const signer = createSigner('RS256')
  const waiting = new Map<string, string>()
  let stream: Stream | undefined
  let names = 0

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '', issuer)
    const body = await text(request)
    transmitter.asked.push(`${request.method} ${pathname}`)
    const own = transmitter.answers.get(pathname)
    if (own) return send(response, ...own)
    const said = body === '' ? {} : (JSON.parse(body) as Json)
    const open = ['/.well-known/ssf-configuration', '/jwks']
    if (!open.includes(pathname)) {
      if (request.headers.authorization !== `Bearer ${transmitter.accessToken}`)
        return send(response, 401, {})
      const asked = searchParams.get('stream_id') ?? said['stream_id']
      if (asked !== undefined && asked !== transmitter.streamId) return send(response, 404, {})
    }
    const route = routes[`${request.method} ${pathname}`]
    if (!route) return send(response, 404, {})
    send(response, ...(await route(said)))
  }

  const routes: Record<string, (body: Json) => Answer | Promise<Answer>> = {
    'GET /.well-known/ssf-configuration': () => [
      200,
      transmitter.twist?.(metadata()) ?? metadata(),
    ],
    'GET /jwks': () => [200, { keys: [signer.jwk] }],
    'POST /stream': (body) => {
      const delivery = body['delivery'] as Json
      stream = {
        method: String(delivery['method']),
        ...(delivery['endpoint_url'] !== undefined && {
          endpoint: String(delivery['endpoint_url']),
          authorization: String(delivery['authorization_header']),
        }),
        events: body['events_requested'] as string[],
      }
      return [201, configuration()]
    },
    'DELETE /stream': () => {
      stream = undefined
      return [204]
    },
    'GET /status': () => [200, { stream_id: transmitter.streamId, status: transmitter.status }],
    'POST /verify': async (body) => {
      const asked = String(body['state'])
      const state = transmitter.state ? transmitter.state(asked) : asked
      const token = transmitter.event('verification', ofStream, { payload: { state } })
      if (stream?.endpoint) await transmitter.push(token)
      else transmitter.queue(token)
      return [204]
    },
    'POST /poll': (body) => {
      for (const id of (body['ack'] ?? []) as string[]) settle(id, 'acknowledged')
      const errors = Object.entries((body['setErrs'] ?? {}) as Record<string, { err: string }>)
      for (const [id, { err }] of errors) settle(id, err)
      const sets = [...waiting].slice(0, Number(body['maxEvents'] ?? 100))
      return [200, { sets: Object.fromEntries(sets), moreAvailable: waiting.size > sets.length }]
    },
  }
  const ofStream = { format: 'opaque', id: 'stream-1' }

  function settle(id: string, how: string): void {
    waiting.delete(id)
    transmitter.settled.set(id, how)
  }

  function metadata(): Json {
    return {
      spec_version: '1_0',
      issuer,
      jwks_uri: `${issuer}/jwks`,
      delivery_methods_supported: ['urn:ietf:rfc:8935', 'urn:ietf:rfc:8936'],
      configuration_endpoint: `${issuer}/stream`,
      status_endpoint: `${issuer}/status`,
      verification_endpoint: `${issuer}/verify`,
    }
  }

  function configuration(): Json {
    return {
      stream_id: transmitter.streamId,
      iss: issuer,
      aud: transmitter.audience,
      events_delivered: stream?.events,
      delivery: {
        method: stream?.method,
        endpoint_url: stream?.endpoint ?? `${issuer}/poll`,
      },
    }
  }

  const transmitter: Transmitter = {
    issuer,
    audience: 'https://app.example/signals',
    streamId: 'stream-1',
    accessToken: 'transmitter-access-token',
    signer,
    get stream() {
      return stream
    },
    asked: [],
    settled: new Map(),
    answers: new Map(),
    twist: undefined,
    state: undefined,
    status: 'enabled',
    event(name, subject, { payload = {}, claims = {}, header = {}, signer: by = signer } = {}) {
      const type = Object.hasOwn(eventTypes, name) ? eventTypes[name as EventName] : name
      const full = {
        iss: issuer,
        aud: transmitter.audience,
        iat: Math.floor(now().getTime() / 1000),
        jti: `event-${++names}`,
        sub_id: subject,
        events: { [type]: payload },
        ...claims,
      }
      return by.sign({ alg: 'RS256', typ: 'secevent+jwt', kid: by.kid, ...header }, full)
    },
    push(token, headers = {}) {
      const agreed: Record<string, string> = {
        'content-type': 'application/secevent+jwt',
        accept: 'application/json',
        authorization: stream?.authorization ?? '',
      }
      const request = { method: 'POST', headers: { ...agreed, ...headers }, body: token }
      return deliver(new Request(stream?.endpoint ?? 'https://nowhere.example', request))
    },
    queue(token) {
      const { jti } = JSON.parse(
        Buffer.from(token.split('.')[1] ?? '', 'base64url').toString(),
      ) as Json
      waiting.set(String(jti), token)
    },
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
  return transmitter
}

type Answer = readonly [status: number, body?: unknown]

function send(response: ServerResponse, status: number, body?: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(body === undefined ? undefined : JSON.stringify(body))
}
