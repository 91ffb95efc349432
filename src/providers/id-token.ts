import { createHash } from 'node:crypto'
import { sameSecret } from '../lib/secrets.ts'
import { algorithms, type SigningAlgorithm } from './algorithms.ts'
import type { JsonObject } from './answer.ts'
import { refused } from './faults.ts'
import type { KeySet } from './jwks.ts'
import { readJws } from './jws.ts'

/** Everything an ID token is judged against. Times are seconds. */
export interface IdTokenPolicy {
  readonly issuer: string
  readonly clientId: string
  /** The algorithms agreed on for this connection; what the token's header says is only compared with them. */
  readonly algorithms: readonly SigningAlgorithm[]
  /** Absent for a token that came with a refresh, which answers no request of a browser (Core §12.2). */
  readonly nonce?: string
  /** Oldest acceptable authentication, if one was asked for. */
  readonly maxAge?: number | undefined
  /** The authentication context classes that will do, if any were asked for. */
  readonly requiredAcr?: readonly string[] | undefined
  /** Claims that must be present with exactly one of these values, such as Google's `hd` or Entra's `tid`. */
  readonly requiredClaims?: Readonly<Record<string, readonly string[] | undefined>> | undefined
  /** What the token came with; `c_hash` and `at_hash`, when there, must fit it. */
  readonly code?: string
  readonly accessToken: string
  readonly now: Date
}

/** The claims of a verified ID token; of those that are not required, the types are still unknown. */
export type IdTokenClaims = JsonObject & { readonly iss: string; readonly sub: string }

/**
 * The one judge of ID tokens (OpenID Connect Core §3.1.3.7, RFC 8725): every entry path asks it.
 * The signature is always checked, however the token came here.
 * @throws AppError `sso_failed` with the reason `id_token_invalid: …`, `key_not_found`, `key_ambiguous`,
 * `identity_missing_subject`, `assurance_insufficient` or `oidc_code_injection`; `sso_unavailable` without keys
 */
export async function verifyIdToken(
  token: string,
  keys: KeySet,
  policy: IdTokenPolicy,
): Promise<IdTokenClaims> {
  const { alg, claims } = await readJws(token, keys, {
    algorithms: policy.algorithms,
    types: ['JWT'],
    invalid,
  })
  const facts = { claims, policy, alg, now: Math.floor(policy.now.getTime() / 1000) }
  for (const { reason, holds } of checks) if (!holds(facts)) throw refused(reason)
  return claims as IdTokenClaims
}

const invalid = (what: string): string => `id_token_invalid: ${what}`

/** How far two clocks may be apart, in seconds. */
const skew = 60

/** Oldest acceptable token, in seconds: it is read straight after it was issued. */
const maxTokenAge = 600

/** Furthest acceptable expiry, in seconds: 30 days, the longest that a common provider can be set to. */
const maxLifetime = 30 * 86_400

interface Facts {
  readonly claims: JsonObject
  readonly policy: IdTokenPolicy
  readonly alg: SigningAlgorithm
  readonly now: number
}

/** Every check of the claims, in order: the first that does not hold is the reason. */
const checks: readonly { reason: string; holds: (facts: Facts) => boolean }[] = [
  { reason: invalid('events'), holds: ({ claims }) => claims.events === undefined },
  { reason: invalid('iss'), holds: ({ claims, policy }) => claims.iss === policy.issuer },
  { reason: invalid('aud'), holds: ({ claims, policy }) => isOnly(claims.aud, policy.clientId) },
  {
    reason: invalid('azp'),
    holds: ({ claims, policy }) => claims.azp === undefined || claims.azp === policy.clientId,
  },
  {
    reason: invalid('exp'),
    holds: ({ claims: { exp }, now }) =>
      isTime(exp) && exp > now - skew && exp <= now + maxLifetime,
  },
  {
    reason: invalid('iat'),
    holds: ({ claims: { iat }, now }) =>
      isTime(iat) && iat <= now + skew && iat >= now - maxTokenAge,
  },
  {
    reason: invalid('nbf'),
    holds: ({ claims: { nbf }, now }) => nbf === undefined || (isTime(nbf) && nbf <= now + skew),
  },
  // A session at the provider that is over vouches for nobody.
  {
    reason: invalid('session_expiry'),
    holds: ({ claims: { session_expiry: end }, now }) =>
      end === undefined || (isTime(end) && end > now),
  },
  // A code that somebody else obtained brings a token with somebody else's nonce (RFC 9700 §4.5.3.2).
  {
    reason: 'oidc_code_injection',
    holds: ({ claims: { nonce }, policy }) =>
      policy.nonce === undefined || (typeof nonce === 'string' && sameSecret(nonce, policy.nonce)),
  },
  {
    reason: invalid('c_hash'),
    holds: ({ claims, policy, alg }) =>
      policy.code === undefined || isHash(claims.c_hash, policy.code, alg),
  },
  {
    reason: invalid('at_hash'),
    holds: ({ claims, policy, alg }) => isHash(claims.at_hash, policy.accessToken, alg),
  },
  { reason: 'identity_missing_subject', holds: ({ claims }) => isSubject(claims.sub) },
  { reason: 'assurance_insufficient', holds: isRecent },
  {
    reason: 'assurance_insufficient',
    holds: ({ claims: { acr }, policy: { requiredAcr } }) =>
      requiredAcr === undefined || (typeof acr === 'string' && requiredAcr.includes(acr)),
  },
  {
    reason: 'required_claim_differs',
    holds: ({ claims, policy }) =>
      Object.entries(policy.requiredClaims ?? {}).every(
        ([name, values]) => values === undefined || values.some((value) => claims[name] === value),
      ),
  },
]

function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** Whether an audience is this client and nobody else: a token for others too could be used by them. */
function isOnly(audience: unknown, clientId: string): boolean {
  return Array.isArray(audience)
    ? audience.length === 1 && audience[0] === clientId
    : audience === clientId
}

/** Whether a `sub` can be an identifier: compared byte for byte ever after, never normalised (Core §2). */
export function isSubject(sub: unknown): sub is string {
  return typeof sub === 'string' && sub !== '' && sub.length <= 255 && !/[\p{Cc}\p{Cs}]/u.test(sub)
}

/** Whether the person authenticated as lately as was asked; silence counts as never. */
function isRecent({ claims: { auth_time: at }, policy: { maxAge }, now }: Facts): boolean {
  if (at === undefined) return maxAge === undefined
  return isTime(at) && at <= now + skew && (maxAge === undefined || at >= now - maxAge - skew)
}

/** Whether a hash claim, when there is one, is the left half of the value's hash (Core §3.1.3.6). */
function isHash(claim: unknown, value: string, alg: SigningAlgorithm): boolean {
  if (claim === undefined) return true
  const digest = createHash(algorithms[alg].hash).update(value).digest()
  return claim === digest.subarray(0, digest.length / 2).toString('base64url')
}
