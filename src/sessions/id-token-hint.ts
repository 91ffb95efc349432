import type { Place, Sealer } from '../lib/seal.ts'

/** Seals a sign-in's ID token for the day its session ends. It is bound to the identity: sessions rotate. */
export function sealIdToken(sealer: Sealer, identityId: string, idToken: string): Buffer {
  return sealer.seal(idToken, place(identityId))
}

/** Opens what {@link sealIdToken} made. */
export function openIdToken(sealer: Sealer, identityId: string, sealed: Buffer): string {
  return sealer.open<string>(sealed, place(identityId))
}

function place(row: string): Place {
  return { table: 'session_proofs', column: 'id_token_hint', row }
}
