import type { Mail } from './letter.ts'
import { inUtc } from './time.ts'

/** To an organization's administrators, 30, 7 and 1 days before the client secret of a connection runs out. */
export const secretExpiring: Mail<{
  /** Our own, such as `https://app.example.com`. */
  readonly origin: string
  readonly organization: string
  readonly slug: string
  readonly connectionId: string
  readonly connection: string
  /** ISO 8601. */
  readonly endsAt: string
  readonly days: number
}> = {
  subject: ({ connection, days }) =>
    `The client secret of “${connection}” runs out in ${days === 1 ? 'one day' : `${days} days`}`,
  parts: ({ origin, organization, slug, connectionId, connection, endsAt }) => [
    `People of ${organization} sign in at ${new URL(origin).host} through “${connection}”. Its client secret runs out on ${inUtc(endsAt)}, and nobody can sign in that way from then on.`,
    'Make a new client secret at your identity provider and enter it here before the old one goes, with the day on which it ends.',
    {
      button: 'Change the settings',
      to: `${origin}/organizations/${slug}/connections/${connectionId}/settings`,
    },
  ],
  example: {
    origin: 'https://app.example.com',
    organization: 'Acme',
    slug: 'acme',
    connectionId: '01890000-0000-7000-8000-000000000003',
    connection: 'Acme SSO',
    endsAt: '2026-07-01T12:00:00.000Z',
    days: 30,
  },
}
