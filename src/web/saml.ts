import { findConnection, type Connection } from '../accounts/connections.ts'
import { receiveMessage } from '../flows/receive.ts'
import { safeReturnTo } from '../flows/return-to.ts'
import { assertUsable } from '../flows/through-connection.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { buttonForm, html, page, seeOther } from './page.ts'

/** The largest posted form, in bytes: a message of 256 KiB in base64, percent-encoded. */
export const responseLimit: number = 400 * 1024

/**
 * `POST /sso/:connection/acs`: a provider's answer, posted by the browser from the provider's own page. Browsers send
 * none of our cookies along with that, so the browser is sent on to where they come.
 */
export const receiveResponse: Endpoint = async (exchange) => {
  const { services, form, client, requestId } = exchange
  const connection = await connectionOf(exchange)
  const handle = form['RelayState']
  const posted = { connection, form, handle, address: client.address, requestId }
  if ((await receiveMessage(services, posted)) === 'awaited')
    return seeOther(`/sso/${connection.id}/callback?state=${encodeURIComponent(handle!)}`)
  const returnTo = safeReturnTo(handle, services.origin)
  return seeOther(`/sso/${connection.id}/start?return_to=${encodeURIComponent(returnTo)}`)
}

/**
 * `GET /sso/:connection/start`: asks before a sign-in begins that somebody else has brought the browser to, such as the
 * provider with its page of applications.
 */
export const askToStart: Endpoint = async (exchange) => {
  const { services, url, asker } = exchange
  const connection = await connectionOf(exchange)
  assertUsable(connection)
  const { id, name, organization } = connection
  const returnTo = safeReturnTo(url.searchParams.get('return_to'), services.origin)
  const person = asker.verdict.standing === 'user' ? asker.session?.person : undefined
  // Never while somebody is at work: it goes on as them, or they sign out themselves.
  if (person)
    return page(
      { title: 'You are signed in', signedInAs: person.name },
      html`<h1>You are signed in</h1>
        <p>
          <bdi>${organization.name}</bdi> has sent you here, and you are signed in as
          <strong><bdi>${person.name}</bdi></strong> already.
        </p>
        <p>
          <a class="button primary" href="${returnTo}">Go on as <bdi>${person.name}</bdi></a>
        </p>
        <p>
          <a href="/login/${organization.slug}?switch=1&return_to=${encodeURIComponent(returnTo)}"
            >Sign in as somebody else</a
          >
        </p>`,
    )
  return page(
    { title: `Sign in to ${organization.name}` },
    html`<h1>Sign in to <bdi>${organization.name}</bdi>?</h1>
      <p>
        <bdi>${organization.name}</bdi> <span class="quiet">(${organization.slug})</span> has sent
        you here.
      </p>
      ${buttonForm(`/sso/${id}/start`, html`Continue with <bdi>${name}</bdi>`, {
        look: 'primary',
        fields: { return_to: returnTo },
      })}
      <p class="quiet">If you did not come from there yourself, leave this page.</p>`,
  )
}

async function connectionOf({ services, params }: Exchange): Promise<Connection> {
  const connection = await findConnection(services.db, params['connection'] ?? '')
  if (!connection) throw new AppError('not_found', { reason: 'unknown_connection' })
  return connection
}
