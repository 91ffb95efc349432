import { AppError, type ErrorCode } from '../lib/errors.ts'
import { authenticate, recallAsker, type Asker } from '../sessions/authenticate.ts'
import { admit } from '../sessions/access.ts'
import type { Outcome } from '../sessions/decide.ts'
import {
  ssoRequiredBy,
  type Membership,
  type Person,
  type StoredSession,
} from '../sessions/lookup.ts'
import { demandReauthentication } from '../sessions/lock.ts'
import { formLimit, readForm } from './body.ts'
import { callerOf } from './caller.ts'
import { fromOwnPages } from './csrf.ts'
import type { Services } from './exchange.ts'
import {
  interrupt,
  isReading,
  isRecentlyProven,
  loginUrl,
  publicUrl,
  requestIdOf,
  retryAfter,
} from './handler.ts'
import { secure } from './headers.ts'
import { problem } from './problem.ts'
import type { QuickAnswer } from './server.ts'

/** Anything that carries request headers: a `Request`, a Node `IncomingMessage`, an Express or Fastify request. */
export interface Asking {
  /** Where it says GET or HEAD, an ageing session that may only read is enough. @default it may change something */
  readonly method?: string | undefined
  readonly headers: Headers | Readonly<Record<string, string | readonly string[] | undefined>>
}

/** Somebody who is signed in. */
export interface SignedIn {
  readonly signedIn: true
  readonly user: Person
  readonly guest: null
  /** The organizations this session holds a proof for, with the person's role in each now. */
  readonly organizations: readonly Membership[]
  /** A handle to name the session by; not the token. */
  readonly session: { readonly id: string; readonly authenticatedAt: Date }
  readonly outcome: Outcome
}

/** Somebody who is not signed in, but has chosen to work as a guest. */
export interface Guest {
  readonly signedIn: false
  readonly user: null
  /** The key to keep a guest's work under. Once they have turned out to be somebody, `resolveUser` says whom. */
  readonly guest: { readonly id: string }
  readonly code: 'login_required'
  readonly session: { readonly id: string }
  readonly outcome: Outcome
}

/** Who is asking. */
export type Who =
  | SignedIn
  | Guest
  | {
      readonly signedIn: false
      readonly user: null
      readonly guest: null
      /** Why not. `temporarily_unavailable`: nobody knows; do not treat the person as signed out. */
      readonly code: ErrorCode
      readonly outcome: Outcome
      /** The organization that was asked for, and that this session proves nothing to. */
      readonly organization?: string
    }

/** What an application asks of whoever is asking. */
export interface Demands {
  /** That they authenticated within the re-authentication window: for what is sensitive. @default false */
  readonly recent?: boolean
  /** That the session holds a proof for the organization with that slug. @default any organization will do */
  readonly organization?: string
  /** Whether the request only reads. @default whether its method is GET or HEAD */
  readonly reading?: boolean
}

/** A request as far as a challenge looks at it. */
export type Challenged = Pick<Request, 'url' | 'method' | 'headers'> & {
  /** Read where a form has to be kept for after the sign-in, so only as long as nobody else has read it. */
  readonly body?: Request['body']
  /** The form, where somebody else has read the body already. */
  readonly form?: Readonly<Record<string, string>> | undefined
}

/** The part of a Sallyport that an application is mounted around. */
export interface Mountable {
  /** Answers one request to a path of Sallyport's own. @param peer the address at the other end of the connection */
  fetch(request: Request, peer?: string): Promise<Response>
  /** Answers what can be answered from memory alone, before a `Request` is made of it. */
  readonly quick: QuickAnswer
  /** Whether a path is Sallyport's to answer. `/` is the application's. */
  owns(pathname: string): boolean
  /** Decides who is asking, from the session cookie. Never throws for a database that is away. */
  authenticate(request: Asking, demands?: Demands): Promise<Who>
  /**
   * The answer for somebody who is not let in: people go to the sign-in page and come back, programs get a problem
   * document. A form of at most 16 KiB that needs a recent sign-in is kept meanwhile.
   */
  challenge(request: Challenged, who: Who): Promise<Response>
}

/** {@link Mountable.authenticate}. */
export function whoIs(services: Services, request: Asking, demands: Demands = none): Promise<Who> {
  const remembered = recallAsker(services, cookieOf(request))
  return remembered
    ? Promise.resolve(toWho(services, remembered, request, demands))
    : lookUp(services, request, demands)
}

async function lookUp(services: Services, request: Asking, demands: Demands): Promise<Who> {
  return toWho(services, await authenticate(services, cookieOf(request)), request, demands)
}

function toWho(services: Services, asker: Asker, { method }: Asking, demands: Demands): Who {
  const { state, verdict, session } = asker
  const { outcome } = verdict
  if (session && demands === none && verdict.standing === 'user') return signedIn(session, outcome)
  const code = admit(verdict, state, demands.recent ? 'recent' : 'user', {
    recent: demands.recent === true && isRecentlyProven({ services, asker }),
    reading: demands.reading ?? isReading(method ?? ''),
  })
  if (!session) return { ...nobody, code: code ?? 'login_required', outcome }
  const { id, person, organizations } = session
  if (verdict.standing === 'guest') {
    const guest = { id: person.id }
    return { ...nobody, guest, code: 'login_required', session: { id }, outcome }
  }
  if (code) return { ...nobody, code, outcome }
  const { organization } = demands
  if (organization !== undefined && !organizations.some(({ slug }) => slug === organization))
    return {
      ...nobody,
      code: ssoRequiredBy(session, organization) ? 'sso_required' : 'login_required',
      outcome,
      organization,
    }
  return signedIn(session, outcome)
}

function signedIn(session: StoredSession, outcome: Outcome): SignedIn {
  const { id, person, organizations, authenticatedAt } = session
  const handle = { id, authenticatedAt: new Date(authenticatedAt) }
  return { signedIn: true, user: person, guest: null, organizations, session: handle, outcome }
}

const none: Demands = {}
const nobody = { signedIn: false, user: null, guest: null } as const

function cookieOf({ headers }: Pick<Asking, 'headers'>): string | null {
  const cookie = headers instanceof Headers ? headers.get('cookie') : headers['cookie']
  return typeof cookie === 'string' ? cookie : null
}

/** {@link Mountable.challenge}. */
export async function challenge(
  services: Services,
  request: Challenged,
  who: Who,
): Promise<Response> {
  const requestId = requestIdOf(request.headers.get('x-request-id'))
  const response = await answerTo(services, request, { who, requestId })
  return secure(response, { https: services.cookies.secure, requestId })
}

async function answerTo(
  services: Services,
  request: Challenged,
  { who, requestId }: { who: Who; requestId: string },
): Promise<Response> {
  const error = new AppError(who.signedIn ? 'forbidden' : who.code)
  if (error.status === 503) error.headers['retry-after'] = retryAfter
  const url = publicUrl(request.url, services.origin)
  const again = error.code === 'reauth_required'
  const organization = 'organization' in who ? who.organization : undefined
  const back = loginUrl(services.origin, url, { again, organization })
  const asker = again ? await authenticate(services, cookieOf(request)) : undefined
  if (asker) await demandReauthentication(services, asker, services.clock.now())
  if (error.code === 'sso_required') error.members['login_url'] = back
  const helps = error.status === 401 || error.code === 'sso_required'
  const person = helps && callerOf(request) === 'navigation'
  if (person && request.method === 'GET')
    return new Response(null, { status: 303, headers: { location: back } })
  if (!person || !asker?.session) return problem(error, requestId, back)
  const fields = await formOf(services, request)
  return fields
    ? interrupt(services, asker, { action: `${url.pathname}${url.search}`, fields })
    : services.errorPage(error, { requestId, url, services })
}

/** The form of a request from a page of this very origin; undefined where it is none, or too large to keep. */
async function formOf(
  { origin }: Services,
  { method, headers, body, form }: Challenged,
): Promise<Readonly<Record<string, string>> | undefined> {
  if (method !== 'POST' || !fromOwnPages(headers, origin)) return undefined
  if (form) return isSmall(form) ? form : undefined
  if (!body) return undefined
  try {
    return await readForm({ headers, body })
  } catch (thrown) {
    if (thrown instanceof AppError) return undefined
    throw thrown
  }
}

function isSmall(form: Readonly<Record<string, string>>): boolean {
  return new URLSearchParams(form).toString().length <= formLimit
}
