import type { Mail } from './letter.ts'
import { inUtc } from './time.ts'

/** To all owners of an organization, when one of them has got in with a recovery code. */
export const recoveryCodeUsed: Mail<{
  /** Our own, such as `https://app.example.com`. */
  readonly origin: string
  /** By its name. */
  readonly organization: string
  readonly slug: string
  /** Whose code it was. */
  readonly person: string
  /** Such as `Firefox on Linux`. */
  readonly device: string
  /** Null where nobody knows. */
  readonly address: string | null
  /** ISO 8601. */
  readonly until: string
}> = {
  subject: ({ organization }) => `A recovery code for ${organization} was used`,
  parts: ({ origin, organization, slug, person, device, address, until }) => [
    `${person} got in to ${organization} at ${new URL(origin).host} with a recovery code, past the sign-in that it requires: with ${device}${address ? `, from ${address}` : ''}.`,
    `It lets that browser in until ${inUtc(until)}, and no other.`,
    'If you know why, there is nothing to do. If not, end the session and have the person make new codes.',
    { button: 'See who is signed in', to: `${origin}/organizations/${slug}/sessions` },
  ],
  example: {
    origin: 'https://app.example.com',
    organization: 'Acme',
    slug: 'acme',
    person: 'Alice',
    device: 'Firefox on Linux',
    address: '192.0.2.7',
    until: '2026-06-01T13:00:00.000Z',
  },
}
