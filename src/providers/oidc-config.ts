import { createPrivateKey, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import { Secret } from '../lib/secrets.ts'
import { algorithms, type SigningAlgorithm } from './algorithms.ts'
import {
  authorizationParameters,
  clientSecret,
  issuer,
  oneOrMore,
  scopes,
  secretAuth,
  text,
} from './oauth-settings.ts'

/** A private key, and the name under which the provider knows its public half. */
export interface ClientKey {
  readonly key: KeyObject
  readonly kid?: string | undefined
  readonly algorithm: SigningAlgorithm
}

/** How the token endpoint knows us. Fixed when the connection is set up; no other way is ever tried. */
export type ClientCredentials =
  | {
      readonly clientAuth: 'client_secret_basic' | 'client_secret_post'
      readonly clientSecret: Secret
    }
  | {
      readonly clientAuth: 'private_key_jwt'
      /** This connection's own key, so that no assertion is of use anywhere else. */
      readonly privateKey: Secret<ClientKey>
    }

/** A connection's settings. There is none for the subject: the protocol says which claim that is. */
export type OidcConfig = ClientCredentials & {
  /** The provider's identifier, exactly as its own metadata spells it. */
  readonly issuer: string
  readonly clientId: string
  /** @default ['openid', 'profile', 'email'] */
  readonly scopes: readonly string[]
  /** What ID tokens may be signed with. @default ['RS256'] */
  readonly signingAlgorithms: readonly SigningAlgorithm[]
  /** Whether name and address are asked for at the UserInfo endpoint. @default false */
  readonly userinfo: boolean
  /** Oldest acceptable authentication at the provider, in seconds. */
  readonly maxAge?: number | undefined
  /** Authentication context classes that will do; the provider is asked for them. */
  readonly requiredAcr?: readonly string[] | undefined
  /** Further authorization parameters, such as `prompt`. */
  readonly authorizationParameters: Readonly<Record<string, string>>
  /** Which claims are shown as name and address, and which one lists groups. */
  readonly claims: { readonly name: string; readonly email: string; readonly groups: string }
  /**
   * Whether the claim `email_verified` counts; `never` for a provider whose administrators write any address into it.
   * @default 'claim'
   */
  readonly emailVerified: 'claim' | 'never'
  /** Pins to Google Workspaces by their primary domains (`hd`), or to one Entra tenant (`tid`). */
  readonly requiredClaims: {
    readonly hd?: readonly string[] | undefined
    readonly tid?: readonly string[] | undefined
  }
  /** Groups of which the person has to be in one, where everybody can have an account at the provider. */
  readonly requiredGroups?: readonly string[] | undefined
}

const common = {
  issuer,
  clientId: text,
  scopes: scopes
    .default(['openid', 'profile', 'email'])
    .transform((scopes) => [...new Set(['openid', ...scopes])]),
  signingAlgorithms: z
    .array(
      z.enum(
        Object.keys(algorithms) as [SigningAlgorithm, ...SigningAlgorithm[]],
        `Choose from ${Object.keys(algorithms).join(', ')}.`,
      ),
    )
    .min(1, 'Choose at least one algorithm.')
    .default(['RS256']),
  userinfo: z.boolean('Say true or false.').default(false),
  maxAge: z.int('Give whole seconds.').min(0, 'Give whole seconds.').optional(),
  requiredAcr: z.array(text.regex(/^\S+$/, 'A class has no spaces.')).min(1).optional(),
  authorizationParameters,
  claims: z
    .strictObject(
      {
        name: text.default('name'),
        email: text.default('email'),
        groups: text.default('groups'),
      },
      'Only name, email and groups can be mapped; the subject is always the claim “sub”.',
    )
    .prefault({}),
  emailVerified: z.enum(['claim', 'never'], 'Choose claim or never.').default('claim'),
  requiredGroups: oneOrMore.optional(),
  requiredClaims: z
    .strictObject({ hd: oneOrMore.optional(), tid: oneOrMore.optional() })
    .default({}),
}

/** Reads a connection's settings. Secrets are wrapped at once. */
export const oidcConfig: z.ZodType<OidcConfig> = z.discriminatedUnion(
  'clientAuth',
  [
    z.strictObject({
      ...common,
      clientAuth: secretAuth,
      clientSecret,
    }),
    z.strictObject({
      ...common,
      clientAuth: z.literal('private_key_jwt'),
      privateKey: z
        .union([z.string().max(10_000), z.record(z.string(), z.unknown())])
        .transform(readKey),
    }),
  ],
  'Choose client_secret_basic, client_secret_post or private_key_jwt.',
)

/** What a key signs with when it does not say: the one algorithm everybody has. */
const usual: Readonly<Record<string, SigningAlgorithm>> = {
  RSA: 'RS256',
  'P-256': 'ES256',
  'P-384': 'ES384',
  'P-521': 'ES512',
  Ed25519: 'Ed25519',
}

/** A private key as PEM (PKCS #8) or JWK. */
function readKey(
  given: string | Record<string, unknown>,
  context: z.RefinementCtx,
): Secret<ClientKey> {
  try {
    const key = createPrivateKey(typeof given === 'string' ? given : { key: given, format: 'jwk' })
    const { kty, crv } = key.export({ format: 'jwk' })
    const algorithm = usual[crv ?? kty ?? '']
    const tooShort = (key.asymmetricKeyDetails?.modulusLength ?? Infinity) < 2048
    if (algorithm && !tooShort) return new Secret({ key, kid: kidOf(given), algorithm })
  } catch {
    // Node's message may quote the key.
  }
  context.addIssue(
    'Give an RSA (2048 bits or more), EC or Ed25519 private key as PKCS #8 PEM or JWK.',
  )
  return z.NEVER
}

function kidOf(given: string | Record<string, unknown>): string | undefined {
  return typeof given === 'object' && typeof given.kid === 'string' ? given.kid : undefined
}
