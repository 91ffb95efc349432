import { AppError } from '../lib/errors.ts'
import { days, later, minutes } from '../lib/clock.ts'
import { algorithms, type SigningAlgorithm } from './algorithms.ts'
import { isObject, type JsonObject } from './answer.ts'
import { isSubject } from './id-token.ts'
import type { KeySet } from './jwks.ts'
import { readJws } from './jws.ts'

/** What a transmitter is told of an event that is not taken (RFC 8935 §2.4, Shared Signals Framework 1.0 §8.1.4.1). */
export type SetError =
  | 'invalid_request'
  | 'invalid_key'
  | 'invalid_issuer'
  | 'invalid_audience'
  | 'invalid_state'
  | 'authentication_failed'

/** Why an event is not taken: one word for the transmitter, and the true reason for the audit. */
export interface RefusedSet {
  readonly err: SetError
  readonly reason: string
}

/** A security event token whose every claim has been checked. */
export interface SecurityEvent {
  /** Its own name (`jti`); it counts once, and would not be read any more after `until`. */
  readonly id: string
  readonly until: Date
  /** The event's type, a URI, and what is said of it. */
  readonly type: string
  readonly payload: JsonObject
  /** Whom it is about (`sub_id`), not read yet. */
  readonly subject: JsonObject
  /** When it happened, as far as the transmitter said so; never later than now. */
  readonly at: Date
}

/** Everything a security event token is judged against. */
interface Policy {
  readonly issuer: string
  /** Whom the stream's events are for; one of them has to be named. */
  readonly audience: readonly string[]
  readonly now: Date
}

/** How far two clocks may be apart. */
export const signalSkew: number = minutes(1)

/** A transmitter may keep what it could not deliver; what is older than this is not read, in milliseconds. */
const oldest = days(7)

interface Facts {
  readonly claims: JsonObject
  readonly policy: Policy
}

/** Every check, in order: the first that does not hold is the reason (RFC 8417 §2.2, Shared Signals Framework 1.0 §4). */
const checks: readonly {
  readonly what: string
  readonly err: SetError
  readonly holds: (facts: Facts) => boolean
}[] = [
  {
    what: 'iss',
    err: 'invalid_issuer',
    holds: ({ claims, policy }) => claims.iss === policy.issuer,
  },
  {
    what: 'aud',
    err: 'invalid_audience',
    holds: ({ claims: { aud }, policy }) =>
      (Array.isArray(aud) ? aud : [aud]).some((one) => policy.audience.includes(one)),
  },
  // With either it could pass for another kind of token, or another kind for it (RFC 8417 §4.5, §4.6).
  { what: 'sub', err: 'invalid_request', holds: ({ claims }) => claims.sub === undefined },
  { what: 'exp', err: 'invalid_request', holds: ({ claims }) => claims.exp === undefined },
  { what: 'nonce', err: 'invalid_request', holds: ({ claims }) => claims.nonce === undefined },
  { what: 'jti', err: 'invalid_request', holds: ({ claims }) => isSubject(claims.jti) },
  {
    what: 'iat',
    err: 'invalid_request',
    holds: ({ claims: { iat }, policy: { now } }) =>
      Number.isSafeInteger(iat) &&
      Number(iat) * 1000 <= now.getTime() + signalSkew &&
      Number(iat) * 1000 >= now.getTime() - oldest,
  },
  {
    what: 'events',
    err: 'invalid_request',
    holds: ({ claims: { events } }) =>
      isObject(events) &&
      Object.keys(events).length === 1 &&
      Object.values(events).every((payload) => isObject(payload)),
  },
  { what: 'sub_id', err: 'invalid_request', holds: ({ claims }) => isObject(claims.sub_id) },
  {
    what: 'event_timestamp',
    err: 'invalid_request',
    holds: ({ claims }) => {
      const { event_timestamp: at } = payloadOf(claims)
      return at === undefined || (typeof at === 'number' && at >= 0)
    },
  },
]

const invalid = (what: string): string => `set_invalid: ${what}`

/** What is wrong with a signature or its key; anything else of a token's form is the request's fault. */
const ofTheKey: readonly string[] = [
  invalid('signature'),
  invalid('alg'),
  'key_not_found',
  'key_ambiguous',
]

/** Any algorithm with a public key. `none` and shared secrets are not among them. */
const accepted = Object.keys(algorithms) as SigningAlgorithm[]

/**
 * Judges a security event token.
 * @throws AppError `sso_unavailable` without keys
 */
export async function verifySecurityEvent(
  token: string,
  keys: KeySet,
  policy: Policy,
): Promise<SecurityEvent | { readonly refused: RefusedSet }> {
  let claims: JsonObject
  try {
    const signed = { algorithms: accepted, types: ['secevent+jwt'], typed: true, invalid }
    claims = (await readJws(token, keys, signed)).claims
  } catch (thrown) {
    if (!(thrown instanceof AppError) || thrown.code !== 'sso_failed') throw thrown
    const { reason } = thrown
    return {
      refused: { err: ofTheKey.includes(reason) ? 'invalid_key' : 'invalid_request', reason },
    }
  }
  for (const { what, err, holds } of checks)
    if (!holds({ claims, policy })) return { refused: { err, reason: invalid(what) } }
  return {
    id: claims.jti as string,
    until: later(new Date(Number(claims.iat) * 1000), oldest + 2 * signalSkew),
    type: Object.keys(claims.events as object)[0]!,
    payload: payloadOf(claims),
    subject: claims.sub_id as JsonObject,
    at: happenedAt(claims, policy.now),
  }
}

function payloadOf({ events }: JsonObject): JsonObject {
  return Object.values(events as Record<string, JsonObject>)[0]!
}

/** From here on it can only be milliseconds, which drafts of the specification asked for. */
const inMilliseconds = 100_000_000_000

function happenedAt(claims: JsonObject, now: Date): Date {
  const said = payloadOf(claims)['event_timestamp'] ?? claims.toe ?? claims.iat
  const at = typeof said === 'number' ? said : Number(claims.iat)
  // A whole second is all of it: what began within it may have been before.
  const latest = at >= inMilliseconds ? at : Number.isInteger(at) ? at * 1000 + 999 : at * 1000
  return new Date(Math.min(latest, now.getTime()))
}

/** Whom an event is about: a person by what the provider calls them, a session by its name there, or both. */
export interface SignalSubject {
  /** `issuer` undefined: the connection's own. */
  readonly person?: { readonly issuer?: string; readonly subject: string }
  readonly session?: string
}

/** How each format names a person (RFC 9493 §3.2). Whatever is not here, an address above all, names nobody. */
const formats: Readonly<Record<string, (id: JsonObject) => SignalSubject['person']>> = {
  iss_sub: ({ iss, sub }) =>
    isSubject(iss) && isSubject(sub) ? { issuer: iss, subject: sub } : undefined,
  opaque: ({ id }) => (isSubject(id) ? { subject: id } : undefined),
  aliases: ({ identifiers }) => {
    const known = Array.isArray(identifiers) ? identifiers.filter(isObject).map(personOf) : []
    const named = known.filter((one) => one !== undefined)
    return named.length === 1 ? named[0] : undefined
  },
}

function personOf(id: JsonObject): SignalSubject['person'] {
  const { format } = id
  if (typeof format !== 'string' || !Object.hasOwn(formats, format)) return undefined
  return formats[format]!(id)
}

/** The members of a complex subject that are understood (Shared Signals Framework 1.0 §3.3). */
const understood: readonly string[] = ['format', 'user', 'session']

/**
 * Reads whom an event is about.
 * @param critical members of a complex subject that the transmitter wants understood wherever they are
 */
export function readSignalSubject(
  id: JsonObject,
  critical: readonly string[],
): SignalSubject | { readonly refused: RefusedSet } {
  const refused = (what: string) => ({
    refused: { err: 'invalid_request', reason: `subject: ${what}` } as const,
  })
  if (id.format !== 'complex') {
    const person = personOf(id)
    return person ? { person } : refused('format not understood')
  }
  const unknown = critical.some((name) => Object.hasOwn(id, name) && !understood.includes(name))
  if (unknown) return refused('critical member not understood')
  const person = isObject(id.user) ? personOf(id.user) : undefined
  const session =
    isObject(id.session) && id.session.format === 'opaque' && isSubject(id.session.id)
      ? id.session.id
      : undefined
  // Half of what was meant would be another subject.
  if (id.user !== undefined && !person) return refused('user not understood')
  if (!person && session === undefined) return refused('nobody named')
  return { ...(person && { person }), ...(session !== undefined && { session }) }
}

/** Whether an event is about a stream itself, by its id. */
export function isAboutStream({ format, id }: JsonObject, streamId: string): boolean {
  return format === 'opaque' && id === streamId
}
