import { importJWK, SignJWT, type JWK } from 'jose'
import type { Hono } from 'hono'
import { newId } from '../../src/lib/ids.ts'
import { sameSecret } from '../../src/lib/secrets.ts'
import { setActive, type DirectoryAddress } from './directory.ts'
import type { DevelopmentPerson } from './people.ts'

/** Where an application wants to hear what happens here; a real provider has it typed into a form. */
export interface LogoutUris {
  readonly backchannel: string
  readonly frontchannel: string
}

/** What sending messages takes. */
export interface MessengerParts {
  readonly issuer: string
  /** The application's. */
  readonly clientId: string
  /** The private key that signs everything here. */
  readonly key: JWK
}

/** What was sent about somebody, and what came back. */
export interface Sent {
  readonly what: MessageName
  readonly person: string
  /** In a few words: a status, or why there was none. */
  readonly answer: string
}

/** Tells applications what happens here: a Shared Signals transmitter (push, RFC 8935), and signing out. */
export interface Messenger {
  /** What manages the stream of events; shown on the page, because everything here is invented. */
  readonly accessToken: string
  /** Whether an application has asked for events. */
  readonly streaming: boolean
  readonly uris: LogoutUris | undefined
  /** Whether a message of that kind has somewhere to go. */
  canSend(what: MessageName): boolean
  /** The last message sent. */
  readonly last: Sent | undefined
  /** Where the application wants to be told that somebody signs out. */
  register(uris: LogoutUris): void
  /** Where the application wants to be told who belongs to the organization. */
  registerDirectory(open: () => Promise<DirectoryAddress>): void
  send(what: MessageName, person: DevelopmentPerson): Promise<Sent>
  /** Adds the transmitter's own addresses. */
  serve(app: Pick<Hono, 'get' | 'post' | 'delete'>): void
  close(): void
}

const caep = 'https://schemas.openid.net/secevent/caep/event-type/'
const risc = 'https://schemas.openid.net/secevent/risc/event-type/'
const ssf = 'https://schemas.openid.net/secevent/ssf/event-type/'

/** Everything that can be sent about a person: what the button says, and what it does. */
export const messages = {
  'back-channel': {
    label: 'Back-channel logout',
    does: 'Says by OpenID Connect that all sessions of this person are over.',
  },
  'session-revoked': {
    label: 'Session revoked',
    does: 'Pushes a CAEP event: what was proven until now counts no more.',
    event: `${caep}session-revoked`,
  },
  'claims-changed': {
    label: 'Claims changed',
    does: 'Pushes a CAEP event: the application asks about this person at once.',
    event: `${caep}token-claims-change`,
    payload: { claims: { role: 'another' } },
  },
  'account-disabled': {
    label: 'Account disabled',
    does: 'Pushes a RISC event: this person is signed out and kept out, whoever asks here.',
    event: `${risc}account-disabled`,
  },
  'account-enabled': {
    label: 'Account enabled',
    does: 'Pushes a RISC event: this person may sign in again.',
    event: `${risc}account-enabled`,
  },
  deactivate: {
    label: 'Deactivate',
    does: 'Says by SCIM that this person does not belong to the organization any more.',
    active: false,
  },
  reactivate: {
    label: 'Reactivate',
    does: 'Says by SCIM that this person belongs to the organization again.',
    active: true,
  },
} as const satisfies Record<
  string,
  { label: string; does: string; event?: string; payload?: object; active?: boolean }
>

export type MessageName = keyof typeof messages

interface Stream {
  readonly id: string
  readonly endpoint: string
  readonly authorization: string
}

const pushed = 'urn:ietf:rfc:8935'

/** An application that is just starting is tried again so often, so many milliseconds apart. */
const [tries, between] = [40, 250]

/** Starts it. All it knows is in memory. */
export function createMessenger({ issuer, clientId, key }: MessengerParts): Messenger {
  const stopping = new AbortController()
  const accessToken = 'development'
  let stream: Stream | undefined
  let uris: LogoutUris | undefined
  let openDirectory: (() => Promise<DirectoryAddress>) | undefined
  let directory: Promise<DirectoryAddress> | undefined
  let last: Sent | undefined

  async function sign(typ: string, claims: Record<string, unknown>): Promise<string> {
    const token = new SignJWT({ iss: issuer, jti: newId(), ...claims })
    token.setProtectedHeader({ alg: 'RS256', typ, kid: key.kid ?? '' }).setIssuedAt()
    return token.sign(await importJWK(key, 'RS256'))
  }

  async function push(event: string, subject: object, payload: object): Promise<Response> {
    if (!stream) throw new Error('no application has asked for events')
    const { endpoint, authorization } = stream
    const claims = { aud: endpoint, sub_id: subject, events: { [event]: payload } }
    const headers = { 'content-type': 'application/secevent+jwt', authorization }
    return ask(endpoint, { headers, body: await sign('secevent+jwt', claims) })
  }

  async function logOut(person: DevelopmentPerson): Promise<Response> {
    if (!uris) throw new Error('no application has said where')
    const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
    const claims = { aud: clientId, sub: person.id, events }
    const body = new URLSearchParams({ logout_token: await sign('logout+jwt', claims) })
    return ask(uris.backchannel, { body })
  }

  async function activate(person: DevelopmentPerson, active: boolean): Promise<Response> {
    if (!openDirectory) throw new Error('no application has said where')
    return setActive(await (directory ??= openDirectory()), person, active, ask)
  }

  function ask(url: string, init: RequestInit): Promise<Response> {
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(10_000)])
    return fetch(url, { method: 'POST', ...init, redirect: 'manual', signal })
  }

  async function verify(state: string): Promise<void> {
    const subject = { format: 'opaque', id: stream?.id }
    for (let n = 0; n < tries && !stopping.signal.aborted; n++) {
      const answer = await push(`${ssf}verification`, subject, { state }).catch(() => undefined)
      if (answer) return
      await new Promise((resolve) => setTimeout(resolve, between).unref())
    }
  }

  function send(what: MessageName, person: DevelopmentPerson): Promise<Response> {
    const message = messages[what]
    if ('active' in message) return activate(person, message.active)
    if (!('event' in message)) return logOut(person)
    const subject = { format: 'iss_sub', iss: issuer, sub: person.id }
    return push(message.event, subject, 'payload' in message ? message.payload : {})
  }

  return {
    accessToken,
    get streaming() {
      return stream !== undefined
    },
    get uris() {
      return uris
    },
    get last() {
      return last
    },
    canSend(what) {
      const message = messages[what]
      if ('event' in message) return stream !== undefined
      return ('active' in message ? openDirectory : uris) !== undefined
    },
    register: (given) => void (uris = given),
    registerDirectory: (given) => void (openDirectory = given),
    async send(what, person) {
      const answer = await send(what, person).then(
        (response) => `${response.status} ${response.statusText}`,
        (error: unknown) => `nothing was sent: ${(error as Error).message}`,
      )
      return (last = { what, person: person.name, answer: answer.trim() })
    },
    serve(app) {
      const metadata = {
        spec_version: '1_0',
        issuer,
        jwks_uri: `${issuer}/jwks`,
        delivery_methods_supported: [pushed],
        configuration_endpoint: `${issuer}/ssf/stream`,
        status_endpoint: `${issuer}/ssf/status`,
        verification_endpoint: `${issuer}/ssf/verify`,
        default_subjects: 'ALL',
      }
      const knows = (authorization: string | undefined) =>
        sameSecret(authorization ?? '', `Bearer ${accessToken}`)
      app.get('/.well-known/ssf-configuration', (c) => c.json(metadata))
      app.post('/ssf/stream', async (c) => {
        if (!knows(c.req.header('authorization'))) return c.json({}, 401)
        const { delivery } = await c.req.json<{ delivery?: Record<string, string> }>()
        const { method, endpoint_url: endpoint, authorization_header = '' } = delivery ?? {}
        if (method !== pushed || !endpoint || !URL.canParse(endpoint)) return c.json({}, 400)
        stream = { id: newId(), endpoint, authorization: authorization_header }
        const answered = { method, endpoint_url: endpoint }
        return c.json({ stream_id: stream.id, iss: issuer, aud: endpoint, delivery: answered }, 201)
      })
      app.delete('/ssf/stream', (c) => {
        if (!knows(c.req.header('authorization'))) return c.json({}, 401)
        if (c.req.query('stream_id') !== stream?.id) return c.json({}, 404)
        stream = undefined
        return c.body(null, 204)
      })
      app.get('/ssf/status', (c) => {
        if (!knows(c.req.header('authorization'))) return c.json({}, 401)
        const id = c.req.query('stream_id')
        return id === stream?.id ? c.json({ stream_id: id, status: 'enabled' }) : c.json({}, 404)
      })
      app.post('/ssf/verify', async (c) => {
        if (!knows(c.req.header('authorization'))) return c.json({}, 401)
        const { stream_id, state = '' } = await c.req.json<Record<string, string>>()
        if (stream_id !== stream?.id) return c.json({}, 404)
        void verify(state)
        return c.body(null, 204)
      })
    },
    close: () => stopping.abort(),
  }
}
