import { z } from 'zod'
import { isEndpoint } from './endpoint.ts'
import {
  authorizationParameters,
  clientSecret,
  issuer,
  oneOrMore,
  scopes,
  secretAuth,
  text,
} from './oauth-settings.ts'
import type { ClientCredentials } from './oidc-config.ts'

/**
 * A question to the provider's interface, asked with the person's own access token, whose answer decides whether they
 * may sign in. Any answer but a plain yes or a plain no leaves it open, and nobody is let in.
 */
export interface MembershipRule {
  readonly url: string
  /** What the answer must say to be a yes: values by their paths. */
  readonly requires: Readonly<Record<string, string | number>>
  /** The statuses that are a plain no. @default [404] */
  readonly absent: readonly number[]
}

/** A connection's settings. */
export type OAuth2Config = Extract<ClientCredentials, { readonly clientSecret: unknown }> & {
  /** What the provider is called in the key of an identity; and `iss` in its returns, where it sends one (RFC 9207). */
  readonly issuer: string
  readonly authorizationEndpoint: string
  readonly tokenEndpoint: string
  /** Who the person is: a JSON object. */
  readonly userEndpoint: string
  readonly clientId: string
  readonly scopes: readonly string[]
  readonly authorizationParameters: Readonly<Record<string, string>>
  /** Where the answer of `userEndpoint` names the person for ever, and in which type; any other type is refused. */
  readonly subject: { readonly path: string; readonly type: 'string' | 'integer' }
  /** Where name, address and groups are: the first path that leads to something counts. */
  readonly claims: {
    readonly name: readonly string[]
    readonly email: readonly string[]
    /** Only `true` is believed, and only of the address beside it. */
    readonly emailVerified?: string | undefined
    readonly groups?: string | undefined
  }
  /** A list of addresses, each with `email`, `primary` and `verified`; the verified primary one is taken. */
  readonly emailsEndpoint?: string | undefined
  readonly membership?: MembershipRule | undefined
}

/** What people can change, or pass on to somebody else: none of it names a person. */
const changeable = [
  'email',
  'mail',
  'login',
  'username',
  'user_name',
  'preferred_username',
  'upn',
  'nickname',
  'name',
  'display_name',
  'phone',
  'phone_number',
]

const endpoint = text.refine(isEndpoint, 'Give an https address without a fragment.')
const path = text.regex(/^[\w-]+(\.[\w-]+){0,4}$/, 'Give names joined by dots, such as data.id.')

/** Reads a connection's settings. Secrets are wrapped at once. */
export const oauth2Config: z.ZodType<OAuth2Config> = z.strictObject({
  issuer,
  authorizationEndpoint: endpoint,
  tokenEndpoint: endpoint,
  userEndpoint: endpoint,
  clientId: text,
  clientAuth: secretAuth,
  clientSecret,
  scopes: scopes.default([]),
  authorizationParameters,
  subject: z.strictObject({
    path: path.refine(isLasting, 'Give what never changes about a person, such as a number.'),
    type: z.enum(['string', 'integer'], 'Choose string or integer.'),
  }),
  claims: z
    .strictObject({
      name: oneOrMore.default(['name']),
      email: oneOrMore.default(['email']),
      emailVerified: path.optional(),
      groups: path.optional(),
    })
    .prefault({}),
  emailsEndpoint: endpoint.optional(),
  membership: z
    .strictObject({
      url: endpoint,
      requires: z
        .record(path, z.union([text, z.int()]))
        .refine((requires) => Object.keys(requires).length > 0, 'Require at least one value.'),
      absent: z.array(z.int().min(400).max(499)).default([404]),
    })
    .optional(),
})

function isLasting(given: string): boolean {
  return !changeable.includes(given.split('.').at(-1)!.toLowerCase())
}
