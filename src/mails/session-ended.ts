import type { Mail } from './letter.ts'
import { inUtc } from './time.ts'

/** To a person whose longest unused session ended because they have begun one more than they may have. */
export const sessionEnded: Mail<{
  /** Our own, such as `https://app.example.com`. */
  readonly origin: string
  /** Of the session that ended, such as `Firefox on Linux`. */
  readonly device: string
  /** When it was last used; ISO 8601. */
  readonly lastSeenAt: string
  /** How many sessions a person may have. */
  readonly most: number
}> = {
  subject: ({ device }) => `Signed out of ${device}`,
  parts: ({ origin, device, lastSeenAt, most }) => [
    `You have signed in somewhere new, and an account at ${new URL(origin).host} may be signed in at ${most} places at most. So the one you had not used for the longest time was signed out: ${device}, last used on ${inUtc(lastSeenAt)}.`,
    'If you did not sign in just now, look at what is signed in and end what you do not know:',
    { button: 'See where you are signed in', to: `${origin}/account` },
  ],
  example: {
    origin: 'https://app.example.com',
    device: 'Safari on iPhone',
    lastSeenAt: '2026-05-20T07:30:00.000Z',
    most: 10,
  },
}
