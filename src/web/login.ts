import { listActiveConnections, type Connection } from '../accounts/connections.ts'
import {
  findOnlyOrganization,
  findOrganization,
  type Organization,
} from '../accounts/organizations.ts'
import { safeReturnTo } from '../flows/return-to.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { hashToken, randomToken } from '../lib/secrets.ts'
import { browserMaxAge, clearCookie, setCookie } from '../sessions/cookies.ts'
import { findBrowserHint, type BrowserHint } from '../sessions/lookup.ts'
import { guestNotice, guestOffer } from './guest.ts'
import { buttonForm, hiddenFields, html, page, seeOther, type Html } from './page.ts'

/** `GET /login`: which organization? Whoever is signed in already is sent straight back. */
export const login: Endpoint = async (exchange) => {
  const { services, url } = exchange
  const returnTo = safeReturnTo(url.searchParams.get('return_to'), services.origin)
  if (alreadyIn(exchange)) return seeOther(returnTo)
  const named = url.searchParams.get('org')
  if (named)
    return seeOther(`/login/${encodeURIComponent(named.trim().toLowerCase())}${back(returnTo)}`)
  const hint = await hintOf(exchange)
  const organization = url.searchParams.has('other')
    ? undefined
    : ((await hintedOrganization(exchange, hint)) ?? (await findOnlyOrganization(services.db)))
  return organization
    ? organizationPage(exchange, organization, { returnTo, hint })
    : chooserPage(exchange, returnTo)
}

/** `GET /login/:org`: an organization's ways of signing in. */
export const loginOrganization: Endpoint = async (exchange) => {
  const { services, url, params } = exchange
  const returnTo = safeReturnTo(url.searchParams.get('return_to'), services.origin)
  if (alreadyIn(exchange)) return seeOther(returnTo)
  const organization = await findOrganization(services.db, params['org'] ?? '')
  if (!organization) throw new AppError('not_found', { reason: 'unknown_organization' })
  return organizationPage(exchange, organization, { returnTo, hint: await hintOf(exchange) })
}

/** `POST /login/forget`: "not you?" The browser is given up, and with it whom it reminds us of. */
export const forget: Endpoint = ({ services, form }) =>
  seeOther(`/login${back(safeReturnTo(form['return_to'], services.origin))}`, [
    clearCookie(services.cookies, 'browser'),
  ])

function chooserPage(exchange: Exchange, returnTo: string): Promise<Response> {
  return page(
    { title: 'Sign in' },
    html`<h1>Sign in</h1>
      ${guestNotice(exchange)}
      <p>You sign in at your organization’s own identity provider.</p>
      <form method="get" action="/login">
        ${hiddenFields({ return_to: returnTo })}
        <label for="org">Your organization</label>
        <input
          id="org"
          name="org"
          required
          autofocus
          maxlength="63"
          autocomplete="organization"
          autocapitalize="none"
          spellcheck="false"
          aria-describedby="org-help"
        />
        <p class="quiet" id="org-help">
          Its short name, as in your sign-in address: <code>acme</code> for
          <code>/login/acme</code>.
        </p>
        <button class="primary">Continue</button>
      </form>
      ${guestOffer(exchange, returnTo)}`,
  )
}

async function organizationPage(
  exchange: Exchange,
  organization: Organization,
  { returnTo, hint }: { returnTo: string; hint: BrowserHint | undefined },
): Promise<Response> {
  const { services, asker } = exchange
  const connections = await listActiveConnections(services.db, organization.id)
  const expired =
    asker.state.session === 'expired' ||
    (hint?.sessionEndsAt && hint.sessionEndsAt <= services.clock.now())
  const response = await page(
    { title: `Sign in to ${organization.name}` },
    html`<h1>${hint || expired ? 'Welcome back' : 'Sign in'}</h1>
      ${guestNotice(exchange)}
      ${expired ? html`<p class="notice">Your session has expired. Sign in again to go on where you were.</p>` : ''}
      <p>
        Sign in to <strong><bdi>${organization.name}</bdi></strong>
        <span class="quiet">(${organization.slug})</span>.
      </p>
      ${connections.map((connection) => startForm(connection, returnTo))}
      ${
        connections.length === 0
          ? html`<p>
              <bdi>${organization.name}</bdi> has no way of signing in yet. Ask its administrator.
            </p>`
          : ''
      }
      <div class="also">
        ${hint && hint.organizationSlug === organization.slug ? lastHere(hint, returnTo) : ''}
        <p class="row">
          <a href="/login?other=1&return_to=${encodeURIComponent(returnTo)}">
            Another organization
          </a>
        </p>
      </div>
      ${guestOffer(exchange, returnTo)}`,
  )
  // Here, and not only at the start: tabs that begin at once in a new browser then share one key.
  if (!asker.browser)
    response.headers.append(
      'set-cookie',
      setCookie(services.cookies, 'browser', randomToken(16), browserMaxAge),
    )
  return response
}

function startForm({ id, name }: Connection, returnTo: string): Html {
  return buttonForm(`/sso/${id}/start`, html`Continue with <bdi>${name}</bdi>`, {
    look: 'primary',
    fields: { return_to: returnTo },
  })
}

/** Whoever signed in here last, by initials only: somebody else may be looking. */
function lastHere({ name }: BrowserHint, returnTo: string): Html {
  return html`<div class="row">
    <span class="quiet" id="last">Last signed in here: <bdi>${initials(name)}</bdi></span>
    ${buttonForm('/login/forget', 'Not you?', { look: 'plain', describedBy: 'last', fields: { return_to: returnTo } })}
  </div>`
}

function initials(name: string): string {
  const words = name.split(/\s+/).filter(Boolean)
  return words.map(([first]) => `${first}.`).join(' ')
}

function alreadyIn({ asker, url }: Exchange): boolean {
  return asker.verdict.standing === 'user' && !url.searchParams.has('switch')
}

/** Who signed in with this browser last, unless they are gone. */
async function hintOf({ services, asker }: Exchange): Promise<BrowserHint | undefined> {
  if (!asker.browser) return undefined
  const hint = await findBrowserHint(services.db, hashToken(asker.browser))
  return hint?.gone ? undefined : hint
}

async function hintedOrganization(
  { services }: Exchange,
  hint: BrowserHint | undefined,
): Promise<Organization | undefined> {
  return hint?.organizationSlug ? findOrganization(services.db, hint.organizationSlug) : undefined
}

function back(returnTo: string): string {
  return `?return_to=${encodeURIComponent(returnTo)}`
}
