import { partingsOf, type Parting } from '../flows/provider-logout.ts'
import type { Endpoint } from '../http/exchange.ts'
import { clearCookie } from '../sessions/cookies.ts'
import { revokeSession } from '../sessions/revoke.ts'
import { buttonForm, html, page, seeOther } from './page.ts'
import { tabOf } from './tabs.ts'

/** `POST /logout`: the session is over before anything is shown; signing out twice is no error. */
export const logout: Endpoint = async ({ services, asker: { session }, requestId }) => {
  if (session) {
    const { id, person } = session
    await revokeSession(
      services,
      { id, userId: person.id },
      'logout',
      { userId: person.id, requestId },
      services.clock.now(),
    )
  }
  const partings = session ? await partingsOf(services, session.id) : []
  const response = partings.length > 0 ? await partingPage(partings) : seeOther('/logout/done')
  response.headers.append('set-cookie', clearCookie(services.cookies, 'session'))
  response.headers.set('clear-site-data', '"cache", "storage"')
  return response
}

/** The way to the providers that can end their own sessions; where there is one, it is taken by itself. */
function partingPage(partings: readonly Parting[]): Promise<Response> {
  const [first, ...more] = partings
  const headers: Record<string, string> =
    more.length === 0 ? { refresh: `0; url=${first!.to.href}` } : {}
  return page(
    { title: 'Signed out', tab: tabOf(null), headers },
    html`<h1>You are signed out here</h1>
      ${
        more.length === 0
          ? html`<p>
              Taking you to <strong>${first!.to.host}</strong>, which signs you out of
              <bdi>${first!.organization}</bdi> as well.
            </p>`
          : html`<p>Your organizations’ sign-in pages may still remember you.</p>`
      }
      ${partings.map(
        ({ organization, to }) =>
          html`<p>
            <a class="button" href="${to.href}">Sign out of <bdi>${organization}</bdi></a>
          </p>`,
      )}
      <p><a href="/logout/done">Leave it at that</a></p>`,
  )
}

/** `GET /logout`: asks; following a link changes nothing. */
export const confirmLogout: Endpoint = ({ asker }) => {
  const guest = asker.session?.kind === 'guest'
  const name = guest ? undefined : asker.session?.person.name
  return page(
    { title: 'Sign out' },
    html`<h1>Sign out?</h1>
      ${
        name
          ? html`<p>
              You are signed in as <strong><bdi>${name}</bdi></strong
              >.
            </p>`
          : ''
      }
      ${
        guest
          ? html`<p class="notice">
              You are a guest here. If you end this session, what you have done is lost. Sign in to
              keep it.
            </p>`
          : html`<p class="quiet">
              This ends the session in this browser. Your sessions in other browsers go on.
            </p>`
      }
      ${buttonForm('/logout', 'Sign out', { look: 'primary' })}
      <p><a class="button" href="/">${guest ? 'Go on as a guest' : 'Stay signed in'}</a></p>`,
  )
}

/** `GET /logout/done`. Whoever is signed in after all is asked instead of being told otherwise. */
export const loggedOut: Endpoint = ({ asker }) =>
  asker.session
    ? seeOther('/logout')
    : page(
        { title: 'Signed out', tab: tabOf(null) },
        html`<h1>You are signed out</h1>
          <p>This browser is no longer signed in.</p>
          <p class="quiet">
            Your organization’s identity provider may still remember you. On a computer that others
            use, sign out there too.
          </p>
          <p><a class="button" href="/login">Sign in again</a></p>`,
      )
