import { LRUCache } from 'lru-cache'
import { recordEvent, type AuditAction } from '../accounts/audit.ts'
import { isUnavailable, type Db } from '../db/open.ts'
import { hours, later, type Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { hashToken, sameBytes } from '../lib/secrets.ts'
import { readCookie, type CookieNames, type CookieRead } from './cookies.ts'
import { decide, type RichState, type Verdict } from './decide.ts'
import { findBrowserHint, findSession, judgeSession, type StoredSession } from './lookup.ts'
import { revokeSessionsOf, slideEvery, slideSession, type Lifetimes } from './sessions.ts'

/** What deciding a request takes. */
export interface SessionServices {
  readonly db: Db
  readonly clock: Clock
  readonly log: Log
  readonly cookies: CookieNames
  readonly lifetimes: Lifetimes
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
}

/** How far to look. */
export interface AuthenticateOptions {
  readonly requestId?: string
  /** Whether the browser's hint is worth a statement: for wording only, so only where somebody will read it. @default false */
  readonly hint?: boolean
}

/**
 * Decides who is asking from the `Cookie` header alone; a token sent any other way is ignored.
 * A database that does not answer is the seventeenth outcome, not an exception. Anything else that throws is a deny.
 */
export async function authenticate(
  services: SessionServices,
  cookieHeader: string | null,
  { requestId, hint: wantHint = false }: AuthenticateOptions = {},
): Promise<Asker> {
  const sessionCookie = readCookie(cookieHeader, services.cookies, 'session')
  const browserCookie = readCookie(cookieHeader, services.cookies, 'browser')
  const browser = browserCookie.state === 'present' ? browserCookie.value : null
  try {
    const session =
      sessionCookie.state === 'present'
        ? await findSession(services.db, hashToken(sessionCookie.value))
        : undefined
    const judged = judge(sessionCookie, session, services.clock.now())
    const hint = await readHint(services, browserCookie, session, wantHint && !isLive(judged))
    const state: RichState = {
      session: judged,
      registration: session?.account ?? 'unknown',
      hint,
      event: 'request',
    }
    const asker = toAsker(state, session, browser)
    await carryOut(services, asker, sessionCookie, session, requestId)
    return asker
  } catch (error) {
    if (!isUnavailable(error)) throw error
    services.log.warn(
      { err: error, requestId },
      'the database did not answer; nobody was signed out',
    )
    const state: RichState = {
      session: 'store-down',
      registration: 'unknown',
      hint: 'absent',
      event: 'request',
    }
    return toAsker(state, undefined, browser)
  }
}

function toAsker(
  state: RichState,
  session: StoredSession | undefined,
  browser: string | null,
): Asker {
  const verdict = decide(state)
  const acting =
    verdict.standing === 'user' || verdict.standing === 'guest' || verdict.standing === 'lapsed'
  return { state, verdict, session: acting && session ? session : null, browser }
}

function judge(
  cookie: CookieRead,
  session: StoredSession | undefined,
  now: Date,
): RichState['session'] {
  if (cookie.state === 'absent') return 'absent'
  if (cookie.state !== 'present') return 'malformed'
  return session ? judgeSession(session, now) : 'unknown'
}

function isLive(session: RichState['session']): boolean {
  return ['guest', 'user-lapsed', 'user-current', 'locked'].includes(session)
}

async function readHint(
  { db }: SessionServices,
  cookie: CookieRead,
  session: StoredSession | undefined,
  ask: boolean,
): Promise<RichState['hint']> {
  if (cookie.state === 'absent') return 'absent'
  if (cookie.state !== 'present') return 'bad'
  const hash = hashToken(cookie.value)
  if (session?.browserHash && sameBytes(session.browserHash, hash)) return 'same-user'
  if (!ask) return 'anonymous'
  const found = await findBrowserHint(db, hash)
  return found ? (found.gone ? 'deleted-user' : 'other-user') : 'anonymous'
}

/** The verdict's stored effects. Losing a slide or a low-value audit row must not cost the request. */
async function carryOut(
  services: SessionServices,
  { state, verdict }: Asker,
  cookie: CookieRead,
  session: StoredSession | undefined,
  requestId: string | undefined,
): Promise<void> {
  const { db, clock, lifetimes } = services
  const now = clock.now()
  if (session && verdict.session === 'touch' && session.lastSeenAt <= later(now, -slideEvery))
    await slideSession(db, session.id, lifetimes, now)
  if (session && verdict.session === 'revoke_account')
    await revokeSessionsOf(
      db,
      session.person.id,
      { reason: 'orphaned', actor: { userId: session.person.id, requestId } },
      now,
    )

  const lostHint =
    state.session === 'user-current' && state.hint === 'absent' && session?.browserHash
  const actions: (AuditAction | null)[] = [
    cookie.state === 'duplicate' ? 'cookie.duplicate' : verdict.audit,
    lostHint ? 'session.device_hint_lost' : null,
  ]
  for (const action of actions) {
    if (action) await tell(services, action, session, { reason: state.session, requestId }, now)
  }
}

async function tell(
  { db, quiet }: SessionServices,
  action: AuditAction,
  session: StoredSession | undefined,
  { reason, requestId }: { reason: string; requestId: string | undefined },
  now: Date,
): Promise<void> {
  const key = `${action} ${session?.id ?? ''}`
  if (quiet.has(key)) return
  quiet.set(key, true)
  const who = { actorId: session?.person.id, target: session?.id }
  await recordEvent(db, { action, ...who, data: { reason }, requestId }, now)
}
