import type { Mail } from './letter.ts'

/** To a member who has signed in through a connection that was switched off or removed. */
export const connectionRemoved: Mail<{
  /** Our own, such as `https://app.example.com`. */
  readonly origin: string
  readonly organization: string
  readonly slug: string
  /** The connection's name. */
  readonly provider: string
  /** Whether the organization has another way of signing in that this member has used. */
  readonly linkedElsewhere: boolean
}> = {
  subject: ({ organization, provider }) => `${provider} no longer signs you in to ${organization}`,
  parts: ({ origin, organization, slug, provider, linkedElsewhere }) => [
    `An administrator of ${organization} has switched off signing in through ${provider} at ${new URL(origin).host}. Sessions that began with it have ended.`,
    linkedElsewhere
      ? 'You can sign in as you also did until now, through your organization’s other provider.'
      : 'Your account is still there. Sign in another way: through another provider of your organization, by a link mailed to this address, or with a passkey.',
    { button: 'Go to sign-in', to: `${origin}/login/${slug}` },
  ],
  example: {
    origin: 'https://app.example.com',
    organization: 'Acme',
    slug: 'acme',
    provider: 'Acme SSO',
    linkedElsewhere: false,
  },
}
