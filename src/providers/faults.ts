import { AppError, type ErrorCode } from '../lib/errors.ts'
import { EgressError, type EgressReason } from '../lib/egress.ts'

/** The provider, or somebody in its name, said something that must not be believed. */
export function refused(reason: string, cause?: unknown): AppError {
  return new AppError('sso_failed', { reason, cause })
}

/** The provider could not be asked; nothing is known about the person. */
export function unavailable(reason: string, cause?: unknown): AppError {
  return new AppError('sso_unavailable', { reason, cause, headers: { 'Retry-After': '30' } })
}

const egressCodes: Record<EgressReason, ErrorCode> = {
  egress_blocked: 'sso_failed',
  egress_redirect: 'sso_failed',
  egress_too_large: 'sso_failed',
  egress_timeout: 'sso_unavailable',
  egress_busy: 'sso_unavailable',
  egress_failed: 'sso_unavailable',
}

/** What the egress client threw while `asking`, as the error of a sign-in. Anything else passes unchanged. */
export function fromEgress(asking: string, thrown: unknown): unknown {
  if (!(thrown instanceof EgressError)) return thrown
  const reason = `${asking}: ${thrown.reason}`
  return egressCodes[thrown.reason] === 'sso_failed'
    ? new AppError('sso_failed', { reason, cause: thrown })
    : unavailable(reason, thrown)
}

// Control characters (Cc), format characters such as bidirectional overrides (Cf), separators and lone surrogates.
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/** Somebody else's text made fit for a log line or a page: printable characters only, at most `most` of them. */
export function printable(text: string, most: number): string {
  return text.slice(0, most).replace(unprintable, '')
}
