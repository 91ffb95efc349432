import type { CryptoKey } from 'jose'
import { seconds, type Clock } from '../lib/clock.ts'
import { once } from '../lib/once.ts'
import type { ProviderContext } from './provider.ts'
import { algorithms, type SigningAlgorithm } from './algorithms.ts'
import { ask, isObject, readObject, type JsonObject } from './answer.ts'
import type { ServerMetadata } from './discovery.ts'
import { refused } from './faults.ts'
import { createMemory, keep, type Held } from './kept.ts'

/** The keys a provider signs with (RFC 7517). */
export interface KeySet {
  /**
   * The one key that can have made this signature.
   * @param kid only ever compared with the names in the set; without it there must be exactly one suitable key
   * @throws AppError `sso_failed` with `key_not_found` or `key_ambiguous`; `sso_unavailable`
   */
  find(algorithm: SigningAlgorithm, kid: string | undefined): Promise<CryptoKey>
}

const mostKeys = 100

/** A set is asked for again because of an unknown `kid` at most this often. */
const cooldown = seconds(30)

const recall = createMemory<KeySet>()

/** The keys behind a provider's `jwks_uri`, at most ten minutes old. */
export function keysOf(
  metadata: Pick<ServerMetadata, 'issuer' | 'jwks_uri'>,
  context: ProviderContext,
): KeySet {
  const { issuer, jwks_uri } = metadata
  const key = `${context.connectionId} ${issuer} ${jwks_uri}`
  return recall(context.egress, key, () =>
    createKeySet(context.clock, () => loadKeys(jwks_uri, context)),
  )
}

function createKeySet(clock: Clock, load: () => Promise<readonly JsonObject[]>): KeySet {
  const kept = keep(clock, load)
  let renewedAt = -Infinity
  let renewal = kept.get

  // Whoever misses a key during the cool-down shares the last renewal, whether it is under way or long done.
  function renewed(now: number): Promise<Held<readonly JsonObject[]>> {
    if (now - renewedAt >= cooldown) {
      renewedAt = now
      const renewing = kept.renew()
      renewal = () => renewing
    }
    return renewal()
  }

  return {
    async find(algorithm, kid) {
      const now = clock.now().getTime()
      const { value, askedAt } = await kept.get()
      let suitable = select(value, algorithm, kid)
      // The key may have been published only just now, unless the set was.
      if (suitable.length === 0 && askedAt < now) {
        suitable = select((await renewed(now)).value, algorithm, kid)
      }
      const [key, another] = suitable
      if (key === undefined) throw refused('key_not_found')
      if (another !== undefined) throw refused('key_ambiguous')
      return importKey(key, algorithm)
    },
  }
}

async function loadKeys(url: string, context: ProviderContext): Promise<readonly JsonObject[]> {
  const response = await ask('jwks', url, { headers: { accept: 'application/json' } }, context)
  return acceptKeys(await readObject('jwks', response))
}

/** Names that only a secret or private key has (RFC 7518 §6.2.2, §6.3.2, §6.4.1). */
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

/**
 * The keys of a set, judged as a whole: a provider that publishes secrets has no secrets.
 * @throws AppError `sso_failed`
 */
function acceptKeys({ keys }: JsonObject): readonly JsonObject[] {
  if (!Array.isArray(keys) || !keys.every(isObject)) throw refused('jwks: malformed')
  if (keys.length > mostKeys) throw refused('jwks: too many keys')
  const published = (key: JsonObject) =>
    key.kty !== 'oct' && !privateMembers.some((name) => Object.hasOwn(key, name))
  if (!keys.every(published)) throw refused('jwks: holds secret keys')
  return keys
}

function select(
  keys: readonly JsonObject[],
  algorithm: SigningAlgorithm,
  kid: string | undefined,
): readonly JsonObject[] {
  const named = kid === undefined ? keys : keys.filter((key) => key.kid === kid)
  // Two keys of one name: nothing says which is meant, so neither is.
  if (kid !== undefined && named.length > 1) return []
  return named.filter((key) => isSuitable(key, algorithm))
}

function isSuitable(key: JsonObject, algorithm: SigningAlgorithm): boolean {
  const { kty, crv } = algorithms[algorithm]
  return (
    key.kty === kty &&
    (crv === undefined || key.crv === crv) &&
    (kty !== 'RSA' || isSoundRsa(key)) &&
    (key.use === undefined || key.use === 'sig') &&
    (key.key_ops === undefined || (Array.isArray(key.key_ops) && key.key_ops.includes('verify'))) &&
    (key.alg === undefined || key.alg === algorithm)
  )
}

/** A modulus of 2048 to 4096 bits, and the one public exponent everybody uses. */
function isSoundRsa({ n, e }: JsonObject): boolean {
  if (typeof n !== 'string' || n.length > 700) return false
  const hex = Buffer.from(n, 'base64url').toString('hex')
  const bits = hex === '' ? 0 : BigInt(`0x${hex}`).toString(2).length
  return bits >= 2048 && bits <= 4096 && e === 'AQAB'
}

const importer = once(() => import('jose/key/import'))

const imported = new WeakMap<JsonObject, Map<SigningAlgorithm, Promise<CryptoKey>>>()

/** A key as it is verified with: imported once, for as long as the set it was published in is held. */
function importKey(key: JsonObject, algorithm: SigningAlgorithm): Promise<CryptoKey> {
  const known = imported.get(key) ?? new Map<SigningAlgorithm, Promise<CryptoKey>>()
  imported.set(key, known)
  const made = known.get(algorithm) ?? importNew(key, algorithm)
  known.set(algorithm, made)
  return made
}

/** Only the public numbers are taken along: what else a key says of itself (`x5c`, `x5u` …) is never used. */
async function importNew(key: JsonObject, algorithm: SigningAlgorithm): Promise<CryptoKey> {
  const { kty, crv, n, e, x, y } = key
  const { importJWK } = await importer()
  try {
    return (await importJWK({ kty, crv, n, e, x, y } as { kty: string }, algorithm)) as CryptoKey
  } catch {
    throw refused('key_not_found')
  }
}
