import { findDomainRoutes, type DomainRoute } from '../accounts/domains.ts'
import { clientKey, countUse } from '../db/limits.ts'
import { safeReturnTo } from '../flows/return-to.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { domainOfAddress } from '../lib/domain-name.ts'
import { personalWays } from './login.ts'
import { buttonForm, html, page, seeOther } from './page.ts'

/**
 * `POST /login/find`: where somebody signs in who writes their address, or their organization's short name. What is
 * answered depends on the domain alone: it says nothing about people, and names no organization.
 */
export const findSignIn: Endpoint = async (exchange) => {
  const { services, form, client } = exchange
  const returnTo = safeReturnTo(form['return_to'], services.origin)
  const written = (form['org'] ?? '').trim()
  const query = `?return_to=${encodeURIComponent(returnTo)}`
  if (!written.includes('@'))
    return seeOther(
      written ? `/login/${encodeURIComponent(written.toLowerCase())}${query}` : `/login${query}`,
    )
  const now = services.clock.now()
  await countUse(services.db, 'organizations_looked_for', clientKey(client.address), now)
  // A domain that is none is looked for like any other.
  const routes = await findDomainRoutes(services.db, domainOfAddress(written) ?? '')
  return answerPage(exchange, { routes, returnTo, address: written })
}

function answerPage(
  exchange: Exchange,
  {
    routes,
    returnTo,
    address,
  }: { routes: readonly DomainRoute[]; returnTo: string; address: string },
): Promise<Response> {
  const known = routes.length > 0
  return page(
    { title: 'Sign in' },
    html`<h1>Sign in</h1>
      <p>
        ${
          known
            ? 'Your organization has a sign-in of its own for this address.'
            : 'We know no organization’s sign-in for this address. Your administrator can tell you your sign-in address.'
        }
      </p>
      ${routes.map(({ connectionId, name }) =>
        buttonForm(
          `/sso/${connectionId}/start`,
          routes.length > 1 ? html`Continue with <bdi>${name}</bdi>` : 'Continue',
          { look: 'primary', fields: { return_to: returnTo, login_hint: address } },
        ),
      )}
      ${personalWays(exchange, returnTo)}
      <div class="also">
        <p class="row">
          <a href="/login?other=1&return_to=${encodeURIComponent(returnTo)}"
            >Write something else</a
          >
        </p>
      </div>`,
  )
}
