import type { SessionLimits } from '../accounts/organizations.ts'
import { hours, minutes, days } from '../lib/clock.ts'

/** How long something lasts, in milliseconds. */
export interface Span {
  /** Since it was last used. */
  readonly idle: number
  /** Since it began, whatever happens. */
  readonly absolute: number
}

/** How long sessions live, in milliseconds. The bounds are the settings'. */
export interface Lifetimes extends Span {
  /** The same, for whoever asked to be kept signed in. */
  readonly kept: Span
  /** The same, for guests. */
  readonly guest: Span
  /** A kept session whose person authenticated longer ago than this changes nothing before they do so again. */
  readonly reauth: number
  /** How long ago somebody may have authenticated at most for what needs it to be recent. */
  readonly recent: number
  /** How many sessions a person may have; one more ends the least recently used. */
  readonly atMost: number
}

/** What the settings say when nobody sets them. */
export const defaultLifetimes: Lifetimes = {
  idle: minutes(60),
  absolute: hours(12),
  kept: { idle: days(30), absolute: days(30) },
  guest: { idle: hours(24), absolute: days(7) },
  reauth: hours(12),
  recent: minutes(10),
  atMost: 10,
}

/** How long a person has to sign in again once a locked session has told them to, in milliseconds. */
export const lockedFor: number = minutes(5)

/** Whether somebody authenticated lately enough for what needs it to be recent. */
export function isRecent(authenticatedAt: number, { recent }: Lifetimes, now: Date): boolean {
  return now.getTime() - authenticatedAt <= recent
}

/** The span of a session. */
export function spanOf(
  lifetimes: Lifetimes,
  { kind, kept }: { readonly kind: 'user' | 'guest'; readonly kept: boolean },
): Span {
  return kind === 'guest' ? lifetimes.guest : kept ? lifetimes.kept : lifetimes
}

/** The span of a session's proof to an organization: the stricter of the server's and its own. */
export function proofSpanOf(
  lifetimes: Lifetimes,
  kept: boolean,
  { idleMinutes, absoluteMinutes, keepSignedIn }: SessionLimits,
): Span {
  const { idle, absolute } = spanOf(lifetimes, { kind: 'user', kept: kept && keepSignedIn })
  return {
    idle: idleMinutes === null ? idle : Math.min(idle, minutes(idleMinutes)),
    absolute: absoluteMinutes === null ? absolute : Math.min(absolute, minutes(absoluteMinutes)),
  }
}

/** After how long a kept session with these proofs asks for a new sign-in: the strictest of all. */
export function reauthAfter(
  lifetimes: Lifetimes,
  limits: readonly Pick<SessionLimits, 'reauthMinutes'>[],
): number {
  const asked = limits.flatMap(({ reauthMinutes }) =>
    reauthMinutes === null ? [] : [minutes(reauthMinutes)],
  )
  return Math.min(lifetimes.reauth, ...asked)
}
