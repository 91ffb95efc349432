import type { Mail } from './letter.ts'
import { inUtc } from './time.ts'

/** To a person whose organization's provider no longer vouches for them. */
export const accessEnded: Mail<{
  /** Our own, such as `https://app.example.com`. */
  readonly origin: string
  readonly organization: string
  /** ISO 8601. */
  readonly at: string
}> = {
  subject: ({ organization }) => `Your access through ${organization} has ended`,
  parts: ({ origin, organization, at }) => [
    `The sign-in of ${organization} said on ${inUtc(at)} that your access is over, so your sessions for it at ${new URL(origin).host} were ended.`,
    'If that is a mistake, ask your administrator. Once your sign-in there works again, it works here too.',
  ],
  example: {
    origin: 'https://app.example.com',
    organization: 'Acme',
    at: '2026-06-01T12:00:00.000Z',
  },
}
