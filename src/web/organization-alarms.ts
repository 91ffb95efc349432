import {
  findWebhook,
  listDeliveries,
  postEvent,
  removeWebhook,
  setWebhook,
  webhookEvents,
  type Delivery,
  type Webhook,
  type WebhookEvent,
} from '../accounts/webhooks.ts'
import { recordEvent } from '../accounts/audit.ts'
import { countUse } from '../db/limits.ts'
import { administeredOrganization } from '../http/administered.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { EgressError } from '../lib/egress.ts'
import { AppError } from '../lib/errors.ts'
import type { Membership } from '../sessions/lookup.ts'
import { organizationPage, organizationPath } from './organization.ts'
import { buttonForm, html, seeOther, type Html } from './page.ts'
import { ago, moment } from './time.ts'

const path = '/alarms'
const tab = '/health'

/** `GET /organizations/:org/alarms`: who is told of trouble, and how. */
export const organizationAlarms: Endpoint = async (exchange) => {
  const organization = await administeredOrganization(exchange, 'alarms')
  return alarmsPage(exchange, organization)
}

async function alarmsPage(
  exchange: Exchange,
  organization: Membership,
  refused?: { readonly problem: string; readonly url: string },
): Promise<Response> {
  const { db, clock } = exchange.services
  const webhook = await findWebhook(db, organization.id)
  const deliveries = await listDeliveries(db, organization.id)
  return organizationPage(
    exchange,
    organization,
    { title: `Alarms of ${organization.name}`, current: tab, status: refused ? 422 : 200 },
    html`<h1>Alarms</h1>
      <p class="lead">
        Owners and admins with a verified address are mailed when an identity provider is in
        trouble, when that is over, and before a certificate or a client secret runs out. Each time
        once. The same can be posted to a system of yours.
      </p>
      ${
        organization.role === 'owner'
          ? webhookSection(organization, webhook, refused)
          : html`<section aria-labelledby="webhook">
              <h2 id="webhook">Webhook</h2>
              <p>
                ${webhook ? html`Alarms are posted to <code>${new URL(webhook.url).host}</code>.` : 'Alarms are posted nowhere.'}
                Only owners change that.
              </p>
            </section>`
      }
      ${webhook || deliveries.length > 0 ? deliveriesSection(deliveries, clock.now()) : ''}
      <section aria-labelledby="events">
        <h2 id="events">What is posted</h2>
        <dl>
          ${Object.entries(webhookEvents).map(
            ([event, meaning]) =>
              html`<dt><code>${event}</code></dt>
                <dd>${meaning}</dd>`,
          )}
        </dl>
        <p class="quiet">
          JSON with the members type, timestamp and data, signed as the
          <a href="https://www.standardwebhooks.com/" rel="noreferrer">Standard Webhooks</a>
          specification has it. What is not answered with 2xx is posted again, with growing pauses,
          for about eight hours.
        </p>
      </section>
      <p><a href="${organizationPath(organization, tab)}">Health</a></p>`,
  )
}

function webhookSection(
  organization: Membership,
  webhook: Webhook | undefined,
  refused: { readonly problem: string; readonly url: string } | undefined,
): Html {
  const to = (rest = '') => organizationPath(organization, `${path}${rest}`)
  return html`<section aria-labelledby="webhook">
    <h2 id="webhook">Webhook</h2>
    ${refused ? html`<p class="notice" role="alert">${refused.problem}</p>` : ''}
    ${webhook ? html`<p class="quiet">Set ${moment(webhook.createdAt)}.</p>` : ''}
    <form method="post" action="${to()}">
      <label for="url">Address</label>
      <input
        id="url"
        name="url"
        type="url"
        required
        maxlength="2000"
        value="${refused?.url ?? webhook?.url ?? ''}"
        autocomplete="off"
        spellcheck="false"
        aria-describedby="url-help"
      />
      <p class="quiet" id="url-help">
        An https address on the public internet. Saving makes a new secret, which is shown once; the
        old one is void.
      </p>
      <button class="${webhook ? '' : 'primary'}">Save, and make a new secret</button>
    </form>
    ${
      webhook
        ? html`<div class="row">
            ${buttonForm(to('/test'), 'Post a test message')}
            <a href="${to('/remove')}">Remove it…</a>
          </div>`
        : ''
    }
  </section>`
}

const states: Readonly<Record<Delivery['state'], string>> = {
  waiting: 'Waiting',
  delivered: 'Delivered',
  failed: 'Given up',
}

function deliveriesSection(deliveries: readonly Delivery[], now: Date): Html {
  return html`<section aria-labelledby="deliveries">
    <h2 id="deliveries">The last messages</h2>
    ${
      deliveries.length > 0
        ? html`<ul>
            ${deliveries.map((one) => deliveryRow(one, now))}
          </ul>`
        : html`<p class="quiet">None yet.</p>`
    }
  </section>`
}

function deliveryRow(delivery: Delivery, now: Date): Html {
  const { id, event, state, tries, answer, triedAt, createdAt } = delivery
  return html`<li>
    <div>
      <strong>${webhookEvents[event as WebhookEvent] ?? event}</strong>
      <p class="quiet">
        ${ago(createdAt, now)}${triedAt ? html` · tried ${tries === 1 ? 'once' : `${tries} times`}, last ${ago(triedAt, now)}: <code>${answer ?? ''}</code>` : ''}
      </p>
      <p class="quiet"><code>${event}</code> <code>${id}</code></p>
    </div>
    <span class="mark ${state === 'failed' ? 'danger' : ''}">${states[state]}</span>
  </li>`
}

/** `POST /organizations/:org/alarms`: sets where alarms are posted, and shows the secret once. */
export const setOwnWebhook: Endpoint = async (exchange) => {
  const { services, form } = exchange
  const organization = await ownedOrganization(exchange)
  const url = form['url']?.trim() ?? ''
  const problem = await problemWith(services, url)
  if (problem) return alarmsPage(exchange, organization, { problem, url })
  const set = { ...doing(exchange, organization), url }
  const secret = await services.db
    .transaction()
    .execute((tx) => setWebhook(tx, services.sealer, set, services.clock.now()))
  return organizationPage(
    exchange,
    organization,
    { title: 'The webhook’s secret', current: tab },
    html`<h1>Copy the secret</h1>
      <p>
        Alarms are posted to <code>${new URL(url).host}</code> from now on. Check each message with
        this secret. It is shown now and never again.
      </p>
      <pre tabindex="0"><code>${secret}</code></pre>
      <div class="row">
        ${buttonForm(organizationPath(organization, `${path}/test`), 'Post a test message', { look: 'primary' })}
        <a href="${organizationPath(organization, path)}">Back to the alarms</a>
      </div>`,
  )
}

/** Why nothing could be posted there, in a sentence; undefined: it could. */
async function problemWith(
  { egress }: Exchange['services'],
  url: string,
): Promise<string | undefined> {
  try {
    await egress.check(url)
    return undefined
  } catch (thrown) {
    if (!(thrown instanceof EgressError)) throw thrown
    return thrown.reason === 'egress_blocked'
      ? 'Nothing can be posted there. Give an https address, by name, on the public internet.'
      : 'The name of that address cannot be found.'
  }
}

/** `POST /organizations/:org/alarms/test`: has a test message posted. */
export const testWebhook: Endpoint = async (exchange) => {
  const { services } = exchange
  const organization = await ownedOrganization(exchange)
  const now = services.clock.now()
  await countUse(services.db, 'webhook_tests', organization.id, now)
  await services.db.transaction().execute(async (tx) => {
    if (!(await findWebhook(tx, organization.id)))
      throw new AppError('changed_meanwhile', { reason: 'no_webhook' })
    await postEvent(tx, organization.id, { event: 'webhook.test', data: {} }, now)
    const event = { ...doing(exchange, organization), target: organization.id }
    await recordEvent(tx, { action: 'webhook.tested', ...event }, now)
  })
  return seeOther(organizationPath(organization, `${path}#deliveries`))
}

/** `GET /organizations/:org/alarms/remove`: asks. */
export const askRemoveWebhook: Endpoint = async (exchange) => {
  const organization = await ownedOrganization(exchange)
  const back = organizationPath(organization, path)
  return organizationPage(
    exchange,
    organization,
    { title: 'Remove the webhook', current: tab },
    html`<h1>Post alarms there no more?</h1>
      <p class="lead">
        What still waits is given up, and the secret is void. Owners and admins are mailed as
        before.
      </p>
      <div class="row">
        ${buttonForm(`${back}/remove`, 'Remove the webhook', { look: 'danger' })}
        <a href="${back}">Keep it</a>
      </div>`,
  )
}

/** `POST /organizations/:org/alarms/remove`. */
export const removeOwnWebhook: Endpoint = async (exchange) => {
  const { services } = exchange
  const organization = await ownedOrganization(exchange)
  const by = doing(exchange, organization)
  await services.db.transaction().execute((tx) => removeWebhook(tx, by, services.clock.now()))
  return seeOther(organizationPath(organization, path))
}

/**
 * The organization that an address names, for one of its owners.
 * @throws AppError as `administeredOrganization` does; `forbidden` for admins
 */
async function ownedOrganization(exchange: Exchange): Promise<Membership> {
  const organization = await administeredOrganization(exchange, 'alarms')
  if (organization.role !== 'owner') throw new AppError('forbidden', { reason: 'not_an_owner' })
  return organization
}

function doing({ asker, requestId }: Exchange, { id }: Membership) {
  return { organizationId: id, actorId: asker.session!.person.id, requestId }
}
