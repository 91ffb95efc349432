import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import { Secret } from '../../lib/secrets.ts'
import { isEndpoint } from '../endpoint.ts'

/** How a message travels: in a redirect's query (SAML Bindings §3.4), or in a form that the browser posts (§3.5). */
export type SamlBinding = 'redirect' | 'post'

/** Forms of a NameID that can name the same person twice. `transient` is none of them. */
export type NameIdFormat = 'persistent' | 'unspecified' | 'emailAddress'

/** Forms of a NameID, as messages name them. None at all is `unspecified` (SAML Core §8.3.1). */
export const nameIdFormats: Readonly<Record<NameIdFormat, string>> = {
  persistent: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
  unspecified: 'urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified',
  emailAddress: 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress',
}

/** A key pair of ours. `next` is published before it is used, `retired` still decrypts what was on the way. */
export interface SamlKey {
  readonly id: string
  readonly state: 'current' | 'next' | 'retired'
  readonly privateKey: Secret<KeyObject>
  readonly certificate: X509Certificate
}

/** A connection's settings. */
export interface SamlConfig {
  readonly idp: {
    /** Exactly as its metadata spells it; compared byte for byte. */
    readonly entityId: string
    readonly ssoUrl: string
    /** @default 'redirect' */
    readonly ssoBinding: SamlBinding
    readonly sloUrl?: string | undefined
    /** Where answers about signing out go. @default `sloUrl` */
    readonly sloResponseUrl?: string | undefined
    /** Whose signatures count: any of these, and no other, whatever a message says of its key. */
    readonly certificates: readonly X509Certificate[]
  }
  /** Where the provider publishes its metadata. */
  readonly metadataUrl?: string | undefined
  /** Names of the attributes that are shown as these. */
  readonly claims: {
    readonly name?: string | undefined
    readonly email?: string | undefined
    readonly firstName?: string | undefined
    readonly lastName?: string | undefined
    readonly groups?: string | undefined
  }
  /**
   * What names the person: the NameID, or an attribute that an administrator knows to be stable. Of the formats of a
   * NameID only `persistent` promises never to be another person's; the others are an administrator's choice.
   * @default a persistent NameID
   */
  readonly subject:
    | { readonly from: 'nameid'; readonly formats: readonly NameIdFormat[] }
    | { readonly from: 'attribute'; readonly name: string }
  readonly keys: readonly SamlKey[]
  /** @default true */
  readonly signRequests: boolean
  /** Whether the response has to be signed as a whole, and not only the assertion in it. @default false */
  readonly requireSignedResponse: boolean
  /** How far the provider's clock may be from ours. @default 60 */
  readonly clockSkewSeconds: number
}

const text = z.string().min(1, 'Fill this in.').max(1000, 'This is too long.')
const address = text.refine(isEndpoint, 'Give an https address without a fragment.')
const attribute = text.optional()

const key = z.strictObject({
  id: text,
  state: z.enum(['current', 'next', 'retired'], 'Choose current, next or retired.'),
  privateKey: z.string().max(10_000).transform(readPrivateKey),
  certificate: z.string().max(10_000).transform(readCertificate),
})

/** Reads a connection's settings. Secrets are wrapped at once. */
export const samlConfig: z.ZodType<SamlConfig> = z.strictObject({
  idp: z.strictObject({
    entityId: z.string().min(1, 'Fill this in.').max(1024, 'This is too long.'),
    ssoUrl: address,
    ssoBinding: z.enum(['redirect', 'post'], 'Choose redirect or post.').default('redirect'),
    sloUrl: address.optional(),
    sloResponseUrl: address.optional(),
    certificates: z
      .array(z.string().max(10_000).transform(readCertificate))
      .min(1, 'Give at least one certificate.')
      .max(10, 'These are too many.'),
  }),
  metadataUrl: address.optional(),
  claims: z
    .strictObject({
      name: attribute,
      email: attribute,
      firstName: attribute,
      lastName: attribute,
      groups: attribute,
    })
    .default({}),
  subject: z
    .discriminatedUnion(
      'from',
      [
        z.strictObject({
          from: z.literal('nameid'),
          formats: z
            .array(
              z.enum(
                ['persistent', 'unspecified', 'emailAddress'],
                'Choose from persistent, unspecified, emailAddress.',
              ),
            )
            .min(1, 'Choose at least one format.')
            .default(['persistent']),
        }),
        z.strictObject({ from: z.literal('attribute'), name: text }),
      ],
      'Choose nameid or attribute.',
    )
    .prefault({ from: 'nameid' }),
  keys: z
    .array(key)
    .max(10, 'These are too many.')
    .refine(isOneCurrent, 'At most one key is the current one.')
    .default([]),
  signRequests: z.boolean('Say true or false.').default(true),
  requireSignedResponse: z.boolean('Say true or false.').default(false),
  clockSkewSeconds: z
    .int('Give whole seconds.')
    .min(0, 'Give whole seconds.')
    .max(300, 'Five minutes at most.')
    .default(60),
})

/** The key that signs what we send now; undefined where there is none. */
export function currentKey({ keys }: Pick<SamlConfig, 'keys'>): SamlKey | undefined {
  return keys.find(({ state }) => state === 'current')
}

function isOneCurrent(keys: readonly { readonly state: string }[]): boolean {
  return keys.filter(({ state }) => state === 'current').length <= 1
}

/** A certificate as PEM or bare base64, with a key that is strong enough to rest on. */
function readCertificate(given: string, context: z.RefinementCtx): X509Certificate {
  try {
    const certificate = new X509Certificate(toDer(given))
    if (isStrong(certificate.publicKey)) return certificate
    context.addIssue('Its key is too weak: RSA of 2048 bits or more, or EC P-256, P-384 or P-521.')
  } catch {
    context.addIssue('Give one X.509 certificate as PEM or base64.')
  }
  return z.NEVER
}

function toDer(given: string): Buffer {
  const pem = /^\s*-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----\s*$/.exec(given)
  const base64 = (pem?.[1] ?? given).replace(/\s/g, '')
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) throw new TypeError('not base64')
  return Buffer.from(base64, 'base64')
}

const curves = ['prime256v1', 'secp384r1', 'secp521r1']

function isStrong({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): boolean {
  if (type === 'rsa') return (details?.modulusLength ?? 0) >= 2048
  return type === 'ec' && curves.includes(details?.namedCurve ?? '')
}

/** Ours are RSA: every provider verifies with it, and only RSA can be encrypted to. */
function readPrivateKey(given: string, context: z.RefinementCtx): Secret<KeyObject> {
  try {
    const read = createPrivateKey(given)
    if (read.asymmetricKeyType === 'rsa' && isStrong(read)) return new Secret(read)
  } catch {
    // Node's message may quote the key.
  }
  context.addIssue('Give an RSA private key of 2048 bits or more as PEM.')
  return z.NEVER
}
