import type { Mail } from './letter.ts'

/** To an organization's owners, when a domain is not theirs any more because its DNS record stayed away. */
export const domainLost: Mail<{
  /** Our own, such as `https://app.example.com`. */
  readonly origin: string
  /** By its name. */
  readonly organization: string
  readonly slug: string
  readonly domain: string
}> = {
  subject: ({ organization, domain }) => `${domain} does not count as ${organization}’s any more`,
  parts: ({ origin, slug, domain }) => [
    `The DNS record for ${domain} has been missing for a week. People with an address there are not led to your sign-in at ${new URL(origin).host} any more, and do not join by it. Nobody was signed out.`,
    'Put the record back and have it checked to prove the domain anew:',
    { button: 'See your domains', to: `${origin}/organizations/${slug}/domains` },
  ],
  example: {
    origin: 'https://app.example.com',
    organization: 'Acme',
    slug: 'acme',
    domain: 'acme.example',
  },
}
