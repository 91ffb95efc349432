import { recordEvent } from '../accounts/audit.ts'
import { AppError } from '../lib/errors.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { loginUrl } from '../http/handler.ts'
import { admit } from '../sessions/decide.ts'
import type { StoredSession } from '../sessions/lookup.ts'

/** Every identity header there is, and where its value comes from. All are set every time, empty when there is none. */
const identityHeaders: Readonly<
  Record<string, (session: StoredSession) => string | null | undefined>
> = {
  'x-auth-user': ({ person }) => person.id,
  'x-auth-name': ({ person }) => person.name,
  'x-auth-email': ({ person }) => person.email,
  'x-auth-organization': ({ organizations: [first] }) => first?.slug,
  'x-auth-role': ({ organizations: [first] }) => first?.role,
  'x-auth-session': ({ id }) => id,
}

/**
 * `GET /verify`: a reverse proxy asks whether a request may pass.
 * 204 with every identity header; 401, or for a person's navigation 303 to the sign-in page (`?deny=status` keeps it
 * 401, for nginx); 403 for forwarded headers from a stranger; 503 when the database is away. Never a 2xx otherwise.
 */
export const verify: Endpoint = async (exchange) => {
  const { asker, services, url } = exchange
  const original = await originalUrl(exchange)
  const refused = admit(asker.verdict, asker.state, 'user')
  if (!refused && asker.session)
    return new Response(null, { status: 204, headers: headersFor(asker.session) })
  const code = refused ?? 'login_required'
  const answered = { vary: 'Cookie, Authorization', ...headersFor(null) }
  const signInHelps = new AppError(code).status === 401
  if (
    signInHelps &&
    original &&
    exchange.caller === 'navigation' &&
    original.method === 'GET' &&
    url.searchParams.get('deny') !== 'status'
  )
    return new Response(null, {
      status: 303,
      headers: { ...answered, location: loginUrl(services.origin, original.url) },
    })
  throw new AppError(code, { headers: answered })
}

/** The request that the proxy is asking about; undefined when nobody we believe has described one. */
async function originalUrl({
  services,
  request,
  client,
  requestId,
}: Exchange): Promise<{ url: URL; method: string } | undefined> {
  const header = (name: string) => request.headers.get(`x-forwarded-${name}`)
  const described = ['uri', 'host', 'method', 'proto'].some((name) => header(name) !== null)
  if (!described) return undefined
  if (!client.proxied) {
    await recordEvent(
      services.db,
      { action: 'forward_auth.untrusted_proxy', outcome: 'deny', requestId },
      services.clock.now(),
    )
    throw new AppError('forbidden', { reason: 'untrusted_proxy' })
  }
  const uri = header('uri') ?? '/'
  if (ambiguousPath.test(uri) || !uri.startsWith('/'))
    throw new AppError('forbidden', { reason: 'ambiguous_path' })
  const host = normalHost(header('host') ?? new URL(services.origin).host)
  if (host !== normalHost(new URL(services.origin).host))
    throw new AppError('forbidden', { reason: 'unknown_host' })
  return { url: new URL(uri, services.origin), method: header('method') ?? 'GET' }
}

/** Paths on which two servers may disagree about what they name. */
const ambiguousPath = /^[^?#]*(\/\/|%2f|%5c|%00|\\|\.\.;|;|\/\.{1,2}(\/|$|[?#]))/i

function normalHost(host: string): string {
  return host
    .toLowerCase()
    .replace(/:(80|443)$/, '')
    .replace(/\.$/, '')
}

function headersFor(session: StoredSession | null): Record<string, string> {
  const values = Object.entries(identityHeaders).map(([name, read]) => [
    name,
    encode((session && read(session)) ?? ''),
  ])
  return {
    ...Object.fromEntries(values),
    'cache-control': 'no-store',
    vary: 'Cookie, Authorization',
  }
}

const plain = /^[\x20-\x24\x26-\x7e]*$/

/** A value as a header can carry it: as it is when printable ASCII without `%`, else percent-encoded UTF-8 (RFC 8187 §3.2). */
function encode(value: string): string {
  return plain.test(value) && value === value.trim() ? value : `UTF-8''${encodeURIComponent(value)}`
}
