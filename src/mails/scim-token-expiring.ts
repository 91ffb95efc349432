import type { Mail } from './letter.ts'
import { inUtc } from './time.ts'

/** To an organization's administrators, 30, 7 and 1 days before the last token of a connection's directory runs out. */
export const scimTokenExpiring: Mail<{
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
    `The token of your directory for “${connection}” runs out in ${days === 1 ? 'one day' : `${days} days`}`,
  parts: ({ origin, organization, slug, connectionId, connection, endsAt }) => [
    `Your directory says at ${new URL(origin).host} who belongs to ${organization}, for “${connection}”. Its token runs out on ${inUtc(endsAt)}. From then on nobody is let in by it, and nobody who leaves is put out.`,
    'Make a new token, give it to your directory, and withdraw the old one once the new one is in use.',
    {
      button: 'Open provisioning',
      to: `${origin}/organizations/${slug}/connections/${connectionId}/provisioning`,
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
