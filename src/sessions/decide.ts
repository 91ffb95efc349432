import type { AuditAction } from '../accounts/audit.ts'
import type { ErrorCode } from '../lib/errors.ts'

/**
 * Everything that is known about who is asking, before anything is decided.
 * `registration` is about the identity being presented where there is one, else about the session's account.
 */
export interface RichState {
  readonly session:
    | 'absent'
    | 'malformed'
    | 'unknown'
    | 'expired'
    | 'revoked'
    | 'locked'
    | 'guest'
    | 'user-lapsed'
    | 'user-current'
    | 'store-down'
  readonly registration:
    'unknown' | 'unregistered' | 'pending' | 'active' | 'disabled' | 'merged' | 'deleted'
  /** What the browser cookie suggests. It changes wording and pre-selection, never rights. */
  readonly hint: 'absent' | 'bad' | 'anonymous' | 'same-user' | 'other-user' | 'deleted-user'
  /** `request`: an ordinary one; the others: a provider has just vouched for somebody. */
  readonly event: 'request' | 'login' | 'link' | 'reauth' | 'switch'
}

/** **A**uthenticated, **R**egistered, in **S**ession, **P**rofile cookie. A dash means no, or not known. */
export type Facts = `${'A' | '-'}${'R' | '-'}${'S' | '-'}${'P' | '-'}`

/** The stable name of what a row comes to. */
export type Outcome =
  | 'go'
  | 'go_set_hint'
  | 'start_session'
  | 'start_session_new_device'
  | 'conflict_live_session'
  | 'conflict_live_session_no_hint'
  | 'unknown_identity_known_browser'
  | 'register'
  | 'guest_go'
  | 'guest_go_set_hint'
  | 'welcome_back'
  | 'fresh'
  | 'guest_with_account_hint'
  | 'reauth_required'
  | 'reauth_then_set_hint'
  | 'not_arrived_yet'
  | 'store_unavailable'

/** As whom the request may act. */
export type Standing = 'user' | 'guest' | 'lapsed' | 'nobody' | 'unavailable'

/** What the answer does to the cookies. */
export type CookieEffect = 'set_session' | 'clear_session' | 'set_browser' | 'clear_browser'

/** What happens to stored sessions. `switch` asks the person first. */
export type SessionEffect =
  | 'none'
  | 'touch'
  | 'create'
  | 'rotate'
  | 'switch'
  | 'lock'
  | 'mark_claim_candidate'
  | 'revoke_account'

/** What is done with one request. Plain data: the edge carries it out. */
export interface Verdict {
  readonly row: number
  readonly outcome: Outcome
  readonly standing: Standing
  readonly cookies: readonly CookieEffect[]
  readonly session: SessionEffect
  readonly audit: AuditAction | null
  /** With which error a sign-in ends instead of going on. */
  readonly refuse?: ErrorCode
}

type Effects = Omit<Verdict, 'row'>
interface Variant extends Effects {
  /** Whether this variant is the one; the last of a row has none. */
  readonly when?: (state: RichState) => boolean
}
interface Row {
  readonly row: number
  readonly variants: readonly [...Variant[], Variant]
}

const arriving = ({ event }: RichState) => event !== 'request'
const switching = ({ event }: RichState) => event === 'switch'
const onGuest = ({ session }: RichState) => session === 'guest'
const disabled = ({ registration }: RichState) => registration === 'disabled'
const merged = ({ registration }: RichState) => registration === 'merged'
const orphaned = (state: RichState) => !arriving(state) && !onGuest(state)
const deletedHint = ({ hint }: RichState) => hint === 'deleted-user'

const nothing = { cookies: [], session: 'none', audit: null } as const
const suspended = {
  ...nothing,
  standing: 'nobody',
  audit: 'login.denied',
  refuse: 'account_disabled',
} as const
const newSession = {
  standing: 'user',
  cookies: ['set_session', 'set_browser'],
  session: 'create',
  audit: 'login.succeeded',
} as const
const rotated = {
  standing: 'user',
  cookies: ['set_session', 'set_browser'],
  session: 'rotate',
  audit: 'session.rotated',
} as const
const switched = {
  standing: 'user',
  cookies: ['set_session', 'set_browser'],
  session: 'switch',
  audit: 'session.user_switched',
} as const
const promoted = {
  standing: 'user',
  cookies: ['set_session', 'set_browser'],
  session: 'create',
  audit: 'guest.claim_offered',
} as const
const orphan = {
  standing: 'nobody',
  cookies: ['clear_session'],
  session: 'revoke_account',
  audit: 'session.orphaned_revoked',
  refuse: 'not_a_member',
} as const
const conflict = {
  ...nothing,
  standing: 'user',
  audit: 'identity.conflict',
  refuse: 'identity_conflict',
} as const
const unregistered = {
  ...nothing,
  standing: 'nobody',
  audit: 'login.identity_unregistered',
} as const
const guestJoins = {
  standing: 'guest',
  cookies: [],
  session: 'mark_claim_candidate',
  audit: 'login.identity_unregistered',
} as const

/** All sixteen rows. A missing or misspelt one does not compile. */
export const decisions: Readonly<Record<Facts, Row>> = {
  ARSP: {
    row: 1,
    variants: [
      { when: (s) => arriving(s) && disabled(s), outcome: 'go', ...suspended },
      { when: (s) => arriving(s) && onGuest(s), outcome: 'go', ...promoted },
      { when: switching, outcome: 'go', ...switched },
      { when: arriving, outcome: 'go', ...rotated },
      { when: merged, outcome: 'go', ...rotated },
      { outcome: 'go', standing: 'user', cookies: [], session: 'touch', audit: null },
    ],
  },
  'ARS-': {
    row: 2,
    variants: [
      { when: (s) => arriving(s) && disabled(s), outcome: 'go_set_hint', ...suspended },
      { when: (s) => arriving(s) && onGuest(s), outcome: 'go_set_hint', ...promoted },
      { when: switching, outcome: 'go_set_hint', ...switched },
      { when: arriving, outcome: 'go_set_hint', ...rotated },
      { when: merged, outcome: 'go_set_hint', ...rotated },
      {
        outcome: 'go_set_hint',
        standing: 'user',
        cookies: ['set_browser'],
        session: 'touch',
        audit: 'device.hint_set',
      },
    ],
  },
  'AR-P': {
    row: 3,
    variants: [
      { when: disabled, outcome: 'start_session', ...suspended },
      { outcome: 'start_session', ...newSession },
    ],
  },
  'AR--': {
    row: 4,
    variants: [
      { when: disabled, outcome: 'start_session_new_device', ...suspended },
      { outcome: 'start_session_new_device', ...newSession },
    ],
  },
  'A-SP': {
    row: 5,
    variants: [
      { when: orphaned, outcome: 'conflict_live_session', ...orphan },
      { when: onGuest, outcome: 'conflict_live_session', ...guestJoins },
      { outcome: 'conflict_live_session', ...conflict },
    ],
  },
  'A-S-': {
    row: 6,
    variants: [
      { when: orphaned, outcome: 'conflict_live_session_no_hint', ...orphan },
      { when: onGuest, outcome: 'conflict_live_session_no_hint', ...guestJoins },
      { outcome: 'conflict_live_session_no_hint', ...conflict },
    ],
  },
  'A--P': {
    row: 7,
    variants: [
      {
        when: deletedHint,
        outcome: 'unknown_identity_known_browser',
        ...unregistered,
        cookies: ['clear_browser'],
      },
      { outcome: 'unknown_identity_known_browser', ...unregistered },
    ],
  },
  'A---': { row: 8, variants: [{ outcome: 'register', ...unregistered }] },
  '--SP': {
    row: 9,
    variants: [
      { outcome: 'guest_go', standing: 'guest', cookies: [], session: 'touch', audit: null },
    ],
  },
  '--S-': {
    row: 10,
    variants: [
      {
        outcome: 'guest_go_set_hint',
        standing: 'guest',
        cookies: ['set_browser'],
        session: 'touch',
        audit: null,
      },
    ],
  },
  '---P': { row: 11, variants: [{ outcome: 'welcome_back', ...nothing, standing: 'nobody' }] },
  '----': { row: 12, variants: [{ outcome: 'fresh', ...nothing, standing: 'nobody' }] },
  '-RSP': {
    row: 13,
    variants: [
      {
        when: onGuest,
        outcome: 'guest_with_account_hint',
        standing: 'guest',
        cookies: [],
        session: 'touch',
        audit: null,
      },
      {
        outcome: 'reauth_required',
        standing: 'lapsed',
        cookies: [],
        session: 'lock',
        audit: 'session.reauth_required',
      },
    ],
  },
  '-RS-': {
    row: 14,
    variants: [
      {
        outcome: 'reauth_then_set_hint',
        standing: 'lapsed',
        cookies: [],
        session: 'lock',
        audit: 'session.reauth_required',
      },
    ],
  },
  '-R-P': { row: 15, variants: [{ outcome: 'not_arrived_yet', ...nothing, standing: 'nobody' }] },
  // Registered without a session and without a hint: nothing could have told us. Behaves as row 12, and rings.
  '-R--': {
    row: 16,
    variants: [
      { outcome: 'fresh', ...nothing, standing: 'nobody', audit: 'auth.state_impossible' },
    ],
  },
}

const storeUnavailable: Verdict = {
  row: 17,
  outcome: 'store_unavailable',
  standing: 'unavailable',
  cookies: [],
  session: 'none',
  audit: 'store.unavailable',
}

/** Cookie values that name a session which is over: the browser is told to drop them. */
const deadSessions: readonly RichState['session'][] = ['malformed', 'unknown', 'expired', 'revoked']

/** What a dead or broken session cookie adds to its row. */
function withDeadCookie(state: RichState, verdict: Verdict): Verdict {
  if (!deadSessions.includes(state.session) || verdict.cookies.includes('set_session'))
    return verdict
  const audit =
    state.session === 'malformed' ? 'session.malformed_cookie' : 'session.dead_presented'
  return {
    ...verdict,
    cookies: ['clear_session', ...verdict.cookies],
    audit: verdict.audit ?? audit,
  }
}

/** Decides one request. Total and pure: every state has a verdict, and it never throws. */
export function decide(state: RichState): Verdict {
  if (state.session === 'store-down') return storeUnavailable
  const { row, variants } = decisions[project(state)]
  const { when: _, ...effects } = variants.find(({ when }) => !when || when(state))!
  return withDeadCookie(state, { row, ...effects })
}

/** The four facts of a state (`store-down` has none, and is decided before). */
export function project(state: RichState): Facts {
  const { session, registration, hint, event } = state
  const arrived = event !== 'request'
  const known = registration === 'active' || registration === 'merged'
  const user = session === 'user-current' || session === 'user-lapsed' || session === 'locked'
  const ageing = session === 'user-lapsed' || session === 'locked'
  // On an ordinary request the registration is the session's own: a disabled account has no session, and an
  // ageing session of an account that is gone is no session either.
  const inSession = arrived
    ? user || session === 'guest'
    : registration !== 'disabled' &&
      (session === 'guest' || session === 'user-current' || (ageing && known))
  const authenticated = arrived || (inSession && session === 'user-current')
  const suggested = hint === 'same-user' || hint === 'other-user'
  const registered = authenticated
    ? known || (arrived && registration === 'disabled')
    : inSession
      ? session === 'guest'
        ? hint === 'other-user'
        : known
      : suggested
  const profile = hint !== 'absent' && hint !== 'bad'
  return `${authenticated ? 'A' : '-'}${registered ? 'R' : '-'}${inSession ? 'S' : '-'}${profile ? 'P' : '-'}`
}

/** Who may call a route. */
export type Access = 'public' | 'guest' | 'user' | 'recent'

const admitted: Readonly<Record<Standing, readonly Access[]>> = {
  user: ['public', 'guest', 'user'],
  guest: ['public', 'guest'],
  lapsed: ['public'],
  nobody: ['public'],
  unavailable: ['public'],
}

/**
 * Whether a request is let in, and if not, with which error it is refused.
 * @param recent whether the person authenticated within the re-authentication window
 */
export function admit(
  verdict: Verdict,
  state: RichState,
  access: Access,
  recent = false,
): ErrorCode | null {
  if (verdict.standing === 'user' && access === 'recent') return recent ? null : 'reauth_required'
  if (admitted[verdict.standing].includes(access)) return null
  if (verdict.standing === 'unavailable') return 'temporarily_unavailable'
  if (verdict.standing === 'lapsed') return 'reauth_required'
  if (verdict.standing === 'guest') return 'login_required'
  return refusals[state.session] ?? (verdict.outcome === 'fresh' ? 'login_required' : 'no_session')
}

const refusals: Partial<Record<RichState['session'], ErrorCode>> = {
  expired: 'session_expired',
  revoked: 'no_session',
  unknown: 'no_session',
}
