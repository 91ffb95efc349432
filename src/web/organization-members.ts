import { listActiveConnections } from '../accounts/connections.ts'
import {
  countMembers,
  linkStates,
  listMembers,
  type LinkState,
  type Member,
  type MemberCounts,
} from '../accounts/members.ts'
import { mailUnlinked } from '../flows/organization-mails.ts'
import { administeredOrganization } from '../http/administered.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { isId } from '../lib/ids.ts'
import type { Membership } from '../sessions/lookup.ts'
import { linkWords } from './member-words.ts'
import { organizationPage, organizationPath } from './organization.ts'
import { buttonForm, hiddenFields, html, type Html } from './page.ts'
import { ago } from './time.ts'

const tab = '/members'
const searchedAtMost = 100

/** What a list of members is narrowed down to. */
interface Narrowed {
  readonly state: LinkState | undefined
  readonly search: string
}

/** `GET /organizations/:org/members`: who belongs to it, and whether its provider vouches for them. */
export const organizationMembers: Endpoint = async (exchange) => {
  const { services, url } = exchange
  const organization = await administeredOrganization(exchange)
  const now = services.clock.now()
  const narrowed = narrowedBy(url)
  const after = url.searchParams.get('after') ?? ''
  const counts = await countMembers(services.db, organization.id)
  const query = { ...narrowed, after: isId(after) ? after : undefined }
  const { members, next } = await listMembers(services.db, organization.id, query)
  const path = organizationPath(organization, tab)
  return organizationPage(
    exchange,
    organization,
    { title: `Members of ${organization.name}`, current: tab },
    html`<h1>Members</h1>
      ${stateLinks(path, counts, narrowed)} ${searchForm(path, narrowed)}
      <section aria-labelledby="list">
        <h2 id="list">${heading(narrowed)}</h2>
        ${
          members.length > 0
            ? html`<ul>
                ${members.map((member) => memberRow(path, member, now))}
              </ul>`
            : html`<p class="quiet">Nobody.</p>`
        }
        ${next === null ? '' : html`<p><a class="button" href="${path}${queryOf(narrowed, next)}">Show more</a></p>`}
      </section>
      ${counts.unlinked > 0 ? await unlinkedSection(exchange, organization, counts.unlinked) : ''}`,
  )
}

function narrowedBy({ searchParams }: URL): Narrowed {
  return {
    state: linkStates.find((one) => one === searchParams.get('state')),
    search: (searchParams.get('name') ?? '').slice(0, searchedAtMost),
  }
}

function queryOf({ state, search }: Narrowed, after?: string): string {
  const given = {
    ...(state && { state }),
    ...(search && { name: search }),
    ...(after && { after }),
  }
  const query = new URLSearchParams(given).toString()
  return query && `?${query}`
}

function heading({ state, search }: Narrowed): Html {
  const which = state ? linkWords[state].label : 'Everybody'
  return search ? html`${which}, called <bdi>${search}</bdi>` : html`${which}`
}

function stateLinks(path: string, counts: MemberCounts, { state, search }: Narrowed): Html {
  const link = (label: string, n: number, to: LinkState | undefined) =>
    html`<a
      href="${path}${queryOf({ state: to, search })}"
      ${to === state ? html`aria-current="true"` : ''}
      >${label} <span class="mark">${n}</span></a
    >`
  const shown = linkStates.filter((one) => counts[one] > 0 || one === state)
  return html`<nav class="tabs" aria-label="By link to the identity provider">
    ${link('Everybody', counts.all, undefined)}
    ${shown.map((one) => link(linkWords[one].label, counts[one], one))}
  </nav>`
}

function searchForm(path: string, { state, search }: Narrowed): Html {
  return html`<form class="search" method="get" action="${path}" role="search">
    ${state ? hiddenFields({ state }) : ''}
    <label for="name">Name</label>
    <div class="joined">
      <input id="name" name="name" type="search" value="${search}" maxlength="${searchedAtMost}" />
      <button>Search</button>
    </div>
  </form>`
}

function memberRow(path: string, member: Member, now: Date): Html {
  const { userId, name, role, linkState, email, lastSeenAt, suspended } = member
  const id = `member-${userId}`
  const bad = linkState === 'revoked' ? 'mark danger' : 'mark'
  return html`<li>
    <div id="${id}">
      <strong><bdi>${name}</bdi></strong> <span class="mark">${role}</span>
      <span class="${bad}">${linkWords[linkState].label}</span>
      ${suspended ? html`<span class="mark danger">Suspended</span>` : ''}
      <p class="quiet">
        ${email ? html`<bdi>${email}</bdi> · ` : ''}${lastSeenAt ? html`Last confirmed ${ago(lastSeenAt, now)}` : 'Not confirmed lately'}
      </p>
    </div>
    <a class="button" href="${path}/${userId}" aria-describedby="${id}">Look after</a>
  </li>`
}

async function unlinkedSection(
  { services }: Exchange,
  organization: Membership,
  unlinked: number,
): Promise<Html> {
  const [connection] = await listActiveConnections(services.db, organization.id)
  if (!connection || !services.mailer) return html``
  return html`<section aria-labelledby="unlinked">
    <h2 id="unlinked">Not linked yet: ${unlinked}</h2>
    <p class="quiet" id="unlinked-help">
      Sends each of them who has a verified address a mail that says how to link their account to
      <bdi>${connection.name}</bdi>, with your name. Nobody gets it twice a day.
    </p>
    ${buttonForm(organizationPath(organization, `${tab}/remind`), 'Mail them', { describedBy: 'unlinked-help' })}
  </section>`
}

/** `POST /organizations/:org/members/remind`: mails those whose account is not linked how to link it. */
export const remindUnlinked: Endpoint = async (exchange) => {
  const { services, asker, requestId } = exchange
  const organization = await administeredOrganization(exchange)
  const { id: userId, name } = asker.session!.person
  const now = services.clock.now()
  const { mailed, unreachable } = await services.db.transaction().execute(async (tx) => {
    const [connection] = await listActiveConnections(tx, organization.id)
    if (!connection) throw new AppError('invalid_request', { reason: 'no_connection' })
    return mailUnlinked(tx, services, connection, { userId, name, requestId }, now)
  })
  return organizationPage(
    exchange,
    organization,
    { title: 'Mails sent', current: tab },
    html`<h1>Mails sent</h1>
      <p>${mailed === 1 ? 'One member was' : `${mailed} members were`} mailed.</p>
      ${
        unreachable > 0
          ? html`<p class="quiet">
              ${unreachable === 1 ? 'One has' : `${unreachable} have`} no verified address; tell
              them yourself.
            </p>`
          : ''
      }
      <p><a class="button" href="${organizationPath(organization, tab)}">Back to members</a></p>`,
  )
}
