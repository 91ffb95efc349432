import { listActiveConnections } from '../accounts/connections.ts'
import type { Checked } from '../accounts/domain-checks.ts'
import {
  claimDomain,
  domainsAtMost,
  findDomain,
  listDomains,
  recordName,
  recordText,
  removeDomain,
  routeDomain,
  type Domain,
} from '../accounts/domains.ts'
import { countUse } from '../db/limits.ts'
import { checkDomain } from '../flows/domain-proofs.ts'
import { administeredOrganization } from '../http/administered.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import type { DomainFault } from '../lib/domain-name.ts'
import type { Membership } from '../sessions/lookup.ts'
import { organizationPage, organizationPath } from './organization.ts'
import { buttonForm, html, seeOther, type Html } from './page.ts'
import { moment } from './time.ts'

const path = '/domains'

/** `GET /organizations/:org/domains`: which domains are the organization's, and how to prove one. */
export const organizationDomains: Endpoint = async (exchange) => {
  const organization = await administeredOrganization(exchange, 'domains')
  return domainsPage(exchange, organization, { checked: checkedIn(exchange.url) })
}

/** `POST /organizations/:org/domains`: claims one. */
export const claimOwnDomain: Endpoint = async (exchange) => {
  const { services, form } = exchange
  const organization = await administeredOrganization(exchange, 'domains')
  const text = form['domain'] ?? ''
  const claimed = await services.db
    .transaction()
    .execute((tx) =>
      claimDomain(tx, { ...doing(exchange, organization), text }, services.clock.now()),
    )
  if ('refused' in claimed)
    return domainsPage(exchange, organization, { refused: claimed.refused, text })
  return seeOther(organizationPath(organization, `${path}/${claimed.id}`))
}

/** `GET /organizations/:org/domains/:domain`: the record to copy, and what to do with a domain. */
export const oneDomain: Endpoint = async (exchange) => {
  const organization = await administeredOrganization(exchange, 'domains')
  const domain = await ownDomain(exchange, organization)
  return domainPage(exchange, organization, domain, checkedIn(exchange.url))
}

/** `POST /organizations/:org/domains/:domain/check`: looks for the record now. */
export const checkOwnDomain: Endpoint = async (exchange) => {
  const { services } = exchange
  const organization = await administeredOrganization(exchange, 'domains')
  const domain = await ownDomain(exchange, organization)
  const now = services.clock.now()
  await countUse(services.db, 'domain_checks', organization.id, now)
  const checked = await checkDomain(services, domain, now)
  return seeOther(organizationPath(organization, `${path}/${domain.id}?checked=${checked}`))
}

/** `POST /organizations/:org/domains/:domain/route`: through which connection people of a domain sign in. */
export const routeOwnDomain: Endpoint = async (exchange) => {
  const { services, form } = exchange
  const organization = await administeredOrganization(exchange, 'domains')
  const { id } = await ownDomain(exchange, organization)
  const connectionId = form['connection'] || null
  const routed = await services.db
    .transaction()
    .execute((tx) =>
      routeDomain(tx, { ...doing(exchange, organization), id, connectionId }, services.clock.now()),
    )
  if (!routed) throw new AppError('not_found', { reason: 'no_such_connection' })
  return seeOther(organizationPath(organization, `${path}/${id}`))
}

/** `GET /organizations/:org/domains/:domain/remove`: asks. */
export const askRemoveDomain: Endpoint = async (exchange) => {
  const organization = await administeredOrganization(exchange, 'domains')
  const domain = await ownDomain(exchange, organization)
  const back = organizationPath(organization, `${path}/${domain.id}`)
  return organizationPage(
    exchange,
    organization,
    { title: `Remove ${domain.domain}`, current: path },
    html`<h1>Remove <bdi>${domain.domain}</bdi>?</h1>
      <p class="lead">
        People with an address there are not led to your sign-in any more, and do not join by it.
        Nobody is signed out. Another organization can then prove the domain; so can you, with a new
        record.
      </p>
      <div class="row">
        ${buttonForm(`${back}/remove`, 'Remove this domain', { look: 'danger' })}
        <a href="${back}">Keep it</a>
      </div>`,
  )
}

/** `POST /organizations/:org/domains/:domain/remove` */
export const removeOwnDomain: Endpoint = async (exchange) => {
  const { services } = exchange
  const organization = await administeredOrganization(exchange, 'domains')
  const { id } = await ownDomain(exchange, organization)
  await services.db
    .transaction()
    .execute((tx) =>
      removeDomain(tx, { ...doing(exchange, organization), id }, services.clock.now()),
    )
  return seeOther(organizationPath(organization, path))
}

function doing({ asker, requestId }: Exchange, { id }: Membership) {
  return { organizationId: id, actorId: asker.session!.person.id, requestId }
}

/** @throws AppError `not_found` for any other organization's */
async function ownDomain({ services, params }: Exchange, { id }: Membership): Promise<Domain> {
  const domain = await findDomain(services.db, id, params['domain'] ?? '')
  if (!domain) throw new AppError('not_found', { reason: 'no_such_domain' })
  return domain
}

const refusals: Readonly<Record<DomainFault | 'too_many', string>> = {
  no_domain: 'That is no domain. Write it like acme.com, without https:// and without an address.',
  public_suffix: 'Anybody may have a name below that. Write your own domain, like acme.co.uk.',
  free_mail: 'Anybody can have an address there, so it is no organization’s own.',
  too_many: `An organization has ${domainsAtMost} domains at most. Remove one first.`,
}

/** What a check can say that the domain's own standing does not; that cannot be written into an address. */
const outcomes = {
  taken:
    'The record is there, but another organization here has proven this domain. It has to give the domain up first; its own record may still be in your DNS.',
  absent: 'The record is not there yet. A change of DNS can take some hours to be seen.',
  unavailable: 'No name server answered. Nothing was changed; try again in a while.',
} as const satisfies Partial<Record<Checked, string>>

function checkedIn(url: URL): string | undefined {
  const checked = url.searchParams.get('checked') ?? ''
  return Object.hasOwn(outcomes, checked) ? outcomes[checked as keyof typeof outcomes] : undefined
}

interface Said {
  readonly refused?: keyof typeof refusals
  readonly text?: string
  readonly checked?: string | undefined
}

async function domainsPage(
  exchange: Exchange,
  organization: Membership,
  { refused, text = '' }: Said,
): Promise<Response> {
  const domains = await listDomains(exchange.services.db, organization.id)
  const wrong = refused !== undefined
  return organizationPage(
    exchange,
    organization,
    { title: `Domains of ${organization.name}`, current: path, status: wrong ? 422 : 200 },
    html`<h1>Domains of <bdi>${organization.name}</bdi></h1>
      <p class="lead">
        Whoever writes an address at a domain of yours on the sign-in page is led to your sign-in.
        You prove a domain with a record in its DNS, which we look for every day.
      </p>
      <section aria-labelledby="known">
        <h2 id="known">Your domains</h2>
        ${
          domains.length === 0
            ? html`<p class="quiet">None yet.</p>`
            : html`<ul>
                ${domains.map((domain) => domainRow(organization, domain))}
              </ul>`
        }
      </section>
      <section aria-labelledby="add">
        <h2 id="add">Add a domain</h2>
        <form method="post" action="${organizationPath(organization, path)}">
          <label for="domain">The domain</label>
          <input
            id="domain"
            name="domain"
            required
            maxlength="253"
            value="${text}"
            autocapitalize="none"
            autocomplete="off"
            spellcheck="false"
            aria-describedby="domain-help"
            ${wrong ? html`aria-invalid="true" autofocus` : ''}
          />
          <p class="${wrong ? 'notice' : 'quiet'}" id="domain-help">
            ${wrong ? refusals[refused] : 'What follows the @ in your addresses, such as acme.com. Subdomains are domains of their own.'}
          </p>
          <button class="primary">Add it</button>
        </form>
      </section>`,
  )
}

const states: Readonly<Record<Domain['state'], string>> = {
  waiting: 'Not proven yet',
  proven: 'Proven',
  missing: 'Record missing',
  lost: 'Lost',
}

function domainRow(organization: Membership, { id, domain, state }: Domain): Html {
  return html`<li>
    <div id="domain-${id}">
      <strong><bdi>${domain}</bdi></strong>
      <span class="mark ${state === 'missing' || state === 'lost' ? 'danger' : ''}"
        >${states[state]}</span
      >
    </div>
    <a
      class="button"
      href="${organizationPath(organization, `${path}/${id}`)}"
      aria-describedby="domain-${id}"
      >${state === 'waiting' || state === 'lost' ? 'Prove it' : 'See it'}</a
    >
  </li>`
}

async function domainPage(
  exchange: Exchange,
  organization: Membership,
  domain: Domain,
  checked: string | undefined,
): Promise<Response> {
  const own = organizationPath(organization, `${path}/${domain.id}`)
  const connections = await listActiveConnections(exchange.services.db, organization.id)
  return organizationPage(
    exchange,
    organization,
    { title: domain.domain, current: path },
    html`<h1><bdi>${domain.domain}</bdi></h1>
      <p class="lead">${standing(domain)}</p>
      ${checked ? html`<p class="notice" role="status">${checked}</p>` : ''}
      <section aria-labelledby="record">
        <h2 id="record">Its record</h2>
        <p class="quiet">
          Whoever looks after your DNS adds this record, and leaves it there. Some providers add the
          domain to the name by themselves.
        </p>
        <dl>
          <dt>Name</dt>
          <dd><code>${recordName(domain.domain)}</code></dd>
          <dt>Type</dt>
          <dd><code>TXT</code></dd>
          <dt>Value</dt>
          <dd><code>${recordText(domain.token)}</code></dd>
        </dl>
        ${buttonForm(`${own}/check`, 'Check now', { look: 'primary' })}
      </section>
      ${domain.verifiedAt && connections.length > 1 ? routeSection(own, domain, connections) : ''}
      <section aria-labelledby="remove">
        <h2 id="remove">Give it up</h2>
        <p><a class="button" href="${own}/remove">Remove this domain</a></p>
      </section>
      <p><a href="${organizationPath(organization, path)}">All domains</a></p>`,
  )
}

function standing({ state, verifiedAt, lastProvedAt, lostAt }: Domain): Html | string {
  switch (state) {
    case 'waiting':
      return 'Not proven yet. Until it is, it leads nobody to your sign-in.'
    case 'proven':
      return html`Proven since ${moment(verifiedAt!)}; the record was last seen on
      ${moment(lastProvedAt!)}.`
    case 'missing':
      return html`The record was last seen on ${moment(lastProvedAt!)}. Put it back before
      ${moment(lostAt!)}, or the domain does not count as yours any more.`
    case 'lost':
      return html`The record was last seen on ${moment(lastProvedAt!)} and stayed away for a week.
      Put it back to prove the domain anew.`
  }
}

function routeSection(
  own: string,
  { connectionId }: Domain,
  connections: readonly { readonly id: string; readonly name: string }[],
): Html {
  const choices = [{ id: '', name: 'Whichever they choose' }, ...connections]
  return html`<section aria-labelledby="route">
    <h2 id="route">How its people sign in</h2>
    <form method="post" action="${own}/route">
      ${choices.map(
        ({ id, name }) =>
          html`<div class="tick">
            <input
              type="radio"
              id="through-${id || 'any'}"
              name="connection"
              value="${id}"
              ${id === (connectionId ?? '') ? 'checked' : ''}
            />
            <label for="through-${id || 'any'}"><bdi>${name}</bdi></label>
          </div>`,
      )}
      <button>Save</button>
    </form>
  </section>`
}
