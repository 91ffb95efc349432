import { findConnection } from '../accounts/connections.ts'
import type { ErrorContext } from '../http/exchange.ts'
import { errors, type AppError, type ErrorCode } from '../lib/errors.ts'
import { html, page, type Html } from './page.ts'

interface Wording {
  readonly title: string
  readonly advice: string
}

/** Refusals that a person can do something about, by reason: programs see one code, people get words of their own. */
const wordings: Readonly<Partial<Record<ErrorCode, Readonly<Record<string, Wording>>>>> = {
  flow_invalid: {
    expired: {
      title: 'This sign-in took too long',
      advice: 'It was open for more than ten minutes. Start again; it is quick.',
    },
    unknown: {
      title: 'We do not know this sign-in',
      advice: 'The address may be incomplete, or from long ago. Start again.',
    },
    browser_mismatch: {
      title: 'This sign-in began in another browser',
      advice:
        'For your safety it can only be finished where it began. Start again here, or go back there; a link from a mail can be copied there.',
    },
    browser_cookie_missing: {
      title: 'Your browser sent us no cookie',
      advice:
        'Either this sign-in began in another browser, and a link from a mail can be copied there; or cookies are blocked for this site. Allow them and start again.',
    },
    consumed: {
      title: 'This link has been used',
      advice: 'A link works once. If you are not signed in, ask for a new one.',
    },
    other_person: {
      title: 'Somebody else asked for this link',
      advice: 'You are signed in as another person than the one it was sent to. Ask for a new one.',
    },
    form_gone: {
      title: 'What you were about to send is gone',
      advice:
        'It is kept for ten minutes, for you in this browser only, and shown once. Go back and fill it in again.',
    },
    org_mismatch: {
      title: 'This sign-in belongs to another organization',
      advice: 'It was begun for another organization than the one it came back to. Start again.',
    },
    guest_gone: {
      title: 'Your work as a guest is not here any more',
      advice: 'It was moved or deleted meanwhile. Start again to go on without it.',
    },
    definition_changed: {
      title: 'Sign-in was changed meanwhile',
      advice: 'The settings were updated while you were signing in. Start again.',
    },
  },
  forbidden: {
    required_by_organization: {
      title: 'Your organization requires this sign-in',
      advice:
        'Its members get in this way only, so it cannot be unlinked. Link another one of the organization first, or leave the organization.',
    },
  },
  not_a_member: {
    address_unknown: {
      title: 'No account has this address',
      advice: 'Sign in through your organization, and verify the address on your account page.',
    },
  },
  invalid_request: {
    no_address: {
      title: 'That is no e-mail address',
      advice: 'Write it in full, such as alice@example.com, in plain letters.',
    },
  },
  rate_limited: {
    mails_to_address: {
      title: 'Too many mails to this address',
      advice: 'Look at those that have been sent, or wait ten minutes and ask again.',
    },
    guest_quota: {
      title: 'There is no room for another guest now',
      advice: 'Sign in, or try again in a while.',
    },
  },
  sso_failed: {
    assurance_insufficient: {
      title: 'You were not asked who you are',
      advice:
        'This needs you to sign in anew, and your organization let you through on an earlier sign-in. Sign out there and try again, or ask your administrator.',
    },
  },
  not_found: {
    unknown_organization: {
      title: 'We do not know that organization',
      advice: 'Check its short name, or ask your administrator for your sign-in address.',
    },
  },
}

interface Way {
  readonly href: string
  readonly label: string
}

/** Ways on that follow from the error itself; the others follow from where it happened. */
const waysOn: Readonly<Partial<Record<ErrorCode, readonly Way[]>>> = {
  identity_conflict: [
    { href: '/', label: 'Keep working as you are' },
    { href: '/logout', label: 'Sign out' },
  ],
}

/** An error as a page for a person: what happened, what to do, and a reference to quote. */
export async function errorPage(error: AppError, context: ErrorContext): Promise<Response> {
  const { status, title, advice } = {
    ...errors[error.code],
    ...wordings[error.code]?.[error.reason],
  }
  const ways = waysOn[error.code] ?? [wayIn(error) ?? (await wayBack(error, context))]
  return page(
    { title, status, headers: error.headers },
    html`<h1>${title}</h1>
      <p>${advice}</p>
      ${problemsOf(error)}
      ${ways.map(
        ({ href, label }) =>
          html`<p>
            <a class="button" href="${href}">${label}</a>
          </p>`,
      )}
      <p class="also quiet">Reference: <code>${error.reference ?? context.requestId}</code></p>`,
  )
}

/** What exactly cannot be used, where the error says. */
function problemsOf({ members }: AppError): Html | '' {
  const { problems } = members
  if (!Array.isArray(problems)) return ''
  return html`<ul class="plain">
    ${problems.map((problem) => html`<li>${problem}</li>`)}
  </ul>`
}

/** To the sign-in that the error itself names. */
function wayIn({ code, members }: AppError): Way | undefined {
  const href = members['login_url']
  if (code !== 'sso_required' || typeof href !== 'string') return undefined
  return { href, label: 'Go to that sign-in' }
}

/** To where the person was: the organization's sign-in, sign-in at all, or the start page. */
async function wayBack({ code, status }: AppError, { url, services }: ErrorContext): Promise<Way> {
  const [, room, connectionId] = url.pathname.split('/')
  if (room === 'register' || room === 'link') return { href: '/login', label: 'Go to sign-in' }
  if (url.pathname.startsWith('/login/mail'))
    return { href: '/login/mail', label: 'Ask for a new link' }
  if (room === 'login') return { href: '/login?other=1', label: 'Choose your organization' }
  if (room !== 'sso' && status !== 401) return { href: '/', label: 'Go to the start page' }
  // When the database is away, the page must do without it.
  const connection =
    room === 'sso' && code !== 'temporarily_unavailable'
      ? await findConnection(services.db, connectionId ?? '')
      : undefined
  if (!connection) return { href: '/login', label: 'Go to sign-in' }
  const { name, slug } = connection.organization
  return { href: `/login/${slug}`, label: `Sign in to ${name}` }
}
