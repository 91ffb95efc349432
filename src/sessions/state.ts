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
    /** Over, because the same browser has signed in anew. */
    | 'superseded'
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
