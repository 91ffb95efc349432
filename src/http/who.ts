import { AppError, type ErrorCode } from '../lib/errors.ts'
import { authenticate, recallAsker, type Asker } from '../sessions/authenticate.ts'
import { admit } from '../sessions/access.ts'
import type { Outcome } from '../sessions/decide.ts'
import type { Membership, Person } from '../sessions/lookup.ts'
import { callerOf } from './caller.ts'
import type { Services } from './exchange.ts'
import { loginUrl, publicUrl, requestIdOf, retryAfter } from './handler.ts'
import { secure } from './headers.ts'
import { problem } from './problem.ts'
import type { QuickAnswer } from './server.ts'

/** Anything that carries request headers: a `Request`, a Node `IncomingMessage`, an Express or Fastify request. */
export interface Asking {
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
    }

/** A request as far as a challenge looks at it. */
export type Challenged = Pick<Request, 'url' | 'method' | 'headers'>

/** The part of a Sallyport that an application is mounted around. */
export interface Mountable {
  /** Answers one request to a path of Sallyport's own. @param peer the address at the other end of the connection */
  fetch(request: Request, peer?: string): Promise<Response>
  /** Answers what can be answered from memory alone, before a `Request` is made of it. */
  readonly quick: QuickAnswer
  /** Whether a path is Sallyport's to answer. `/` is the application's. */
  owns(pathname: string): boolean
  /** Decides who is asking, from the session cookie. Never throws for a database that is away. */
  authenticate(request: Asking): Promise<Who>
  /** The answer for somebody who is not let in: people go to the sign-in page and come back, programs get a problem document. */
  challenge(request: Challenged, who: Who): Response
}

/** {@link Mountable.authenticate}. */
export function whoIs(services: Services, { headers }: Asking): Promise<Who> {
  const cookie = headers instanceof Headers ? headers.get('cookie') : headers['cookie']
  const header = typeof cookie === 'string' ? cookie : null
  const remembered = recallAsker(services, header)
  return remembered
    ? Promise.resolve(toWho(remembered))
    : authenticate(services, header).then(toWho)
}

function toWho({ state, verdict, session }: Asker): Who {
  const { outcome } = verdict
  const code = admit(verdict, state, 'user')
  const nobody = { signedIn: false, user: null, guest: null } as const
  if (!session) return { ...nobody, code: code ?? 'login_required', outcome }
  const { id, person, organizations, authenticatedAt } = session
  if (verdict.standing === 'guest') {
    const guest = { id: person.id }
    return { ...nobody, guest, code: 'login_required', session: { id }, outcome }
  }
  if (code) return { ...nobody, code, outcome }
  const handle = { id, authenticatedAt }
  return { signedIn: true, user: person, guest: null, organizations, session: handle, outcome }
}

/** {@link Mountable.challenge}. */
export function challenge(services: Services, request: Challenged, who: Who): Response {
  const back = loginUrl(services.origin, publicUrl(request.url, services.origin))
  const error = new AppError(who.signedIn ? 'forbidden' : who.code)
  if (error.status === 503) error.headers['retry-after'] = retryAfter
  const requestId = requestIdOf(request.headers.get('x-request-id'))
  const lead =
    error.status === 401 && request.method === 'GET' && callerOf(request) === 'navigation'
  const response = lead
    ? new Response(null, { status: 303, headers: { location: back } })
    : problem(error, requestId, back)
  return secure(response, { https: services.cookies.secure, requestId })
}
