import { recordEvent } from '../accounts/audit.ts'
import {
  countRecoveryCodes,
  hasPersonalWay,
  makeRecoveryCodes,
  codesAtOnce,
} from '../accounts/recovery-codes.ts'
import { ownOrganization } from '../http/administered.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import type { Membership } from '../sessions/lookup.ts'
import { organizationPage, organizationPath } from './organization.ts'
import { buttonForm, html } from './page.ts'
import { moment } from './time.ts'

const path = '/recovery'
const current = '/policy'

/** `GET /organizations/:org/recovery`: how many recovery codes an owner has left. */
export const recoveryCodes: Endpoint = async (exchange) => {
  const { services, asker } = exchange
  const organization = await ownedOrganization(exchange)
  const userId = asker.session!.person.id
  const { left, madeAt } = await countRecoveryCodes(services.db, {
    organizationId: organization.id,
    userId,
  })
  const reachable = services.personalSignIn !== 'off' && (await hasPersonalWay(services.db, userId))
  return organizationPage(
    exchange,
    organization,
    { title: 'Recovery codes', current },
    html`<h1>Your recovery codes</h1>
      <p class="lead">
        When the sign-in that <bdi>${organization.name}</bdi> requires is broken, a code lets you in
        past it: for an hour, in one browser, once. All owners are told.
      </p>
      ${
        reachable
          ? ''
          : html`<p class="notice">
              ${
                services.personalSignIn === 'off'
                  ? 'Nobody can sign in by themself here, and a code needs that first. Ask whoever runs this service.'
                  : html`A code needs you to sign in by yourself first, and you have no way to yet.
                      <a href="/account">Verify an address or add a passkey.</a>`
              }
            </p>`
      }
      <section aria-labelledby="codes">
        <h2 id="codes">${madeAt ? `${left} of ${codesAtOnce} left` : 'You have none'}</h2>
        ${madeAt ? html`<p class="quiet">Made on ${moment(madeAt)}.</p>` : ''}
        <p class="quiet" id="making">
          New codes are shown once. ${madeAt ? 'Those you have are void from then on.' : ''}
        </p>
        ${buttonForm(
          organizationPath(organization, path),
          madeAt ? 'Make new codes' : 'Make codes',
          {
            look: madeAt ? 'danger' : 'primary',
            describedBy: 'making',
          },
        )}
      </section>
      <p>
        <a href="${organizationPath(organization, '/requirement')}">Back to the required sign-in</a>
      </p>`,
  )
}

/** `POST /organizations/:org/recovery`: makes new ones, and shows them this once. */
export const newRecoveryCodes: Endpoint = async (exchange) => {
  const { services, asker, requestId } = exchange
  const organization = await ownedOrganization(exchange)
  const made = { organizationId: organization.id, userId: asker.session!.person.id, requestId }
  const codes = await services.db
    .transaction()
    .execute((tx) => makeRecoveryCodes(tx, made, services.clock.now()))
  return organizationPage(
    exchange,
    organization,
    { title: 'New recovery codes', current },
    html`<h1>New recovery codes</h1>
      <p class="lead">
        Print them or keep them where you keep passwords. They are not shown again, and those you
        had before are void.
      </p>
      <section aria-labelledby="codes">
        <h2 id="codes">For <bdi>${organization.name}</bdi></h2>
        <ol>
          ${codes.map((code) => html`<li><code>${code}</code></li>`)}
        </ol>
      </section>
      <p>
        To use one: sign in by mail or with a passkey, and open
        <code>${services.origin}/recover/${organization.slug}</code>
      </p>
      <p>
        <a class="button" href="${organizationPath(organization, '/requirement')}"
          >I have kept them</a
        >
      </p>`,
  )
}

/** @throws AppError `forbidden` for whoever does not own it */
async function ownedOrganization(exchange: Exchange): Promise<Membership> {
  const { services, asker, requestId } = exchange
  const organization = ownOrganization(exchange)
  if (organization.role === 'owner') return organization
  const event = {
    organizationId: organization.id,
    actorId: asker.session!.person.id,
    data: { what: 'recovery_codes' },
    requestId,
  }
  const now = services.clock.now()
  await recordEvent(services.db, { action: 'authz.denied', outcome: 'deny', ...event }, now)
  throw new AppError('forbidden', { reason: 'not_an_owner' })
}
