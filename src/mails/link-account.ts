import type { Mail } from './letter.ts'

/** To a member whose account is not linked to the provider that their organization has connected. */
export const linkAccount: Mail<{
  /** Our own, such as `https://app.example.com`. */
  readonly origin: string
  readonly organization: string
  /** The connection's name. */
  readonly provider: string
  /** Who set it up; null: an operator. */
  readonly by: string | null
}> = {
  subject: ({ organization }) => `Link your account to ${organization}’s sign-in`,
  parts: ({ origin, organization, provider, by }) => [
    `${by ?? 'An administrator'} has set up ${provider} for signing in to ${organization} at ${new URL(origin).host}. Your account there is not linked to it yet.`,
    `Open your account, signed in as you always are, and choose “Link” beside ${provider}. You sign in there once, and that is all.`,
    { button: 'Open your account', to: `${origin}/account#identities` },
    'Until then you sign in as before, as long as your organization lets you.',
  ],
  example: {
    origin: 'https://app.example.com',
    organization: 'Acme',
    provider: 'Acme SSO',
    by: 'Alice Archer',
  },
}
