import type { AuditAction } from '../accounts/audit.ts'
import type { ErrorCode } from '../lib/errors.ts'
import { project, type Facts, type RichState } from './state.ts'

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
export type Standing = 'user' | 'guest' | 'lapsed' | 'locked' | 'nobody' | 'unavailable'

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
const ageing = ({ session }: RichState) => session === 'user-lapsed'
const disabled = ({ registration }: RichState) => registration === 'disabled'
const merged = ({ registration }: RichState) => registration === 'merged'
const orphaned = (state: RichState) => !arriving(state) && !onGuest(state)
const deletedHint = ({ hint }: RichState) => hint === 'deleted-user'

const both: readonly CookieEffect[] = ['set_session', 'set_browser']

/** What several rows have in common, by what happens. */
// prettier-ignore
const does = {
  goOn: { standing: 'user', cookies: [], session: 'touch', audit: null },
  goOnAsGuest: { standing: 'guest', cookies: [], session: 'touch', audit: null },
  remainStranger: { standing: 'nobody', cookies: [], session: 'none', audit: null },
  askAgain: { standing: 'locked', cookies: [], session: 'lock', audit: 'session.reauth_required' },
  readOn: { standing: 'lapsed', cookies: [], session: 'none', audit: 'session.reauth_required' },
  signIn: { standing: 'user', cookies: both, session: 'create', audit: 'login.succeeded' },
  rotate: { standing: 'user', cookies: both, session: 'rotate', audit: 'session.rotated' },
  switchUser: { standing: 'user', cookies: both, session: 'switch', audit: 'session.user_switched' },
  offerClaim: { standing: 'user', cookies: both, session: 'create', audit: 'guest.claim_offered' },
  register: { standing: 'nobody', cookies: [], session: 'none', audit: 'login.identity_unregistered' },
  registerGuest: { standing: 'guest', cookies: [], session: 'mark_claim_candidate', audit: 'login.identity_unregistered' },
  refuseSuspended: { standing: 'nobody', cookies: [], session: 'none', audit: 'login.denied', refuse: 'account_disabled' },
  refuseConflict: { standing: 'user', cookies: [], session: 'none', audit: 'identity.conflict', refuse: 'identity_conflict' },
  endOrphan: { standing: 'nobody', cookies: ['clear_session'], session: 'revoke_account', audit: 'session.orphaned_revoked', refuse: 'not_a_member' },
} satisfies Record<string, Omit<Effects, 'outcome'>>

/** All sixteen rows. A missing or misspelt one does not compile. */
// prettier-ignore
export const decisions: Readonly<Record<Facts, Row>> = {
  ARSP: { row: 1, variants: [
    { when: (s) => arriving(s) && disabled(s), outcome: 'go', ...does.refuseSuspended },
    { when: (s) => arriving(s) && onGuest(s), outcome: 'go', ...does.offerClaim },
    { when: switching, outcome: 'go', ...does.switchUser },
    { when: (s) => arriving(s) || merged(s), outcome: 'go', ...does.rotate },
    { outcome: 'go', ...does.goOn },
  ] },
  'ARS-': { row: 2, variants: [
    { when: (s) => arriving(s) && disabled(s), outcome: 'go_set_hint', ...does.refuseSuspended },
    { when: (s) => arriving(s) && onGuest(s), outcome: 'go_set_hint', ...does.offerClaim },
    { when: switching, outcome: 'go_set_hint', ...does.switchUser },
    { when: (s) => arriving(s) || merged(s), outcome: 'go_set_hint', ...does.rotate },
    { outcome: 'go_set_hint', ...does.goOn, cookies: ['set_browser'], audit: 'device.hint_set' },
  ] },
  'AR-P': { row: 3, variants: [
    { when: disabled, outcome: 'start_session', ...does.refuseSuspended },
    { outcome: 'start_session', ...does.signIn },
  ] },
  'AR--': { row: 4, variants: [
    { when: disabled, outcome: 'start_session_new_device', ...does.refuseSuspended },
    { outcome: 'start_session_new_device', ...does.signIn },
  ] },
  'A-SP': { row: 5, variants: [
    { when: orphaned, outcome: 'conflict_live_session', ...does.endOrphan },
    { when: onGuest, outcome: 'conflict_live_session', ...does.registerGuest },
    { outcome: 'conflict_live_session', ...does.refuseConflict },
  ] },
  'A-S-': { row: 6, variants: [
    { when: orphaned, outcome: 'conflict_live_session_no_hint', ...does.endOrphan },
    { when: onGuest, outcome: 'conflict_live_session_no_hint', ...does.registerGuest },
    { outcome: 'conflict_live_session_no_hint', ...does.refuseConflict },
  ] },
  'A--P': { row: 7, variants: [
    { when: deletedHint, outcome: 'unknown_identity_known_browser', ...does.register, cookies: ['clear_browser'] },
    { outcome: 'unknown_identity_known_browser', ...does.register },
  ] },
  'A---': { row: 8, variants: [{ outcome: 'register', ...does.register }] },
  '--SP': { row: 9, variants: [{ outcome: 'guest_go', ...does.goOnAsGuest }] },
  '--S-': { row: 10, variants: [{ outcome: 'guest_go_set_hint', ...does.goOnAsGuest, cookies: ['set_browser'] }] },
  '---P': { row: 11, variants: [{ outcome: 'welcome_back', ...does.remainStranger }] },
  '----': { row: 12, variants: [{ outcome: 'fresh', ...does.remainStranger }] },
  '-RSP': { row: 13, variants: [
    { when: onGuest, outcome: 'guest_with_account_hint', ...does.goOnAsGuest },
    { when: ageing, outcome: 'reauth_required', ...does.readOn },
    { outcome: 'reauth_required', ...does.askAgain },
  ] },
  '-RS-': { row: 14, variants: [
    { when: ageing, outcome: 'reauth_then_set_hint', ...does.readOn },
    { outcome: 'reauth_then_set_hint', ...does.askAgain },
  ] },
  '-R-P': { row: 15, variants: [{ outcome: 'not_arrived_yet', ...does.remainStranger }] },
  // Registered without a session and without a hint: nothing could have told us. Behaves as row 12, and rings.
  '-R--': { row: 16, variants: [{ outcome: 'fresh', ...does.remainStranger, audit: 'auth.state_impossible' }] },
}

const storeUnavailable: Verdict = {
  row: 17,
  outcome: 'store_unavailable',
  standing: 'unavailable',
  cookies: [],
  session: 'none',
  audit: 'store.unavailable',
}

/**
 * Cookie values that name a session which is over: the browser is told to drop them. A superseded one is not among
 * them: its answer may arrive after the newer cookie, and would drop that.
 */
const deadSessions: readonly RichState['session'][] = ['malformed', 'unknown', 'expired', 'revoked']

/** What a dead or broken session cookie adds to its row. */
function withDeadCookie(state: RichState, verdict: Verdict): Verdict {
  if (!deadSessions.includes(state.session) || verdict.cookies.includes('set_session'))
    return verdict
  const audit =
    state.session === 'malformed'
      ? 'session.malformed_cookie'
      : state.session === 'expired'
        ? 'session.expired'
        : 'session.dead_presented'
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
