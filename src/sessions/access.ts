import type { ErrorCode } from '../lib/errors.ts'
import type { Standing, Verdict } from './decide.ts'
import type { RichState } from './state.ts'

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
  superseded: 'no_session',
  unknown: 'no_session',
}
