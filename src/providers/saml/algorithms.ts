import type { KeyObject } from 'node:crypto'
import { constants, sign, verify } from 'node:crypto'

/** What one of the signature algorithms of XML (RFC 9231 §2.3) needs. */
interface SignatureAlgorithm {
  readonly hash: 'sha256' | 'sha384' | 'sha512'
  readonly keyType: 'rsa' | 'ec'
  /** Of an elliptic curve key. */
  readonly curve?: string
  readonly padding?: number
}

const more = 'http://www.w3.org/2001/04/xmldsig-more#'
const newer = 'http://www.w3.org/2007/05/xmldsig-more#'
const pss = constants.RSA_PKCS1_PSS_PADDING

/** Every algorithm a SAML message may be signed with, by its URI. Nothing with SHA-1, and nothing with a shared secret. */
export const signatureAlgorithms: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  [`${more}rsa-sha256`, { hash: 'sha256', keyType: 'rsa' }],
  [`${more}rsa-sha384`, { hash: 'sha384', keyType: 'rsa' }],
  [`${more}rsa-sha512`, { hash: 'sha512', keyType: 'rsa' }],
  [`${newer}sha256-rsa-MGF1`, { hash: 'sha256', keyType: 'rsa', padding: pss }],
  [`${newer}sha384-rsa-MGF1`, { hash: 'sha384', keyType: 'rsa', padding: pss }],
  [`${newer}sha512-rsa-MGF1`, { hash: 'sha512', keyType: 'rsa', padding: pss }],
  [`${more}ecdsa-sha256`, { hash: 'sha256', keyType: 'ec', curve: 'prime256v1' }],
  [`${more}ecdsa-sha384`, { hash: 'sha384', keyType: 'ec', curve: 'secp384r1' }],
  [`${more}ecdsa-sha512`, { hash: 'sha512', keyType: 'ec', curve: 'secp521r1' }],
])

/** What we sign with. */
export const ownAlgorithm: string = `${more}rsa-sha256`

/** Signs with one of our own keys, as {@link ownAlgorithm} says. */
export function signBytes(bytes: Uint8Array, key: KeyObject): Buffer {
  return sign('sha256', bytes, key)
}

/** Whether a public key made that signature. An algorithm that is not listed, or not for such a key, never does. */
export function verifyBytes(
  uri: string,
  bytes: Uint8Array,
  signature: Uint8Array,
  key: KeyObject,
): boolean {
  const algorithm = signatureAlgorithms.get(uri)
  if (!algorithm || key.asymmetricKeyType !== algorithm.keyType) return false
  const { hash, curve, padding } = algorithm
  if (curve && key.asymmetricKeyDetails?.namedCurve !== curve) return false
  if (padding)
    return verify(
      hash,
      bytes,
      { key, padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
      signature,
    )
  // XML signatures hold r and s one after the other (RFC 9231 §2.3.6), not as DER.
  return verify(hash, bytes, { key, dsaEncoding: 'ieee-p1363' }, signature)
}
