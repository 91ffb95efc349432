import {
  findConnectionOf,
  listConnections,
  type Connection,
  type ConnectionState,
} from '../accounts/connections.ts'
import { startDraft } from '../flows/set-up.ts'
import { administeredOrganization } from '../http/administered.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { providerKinds, type ProviderKindName } from '../providers/index.ts'
import { findPreset, presets } from '../providers/presets.ts'
import type { Membership } from '../sessions/lookup.ts'
import { organizationPage, organizationPath } from './organization.ts'
import { html, seeOther, type Html } from './page.ts'

/** Where an organization's connections are. */
export const connectionsPath = '/connections'

/** What people call the state of a connection. */
export const connectionStates: Readonly<Record<ConnectionState, string>> = {
  draft: 'Being set up',
  tested: 'Tested, not in use',
  active: 'In use',
  disabled: 'Switched off',
}

/** What a connection goes to, in words: its preset, or its kind. */
export function providerName({ preset, kind }: Connection): string {
  const known = Object.hasOwn(providerKinds, kind) ? providerKinds[kind as ProviderKindName] : null
  return findPreset(preset ?? '')?.name ?? known?.name ?? kind
}

/** The path of one connection's page, or of what is below it. */
export function connectionPath(
  organization: Pick<Membership, 'slug'>,
  { id }: Pick<Connection, 'id'>,
  rest = '',
): string {
  return organizationPath(organization, `${connectionsPath}/${id}${rest}`)
}

/** `GET /organizations/:org/connections`: every way in that the organization has, and how to make another. */
export const organizationConnections: Endpoint = async (exchange) => {
  const organization = await administeredOrganization(exchange, 'connections')
  const connections = await listConnections(exchange.services.db, organization.id)
  return organizationPage(
    exchange,
    organization,
    { title: `Ways to sign in to ${organization.name}`, current: connectionsPath },
    html`<h1>Ways to sign in</h1>
      <p class="lead">
        Each connection leads to one identity provider. There can be several side by side, for
        different people or while you move from one to the other.
      </p>
      ${
        connections.length > 0
          ? html`<section aria-labelledby="connections">
              <h2 id="connections">Connections</h2>
              <ul>
                ${connections.map((connection) => connectionRow(organization, connection))}
              </ul>
            </section>`
          : ''
      }
      ${newConnectionForm(organization)}`,
  )
}

function connectionRow(organization: Membership, connection: Connection): Html {
  const { name, state } = connection
  return html`<li>
    <div>
      <a href="${connectionPath(organization, connection)}"><bdi>${name}</bdi></a>
      <p class="quiet">${providerName(connection)}</p>
    </div>
    <span class="mark">${connectionStates[state]}</span>
  </li>`
}

function newConnectionForm(organization: Membership): Html {
  return html`<section aria-labelledby="new">
    <h2 id="new">Connect a provider</h2>
    <p class="quiet">Nobody can sign in through it before you have tested it and switched it on.</p>
    <form method="post" action="${organizationPath(organization, connectionsPath)}">
      <label for="preset">Your identity provider</label>
      <select id="preset" name="preset" required>
        <option value="">Choose one</option>
        ${Object.entries(presets).map(([key, { name }]) => html`<option value="${key}">${name}</option>`)}
      </select>
      <label for="name">Name</label>
      <input
        id="name"
        name="name"
        maxlength="100"
        autocomplete="off"
        aria-describedby="name-help"
      />
      <p id="name-help" class="quiet">
        What people see on the sign-in page. Left empty, it is the provider’s.
      </p>
      <button class="primary">Begin</button>
    </form>
  </section>`
}

/** `POST /organizations/:org/connections`: makes a draft. */
export const newConnection: Endpoint = async (exchange) => {
  const { services, form, asker, requestId } = exchange
  const organization = await administeredOrganization(exchange, 'connections')
  const { preset = '', name = '' } = form
  const by = { userId: asker.session!.person.id, requestId }
  const id = await startDraft(services, { organizationId: organization.id, preset, name, by })
  return seeOther(connectionPath(organization, { id }, '/settings'))
}

/** An organization and the one of its connections that an address names, for an administrator. */
export interface Administered {
  readonly organization: Membership
  readonly connection: Connection
}

/**
 * The connection that an address names.
 * @throws AppError as `administeredOrganization` does; `not_found` where it is not the organization's
 */
export async function administeredConnection(exchange: Exchange): Promise<Administered> {
  const { services, params } = exchange
  const organization = await administeredOrganization(exchange, 'connections')
  const connection = await findConnectionOf(
    services.db,
    organization.id,
    params['connection'] ?? '',
  )
  if (!connection) throw new AppError('not_found', { reason: 'unknown_connection' })
  return { organization, connection }
}
