import type { SigningAlgorithm } from './algorithms.ts'
import { isObject, type JsonObject } from './answer.ts'
import { refused } from './faults.ts'
import { isSubject } from './id-token.ts'
import type { KeySet } from './jwks.ts'
import { readJws } from './jws.ts'

/** Which of its sessions a provider says are over. */
export interface ProviderLogout {
  /** All of this person's. */
  readonly subject?: string
  /** The one of this name (`sid`). */
  readonly session?: string
  /** The token's own name; it counts once, and is over at `until`. */
  readonly id: string
  readonly until: Date
  /** When the provider wrote it. */
  readonly sentAt: Date
}

const event = 'http://schemas.openid.net/event/backchannel-logout'

/** How far two clocks may be apart, and how old a token may be, in seconds. */
const [skew, oldest] = [60, 600]

/** Everything a logout token is judged against. */
interface Policy {
  readonly issuer: string
  readonly clientId: string
  readonly algorithms: readonly SigningAlgorithm[]
  readonly now: Date
}

interface Facts {
  readonly claims: JsonObject
  readonly policy: Policy
  readonly now: number
}

/** Every check, in order: the first that does not hold is the reason (OpenID Connect Back-Channel Logout 1.0 §2.6). */
const checks: readonly { what: string; holds: (facts: Facts) => boolean }[] = [
  // An ID token has one, and must never do for this.
  { what: 'nonce', holds: ({ claims }) => claims.nonce === undefined },
  {
    what: 'events',
    holds: ({ claims: { events } }) =>
      isObject(events) && Object.keys(events).length === 1 && isObject(events[event]),
  },
  { what: 'iss', holds: ({ claims, policy }) => claims.iss === policy.issuer },
  {
    what: 'aud',
    holds: ({ claims: { aud }, policy }) =>
      Array.isArray(aud) ? aud.length === 1 && aud[0] === policy.clientId : aud === policy.clientId,
  },
  {
    what: 'iat',
    holds: ({ claims: { iat }, now }) =>
      Number.isSafeInteger(iat) && Number(iat) <= now + skew && Number(iat) >= now - oldest,
  },
  {
    // Older providers leave it out; how old a token may be is bounded all the same.
    what: 'exp',
    holds: ({ claims: { exp }, now }) =>
      exp === undefined || (Number.isSafeInteger(exp) && Number(exp) > now - skew),
  },
  { what: 'jti', holds: ({ claims }) => isSubject(claims.jti) },
  { what: 'sub', holds: ({ claims: { sub } }) => sub === undefined || isSubject(sub) },
  { what: 'sid', holds: ({ claims: { sid } }) => sid === undefined || isSubject(sid) },
  {
    what: 'sub or sid',
    holds: ({ claims: { sub, sid } }) => sub !== undefined || sid !== undefined,
  },
]

const invalid = (what: string): string => `logout_token_invalid: ${what}`

/**
 * Judges a logout token.
 * @throws AppError `sso_failed` with the reason `logout_token_invalid: …`; `sso_unavailable` without keys
 */
export async function verifyLogoutToken(
  token: string,
  keys: KeySet,
  policy: Policy,
): Promise<ProviderLogout> {
  const { algorithms } = policy
  const { claims } = await readJws(token, keys, {
    algorithms,
    types: ['logout+jwt', 'JWT'],
    invalid,
  })
  const now = Math.floor(policy.now.getTime() / 1000)
  for (const { what, holds } of checks)
    if (!holds({ claims, policy, now })) throw refused(invalid(what))
  const { sub, sid, jti } = claims
  return {
    ...(typeof sub === 'string' && { subject: sub }),
    ...(typeof sid === 'string' && { session: sid }),
    id: jti as string,
    until: new Date((now + oldest + 2 * skew) * 1000),
    sentAt: new Date(Number(claims.iat) * 1000),
  }
}
