import { LRUCache } from 'lru-cache'
import { recordEvent, type AuditAction } from '../accounts/audit.ts'
import { isUnavailable, type Db } from '../db/open.ts'
import { hours, type Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { hashToken, tokenKey } from '../lib/secrets.ts'
import { findCookies, readCookie, type CookieNames, type CookieRead } from './cookies.ts'
import { decide, type Verdict } from './decide.ts'
import type { RichState } from './state.ts'
import { findByToken } from './find.ts'
import {
  findBrowserHint,
  findSuccessor,
  isLockOver,
  judgeSession,
  type StoredSession,
} from './lookup.ts'
import type { Node } from './node.ts'
import type { GuestRules } from './guests.ts'
import { revokeSession, revokeSessionsOf } from './revoke.ts'
import type { Lifetimes } from './lifetimes.ts'
import { isToSlide, type Slides } from './slides.ts'

/** What deciding a request takes. */
export interface SessionServices {
  readonly db: Db
  readonly node: Node
  readonly clock: Clock
  readonly log: Log
  readonly cookies: CookieNames
  readonly lifetimes: Lifetimes
  readonly guests: GuestRules
  readonly slides: Slides
  readonly quiet: Quiet
}

/** Keeps low-value events from flooding the audit: each key is told once an hour. */
export type Quiet = LRUCache<string, true>

/** At most ten thousand keys are remembered; beyond that the oldest may be told twice. */
export function createQuiet(): Quiet {
  return new LRUCache({ max: 10_000, ttl: hours(1) })
}

/** Who is asking: what was found, and what was decided. */
export interface Asker {
  readonly state: RichState
  readonly verdict: Verdict
  /** The live session; null unless the verdict lets somebody act. */
  readonly session: StoredSession | null
  /** The browser cookie's value, when there is a well-formed one. */
  readonly browser: string | null
  /** Whether the request came with the cookie from just before a rotation; `session` is what took its place. */
  readonly late: boolean
}

/** How far to look. */
export interface AuthenticateOptions {
  readonly requestId?: string
  /** Whether the browser's hint is worth a statement: for wording only, so only where somebody will read it. @default false */
  readonly hint?: boolean
  /** Asks the database whatever this node remembers: less stale than a lease allows. @default false */
  readonly authoritative?: boolean
}

/**
 * Who is asking, as far as memory alone can say it and nothing is to be written or told: the answer to nearly every
 * request. Undefined means that {@link authenticate} has to look.
 */
export function recallAsker(
  { node, clock, cookies }: Pick<SessionServices, 'node' | 'clock' | 'cookies'>,
  cookieHeader: string | null,
): Asker | undefined {
  const found = findCookies(cookieHeader, cookies)
  // Whatever is no token has no session in memory either.
  if (!found.session) return undefined
  const monotonic = node.lease.monotonic()
  if (!node.lease.holds(monotonic)) return undefined
  const session = node.memory.recall(tokenKey(found.session))
  if (!session) return undefined
  const now = clock.at ? clock.at(monotonic) : clock.now().getTime()
  const judged = judgeSession(session, now)
  const browser = readCookie(found.browser, 'browser')
  const decided = decideOnce(judged, session.account, plainHint(browser))
  const { state, verdict } = decided
  const slides = verdict.session === 'touch' && isToSlide(session, now)
  if (!decided.plain || slides || losesHint(session, browser)) return undefined
  node.memory.hits++
  decided.times++
  return { state, verdict, session, browser: valueOf(browser), late: false }
}

/**
 * Decides who is asking from the `Cookie` header alone; a token sent any other way is ignored.
 * A database that does not answer is the seventeenth outcome, not an exception. Anything else that throws is a deny.
 */
export async function authenticate(
  services: SessionServices,
  cookieHeader: string | null,
  options: AuthenticateOptions = {},
): Promise<Asker> {
  const remembered = options.authoritative ? undefined : recallAsker(services, cookieHeader)
  // What a guest is told depends on whom the browser reminds of, which memory does not know.
  const hintless = options.hint && remembered?.state.session === 'guest'
  if (remembered && !hintless) return remembered
  const cookies = findCookies(cookieHeader, services.cookies)
  const sessionCookie = readCookie(cookies.session, 'session')
  const browserCookie = readCookie(cookies.browser, 'browser')
  const browser = valueOf(browserCookie)
  try {
    const finding =
      sessionCookie.state === 'present'
        ? findByToken(services, sessionCookie.value, options.authoritative ?? false)
        : undefined
    // No turn of the event loop for what memory answers at once.
    const found = finding instanceof Promise ? await finding : finding
    const now = services.clock.now()
    const presented = found?.session
    const successor =
      presented?.ended === 'superseded' && browser
        ? await findSuccessor(services.db, presented, hashToken(browser), {
            lifetimes: services.lifetimes,
            now,
          })
        : undefined
    const session = successor ?? presented
    const judged = judge(sessionCookie, session, now)
    const wantHint = (options.hint ?? false) && (judged === 'guest' || !isLive(judged))
    const hint = wantHint ? await readHint(services.db, browserCookie) : plainHint(browserCookie)
    const registration = session?.account ?? 'unknown'
    const asker = toAsker(
      { session: judged, registration, hint, event: 'request' },
      session,
      browser,
      successor !== undefined,
    )
    if (asker.verdict.session === 'touch' && isToSlide(session!, now.getTime()))
      services.slides.add(found!.key, session!, now)
    const lostHint = judged === 'user-current' && losesHint(session!, browserCookie)
    if (session?.ended === 'no' && isLockOver(session, now.getTime()))
      await endOverdue(services, session, options.requestId)
    if (asker.verdict.audit || lostHint)
      await tellAll(services, asker, sessionCookie, session, {
        lostHint,
        requestId: options.requestId,
      })
    return asker
  } catch (error) {
    if (!isUnavailable(error)) throw error
    const { requestId } = options
    services.log.warn(
      { err: error, requestId },
      'the database did not answer; nobody was signed out',
    )
    return toAsker(storeDown, undefined, browser)
  }
}

const storeDown: RichState = {
  session: 'store-down',
  registration: 'unknown',
  hint: 'absent',
  event: 'request',
}

function toAsker(
  found: RichState,
  session: StoredSession | undefined,
  browser: string | null,
  late = false,
): Asker {
  const decided = decideOnce(found.session, found.registration, found.hint)
  const { state, verdict } = decided
  decided.times++
  const acting = verdict.standing !== 'nobody' && verdict.standing !== 'unavailable'
  return { state, verdict, session: acting && session ? session : null, browser, late }
}

interface Decided extends Pick<Asker, 'state' | 'verdict'> {
  /** Whether it is about a live session, with nothing to write or tell. */
  readonly plain: boolean
  /** How often it came to this. */
  times: number
}
type ByState<T> = {
  [S in RichState['session']]?: {
    [R in RichState['registration']]?: { [H in RichState['hint']]?: T }
  }
}
const decisions: ByState<Decided> = {}

/** How often each outcome was decided, by every Sallyport of this process. */
export function countOutcomes(): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const ofSession of Object.values(decisions))
    for (const ofAccount of Object.values(ofSession))
      for (const { verdict, times } of Object.values(ofAccount))
        counts[verdict.outcome] = (counts[verdict.outcome] ?? 0) + times
  return counts
}

/** There are some hundred states of an ordinary request: each is decided once and remembered. */
function decideOnce(
  session: RichState['session'],
  registration: RichState['registration'],
  hint: RichState['hint'],
): Decided {
  const ofSession = (decisions[session] ??= {})
  const ofAccount = (ofSession[registration] ??= {})
  return (ofAccount[hint] ??= decideRequest({ session, registration, hint, event: 'request' }))
}

function decideRequest(state: RichState): Decided {
  const verdict = decide(state)
  return { state, verdict, plain: verdict.audit === null && isLive(state.session), times: 0 }
}

/** Whether a session began in a browser that had our other cookie, and now has not. */
function losesHint({ browserKey }: StoredSession, browser: CookieRead): boolean {
  return browserKey !== null && browser.state === 'absent'
}

function valueOf(cookie: CookieRead): string | null {
  return cookie.state === 'present' ? cookie.value : null
}

function judge(
  cookie: CookieRead,
  session: StoredSession | undefined,
  now: Date,
): RichState['session'] {
  if (cookie.state === 'absent') return 'absent'
  if (cookie.state !== 'present') return 'malformed'
  return session ? judgeSession(session, now.getTime()) : 'unknown'
}

function isLive(session: RichState['session']): boolean {
  return ['guest', 'user-lapsed', 'user-current', 'locked'].includes(session)
}

/** What the browser cookie suggests; whose it is matters only where somebody without a session will read it. */
async function readHint(db: Db, cookie: CookieRead): Promise<RichState['hint']> {
  if (cookie.state !== 'present') return plainHint(cookie)
  const found = await findBrowserHint(db, hashToken(cookie.value))
  return found ? (found.gone ? 'deleted-user' : 'other-user') : 'anonymous'
}

function plainHint({ state }: CookieRead): RichState['hint'] {
  return state === 'absent' ? 'absent' : state === 'present' ? 'anonymous' : 'bad'
}

/** Ends a locked session whose person did not sign in again in time. */
async function endOverdue(
  services: SessionServices,
  { id, person }: StoredSession,
  requestId: string | undefined,
): Promise<void> {
  const key = `reauth_missed ${id}`
  if (services.quiet.has(key)) return
  services.quiet.set(key, true)
  const actor = { userId: person.id, requestId }
  const target = { id, userId: person.id }
  await revokeSession(services, target, 'reauth_missed', actor, services.clock.now())
}

/** Writes what there is to tell, and ends the sessions of an account that is gone. */
async function tellAll(
  services: SessionServices,
  { state, verdict }: Asker,
  cookie: CookieRead,
  session: StoredSession | undefined,
  { lostHint, requestId }: { lostHint: boolean; requestId: string | undefined },
): Promise<void> {
  const now = services.clock.now()
  if (session && verdict.session === 'revoke_account') {
    const actor = { userId: session.person.id, requestId }
    await revokeSessionsOf(services, session.person.id, { reason: 'orphaned', actor }, now)
  }
  // A rotation is told of where it happens.
  const audit = verdict.session === 'rotate' ? null : verdict.audit
  const action = cookie.state === 'duplicate' ? 'cookie.duplicate' : audit
  // A session that has lost its browser's other cookie may have been carried elsewhere.
  const risky = verdict.row === 14 && session?.browserKey !== null
  const reason = state.session === 'expired' && session ? endOf(session, now) : state.session
  const context = { reason, risky, requestId }
  if (action) await tell(services, action, session, context, now)
  if (lostHint) await tell(services, 'session.device_hint_lost', session, context, now)
}

async function tell(
  { db, quiet }: SessionServices,
  action: AuditAction,
  session: StoredSession | undefined,
  { reason, risky, requestId }: { reason: string; risky: boolean; requestId: string | undefined },
  now: Date,
): Promise<void> {
  const key = `${action} ${session?.id ?? ''}`
  if (quiet.has(key)) return
  quiet.set(key, true)
  const who = { actorId: session?.person.id, target: session?.id }
  const data = { reason, ...(risky && { device_hint: 'missing', risk: 1 }) }
  await recordEvent(db, { action, ...who, data, requestId }, now)
}

/** Which of its ends an expired session has reached. */
function endOf({ idleEndsAt, absoluteEndsAt }: StoredSession, now: Date): string {
  const time = now.getTime()
  return absoluteEndsAt <= time ? 'absolute' : idleEndsAt <= time ? 'idle' : 'organization'
}
