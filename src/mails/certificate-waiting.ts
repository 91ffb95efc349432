import type { Mail } from './letter.ts'
import { inUtc } from './time.ts'

/** To an organization's administrators, when their identity provider publishes a certificate that nobody has agreed to. */
export const certificateWaiting: Mail<{
  /** Our own, such as `https://app.example.com`. */
  readonly origin: string
  /** By its name. */
  readonly organization: string
  readonly slug: string
  readonly connectionId: string
  readonly connection: string
  /** SHA-256 in hexadecimal. */
  readonly fingerprint: string
  /** ISO 8601. */
  readonly endsAt: string
}> = {
  subject: ({ connection }) => `“${connection}” has a new certificate: please look at it`,
  parts: ({ origin, organization, slug, connectionId, fingerprint, endsAt }) => [
    `The identity provider through which people of ${organization} sign in at ${new URL(origin).host} publishes a new certificate, valid until ${inUtc(endsAt)}. It is not accepted before an administrator agrees, because whoever holds its key can sign in as anybody of yours.`,
    `Compare it with what your identity provider shows. Its SHA-256 fingerprint: ${fingerprint}`,
    'Once your identity provider signs with it, nobody can sign in until you have agreed.',
    {
      button: 'Look at the certificate',
      to: `${origin}/organizations/${slug}/connections/${connectionId}/saml`,
    },
  ],
  example: {
    origin: 'https://app.example.com',
    organization: 'Acme',
    slug: 'acme',
    connectionId: '01890000-0000-7000-8000-000000000003',
    connection: 'Acme SSO',
    fingerprint: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    endsAt: '2029-06-01T12:00:00.000Z',
  },
}
