import type { Mail } from './letter.ts'
import { inUtc } from './time.ts'

/** To an organization's owners, when the DNS record that proves a domain theirs cannot be found any more. */
export const domainMissing: Mail<{
  /** Our own, such as `https://app.example.com`. */
  readonly origin: string
  /** By its name. */
  readonly organization: string
  readonly slug: string
  readonly domain: string
  /** The name of the record. */
  readonly name: string
  readonly text: string
  /** When the domain is lost unless the record is back. ISO 8601 */
  readonly lostAt: string
}> = {
  subject: ({ domain }) => `The DNS record for ${domain} is gone`,
  parts: ({ origin, organization, slug, domain, name, text, lostAt }) => [
    `${organization} has proven at ${new URL(origin).host} that ${domain} is its domain. The DNS record that says so cannot be found any more.`,
    `Put it back before ${inUtc(lostAt)}: at ${name}, of type TXT, saying ${text}`,
    'Otherwise people with an address there are not led to your sign-in any more, and do not join by it. Nobody is signed out.',
    { button: 'See your domains', to: `${origin}/organizations/${slug}/domains` },
  ],
  example: {
    origin: 'https://app.example.com',
    organization: 'Acme',
    slug: 'acme',
    domain: 'acme.example',
    name: '_sallyport-challenge.acme.example',
    text: 'sallyport-domain=Zm9yIHRoZSBwcmV2aWV3IG9ubHk',
    lostAt: '2026-06-08T12:00:00.000Z',
  },
}
