/** What a signing algorithm needs of a key (RFC 7518 §3.1, RFC 8037, RFC 9864). */
export interface AlgorithmRow {
  readonly kty: 'RSA' | 'EC' | 'OKP'
  readonly crv?: string
  /** The hash behind `at_hash` and `c_hash` (OpenID Connect Core §3.1.3.6). */
  readonly hash: 'sha256' | 'sha384' | 'sha512'
}

/** Every algorithm an ID token may be signed with. No shared-secret algorithm, and never `none`. */
export type SigningAlgorithm =
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'PS256'
  | 'PS384'
  | 'PS512'
  | 'ES256'
  | 'ES384'
  | 'ES512'
  | 'EdDSA'
  | 'Ed25519'

/** What each algorithm needs. */
export const algorithms: Readonly<Record<SigningAlgorithm, AlgorithmRow>> = {
  RS256: { kty: 'RSA', hash: 'sha256' },
  RS384: { kty: 'RSA', hash: 'sha384' },
  RS512: { kty: 'RSA', hash: 'sha512' },
  PS256: { kty: 'RSA', hash: 'sha256' },
  PS384: { kty: 'RSA', hash: 'sha384' },
  PS512: { kty: 'RSA', hash: 'sha512' },
  ES256: { kty: 'EC', crv: 'P-256', hash: 'sha256' },
  ES384: { kty: 'EC', crv: 'P-384', hash: 'sha384' },
  ES512: { kty: 'EC', crv: 'P-521', hash: 'sha512' },
  EdDSA: { kty: 'OKP', crv: 'Ed25519', hash: 'sha512' },
  Ed25519: { kty: 'OKP', crv: 'Ed25519', hash: 'sha512' },
}
