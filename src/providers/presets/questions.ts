import { z } from 'zod'
import type { Question } from './preset.ts'

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
  return url?.port === '' && url.hostname.includes('.') ? url.hostname : undefined
}

/** One or more domains, separated by commas or spaces. */
export const domainList: z.ZodType<string> = z
  .string()
  .transform((text) => splitList(text).join(' ').toLowerCase())
  .refine(
    (text) => splitList(text).every((name) => /^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(name)),
    'Give domains such as acme.com, separated by commas.',
  )

/** The entries of an answer that is a list. */
export function splitList(text: string): string[] {
  return text.split(/[\s,]+/).filter((entry) => entry !== '')
}
