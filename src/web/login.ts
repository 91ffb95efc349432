import { listActiveConnections, type Connection } from '../accounts/connections.ts'
import {
  findOnlyOrganization,
  findOrganization,
  type Organization,
} from '../accounts/organizations.ts'
import { safeReturnTo } from '../flows/return-to.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { hashToken } from '../lib/secrets.ts'
import { findBrowserHint } from '../sessions/lookup.ts'
import { html, page, seeOther, type Html } from './page.ts'

/** `GET /login`: which organization? Whoever is signed in already is sent straight back. */
export const login: Endpoint = async (exchange) => {
  const { services, url } = exchange
  const returnTo = safeReturnTo(url.searchParams.get('return_to'), services.origin)
  if (alreadyIn(exchange)) return seeOther(returnTo)
  const named = url.searchParams.get('org')
  if (named)
    return seeOther(`/login/${encodeURIComponent(named.trim().toLowerCase())}${back(returnTo)}`)
  const other = url.searchParams.has('other')
  const organization = other
    ? undefined
    : ((await hintedOrganization(exchange)) ?? (await findOnlyOrganization(services.db)))
  if (organization) return organizationPage(exchange, organization, returnTo)
  return page(
    { title: 'Sign in' },
    html`<h1>Sign in</h1>
      <form method="get" action="/login">
        <input type="hidden" name="return_to" value="${returnTo}" />
        <label for="org">Your organization</label>
        <input
          id="org"
          name="org"
          required
          autocomplete="organization"
          autocapitalize="none"
          spellcheck="false"
        />
        <button>Continue</button>
      </form>`,
  )
}

/** `GET /login/:org`: an organization's ways of signing in. */
export const loginOrganization: Endpoint = async (exchange) => {
  const { services, url, params } = exchange
  const returnTo = safeReturnTo(url.searchParams.get('return_to'), services.origin)
  if (alreadyIn(exchange)) return seeOther(returnTo)
  const organization = await findOrganization(services.db, params['org'] ?? '')
  if (!organization) throw new AppError('not_found', { reason: 'unknown_organization' })
  return organizationPage(exchange, organization, returnTo)
}

async function organizationPage(
  { services, asker }: Exchange,
  organization: Organization,
  returnTo: string,
): Promise<Response> {
  const connections = await listActiveConnections(services.db, organization.id)
  const known = asker.state.hint === 'other-user' || asker.state.session === 'expired'
  return page(
    { title: `Sign in to ${organization.name}` },
    html`<h1>${known ? 'Welcome back' : 'Sign in'}</h1>
      ${asker.state.session === 'expired' ? html`<p>Your session has expired.</p>` : ''}
      <p>to <strong>${organization.name}</strong></p>
      ${connections.map((connection) => startForm(connection, returnTo))}
      ${connections.length === 0 ? html`<p>${organization.name} has no way of signing in yet.</p>` : ''}
      <p>
        <a href="/login?other=1&return_to=${encodeURIComponent(returnTo)}">Another organization</a>
      </p>`,
  )
}

function startForm({ id, name }: Connection, returnTo: string): Html {
  return html`<form method="post" action="/sso/${id}/start">
    <input type="hidden" name="return_to" value="${returnTo}" />
    <button>Continue with ${name}</button>
  </form>`
}

function alreadyIn({ asker, url }: Exchange): boolean {
  return asker.verdict.standing === 'user' && !url.searchParams.has('switch')
}

async function hintedOrganization({
  services,
  asker,
}: Exchange): Promise<Organization | undefined> {
  if (!asker.browser) return undefined
  const hint = await findBrowserHint(services.db, hashToken(asker.browser))
  return hint?.organizationSlug && !hint.gone
    ? findOrganization(services.db, hint.organizationSlug)
    : undefined
}

function back(returnTo: string): string {
  return `?return_to=${encodeURIComponent(returnTo)}`
}
