import { findConnection } from '../accounts/connections.ts'
import type { ErrorContext } from '../http/exchange.ts'
import { errors, type AppError } from '../lib/errors.ts'
import { html, page } from './page.ts'

interface Wording {
  readonly title: string
  readonly advice: string
}

/** Sign-ins that cannot go on: each way has its own words, though programs see one code. */
const flowWordings: Readonly<Record<string, Wording>> = {
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
      'For your safety it can only be finished where it began. Start again here, or go back there.',
  },
  browser_cookie_missing: {
    title: 'Your browser sent us no cookie',
    advice:
      'Either this sign-in began in another browser, or cookies are blocked for this site. Allow them and start again.',
  },
  org_mismatch: {
    title: 'This sign-in belongs to another organization',
    advice: 'It was begun for another organization than the one it came back to. Start again.',
  },
  definition_changed: {
    title: 'Sign-in was changed meanwhile',
    advice: 'The settings were updated while you were signing in. Start again.',
  },
}

/** An error as a page for a person: what happened, what to do, and a reference to quote. */
export async function errorPage(
  error: AppError,
  { requestId, url, services }: ErrorContext,
): Promise<Response> {
  const { status, title, advice } = {
    ...errors[error.code],
    ...(error.code === 'flow_invalid' && flowWordings[error.reason]),
  }
  const connectionId = /^\/sso\/([^/]+)\//.exec(url.pathname)?.[1]
  const organization = connectionId
    ? (await findConnection(services.db, connectionId))?.organization
    : undefined
  const again = organization ? `/login/${organization.slug}` : '/login'
  return page(
    { title, status, headers: error.headers },
    html`<h1>${title}</h1>
      <p>${advice}</p>
      <p>
        <a href="${again}">${organization ? `Sign in to ${organization.name}` : 'Go to sign-in'}</a>
      </p>
      <p>Reference: <code>${requestId}</code></p>`,
  )
}
