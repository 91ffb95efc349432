import type { ErrorCode } from '../lib/errors.ts'
import type { Standing, Verdict } from './decide.ts'
import type { RichState } from './state.ts'

/** Who may call a route. */
export type Access = 'public' | 'guest' | 'user' | 'recent'

/** What a request says for itself beside who is asking. */
export interface Asked {
  /** Whether the person authenticated within the re-authentication window. @default false */
  readonly recent?: boolean
  /** Whether it only reads (GET, HEAD): an ageing session may still do that. @default false */
  readonly reading?: boolean
}

const nothing: Asked = {}

const admitted: Readonly<Record<Standing, readonly Access[]>> = {
  user: ['public', 'guest', 'user'],
  guest: ['public', 'guest'],
  lapsed: ['public'],
  locked: ['public'],
  nobody: ['public'],
  unavailable: ['public'],
}

/**
 * Whether a request is let in, and if not, with which error it is refused.
 */
export function admit(
  verdict: Verdict,
  state: RichState,
  access: Access,
  { recent = false, reading = false }: Asked = nothing,
): ErrorCode | null {
  if (verdict.standing === 'user' && access === 'recent') return recent ? null : 'reauth_required'
  if (admitted[verdict.standing].includes(access)) return null
  if (verdict.standing === 'unavailable') return 'temporarily_unavailable'
  if (verdict.standing === 'lapsed' && reading && access !== 'recent') return null
  if (verdict.standing === 'lapsed' || verdict.standing === 'locked') return 'reauth_required'
  if (verdict.standing === 'guest') return 'login_required'
  return refusals[state.session] ?? (verdict.outcome === 'fresh' ? 'login_required' : 'no_session')
}

const refusals: Partial<Record<RichState['session'], ErrorCode>> = {
  expired: 'session_expired',
  revoked: 'no_session',
  superseded: 'no_session',
  unknown: 'no_session',
}
