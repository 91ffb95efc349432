import type { IncomingMessage } from 'node:http'
import { recordEvent } from '../accounts/audit.ts'
import { AppError, type ErrorCode } from '../lib/errors.ts'
import type { Endpoint, Exchange, Services } from '../http/exchange.ts'
import { isReading, loginUrl, requestIdOf } from '../http/handler.ts'
import { headersOfEveryAnswer } from '../http/headers.ts'
import { clientOf } from '../http/proxy.ts'
import { demandReauthentication } from '../sessions/lock.ts'
import { admit } from '../sessions/access.ts'
import { recallAsker } from '../sessions/authenticate.ts'
import { ssoRequiredBy, type StoredSession } from '../sessions/lookup.ts'

/** Every identity header there is, and where its value comes from. All are set every time, empty when there is none. */
export const identityHeaders: Readonly<
  Record<string, (session: StoredSession) => string | null | undefined>
> = {
  'x-auth-user': ({ person }) => person.id,
  'x-auth-kind': ({ kind }) => kind,
  'x-auth-name': ({ kind, person }) => (kind === 'guest' ? null : person.name),
  'x-auth-email': ({ person }) => person.email,
  'x-auth-organization': ({ organizations: [first] }) => first?.slug,
  'x-auth-role': ({ organizations: [first] }) => first?.role,
  'x-auth-session': ({ id }) => id,
}

/** The request that a proxy asks about. */
interface Original {
  readonly uri: string
  readonly method: string
  readonly host: string
}

/**
 * `GET /verify`: a reverse proxy asks whether a request may pass.
 * 204 with every identity header; 401, or for a person's navigation 303 to the sign-in page; 403 for a description of
 * the request that is ambiguous or comes from a stranger; 503 when the database is away. Never a 2xx otherwise.
 * With `?deny=status` the 303 is a 401 with the same `Location`, because nginx knows no other refusals than 401 and 403.
 * With `?access=guest` a guest may pass too: `X-Auth-User` is the guest's id then, and `X-Auth-Kind` is `guest`.
 * With `?organization=acme` only a session that proves something to that organization passes, and the headers name it: 403
 * `sso_required` for a member who signed in another way than it asks for; people are led to its sign-in page.
 * Below `/verify/envoy` the rest of the path is the path asked for, and the method its method: Envoy asks like that.
 */
export const verify: Endpoint = async (exchange) => {
  const { asker, services, url, caller } = exchange
  const original = await describedRequest(exchange)
  // Below the path for Envoy, the query is the client's own.
  const asked = url.pathname.startsWith(envoyPath) ? new URLSearchParams() : url.searchParams
  const access = asked.get('access') === 'guest' ? 'guest' : 'user'
  const reading = original !== undefined && isReading(original.method)
  const refused = admit(asker.verdict, asker.state, access, { reading })
  const organization = asked.get('organization') ?? undefined
  const session = asker.session && provenTo(asker.session, organization)
  if (!refused && session) return new Response(null, { status: 204, headers: headersFor(session) })

  const again = refused === 'reauth_required'
  if (again) await demandReauthentication(services, asker, services.clock.now())
  const elsewhere =
    !refused && asker.session && organization && ssoRequiredBy(asker.session, organization)
  const error = denial(refused ?? (elsewhere ? 'sso_required' : 'login_required'))
  const back = new URL(original?.uri ?? '/', services.origin)
  const login = loginUrl(services.origin, back, { again, organization })
  // A person is led below, or not at all.
  if (elsewhere && caller !== 'navigation') error.members['login_url'] = login
  const helps = error.status === 401 || elsewhere
  if (!helps || caller !== 'navigation' || original?.method !== 'GET') throw error
  error.headers['location'] = login
  // Of the statuses that a proxy may know, 401 is the one that it can answer with a sign-in.
  if (asked.get('deny') === 'status')
    throw elsewhere ? denial('login_required', error.reason, error.headers) : error
  return new Response(null, { status: 303, headers: error.headers })
}

/** The session as the organization with that slug sees it; undefined: it proves nothing to it. */
function provenTo(session: StoredSession, slug: string | undefined): StoredSession | undefined {
  if (slug === undefined) return session
  const found = session.organizations.find((one) => one.slug === slug)
  return found && { ...session, organizations: [found] }
}

/**
 * The answer to `GET /verify` for somebody whom memory knows, as names and values in turn: what {@link verify} would
 * answer, without making a `Request` and a `Response` of it. Undefined means that {@link verify} has to be asked: it
 * alone refuses, and it alone writes anything.
 */
export function verifyFromMemory(
  services: Services,
  { method, url = '', headers, socket }: IncomingMessage,
): string[] | undefined {
  const plainly = method === 'GET' && (url === '/verify' || url === '/verify?deny=status')
  if (!plainly || headers.authorization !== undefined) return undefined
  const asker = recallAsker(services, headers.cookie ?? null)
  if (!asker?.session || admit(asker.verdict, asker.state, 'user')) return undefined
  const header = (name: string) => headers[name] as string | undefined
  if (describesAnother(headers)) {
    const { proxied } = clientOf(header, socket.remoteAddress, services)
    if (!proxied || whyDenied(fromHeaders(header), services.origin)) return undefined
  }
  const requestId = requestIdOf(header('x-request-id'))
  const general = services.cookies.secure ? generalHeaders.https : generalHeaders.http
  return general.concat(identityOf(asker.session), requestId)
}

const generalHeaders = { https: generalOnes(true), http: generalOnes(false) }

function generalOnes(https: boolean): readonly string[] {
  return Object.entries(headersOfEveryAnswer({ https })).flat()
}

/** With the name of the header that comes next. Made once for each session that is remembered, and forgotten with it. */
const identities = new WeakMap<StoredSession, readonly string[]>()

function identityOf(session: StoredSession): readonly string[] {
  const known = identities.get(session)
  if (known) return known
  const identity = [...Object.entries(headersFor(session)).flat(), 'x-request-id']
  identities.set(session, identity)
  return identity
}

/** Headers in which somebody describes another request than the one they make. */
const describing: ReadonlySet<string> = new Set([
  'forwarded',
  'x-original-method',
  'x-original-uri',
  'x-original-url',
  'x-rewrite-url',
  ...['for', 'host', 'method', 'port', 'proto', 'server', 'uri'].map((n) => `x-forwarded-${n}`),
])

function describesAnother(headers: IncomingMessage['headers']): boolean {
  for (const name in headers) if (describing.has(name)) return true
  return false
}

/**
 * The request that a believed proxy describes; undefined when nobody describes one.
 * @throws AppError `forbidden`
 */
async function describedRequest(exchange: Exchange): Promise<Original | undefined> {
  const { services, request, client, url } = exchange
  const envoy = url.pathname.startsWith(envoyPath)
  if (!envoy && !request.headers.keys().some((name) => describing.has(name))) return undefined
  if (!client.proxied) {
    await tellUntrusted(exchange)
    throw denial('forbidden', 'untrusted_proxy')
  }
  const original = envoy ? fromPath(exchange) : fromHeaders((name) => request.headers.get(name))
  const reason = whyDenied(original, services.origin)
  if (reason) throw denial('forbidden', reason)
  return original
}

function whyDenied({ uri, host }: Original, origin: string): string | undefined {
  if (!uri.startsWith('/') || ambiguousPath.test(uri)) return 'ambiguous_path'
  const own = origin.slice(origin.indexOf('//') + 2)
  return normalHost(host) === normalHost(own) ? undefined : 'unknown_host'
}

const envoyPath = '/verify/envoy/'

function fromPath({ request, url }: Exchange): Original {
  return {
    uri: `${url.pathname.slice(envoyPath.length - 1)}${url.search}`,
    method: request.method,
    host: request.headers.get('host') ?? '',
  }
}

function fromHeaders(header: (name: string) => string | null | undefined): Original {
  const read = (name: string) => header(`x-forwarded-${name}`) ?? ''
  return { uri: read('uri'), method: read('method'), host: read('host') }
}

async function tellUntrusted({ services, requestId, client }: Exchange): Promise<void> {
  const { db, clock, quiet } = services
  const action = 'forward_auth.untrusted_proxy'
  if (quiet.has(action)) return
  quiet.set(action, true)
  const data = { address: client.address }
  await recordEvent(db, { action, outcome: 'deny', data, requestId }, clock.now())
}

/** Paths on which two servers may disagree about what they name. */
const ambiguousPath = /^[^?#]*(\/\/|%2e|%2f|%5c|%0|\\|;|\/\.{1,2}(\/|$|[?#]))/i

function normalHost(host: string): string {
  return host
    .toLowerCase()
    .replace(/:(80|443)$/, '')
    .replace(/\.$/, '')
}

function denial(
  code: ErrorCode,
  reason: string = code,
  headers: Readonly<Record<string, string>> = {},
): AppError {
  return new AppError(code, { reason, headers: { ...headers, ...headersFor(null) } })
}

function headersFor(session: StoredSession | null): Record<string, string> {
  const values = Object.entries(identityHeaders).map(([name, read]) => [
    name,
    encode((session && read(session)) ?? ''),
  ])
  return {
    ...Object.fromEntries(values),
    vary: 'Cookie, Authorization',
  }
}

const plain = /^[\x20-\x24\x26-\x7e]*$/
/** The encoding's name, as RFC 8187 §3.2.1 puts it before a value. */
const encoded = "UTF-8''"
/** Bytes of one value. Proxies have room for 4 KiB of headers; half an address would be another's, so none is sent. */
const longest = 1024

/** A value as a header can carry it: as it is when printable ASCII without `%`, else percent-encoded UTF-8 (RFC 8187 §3.2). */
function encode(value: string): string {
  const asItIs = plain.test(value) && value === value.trim() && !value.startsWith(encoded)
  const text = asItIs ? value : `${encoded}${encodeURIComponent(value.toWellFormed())}`
  return text.length > longest ? '' : text
}
