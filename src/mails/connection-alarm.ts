import type { Mail } from './letter.ts'
import { inUtc } from './time.ts'

type What = 'outage' | 'misconfigured' | 'brake' | 'signals'

const subjects: Readonly<Record<`${What} ${'begun' | 'over'}`, string>> = {
  'outage begun': 'does not answer',
  'outage over': 'answers again',
  'misconfigured begun': 'refuses our questions',
  'misconfigured over': 'answers again',
  'brake begun': 'says that unusually many people are gone',
  'brake over': 'is back to normal',
  'signals begun': 'tells us nothing any more',
  'signals over': 'tells us again what happens',
}

const meanings: Readonly<Record<What, string>> = {
  outage:
    'Nobody is signed out because of that for now. When it lasts longer than the time your organization allows for outages, what your organization has chosen for that case happens.',
  misconfigured:
    'It says that it does not know us, or not with these credentials: a client secret may have run out, or a setting may have changed there. Nobody is signed out because of that, but nobody who leaves is noticed either.',
  brake:
    'That many at once may be a mistake at the provider, so nobody has been signed out yet. If they are gone indeed, confirm it on the page below.',
  signals:
    'Its shared signals do not arrive. Nobody is signed out because of that, but whoever is suspended there is noticed only when the provider is asked again.',
}

/** To administrators of an organization whose provider is in trouble, once when it begins and once when it is over. */
export const connectionAlarm: Mail<{
  /** Our own, such as `https://app.example.com`. */
  readonly origin: string
  readonly organization: string
  readonly connection: string
  readonly what: What
  readonly how: 'begun' | 'over'
  /** ISO 8601. */
  readonly since: string
  /** Where to look. */
  readonly page: string
}> = {
  subject: ({ connection, organization, what, how }) =>
    `${connection} of ${organization} ${subjects[`${what} ${how}`]}`,
  parts: ({ connection, organization, what, how, since, page }) => [
    how === 'begun'
      ? `Since ${inUtc(since)} the provider behind “${connection}” of ${organization} ${subjects[`${what} begun`]}.`
      : `The provider behind “${connection}” of ${organization}, in trouble since ${inUtc(since)}, ${subjects[`${what} over`]}.`,
    ...(how === 'begun' ? [meanings[what]] : []),
    { button: 'See how it is doing', to: page },
  ],
  example: {
    origin: 'https://app.example.com',
    organization: 'Acme',
    connection: 'Acme SSO',
    what: 'outage',
    how: 'begun',
    since: '2026-06-01T12:00:00.000Z',
    page: 'https://app.example.com/organizations/acme/health',
  },
}
