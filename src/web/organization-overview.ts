import { listConnections, type Connection } from '../accounts/connections.ts'
import { listDomains } from '../accounts/domains.ts'
import { countMembers, type MemberCounts } from '../accounts/members.ts'
import { canRecover } from '../accounts/recovery-codes.ts'
import { listUpkeepTasks, type UpkeepTask } from '../accounts/saml-upkeep.ts'
import { isAdministrator, ownOrganization } from '../http/administered.ts'
import type { Endpoint, Services } from '../http/exchange.ts'
import type { Membership } from '../sessions/lookup.ts'
import { ssoRequiredSince } from '../sessions/requiring.ts'
import {
  connectionPath,
  connectionsPath,
  connectionStates,
  providerName,
} from './organization-connections.ts'
import { organizationPage, organizationPath } from './organization.ts'
import { html, type Html } from './page.ts'

/** What the page knows of an organization before it says what needs attention. */
interface Known {
  readonly members: MemberCounts
  readonly connections: readonly Connection[]
  /** How many of its domains have lost their DNS record. */
  readonly domainsMissing: number
  /** Whether only its own sign-in lets members in, and whether an owner could get past a broken one. */
  readonly required: boolean
  readonly recoverable: boolean
  /** Its SAML connections that somebody should look at. */
  readonly upkeep: readonly UpkeepTask[]
}

/** Something an administrator should do, and where. */
interface Task {
  readonly text: string
  /** What follows `/organizations/:org`. */
  readonly path: string
  readonly label: string
}

/** What may need attention, most urgent first; false: it does not. */
const attention: readonly ((known: Known) => Task | false)[] = [
  ({ required, connections }) =>
    required &&
    !connections.some(({ state }) => state === 'active') && {
      text: 'Only its own sign-in lets members in, and no connection is switched on: nobody gets in.',
      path: '/requirement',
      label: 'Required sign-in',
    },
  ({ required, recoverable }) =>
    required &&
    !recoverable && {
      text: 'If the required sign-in breaks, nobody gets past it: no owner has a recovery code they could use.',
      path: '/requirement',
      label: 'Required sign-in',
    },
  ({ domainsMissing: n }) =>
    n > 0 && {
      text: `The DNS record of ${counted(n, 'domain', 'domains')} cannot be found. Without it you lose the domain.`,
      path: '/domains',
      label: 'Domains',
    },
  ({ upkeep: [first] }) =>
    first !== undefined && {
      text: first.waiting
        ? `“${first.name}” has a new certificate. Look at it before your identity provider signs with it.`
        : `The metadata of “${first.name}” cannot be taken any more.`,
      path: `/connections/${first.connectionId}/saml`,
      label: 'Certificates',
    },
  ({ members: { revoked: n } }) =>
    n > 0 && {
      text: `Your identity provider does not know ${counted(n, 'member', 'members')} any more. They are kept out.`,
      path: '/members?state=revoked',
      label: 'See them',
    },
  ({ members: { suspect: n } }) =>
    n > 0 && {
      text: `Your identity provider could not be asked about ${counted(n, 'member', 'members')} for a while.`,
      path: '/members?state=suspect',
      label: 'See them',
    },
  ({ members: { unlinked: n }, connections }) =>
    n > 0 &&
    connections.some(({ state }) => state === 'active') && {
      text: `${counted(n, 'member has', 'members have')} not linked their account to your identity provider.`,
      path: '/members?state=unlinked',
      label: 'See them',
    },
  ({ members: { owners } }) =>
    owners === 1 && {
      text: 'There is one owner. When they cannot sign in, nobody can make another.',
      path: '/members',
      label: 'Members',
    },
]

/** `GET /organizations/:org`: how an organization stands, and what to do about it. */
export const organizationOverview: Endpoint = async (exchange) => {
  const organization = ownOrganization(exchange)
  return organizationPage(
    exchange,
    organization,
    { title: organization.name, current: '' },
    isAdministrator(organization)
      ? await forAdministrators(exchange.services, organization)
      : forMembers(organization),
  )
}

async function forAdministrators(
  { db, personalSignIn }: Services,
  organization: Membership,
): Promise<Html> {
  const domains = await listDomains(db, organization.id)
  const known = {
    members: await countMembers(db, organization.id),
    connections: await listConnections(db, organization.id),
    required: (await ssoRequiredSince(db, organization.id)) !== null,
    recoverable: personalSignIn !== 'off' && (await canRecover(db, organization.id)),
    upkeep: await listUpkeepTasks(db, organization.id),
    domainsMissing: domains.filter(({ state }) => state === 'missing').length,
  }
  const tasks = attention.map((ask) => ask(known)).filter((task) => task !== false)
  return html`<h1><bdi>${organization.name}</bdi></h1>
    ${
      tasks.length > 0
        ? html`<section aria-labelledby="attention">
            <h2 id="attention">Needs attention</h2>
            <ul>
              ${tasks.map((task) => taskRow(organization, task))}
            </ul>
          </section>`
        : ''
    }
    ${membersSection(known.members)} ${connectionsSection(organization, known.connections)}`
}

function forMembers({ name, role, slug }: Membership): Html {
  return html`<h1><bdi>${name}</bdi></h1>
    <p class="quiet">${slug}</p>
    <section aria-labelledby="you">
      <h2 id="you">You</h2>
      <p>You belong to it as <strong>${role}</strong>. Its administrators look after the rest.</p>
    </section>`
}

function taskRow(organization: Membership, { text, path, label }: Task): Html {
  return html`<li>
    <div>${text}</div>
    <a class="button" href="${organizationPath(organization, path)}">${label}</a>
  </li>`
}

const figures = {
  all: 'in all',
  linked: 'linked',
  unlinked: 'not linked yet',
  suspect: 'in doubt',
  revoked: 'not vouched for',
} as const

function membersSection(members: MemberCounts): Html {
  const shown = Object.entries(figures).filter(
    ([state]) => state === 'all' || state === 'linked' || members[state as keyof MemberCounts] > 0,
  )
  return html`<section aria-labelledby="members">
    <h2 id="members">Members</h2>
    <dl class="figures">
      ${shown.map(
        ([state, label]) =>
          html`<div>
            <dt>${label}</dt>
            <dd>${members[state as keyof MemberCounts]}</dd>
          </div>`,
      )}
    </dl>
  </section>`
}

function connectionsSection(organization: Membership, connections: readonly Connection[]): Html {
  return html`<section aria-labelledby="connections">
    <h2 id="connections">Ways to sign in</h2>
    ${
      connections.length > 0
        ? html`<ul>
            ${connections.map(
              (connection) =>
                html`<li>
                  <div>
                    <a href="${connectionPath(organization, connection)}"
                      ><bdi>${connection.name}</bdi></a
                    >
                    <p class="quiet">${providerName(connection)}</p>
                  </div>
                  <span class="mark">${connectionStates[connection.state]}</span>
                </li>`,
            )}
          </ul>`
        : html`<p class="quiet">
              No identity provider is connected yet. Members sign in by themselves until one is.
            </p>
            <p>
              <a class="button" href="${organizationPath(organization, connectionsPath)}"
                >Connect a provider</a
              >
            </p>`
    }
  </section>`
}

function counted(n: number, one: string, many: string): string {
  return `${n} ${n === 1 ? one : many}`
}
