import type { Mail } from './letter.ts'
import { inUtc } from './time.ts'

/** To an organization's administrators, 30, 7 and 1 days before a certificate of a SAML connection runs out. */
export const certificateExpiring: Mail<{
  /** Our own, such as `https://app.example.com`. */
  readonly origin: string
  /** By its name. */
  readonly organization: string
  readonly slug: string
  readonly connectionId: string
  readonly connection: string
  /** Whose certificate: the identity provider's, or our own for this connection. */
  readonly whose: 'provider' | 'ours'
  /** ISO 8601. */
  readonly endsAt: string
  readonly days: number
}> = {
  subject: ({ connection, days }) =>
    `A certificate of “${connection}” runs out in ${days === 1 ? 'one day' : `${days} days`}`,
  parts: ({ origin, organization, slug, connectionId, connection, whose, endsAt }) => [
    `People of ${organization} sign in at ${new URL(origin).host} through “${connection}”. ${
      whose === 'provider'
        ? 'The certificate that its identity provider signs with'
        : 'The certificate that we sign our requests with'
    } runs out on ${inUtc(endsAt)}.`,
    whose === 'provider'
      ? 'Make a new certificate at your identity provider and add it here before the old one goes. Both are accepted side by side.'
      : 'Make the next key here, give its certificate to your identity provider, then switch to it.',
    {
      button: 'See the certificates',
      to: `${origin}/organizations/${slug}/connections/${connectionId}/saml`,
    },
  ],
  example: {
    origin: 'https://app.example.com',
    organization: 'Acme',
    slug: 'acme',
    connectionId: '01890000-0000-7000-8000-000000000003',
    connection: 'Acme SSO',
    whose: 'provider',
    endsAt: '2026-07-01T12:00:00.000Z',
    days: 30,
  },
}
