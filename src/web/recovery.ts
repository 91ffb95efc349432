import { ownersAddresses } from '../accounts/owners.ts'
import { clientKey, countUse } from '../db/limits.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { describeDevice } from '../sessions/device.ts'
import { recover } from '../sessions/recovery.ts'
import { personalWays } from './login.ts'
import { html, page, seeOther } from './page.ts'
import { tabOf } from './tabs.ts'

/**
 * `GET /recover/:org`: for owners whose organization's sign-in is broken. The page is the same for everybody and
 * for every short name, whether or not there is such an organization.
 */
export const askRecovery: Endpoint = (exchange) => {
  const { asker, url } = exchange
  const { session } = asker
  const personally = asker.verdict.standing === 'user' && session!.personalUntil !== null
  return page(
    {
      title: 'Recovery',
      signedInAs: session?.kind === 'user' ? session.person.name : undefined,
      tab: tabOf(session),
    },
    html`<h1>Get in with a recovery code</h1>
      <p>
        When an organization’s own sign-in is broken, its owners get in with a code they have kept.
        All its owners are told.
      </p>
      ${personally ? codeForm(exchange) : firstSignIn(exchange, url.pathname)}
      <div class="also">
        <p class="row"><a href="/login?other=1">Sign in another way</a></p>
      </div>`,
  )
}

function codeForm({ url }: Exchange) {
  return html`<form method="post" action="${url.pathname}">
    <label for="code">Your code</label>
    <input
      id="code"
      name="code"
      required
      autofocus
      maxlength="64"
      autocomplete="off"
      autocapitalize="none"
      spellcheck="false"
      aria-describedby="code-help"
    />
    <p class="quiet" id="code-help">
      Four groups of four, such as <code>k7fq-2m9x-t3hd-84sv</code>. It works once, and lets this
      browser in for an hour.
    </p>
    <button class="primary">Get in</button>
  </form>`
}

function firstSignIn(exchange: Exchange, returnTo: string) {
  if (exchange.services.personalSignIn === 'off')
    return html`<p class="notice">
      Nobody can sign in by themself here, and a code needs that first. Ask whoever runs this
      service.
    </p>`
  return personalWays(exchange, returnTo, 'First sign in by yourself:')
}

/** `POST /recover/:org`: uses a code up. */
export const finishRecovery: Endpoint = async (exchange) => {
  const { services, asker, client, form, params, request, requestId } = exchange
  const { db, clock, origin, sendMail } = services
  const session = asker.session!
  const now = clock.now()
  await countUse(db, 'recoveries_of_person', session.person.id, now)
  await countUse(db, 'recoveries_of_client', clientKey(client.address), now)
  const slug = params['org'] ?? ''
  const presented = { slug, code: form['code'] ?? '', session, requestId }
  const recovered = await recover(
    services,
    presented,
    async (tx, { organization, until }) => {
      const about = {
        origin,
        slug,
        organization: organization.name,
        person: session.person.name,
        device: describeDevice(request.headers.get('user-agent')) || 'an unknown browser',
        address: client.address ?? null,
        until: until.toISOString(),
      }
      for (const to of await ownersAddresses(tx, organization.id))
        await sendMail(tx, 'recovery_code_used', to, about)
    },
    now,
  )
  if ('refused' in recovered) throw new AppError('recovery_refused', { reason: recovered.refused })
  services.log.warn(
    { requestId, organizationId: recovered.organization.id },
    'a recovery code was used',
  )
  return seeOther(`/organizations/${slug}/requirement`)
}
