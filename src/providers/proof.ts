import type { Grant } from './again.ts'

/** What a provider proved, as plain data. Times are ISO 8601. */
export interface ProofData {
  readonly connectionId: string
  /** The provider's own identifier: OIDC `iss`, SAML entity id. Compared byte for byte. */
  readonly issuer: string
  /** The person's identifier there: OIDC `sub`, persistent NameID. Compared byte for byte, never normalised. */
  readonly subject: string
  /** When the person last authenticated at the provider, if it said so. */
  readonly authenticatedAt?: string
  readonly acr?: string
  readonly amr?: readonly string[]
  /** The provider's name for its own session (OIDC `sid`), by which it can later end ours. */
  readonly providerSession?: string
  /** By which name the provider speaks of the person when it ends its session (SAML). It selects no account. */
  readonly nameId?: NameId
  /** When the provider's session ends, if it said so; what rests on this proof ends then too. */
  readonly sessionEndsAt?: string
  /** For display and as hints only. Nothing here ever selects an account. */
  readonly claims: Claims
  /** For asking again later. Secret. */
  readonly grant?: Grant
  /** The ID token as it was issued: a hint for signing out at the provider, and good for nothing else. */
  readonly idToken?: string
}

/** A SAML name identifier, as it was sent (SAML Core §2.2.3). */
export interface NameId {
  readonly value: string
  readonly format?: string
  readonly nameQualifier?: string
  readonly spNameQualifier?: string
}

/** What a provider says about a person. Display and hints, never keys. */
export interface Claims {
  readonly name?: string
  readonly email?: string
  readonly emailVerified?: boolean
  /** The groups the person is in there. Read by role rules; never stored on the identity. */
  readonly groups?: readonly string[]
  /**
   * Everything that was said, in words: at most 50 claims, 100 values each, 255 printable characters a value. Shown in a
   * test sign-in and read by role rules; never stored on the identity.
   */
  readonly raw?: Readonly<Record<string, string | readonly string[]>>
}

declare const proven: unique symbol

/** Evidence that a provider vouched for somebody just now. Nothing else opens or raises a session. */
export type Proof = ProofData & { readonly [proven]: true }

/**
 * What somebody proved without an organization: that they read mail sent to an address, or that they hold a passkey.
 * The address is a key only where its account has verified it.
 */
export type PersonalProofData =
  | { readonly method: 'mail'; readonly address: string }
  | {
      readonly method: 'passkey'
      readonly passkeyId: string
      /** How often the authenticator says it has signed; 0 where it does not count. */
      readonly counter: number
    }

/** Evidence that somebody proved themself just now, without an organization. */
export type PersonalProof = PersonalProofData & { readonly [proven]: true }

/** All there is that opens a session. */
export type Evidence = Proof | PersonalProof

const minted = new WeakSet<object>()

/** Makes a proof. For providers, once every check has passed; a test keeps other rooms from calling it. */
export function prove(data: ProofData): Proof {
  const proof = Object.freeze({ ...data }) as Proof
  minted.add(proof)
  return proof
}

/** Makes a personal proof. For providers, once every check has passed; a test keeps other rooms from calling it. */
export function provePersonally(data: PersonalProofData): PersonalProof {
  const proof = Object.freeze({ ...data }) as PersonalProof
  minted.add(proof)
  return proof
}

/** Refuses what is shaped like a proof but was not made by a provider. */
export function assertProof(value: Evidence): void {
  if (!minted.has(value)) throw new TypeError('A session can only be opened with a Proof')
}

/**
 * A proof out of a flow's sealed data, where the flow waited for an answer after the provider had vouched.
 * Only the flow store may call this: the seal is what makes it trustworthy.
 */
export function unsealProof(data: ProofData): Proof {
  return prove(data)
}

/** {@link unsealProof} for what somebody proved without an organization. */
export function unsealPersonalProof(data: PersonalProofData): PersonalProof {
  return provePersonally(data)
}
