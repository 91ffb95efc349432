import { recordEvent, type AuditAction } from '../accounts/audit.ts'
import { isUnavailable } from '../db/open.ts'
import { AppError, toAppError, type ErrorCode } from '../lib/errors.ts'
import { newRequestId } from '../lib/ids.ts'
import { metrics } from '../lib/metrics.ts'
import { isToken, randomToken } from '../lib/secrets.ts'
import { authenticate, type Asker } from '../sessions/authenticate.ts'
import { browserMaxAge, clearCookie, setCookie } from '../sessions/cookies.ts'
import { rotateMerged } from '../sessions/merged.ts'
import { admit } from '../sessions/access.ts'
import { keepForm, type InterruptedForm } from '../flows/interrupted.ts'
import { isRecent } from '../sessions/lifetimes.ts'
import { demandReauthentication } from '../sessions/lock.ts'
import { readForm } from './body.ts'
import { callerOf } from './caller.ts'
import { allowOrigin } from './cors.ts'
import { fromOwnPages, siteOf } from './csrf.ts'
import type { Caller, Exchange, Route, Services } from './exchange.ts'
import { secure } from './headers.ts'
import { problem } from './problem.ts'
import { clientOf } from './proxy.ts'

/** What came in, before anything is known about it. */
export interface Incoming {
  readonly request: Request
  readonly params?: Readonly<Record<string, string>>
  /** The address at the other end of the connection. */
  readonly peer: string | undefined
  /** The methods the path knows, where the request's is none of them (RFC 9110 §15.5.6). */
  readonly allow?: string
  /** Whether programs on other origins may read the answer, where there is no route that says so. */
  readonly cors?: boolean
}

/** How long a client should wait before asking again, in seconds, when something is away. */
export const retryAfter = '5'

/**
 * From `Request` to `Response`: who is asking, may they, is it from our own pages, then the endpoint.
 * Whatever throws on the way is a deny, told in the words of the error table.
 */
export async function handle(
  services: Services,
  route: Route | ErrorCode,
  incoming: Incoming,
): Promise<Response> {
  const { request } = incoming
  const watch = new Stopwatch()
  const requestId = requestIdOf(request.headers.get('x-request-id'))
  const url = publicUrl(request.url, services.origin)
  const caller = callerOf(request)
  let asker: Asker | undefined
  let response: Response
  try {
    if (typeof route === 'string')
      throw new AppError(route, { headers: incoming.allow ? { allow: incoming.allow } : {} })
    const client = clientOf((name) => request.headers.get(name), incoming.peer, services)
    if (route.csrf === 'same-origin' && !fromOwnPages(request.headers, services.origin))
      throw new AppError('csrf_failed', { reason: siteOf(request.headers) })
    const form = route.body === 'form' ? await readForm(request, route.limit) : {}
    watch.lap('checks')
    asker = await authenticate(services, route.crossSite ? null : request.headers.get('cookie'), {
      requestId,
      hint: route.hint ?? route.access !== 'public',
    })
    watch.lap('lookup')
    const exchange = {
      services,
      request,
      url,
      params: incoming.params ?? {},
      form,
      requestId,
      client,
      caller,
      asker,
    }
    await noteWrongChannel(exchange)
    const refused = refusalOf(route, exchange)
    watch.lap('decide')
    response = await (refused ? refuse(refused, route, exchange) : runInShare(route, exchange))
    response = await rotate(response, exchange)
    watch.lap('handler')
  } catch (thrown) {
    watch.lap('handler')
    const problem = typeof route === 'object' ? route.problem : undefined
    response = await answerError(services, thrown, { requestId, url, caller, problem })
  }
  const answer = new Response(request.method === 'HEAD' ? null : response.body, response)
  if (asker && !(typeof route === 'object' && route.crossSite))
    applyCookies(answer.headers, services, asker, caller)
  if (typeof route === 'string' ? incoming.cors : route.cors)
    allowOrigin(answer.headers, request.headers, services.corsOrigins)
  secure(answer, { https: services.cookies.secure, requestId })
  watch.lap('effects')
  tellTimes(services, watch, { route, requestId, status: answer.status })
  return answer
}

/** What was done between one moment and the next, in seconds. */
class Stopwatch {
  readonly laps: Partial<Record<Phase, number>> = {}
  readonly #began = performance.now()
  #last = this.#began

  lap(phase: Phase): void {
    const now = performance.now()
    this.laps[phase] = (this.laps[phase] ?? 0) + (now - this.#last) / 1000
    this.#last = now
  }

  get total(): number {
    return (this.#last - this.#began) / 1000
  }
}

type Phase = 'checks' | 'lookup' | 'decide' | 'handler' | 'effects'

/** Times are for the operator alone: what an answer took tells strangers what it had to do. */
function tellTimes(
  { log }: Services,
  { laps, total }: Stopwatch,
  { route, requestId, status }: { route: Route | ErrorCode; requestId: string; status: number },
): void {
  const [path, method] = typeof route === 'string' ? [route, ''] : [route.path, route.method]
  metrics.requests.observe(total, path, method, String(status))
  for (const [phase, seconds] of Object.entries(laps)) metrics.phases.observe(seconds, phase)
  log.debug({ requestId, route: path, status, seconds: laps }, 'request answered')
}

/** The address as the world sees it: the path that was asked for, on our own origin, whatever `Host` claimed. */
export function publicUrl(asked: string, origin: string): URL {
  const { pathname, search } = new URL(asked)
  const url = new URL(origin)
  url.pathname = pathname
  url.search = search
  return url
}

/** With which error whoever is asking is kept from a route; null: they are let in. */
function refusalOf({ access }: Route, exchange: Exchange): ErrorCode | null {
  const { asker, request } = exchange
  const recent = access === 'recent' && isRecentlyProven(exchange)
  return admit(asker.verdict, asker.state, access, { reading: isReading(request.method), recent })
}

/** As many requests about one organization or connection are under way on a node at once. */
export const requestsPerShare = 100

/** What one organization asks for in a flood is its own to wait for, and nobody else's. */
async function runInShare(route: Route, exchange: Exchange): Promise<Response> {
  const { services, params } = exchange
  const share = params['org'] ?? params['connection']
  if (share === undefined) return run(route, exchange)
  const leave = services.shares.enter(share)
  if (!leave) throw new AppError('temporarily_unavailable', { reason: 'share_full' })
  try {
    return await run(route, exchange)
  } finally {
    leave(true)
  }
}

/** Errors that an endpoint finds out about, and that signing in mends. */
const leading: readonly ErrorCode[] = ['login_required', 'sso_required']

async function run(route: Route, exchange: Exchange): Promise<Response> {
  try {
    return await route.endpoint(exchange)
  } catch (thrown) {
    if (!(thrown instanceof AppError)) throw thrown
    if (thrown.code === 'reauth_required') return refuse(thrown.code, route, exchange)
    if (thrown.code === 'sso_required') await noteSsoRequired(exchange)
    const to = leading.includes(thrown.code) ? thrown.members['login_url'] : undefined
    const leads = exchange.caller === 'navigation' && isReading(exchange.request.method)
    if (typeof to !== 'string' || !leads) throw thrown
    return leadTo(to)
  }
}

/** A member who asks for an organization without the sign-in that it requires; told once in a while for each session. */
async function noteSsoRequired({
  services,
  asker,
  params,
  url,
  requestId,
}: Exchange): Promise<void> {
  const { db, quiet, clock } = services
  const session = asker.session!
  const slug = params['org'] ?? url.searchParams.get('organization')
  const organization = session.unproven.find((one) => one.slug === slug)
  const key = `sso_required ${session.id} ${organization?.id}`
  if (quiet.has(key)) return
  quiet.set(key, true)
  const event = { organizationId: organization?.id, actorId: session.person.id, requestId }
  const data = { what: 'organization', reason: 'sso_required' }
  await recordEvent(db, { action: 'authz.denied', outcome: 'deny', ...event, data }, clock.now())
}

/** Whether a method promises to change nothing (RFC 9110 §9.2.1). */
export function isReading(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}

/** Whether whoever is asking authenticated within the re-authentication window. */
export function isRecentlyProven({
  services,
  asker,
}: Pick<Exchange, 'services' | 'asker'>): boolean {
  const { session } = asker
  return (
    session !== null && isRecent(session.authenticatedAt, services.lifetimes, services.clock.now())
  )
}

/**
 * For an endpoint that needs a recent sign-in in some cases only.
 * @throws AppError `reauth_required`
 */
export function assertRecent(exchange: Exchange): void {
  if (!isRecentlyProven(exchange)) throw new AppError('reauth_required')
}

/** Not let in: people are led to the sign-in page and back, programs are told. What they were about to send is kept. */
async function refuse(code: ErrorCode, route: Route, exchange: Exchange): Promise<Response> {
  const { services, url, caller, request, asker, form } = exchange
  const again = code === 'reauth_required'
  if (again) await demandReauthentication(services, asker, services.clock.now())
  const signInHelps = new AppError(code).status === 401
  if (signInHelps && caller === 'navigation') {
    if (isReading(request.method)) return leadTo(loginUrl(services.origin, url, { again }))
    if (again && route.csrf === 'same-origin')
      return interrupt(services, asker, { action: pathOf(url), fields: form, doing: route.doing })
  }
  throw new AppError(code, {
    members: signInHelps ? { login_url: loginUrl(services.origin, url, { again }) } : {},
  })
}

/** Keeps a form for after the sign-in that it needs, and leads there. */
export async function interrupt(
  services: Services,
  asker: Asker,
  form: InterruptedForm,
): Promise<Response> {
  const browser = asker.browser ?? randomToken(16)
  const userId = asker.session!.person.id
  const handle = await keepForm(services, form, { browser, userId }, services.clock.now())
  const back = new URL(`/interrupted?form=${handle}`, services.origin)
  const response = leadTo(loginUrl(services.origin, back, { again: true }))
  if (!asker.browser)
    response.headers.append(
      'set-cookie',
      setCookie(services.cookies, 'browser', browser, browserMaxAge),
    )
  return response
}

function leadTo(location: string): Response {
  return new Response(null, { status: 303, headers: { location } })
}

function pathOf({ pathname, search }: URL): string {
  return `${pathname}${search}`
}

/**
 * The sign-in page, with the way back.
 * @param to `again`: somebody signed in is to confirm that it is them; `organization`: by slug, the page of that one
 */
export function loginUrl(
  origin: string,
  back: URL,
  { again = false, organization }: { again?: boolean; organization?: string | undefined } = {},
): string {
  const page = organization === undefined ? '/login' : `/login/${encodeURIComponent(organization)}`
  const query = `${again ? 'reauth=1&' : ''}return_to=${encodeURIComponent(pathOf(back))}`
  return `${origin}${page}?${query}`
}

async function answerError(
  services: Services,
  thrown: unknown,
  {
    requestId,
    url,
    caller,
    problem: tell,
  }: {
    readonly requestId: string
    readonly url: URL
    readonly caller: Caller
    readonly problem: Route['problem'] | undefined
  },
): Promise<Response> {
  const error = isUnavailable(thrown)
    ? new AppError('temporarily_unavailable', {
        cause: thrown,
        headers: { 'retry-after': retryAfter },
      })
    : toAppError(thrown)
  const log = services.log.child({ requestId, code: error.code, reason: error.reason })
  if (error.status >= 500) log.error({ err: error.cause ?? error }, 'request failed')
  else log.info('request refused')
  await audit(services, error, requestId)
  if (error.status === 503 && !error.headers['retry-after'])
    error.headers['retry-after'] = retryAfter
  if (tell) return tell(error)
  if (caller !== 'navigation') return problem(error, requestId, `${services.origin}/login`)
  try {
    return await services.errorPage(error, { requestId, url, services })
  } catch (failed) {
    // The page may need what has just failed; the problem document needs nothing.
    log.error({ err: failed }, 'the error page failed')
    return problem(error, requestId)
  }
}

/** Which errors are worth an audit row of their own; the others are told where they happen. */
const audited: Partial<Record<ErrorCode, AuditAction>> = {
  csrf_failed: 'security.csrf',
  flow_invalid: 'flow.denied',
  sso_failed: 'login.denied',
  sso_denied: 'login.denied',
  sso_unavailable: 'login.denied',
  provider_disabled: 'login.denied',
  account_disabled: 'login.denied',
  passkey_refused: 'passkey.refused',
  not_a_member: 'login.denied',
  identity_conflict: 'identity.conflict',
  invitation_invalid: 'invitation.refused',
  internal_error: 'error.unhandled',
}

/** Reasons of what came without anybody having begun. */
const unbidden = /^(unknown|saml_unsolicited|unasked: .*)$/

async function audit(
  { db, clock, log, quiet }: Services,
  error: AppError,
  requestId: string,
): Promise<void> {
  const action = error.reason === 'rng_failure' ? 'security.rng_failure' : audited[error.code]
  if (!action) return
  const key = `${action} ${error.code} ${error.reason}`
  // What anybody can send without having begun anything is told once in a while; the log has it every time.
  const noise = error.code === 'csrf_failed' || unbidden.test(error.reason)
  if (noise && quiet.has(key)) return
  quiet.set(key, true)
  try {
    await recordEvent(
      db,
      { action, outcome: 'deny', data: { code: error.code, reason: error.reason }, requestId },
      clock.now(),
    )
  } catch (err) {
    log.error({ err, requestId, action }, 'an audit event was lost')
  }
}

/** A token of ours in a header or query is not a session; somebody should know that one travels there. */
async function noteWrongChannel({ services, request, url, requestId }: Exchange): Promise<void> {
  const bearer = /^Bearer (\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1]
  const query = url.searchParams.get(services.cookies.session)
  if (![bearer, query].some((value) => value && isToken(value))) return
  if (services.quiet.has('wrong_channel')) return
  services.quiet.set('wrong_channel', true)
  const data = { channel: bearer ? 'authorization' : 'query' }
  await recordEvent(
    services.db,
    { action: 'session.id_in_wrong_channel', outcome: 'deny', data, requestId },
    services.clock.now(),
  )
}

/** Carries out what the verdict says about cookies, unless the endpoint has set the same cookie itself. */
function applyCookies(
  headers: Headers,
  { cookies }: Services,
  { verdict }: Asker,
  caller: Caller,
): void {
  const set = (which: 'session' | 'browser') =>
    headers.getSetCookie().some((cookie) => cookie.startsWith(`${cookies[which]}=`))
  if (verdict.cookies.includes('clear_session') && !set('session'))
    headers.append('set-cookie', clearCookie(cookies, 'session'))
  if (verdict.cookies.includes('set_browser') && !set('browser') && caller === 'navigation')
    headers.append('set-cookie', setCookie(cookies, 'browser', randomToken(16), browserMaxAge))
}

/** The session of an account that was merged goes on under a new cookie, unless the endpoint has ended it. */
async function rotate(response: Response, exchange: Exchange): Promise<Response> {
  const { services, asker, requestId } = exchange
  const { cookies, clock } = services
  const set = response.headers.getSetCookie().some((line) => line.startsWith(`${cookies.session}=`))
  if (asker.verdict.session !== 'rotate' || !asker.session || set) return response
  const token = await rotateMerged(services, asker.session, requestId, clock.now())
  const rotated = new Response(response.body, response)
  const { kept, absoluteEndsAt } = asker.session
  const maxAge = kept ? (absoluteEndsAt - clock.now().getTime()) / 1000 : undefined
  if (token) rotated.headers.append('set-cookie', setCookie(cookies, 'session', token, maxAge))
  return rotated
}

const requestIdShape = /^[A-Za-z0-9._-]{1,64}$/

/** The caller's request id where it is one, else a new one. */
export function requestIdOf(given: string | null | undefined): string {
  return given && requestIdShape.test(given) ? given : newRequestId()
}
