import type { Mail } from './letter.ts'
import { inUtc } from './time.ts'

/** To a person whose sign-in at an organization goes because it has not been used for long. */
export const identityLeaving: Mail<{
  /** Our own, such as `https://app.example.com`. */
  readonly origin: string
  readonly organization: string
  readonly connection: string
  /** When it goes; ISO 8601. */
  readonly at: string
}> = {
  subject: ({ organization }) => `Your sign-in at ${organization} has not been used for long`,
  parts: ({ origin, organization, connection, at }) => [
    `Your account at ${new URL(origin).host} is linked to “${connection}” of ${organization}, and you have not signed in that way for a long time. On ${inUtc(at)} that link goes.`,
    'You stay a member, and what you have stays yours. To keep the link, sign in that way before then; afterwards you can link your account anew.',
    { button: 'Sign in', to: `${origin}/login` },
  ],
  example: {
    origin: 'https://app.example.com',
    organization: 'Acme',
    connection: 'Acme SSO',
    at: '2026-07-01T12:00:00.000Z',
  },
}
