import { z } from 'zod'
import { Secret } from '../lib/secrets.ts'
import { isIssuer } from './endpoint.ts'

/** Parameters that are ours to set: an authorization request could otherwise be bent from the settings. */
const reserved = [
  'acr_values',
  'client_assertion',
  'client_assertion_type',
  'client_id',
  'client_secret',
  'code',
  'code_challenge',
  'code_challenge_method',
  'code_verifier',
  'id_token_hint',
  'iss',
  'login_hint',
  'max_age',
  'nonce',
  'redirect_uri',
  'registration',
  'request',
  'request_uri',
  'response_mode',
  'response_type',
  'scope',
  'state',
]

export const text: z.ZodString = z.string().min(1, 'Fill this in.').max(1000, 'This is too long.')

export const issuer: z.ZodType<string> = text.refine(
  isIssuer,
  'Give the issuer’s URL, without a query or a fragment.',
)

export const scopes: z.ZodType<string[]> = z.array(
  z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'A scope has no spaces or quotes.'),
)

/** Further parameters of the authorization request. */
export const authorizationParameters: z.ZodDefault<z.ZodType<Record<string, string>>> = z
  .record(text, text)
  .refine(
    (parameters) => !reserved.some((name) => Object.hasOwn(parameters, name)),
    `These are set by Sallyport: ${reserved.join(', ')}.`,
  )
  .default({})

/** A value, or several of which one is enough. */
export const oneOrMore: z.ZodType<string[]> = z.union(
  [text.transform((value) => [value]), z.array(text).min(1)],
  'Fill this in: one value, or a list.',
)

/** The ways of authenticating at a token endpoint that rest on a shared secret. */
export const secretAuth: z.ZodEnum<{
  client_secret_basic: 'client_secret_basic'
  client_secret_post: 'client_secret_post'
}> = z.enum(['client_secret_basic', 'client_secret_post'])

export const clientSecret: z.ZodType<Secret> = text.transform((secret) => new Secret(secret))
