import { z } from 'zod'
import { minutes } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { parseJson } from '../lib/json.ts'
import { provePersonally, type PersonalProof } from './proof.ts'

/** Where passkeys belong. From the configured address, never from a request. */
export interface PasskeySite {
  /** Such as `https://app.example.com`. */
  readonly origin: string
  /** The host name alone (Web Authentication §4, "RP ID"). */
  readonly host: string
}

/** The site at an origin. */
export function passkeySite(origin: string): PasskeySite {
  return { origin, host: new URL(origin).hostname }
}

/** How long the browser lets somebody look for their passkey, in milliseconds. */
const timeout = minutes(5)

/** EdDSA, ES256 and RS256 (RFC 9053): what authenticators have. */
const algorithms = [-8, -7, -257]

/** What `navigator.credentials.create` is asked, as JSON: a passkey that is found without a name, for a verified person. */
export function registrationOptions(
  { host }: PasskeySite,
  {
    challenge,
    user,
    known,
  }: {
    challenge: string
    user: { readonly id: string; readonly name: string; readonly email: string | null }
    /** The person's passkeys so far, base64url: an authenticator holds one of them only. */
    known: readonly string[]
  },
): object {
  return {
    challenge,
    rp: { id: host, name: 'Sallyport' },
    user: {
      id: userHandle(user.id),
      name: user.email ?? user.name,
      displayName: user.name,
    },
    pubKeyCredParams: algorithms.map((alg) => ({ type: 'public-key', alg })),
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    excludeCredentials: known.map((id) => ({ type: 'public-key', id })),
    attestation: 'none',
    timeout,
  }
}

/** What `navigator.credentials.get` is asked, as JSON: any passkey for this site. */
export function assertionOptions({ host }: PasskeySite, challenge: string): object {
  return { challenge, rpId: host, userVerification: 'required', timeout }
}

/** A person's id as an authenticator keeps it: the 16 bytes of the UUID. */
function userHandle(userId: string): string {
  return Buffer.from(userId.replaceAll('-', ''), 'hex').toString('base64url')
}

const base64url = z
  .string()
  .max(16_384)
  .regex(/^[A-Za-z0-9_-]+$/)
const credential = { id: base64url, type: z.literal('public-key') }
const registrationShape = z.object({
  ...credential,
  response: z.object({
    clientDataJSON: base64url,
    attestationObject: base64url,
    transports: z.array(z.string().max(32)).max(8).optional(),
  }),
})
const assertionShape = z.object({
  ...credential,
  response: z.object({
    clientDataJSON: base64url,
    authenticatorData: base64url,
    signature: base64url,
    userHandle: base64url,
  }),
})

/** What an authenticator answered to {@link assertionOptions}, in the right shape and nothing more. */
export type Assertion = z.infer<typeof assertionShape>

/** Loaded with the first passkey: a server without any needs none of it. */
const library = (): Promise<typeof import('@simplewebauthn/server')> =>
  import('@simplewebauthn/server')

function refused(reason: string, cause?: unknown): AppError {
  return new AppError('passkey_refused', { reason, cause })
}

function read<T>(shape: z.ZodType<T>, text: string): T {
  try {
    return shape.parse(parseJson(text))
  } catch (cause) {
    throw refused('malformed', cause)
  }
}

/**
 * Reads what the page's script sent.
 * @throws AppError `passkey_refused`
 */
export function readAssertion(text: string): Assertion {
  return read(assertionShape, text)
}

/** A page of another site may have us in a frame; ours has nobody in one (Web Authentication §13.4.9). */
function assertOwnPage(clientDataJSON: string): void {
  const { crossOrigin } = parseJson(Buffer.from(clientDataJSON, 'base64url').toString()) as {
    crossOrigin?: unknown
  }
  if (crossOrigin) throw refused('cross_origin')
}

/** A passkey just made. */
export interface NewPasskey {
  /** Base64url. */
  readonly credentialId: string
  readonly publicKey: Uint8Array
  readonly counter: number
  readonly transports: readonly string[]
  readonly backedUp: boolean
}

/**
 * Checks what an authenticator answered to {@link registrationOptions} (Web Authentication §7.1).
 * @throws AppError `passkey_refused`
 */
export async function completeRegistration(
  site: PasskeySite,
  challenge: string,
  text: string,
): Promise<NewPasskey> {
  const { id, type, response } = read(registrationShape, text)
  const { transports = [], ...attestation } = response
  const { verifyRegistrationResponse } = await library()
  try {
    assertOwnPage(attestation.clientDataJSON)
    const { registrationInfo } = await verifyRegistrationResponse({
      response: { id, rawId: id, type, response: attestation, clientExtensionResults: {} },
      expectedChallenge: challenge,
      expectedOrigin: site.origin,
      expectedRPID: site.host,
      supportedAlgorithmIDs: algorithms,
      requireUserVerification: true,
    })
    if (!registrationInfo) throw refused('attestation')
    const { credential: made, credentialBackedUp: backedUp } = registrationInfo
    if (made.id !== id) throw refused('credential_id')
    const { publicKey, counter } = made
    return { credentialId: id, publicKey, counter, transports, backedUp }
  } catch (error) {
    throw error instanceof AppError ? error : refused('registration', error)
  }
}

/** A passkey as we know it. */
export interface KnownPasskey {
  readonly id: string
  readonly userId: string
  /** Base64url. */
  readonly credentialId: string
  readonly publicKey: Uint8Array
  readonly counter: number
}

/**
 * Checks what an authenticator signed (Web Authentication §7.2), and that it has not signed more often than it now
 * says: that would be a copy.
 * @throws AppError `passkey_refused`
 */
export async function completeAssertion(
  site: PasskeySite,
  challenge: string,
  assertion: Assertion,
  known: KnownPasskey,
): Promise<PersonalProof> {
  const { id, type, response } = assertion
  const { credentialId, publicKey } = known
  if (response.userHandle !== userHandle(known.userId)) throw refused('user_handle')
  const counter = await verify()
  if ((counter > 0 || known.counter > 0) && counter <= known.counter)
    throw refused('counter_went_back')
  return provePersonally({ method: 'passkey', passkeyId: known.id, counter })

  async function verify(): Promise<number> {
    const { verifyAuthenticationResponse } = await library()
    try {
      assertOwnPage(response.clientDataJSON)
      const { verified, authenticationInfo } = await verifyAuthenticationResponse({
        response: { id, rawId: id, type, response, clientExtensionResults: {} },
        expectedChallenge: challenge,
        expectedOrigin: site.origin,
        expectedRPID: site.host,
        requireUserVerification: true,
        // The library looks at the counter before the signature; we do after, so that only a true copy is told of.
        credential: { id: credentialId, publicKey: new Uint8Array(publicKey), counter: 0 },
      })
      if (!verified) throw refused('signature')
      return authenticationInfo.newCounter
    } catch (error) {
      throw error instanceof AppError ? error : refused('assertion', error)
    }
  }
}
