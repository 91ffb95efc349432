import type { Endpoint } from '../http/exchange.ts'
import { clearCookie } from '../sessions/cookies.ts'
import { revokeSession } from '../sessions/sessions.ts'
import { html, page, seeOther } from './page.ts'

/** `POST /logout`: the session is over before anything is shown; signing out twice is no error. */
export const logout: Endpoint = async ({ services, asker: { session }, requestId }) => {
  if (session) {
    const { id, person } = session
    await revokeSession(
      services.db,
      { id, userId: person.id },
      'logout',
      { userId: person.id, requestId },
      services.clock.now(),
    )
  }
  const response = seeOther('/logout/done', [clearCookie(services.cookies, 'session')])
  response.headers.set('clear-site-data', '"cache", "storage"')
  return response
}

/** `GET /logout`: asks; following a link changes nothing. */
export const confirmLogout: Endpoint = () =>
  page(
    { title: 'Sign out' },
    html`<h1>Sign out?</h1>
      <form method="post" action="/logout"><button>Sign out</button></form>`,
  )

/** `GET /logout/done`. */
export const loggedOut: Endpoint = () =>
  page(
    { title: 'Signed out' },
    html`<h1>You are signed out</h1>
      <p>This browser is no longer signed in.</p>
      <p><a href="/login">Sign in again</a></p>`,
  )
