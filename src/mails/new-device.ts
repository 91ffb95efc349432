import type { Mail } from './letter.ts'
import { inUtc } from './time.ts'

/** To a person who has signed in with a browser that never had a session of theirs. */
export const newDevice: Mail<{
  /** Our own, such as `https://app.example.com`. */
  readonly origin: string
  /** Such as `Firefox on Linux`. */
  readonly device: string
  /** Null where nobody knows. */
  readonly address: string | null
  /** ISO 8601. */
  readonly at: string
}> = {
  subject: ({ device }) => `New sign-in with ${device}`,
  parts: ({ origin, device, address, at }) => [
    `On ${inUtc(at)} your account at ${new URL(origin).host} was used in a browser we had not seen you with: ${device}${address ? `, from ${address}` : ''}.`,
    'If it was you, there is nothing to do. If not, end that session at once:',
    { button: 'See where you are signed in', to: `${origin}/account` },
  ],
  example: {
    origin: 'https://app.example.com',
    device: 'Firefox on Linux',
    address: '192.0.2.7',
    at: '2026-06-01T12:00:00.000Z',
  },
}
