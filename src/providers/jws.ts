import { once } from '../lib/once.ts'
import type { SigningAlgorithm } from './algorithms.ts'
import { isObject, parse, type JsonObject } from './answer.ts'
import { refused } from './faults.ts'
import type { KeySet } from './jwks.ts'

/** What a signed token may look like. */
export interface Signed {
  /** The algorithms agreed on for this connection; what the token's header says is only compared with them. */
  readonly algorithms: readonly SigningAlgorithm[]
  /** The values of `typ` that are read; a header may say nothing of it. */
  readonly types: readonly string[]
  /** Whether a header must say one of them. @default false */
  readonly typed?: boolean
  /** The reason of a refusal, from what is wrong. */
  readonly invalid: (what: string) => string
}

/**
 * The claims of a compact JWS (RFC 7515) whose signature is good; of the claims nothing is judged yet.
 * @throws AppError `sso_failed` with a reason from `invalid`, `key_not_found` or `key_ambiguous`; `sso_unavailable`
 */
export async function readJws(
  token: string,
  keys: KeySet,
  signed: Signed,
): Promise<{ readonly alg: SigningAlgorithm; readonly claims: JsonObject }> {
  const [header, claims] = decode(token, signed)
  const { alg, kid } = readHeader(header, signed)
  await verifySignature(token, alg, await keys.find(alg, kid), signed)
  return { alg, claims }
}

/** Header and claims of a compact JWS; only the one canonical spelling of it is read (RFC 7515 §3.1). */
function decode(token: string, { invalid }: Signed): [header: JsonObject, claims: JsonObject] {
  const parts = token.split('.')
  if (parts.length !== 3 || !parts.every(isBase64url)) throw refused(invalid('not a signed token'))
  const [header, claims] = parts.map((part) => parse(Buffer.from(part, 'base64url')))
  if (!isObject(header) || !isObject(claims)) throw refused(invalid('not JSON'))
  return [header, claims]
}

function isBase64url(part: string): boolean {
  return part !== '' && Buffer.from(part, 'base64url').toString('base64url') === part
}

function readHeader(
  header: JsonObject,
  { algorithms, types, typed = false, invalid }: Signed,
): { alg: SigningAlgorithm; kid: string | undefined } {
  const alg = algorithms.find((name) => name === header.alg)
  const { kid, typ } = header
  if (alg === undefined) throw refused(invalid('alg'))
  if ((typed || typ !== undefined) && !(typeof typ === 'string' && types.includes(typ)))
    throw refused(invalid('typ'))
  // No extension is understood, so none that must be understood is accepted (RFC 7515 §4.1.11).
  if (header.crit !== undefined || header.b64 !== undefined) throw refused(invalid('crit'))
  if (kid !== undefined && typeof kid !== 'string') throw refused(invalid('kid'))
  return { alg, kid }
}

const verifier = once(() => import('jose/jws/compact/verify'))

async function verifySignature(
  token: string,
  alg: SigningAlgorithm,
  key: Awaited<ReturnType<KeySet['find']>>,
  { invalid }: Signed,
): Promise<void> {
  const { compactVerify } = await verifier()
  try {
    await compactVerify(token, key, { algorithms: [alg] })
  } catch {
    throw refused(invalid('signature'))
  }
}
