import { recordEvent } from '../accounts/audit.ts'
import { findMember, outranks, type Member, type MembershipRefused } from '../accounts/members.ts'
import type { Role } from '../accounts/organizations.ts'
import { administeredOrganization } from '../http/administered.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError, type ErrorCode } from '../lib/errors.ts'
import type { Membership } from '../sessions/lookup.ts'
import { changeMembership } from '../sessions/membership.ts'
import { linkWords, roleChoice, roleIn } from './member-words.ts'
import { organizationPage, organizationPath } from './organization.ts'
import { buttonForm, html, seeOther, type Html } from './page.ts'
import { ago, moment } from './time.ts'

const tab = '/members'

/** `GET /organizations/:org/members/:person`: one member, and what can be done about them. */
export const organizationMember: Endpoint = async (exchange) => {
  const { organization, member } = await load(exchange)
  const now = exchange.services.clock.now()
  const { name, linkState, linkSince, linkReason, email, lastSeenAt } = member
  return organizationPage(
    exchange,
    organization,
    { title: name, current: tab },
    html`<h1><bdi>${name}</bdi></h1>
      <p>
        <span class="mark">${member.role}</span>
        <span class="mark">${linkWords[linkState].label}</span>
        ${member.suspended ? html`<span class="mark danger">Suspended</span>` : ''}
      </p>
      <section aria-labelledby="link">
        <h2 id="link">Sign-in</h2>
        <p>${linkWords[linkState].meaning}</p>
        <p class="quiet">
          Since ${moment(linkSince)}${linkReason ? html`, because: ${linkReason}` : ''}.
          ${lastSeenAt ? html`Last confirmed ${ago(lastSeenAt, now)}.` : 'Not confirmed lately.'}
          ${email ? html`The provider calls them <bdi>${email}</bdi>.` : ''}
        </p>
      </section>
      ${mayChange(organization, member) ? changes(exchange, organization, member) : onlyOwners}
      <p><a href="${organizationPath(organization, tab)}">All members</a></p>`,
  )
}

function mayChange(actor: Membership, { role }: Member): boolean {
  return outranks(actor.role, role)
}

const onlyOwners = html`<p class="quiet">Only an owner can change or remove an owner.</p>`

function changes(
  { asker }: Exchange,
  organization: Membership,
  { userId, role, roleFrom }: Member,
): Html {
  const path = organizationPath(organization, `${tab}/${userId}`)
  const own = userId === asker.session!.person.id
  return html`<section aria-labelledby="role-title">
      <h2 id="role-title">What they may do</h2>
      ${
        roleFrom === 'provider'
          ? html`<p class="quiet">
              The identity provider’s groups say which. Once you choose one here, they do not any
              more.
            </p>`
          : ''
      }
      <form method="post" action="${path}/role">
        ${roleChoice('role', organization.role, role)}
        <button>Change the role</button>
      </form>
    </section>
    <section aria-labelledby="remove">
      <h2 id="remove">${own ? 'Leave' : 'Remove'}</h2>
      <p class="quiet">
        ${own ? 'You' : 'They'} stop belonging to <bdi>${organization.name}</bdi>. You are asked
        first.
      </p>
      <p><a class="button danger" href="${path}/remove">${own ? 'Leave' : 'Remove'}…</a></p>
    </section>`
}

/** `GET /organizations/:org/members/:person/remove`: asks, and says what it will do. */
export const askRemoval: Endpoint = async (exchange) => {
  const { organization, member } = await load(exchange)
  const path = organizationPath(organization, `${tab}/${member.userId}`)
  return organizationPage(
    exchange,
    organization,
    { title: `Remove ${member.name}?`, current: tab },
    html`<h1>Remove <bdi>${member.name}</bdi>?</h1>
      <ul class="plain">
        <li>What their sessions prove to <bdi>${organization.name}</bdi> ends at once.</li>
        <li>
          Signing in through your identity provider does not bring them back; an invitation does.
        </li>
        <li>Their account stays, and so does what they belong to elsewhere.</li>
      </ul>
      <div class="row">
        ${buttonForm(`${path}/remove`, html`Remove <bdi>${member.name}</bdi>`, { look: 'danger' })}
        <a href="${path}">Keep them</a>
      </div>`,
  )
}

/** `POST /organizations/:org/members/:person/remove`: makes somebody a member no more. */
export const removeFromOrganization: Endpoint = async (exchange) => {
  const { organization, member } = await load(exchange)
  await change(exchange, organization, { userId: member.userId, role: null })
  const own = member.userId === exchange.asker.session!.person.id
  return seeOther(own ? '/account' : organizationPath(organization, tab))
}

/** `POST /organizations/:org/members/:person/role`: gives a member another role. */
export const changeMemberRole: Endpoint = async (exchange) => {
  const { organization, member } = await load(exchange)
  const role = roleIn(exchange.form)
  if (!role) throw new AppError('invalid_request', { reason: 'no_such_role' })
  await change(exchange, organization, { userId: member.userId, role })
  return seeOther(organizationPath(organization, `${tab}/${member.userId}`))
}

const answers: Readonly<Record<MembershipRefused, ErrorCode>> = {
  not_a_member: 'not_found',
  role_too_high: 'forbidden',
  last_owner: 'last_owner',
}

async function change(
  { services, asker, requestId }: Exchange,
  { id: organizationId }: Membership,
  wanted: { readonly userId: string; readonly role: Role | null },
): Promise<void> {
  const now = services.clock.now()
  const actorId = asker.session!.person.id
  const asked = { organizationId, actorId, ...wanted }
  const refused = await changeMembership(services, asked, requestId, now)
  if (!refused) return
  const event = { organizationId, actorId, target: wanted.userId, requestId }
  const data = { what: 'membership', reason: refused }
  await recordEvent(services.db, { action: 'authz.denied', outcome: 'deny', ...event, data }, now)
  throw new AppError(answers[refused], { reason: refused })
}

/** @throws AppError `not_found` for whoever is no member, here or anywhere */
async function load(exchange: Exchange): Promise<{ organization: Membership; member: Member }> {
  const { services, params } = exchange
  const organization = await administeredOrganization(exchange)
  const userId = params['person'] ?? ''
  const member = await findMember(services.db, { organizationId: organization.id, userId })
  if (!member) throw new AppError('not_found', { reason: 'no_such_member' })
  return { organization, member }
}
