import {
  findConnectionOf,
  listConnections,
  type Connection,
  type Provisioning,
} from '../accounts/connections.ts'
import { saveProvisioning } from '../accounts/joining.ts'
import {
  previewRoles,
  readRolePolicy,
  saveRoleRules,
  type GivenRole,
  type RolePreview,
} from '../accounts/roles.ts'
import { claimsFromLines, linesFromRules, rulesFromLines } from '../accounts/rule-lines.ts'
import { administeredOrganization } from '../http/administered.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import type { Membership } from '../sessions/lookup.ts'
import { organizationPage, organizationPath } from './organization.ts'
import { html, seeOther, type Html } from './page.ts'

const tab = '/joining'

/** Who may join, in the words of the page. */
export const joiningWords: Readonly<Record<Provisioning, string>> = {
  off: 'Nobody: only people who have an account of yours already, or an invitation',
  invited: 'Whoever you invite',
  domain: 'Whoever has a verified address in one of your proven domains',
  register: 'Everybody your provider lets through, on a form',
  everybody: 'Everybody your provider lets through',
}

const roleWords: Readonly<Record<GivenRole, string>> = { member: 'Member', admin: 'Admin' }

/** `GET /organizations/:org/joining`: who becomes a member by signing in, and as what. */
export const organizationJoining: Endpoint = async (exchange) => {
  const { services } = exchange
  const organization = await administeredOrganization(exchange, 'joining')
  const connections = await listConnections(services.db, organization.id)
  const path = organizationPath(organization, tab)
  return organizationPage(
    exchange,
    organization,
    { title: `Joining ${organization.name}`, current: tab },
    html`<h1>Joining</h1>
      <p class="quiet">
        Who becomes a member by signing in. Whoever you have removed does not come back this way.
      </p>
      <section aria-labelledby="by">
        <h2 id="by">By connection</h2>
        ${
          connections.length > 0
            ? html`<ul>
                ${connections.map((connection) => connectionRow(path, connection))}
              </ul>`
            : html`<p class="quiet">There is no connection yet.</p>`
        }
      </section>
      <p class="quiet">
        Whoever joins has the role that your
        <a href="${organizationPath(organization, '/policy')}">policy</a> says, where neither a rule
        of the connection nor an invitation says otherwise.
      </p>`,
  )
}

function connectionRow(path: string, { id, name, provisioning }: Connection): Html {
  return html`<li>
    <div id="connection-${id}">
      <strong><bdi>${name}</bdi></strong>
      <p class="quiet">${joiningWords[provisioning]}.</p>
    </div>
    <a class="button" href="${path}/${id}" aria-describedby="connection-${id}">Change</a>
  </li>`
}

/** `GET /organizations/:org/joining/:connection`: who may join through a connection, and as what. */
export const connectionJoining: Endpoint = async (exchange) => {
  const organization = await administeredOrganization(exchange, 'joining')
  const connection = await ownConnection(exchange, organization)
  const { rules } = await readRolePolicy(exchange.services.db, connection.id)
  const { provisioning } = connection
  const entered = { provisioning, rules: linesFromRules(rules), claims: '' }
  return connectionPage(exchange, organization, connection, { entered })
}

/** `POST /organizations/:org/joining/:connection`: saves that, or only tries the rules. */
export const changeJoining: Endpoint = async (exchange) => {
  const { services, form } = exchange
  const organization = await administeredOrganization(exchange, 'joining')
  const connection = await ownConnection(exchange, organization)
  const { provisioning = '', rules = '', claims = '', choice } = form
  const entered = { provisioning, rules, claims }
  try {
    const read = rulesFromLines(rules)
    if (choice === 'try') {
      const preview = previewRoles(read, claimsFromLines(claims))
      return await connectionPage(exchange, organization, connection, { entered, preview })
    }
    const now = services.clock.now()
    const actor = doing(exchange, organization)
    await services.db.transaction().execute(async (tx) => {
      await saveProvisioning(tx, actor, { connectionId: connection.id, provisioning }, now)
      await saveRoleRules(tx, actor, { connectionId: connection.id, rules: read }, now)
    })
  } catch (thrown) {
    if (!(thrown instanceof AppError) || thrown.code !== 'config_rejected') throw thrown
    const problems = thrown.members['problems'] as readonly string[]
    return connectionPage(exchange, organization, connection, { entered, problems })
  }
  return seeOther(organizationPath(organization, tab))
}

interface Shown {
  readonly entered: {
    readonly provisioning: string
    readonly rules: string
    readonly claims: string
  }
  /** What the rules come to for the claims entered. @default nobody has asked */
  readonly preview?: RolePreview
  readonly problems?: readonly string[]
}

async function connectionPage(
  exchange: Exchange,
  organization: Membership,
  { id, name }: Connection,
  { entered, preview, problems = [] }: Shown,
): Promise<Response> {
  const { defaultRole } = await readRolePolicy(exchange.services.db, id)
  const path = organizationPath(organization, tab)
  return organizationPage(
    exchange,
    organization,
    {
      title: `Joining through ${name}`,
      current: tab,
      status: problems.length > 0 ? 422 : 200,
    },
    html`<h1>Joining through <bdi>${name}</bdi></h1>
      ${problems.map((problem) => html`<p class="notice" role="alert">${problem}</p>`)}
      <form method="post" action="${path}/${id}">
        <fieldset>
          <legend>Who may join</legend>
          ${Object.entries(joiningWords).map(
            ([value, label]) =>
              html`<div class="tick">
                <input
                  type="radio"
                  id="joins-${value}"
                  name="provisioning"
                  value="${value}"
                  ${value === entered.provisioning ? 'checked' : ''}
                />
                <label for="joins-${value}">${label}</label>
              </div>`,
          )}
        </fieldset>
        <label for="rules">Roles by what the provider says</label>
        <textarea id="rules" name="rules" rows="4" spellcheck="false" aria-describedby="rules-help">
${entered.rules}</textarea>
        <p class="quiet" id="rules-help">
          One rule a line, the first that fits counts: <code>admin: groups = Administrators</code>.
          The role is admin or member. It follows the provider at each sign-in, unless you change a
          member’s role by hand. Leave this empty to give roles by hand only.
        </p>
        <label for="claims">Try them with</label>
        <textarea id="claims" name="claims" rows="3" spellcheck="false" aria-describedby="tried">
${entered.claims}</textarea>
        <p class="${preview ? 'notice' : 'quiet'}" id="tried" role="status">
          ${
            preview
              ? said(preview, defaultRole)
              : html`What the provider says of somebody, a claim a line:
                  <code>groups = Administrators</code>.`
          }
        </p>
        <button class="primary" name="choice" value="save">Save</button>
        <button name="choice" value="try">Only try the rules</button>
      </form>
      <div class="also">
        <p class="row"><a href="${path}">Back</a></p>
      </div>`,
  )
}

function said({ role, rule }: RolePreview, defaultRole: GivenRole): string {
  return role === undefined || rule === undefined
    ? `No rule fits: the role is ${roleWords[defaultRole]}, as for everybody who joins.`
    : `Rule ${rule + 1} fits: the role is ${roleWords[role]}.`
}

/** @throws AppError `not_found` for any other organization's */
async function ownConnection(
  { services, params }: Exchange,
  { id }: Membership,
): Promise<Connection> {
  const connection = await findConnectionOf(services.db, id, params['connection'] ?? '')
  if (!connection) throw new AppError('not_found', { reason: 'unknown_connection' })
  return connection
}

function doing({ asker, requestId }: Exchange, { id }: Membership) {
  return { organizationId: id, actorId: asker.session!.person.id, requestId }
}
