import type { Mail } from './letter.ts'

/** To an organization's administrators, when their identity provider's metadata has changed so that it cannot be taken. */
export const metadataRefused: Mail<{
  /** Our own, such as `https://app.example.com`. */
  readonly origin: string
  /** By its name. */
  readonly organization: string
  readonly slug: string
  readonly connectionId: string
  readonly connection: string
  /** In a sentence. */
  readonly problem: string
}> = {
  subject: ({ connection }) => `The metadata of “${connection}” cannot be taken any more`,
  parts: ({ origin, organization, slug, connectionId, problem }) => [
    `The identity provider through which people of ${organization} sign in at ${new URL(origin).host} publishes something else than before: ${problem}`,
    'Nothing was changed here, and signing in goes on as it is. New certificates are not seen until this is mended.',
    {
      button: 'See the connection',
      to: `${origin}/organizations/${slug}/connections/${connectionId}/saml`,
    },
  ],
  example: {
    origin: 'https://app.example.com',
    organization: 'Acme',
    slug: 'acme',
    connectionId: '01890000-0000-7000-8000-000000000003',
    connection: 'Acme SSO',
    problem: 'This metadata was valid until 2026-05-31. Ask for a newer one.',
  },
}
