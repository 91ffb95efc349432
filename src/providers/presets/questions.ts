import { z } from 'zod'
import type { Answers, Question } from './preset.ts'

/** With the scope for a refresh token: by it the provider is asked again between two sign-ins (Core §11). */
export const offline: readonly string[] = ['openid', 'profile', 'email', 'offline_access']

/** The two that every OAuth client has. */
export const client: readonly Question[] = [
  {
    name: 'clientId',
    label: 'Client ID',
    help: 'Shown on the application’s page at the provider.',
    example: '0oa1b2c3d4e5f6',
  },
  {
    name: 'clientSecret',
    label: 'Client secret',
    help: 'Shown beside the client ID, often only once.',
    example: '',
    secret: true,
  },
]

/** A host name such as `acme.okta.com`; an address that was pasted is cut down to it. */
export function host(
  message: string,
  fits: (host: string) => boolean = () => true,
): z.ZodType<string> {
  return z
    .string()
    .transform((text) => bareHost(text) ?? '')
    .refine((name) => name !== '' && fits(name), message)
}

function bareHost(text: string): string | undefined {
  const url = URL.parse(text.includes('://') ? text : `https://${text}`)
  return url?.hostname.includes('.') && url.href === `https://${url.hostname}/`
    ? url.hostname
    : undefined
}

/** One or more domains, separated by commas or spaces. */
export const domainList: z.ZodType<string> = z
  .string()
  .transform((text) => splitList(text).join(' ').toLowerCase())
  .refine(
    (text) =>
      text !== '' && splitList(text).every((name) => /^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(name)),
    'Give domains such as acme.com, separated by commas.',
  )

/** The entries of an answer that is a list. */
export function splitList(text: string): string[] {
  return text.split(/[\s,]+/).filter((entry) => entry !== '')
}

/** A web address as it is given, without blanks. */
export const webAddress: z.ZodType<string> = z
  .string()
  .refine((text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ''), 'Give a web address.')

/** The two ways in which a SAML provider describes itself. */
export function metadata(example: string, help: string): readonly Question[] {
  return [
    {
      name: 'metadataUrl',
      label: 'Metadata address',
      help,
      example,
      optional: true,
      read: webAddress,
    },
    {
      name: 'metadata',
      label: 'Metadata',
      help: 'Where there is no address: the contents of the XML file. New certificates have to be brought here by hand then.',
      example: '<EntityDescriptor …',
      optional: true,
      long: true,
    },
  ]
}

/** The settings that come of an address of metadata; what the metadata says is put beside it. */
export function metadataOf({ metadataUrl }: Answers): { readonly metadataUrl?: string } {
  return metadataUrl === undefined ? {} : { metadataUrl }
}

export function oneOfMetadata({ metadataUrl, metadata }: Answers): readonly string[] {
  return metadataUrl || metadata
    ? []
    : ['metadataUrl: Give the metadata’s address, or the metadata itself.']
}
