import { findConnection, listActiveConnections, type Connection } from '../accounts/connections.ts'
import {
  findOnlyOrganization,
  findOrganization,
  readSessionLimits,
  type Organization,
} from '../accounts/organizations.ts'
import { safeReturnTo } from '../flows/return-to.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { isRecentlyProven } from '../http/handler.ts'
import { AppError } from '../lib/errors.ts'
import { hashToken, randomToken } from '../lib/secrets.ts'
import { browserMaxAge, clearCookie, setCookie } from '../sessions/cookies.ts'
import { findBrowserHint, type BrowserHint } from '../sessions/lookup.ts'
import { ssoRequiredSince } from '../sessions/requiring.ts'
import { guestNotice, guestOffer } from './guest.ts'
import { buttonForm, hiddenFields, html, page, seeOther, type Html } from './page.ts'
import { tabOf } from './tabs.ts'

/** `GET /login`: which organization? Whoever is signed in already is sent straight back. */
export const login: Endpoint = async (exchange) => {
  const { services, url } = exchange
  const returnTo = safeReturnTo(url.searchParams.get('return_to'), services.origin)
  if (isToConfirm(exchange)) return confirmPage(exchange, returnTo)
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
  const organization = await findOrganization(services.db, params['org'] ?? '')
  if (alreadyIn(exchange, organization)) return seeOther(returnTo)
  if (!organization) throw new AppError('not_found', { reason: 'unknown_organization' })
  return organizationPage(exchange, organization, { returnTo, hint: await hintOf(exchange) })
}

/** `POST /login/forget`: "not you?" The browser is given up, and with it whom it reminds us of. */
export const forget: Endpoint = ({ services, form }) =>
  seeOther(`/login${back(safeReturnTo(form['return_to'], services.origin))}`, [
    clearCookie(services.cookies, 'browser'),
  ])

/** Whether somebody is signed in here, but has to show once more who they are. */
function isToConfirm(exchange: Exchange): boolean {
  const { asker, url } = exchange
  if (!asker.session || asker.session.kind !== 'user' || url.searchParams.has('switch'))
    return false
  if (asker.verdict.standing !== 'user') return !url.searchParams.has('other')
  return url.searchParams.has('reauth') && !isRecentlyProven(exchange)
}

/** Every way in which this session was proven is a way to prove it once more. */
async function confirmPage(exchange: Exchange, returnTo: string): Promise<Response> {
  const { services, asker } = exchange
  const { person, organizations } = asker.session!
  const found = await Promise.all(
    organizations.map(
      ({ connectionId }) => connectionId !== null && findConnection(services.db, connectionId),
    ),
  )
  return page(
    { title: 'Confirm it is you', signedInAs: person.name, tab: tabOf(asker.session) },
    html`<h1>Confirm it is you</h1>
      <p>
        You are signed in as <strong><bdi>${person.name}</bdi></strong
        >. What you are about to do needs a recent sign-in.
      </p>
      ${found.map((connection) => (connection ? confirmForm(connection, returnTo) : ''))}
      ${personalWays(exchange, returnTo)}
      <p class="also quiet">You come back to where you were. Nothing is lost.</p>
      <div class="row">
        <a href="/login?switch=1&return_to=${encodeURIComponent(returnTo)}"
          >Sign in as somebody else</a
        >
      </div>`,
  )
}

function confirmForm({ id, name, organization }: Connection, returnTo: string): Html {
  const label = html`Continue with <bdi>${name}</bdi> of <bdi>${organization.name}</bdi>`
  return buttonForm(`/sso/${id}/start`, label, {
    look: 'primary',
    fields: { return_to: returnTo, reauth: '1' },
  })
}

function chooserPage(exchange: Exchange, returnTo: string): Promise<Response> {
  return page(
    { title: 'Sign in' },
    html`<h1>Sign in</h1>
      ${guestNotice(exchange)}
      <p>You sign in at your organization’s own identity provider.</p>
      <form method="post" action="/login/find">
        ${hiddenFields({ return_to: returnTo })}
        <label for="org">Your work address, or your organization</label>
        <input
          id="org"
          name="org"
          required
          autofocus
          maxlength="254"
          autocomplete="email"
          autocapitalize="none"
          spellcheck="false"
          aria-describedby="org-help"
        />
        <p class="quiet" id="org-help">
          An organization goes by its short name, as in your sign-in address: <code>acme</code> for
          <code>/login/acme</code>.
        </p>
        <button class="primary">Continue</button>
      </form>
      ${personalWays(exchange, returnTo)} ${guestOffer(exchange, returnTo)}`,
  )
}

async function organizationPage(
  exchange: Exchange,
  organization: Organization,
  { returnTo, hint }: { returnTo: string; hint: BrowserHint | undefined },
): Promise<Response> {
  const { services, asker } = exchange
  const connections = await listActiveConnections(services.db, organization.id)
  const limits = await readSessionLimits(services.db, organization.id)
  const required = (await ssoRequiredSince(services.db, organization.id)) !== null
  const keep = limits?.keepSignedIn ?? false
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
      ${connections.map((connection) => startForm(connection, { returnTo, keep }))}
      ${
        connections.length === 0 && services.personalSignIn === 'off'
          ? html`<p>
              <bdi>${organization.name}</bdi> has no way of signing in yet. Ask its administrator.
            </p>`
          : ''
      }
      ${
        required
          ? requiredWays(exchange, organization)
          : personalWays(
              exchange,
              returnTo,
              connections.length > 0 ? 'Or by yourself:' : 'By yourself:',
            )
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

/** Nothing but the organization's own sign-in lets anybody in, except its owners when that is broken. */
function requiredWays({ asker }: Exchange, { name, slug }: Organization): Html {
  const elsewhere = asker.verdict.standing === 'user'
  return html`<div class="also">
    ${
      elsewhere
        ? html`<p class="notice">
            You are signed in, but <bdi>${name}</bdi> asks for its own sign-in.
          </p>`
        : ''
    }
    <p class="row"><a href="/recover/${slug}">Its sign-in is broken, and I own it</a></p>
  </div>`
}

function startForm(
  { id, name }: Connection,
  { returnTo, keep }: { returnTo: string; keep: boolean },
): Html {
  return html`<form method="post" action="/sso/${id}/start">
    ${hiddenFields({ return_to: returnTo })}
    <button class="primary">Continue with <bdi>${name}</bdi></button>
    ${keep ? keepChoice(`keep-${id}`) : ''}
  </form>`
}

function keepChoice(id: string): Html {
  return html`<div class="tick">
    <input type="checkbox" id="${id}" name="keep" value="yes" />
    <label for="${id}">Keep me signed in on this browser</label>
  </div>`
}

/** The ways in that need no organization, after the organization's own. */
export function personalWays(
  { services }: Exchange,
  returnTo: string,
  introduction = 'Or without an organization:',
): Html | '' {
  if (services.personalSignIn === 'off') return ''
  return html`<div class="also ways">
    <p class="quiet">${introduction}</p>
    <p><a class="button" href="/login/mail${back(returnTo)}">Sign in by mail</a></p>
    ${buttonForm('/login/passkey', 'Use a passkey', { fields: { return_to: returnTo } })}
  </div>`
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

/** Whether there is nothing to do here: somebody is signed in, and to that organization where one is asked for. */
function alreadyIn({ asker, url }: Exchange, organization?: Organization): boolean {
  if (asker.verdict.standing !== 'user' || url.searchParams.has('switch')) return false
  return !organization || asker.session!.organizations.some(({ id }) => id === organization.id)
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
