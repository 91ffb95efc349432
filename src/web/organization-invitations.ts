import {
  listInvitations,
  withdrawInvitation,
  type Invitation,
  type InvitationRefused,
} from '../accounts/invitations.ts'
import type { Role } from '../accounts/organizations.ts'
import type { Db } from '../db/open.ts'
import { inviteByMail } from '../flows/organization-mails.ts'
import { administeredOrganization } from '../http/administered.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import type { Membership } from '../sessions/lookup.ts'
import { roleChoice, roleIn } from './member-words.ts'
import { organizationPage, organizationPath } from './organization.ts'
import { buttonForm, html, seeOther, type Html } from './page.ts'
import { moment } from './time.ts'

const tab = '/invitations'

/** What somebody typed that cannot be done, in words of their own. */
interface Attempt {
  readonly address: string
  readonly role: Role
  readonly problem: string
}

const problems: Readonly<Record<InvitationRefused, string>> = {
  no_address: 'That is no e-mail address. Write it in full, such as bob@example.com.',
  already_member: 'Somebody with this address is a member already.',
  already_invited: 'This address is invited already. You can send that invitation again below.',
  role_too_high: 'You cannot invite somebody to be more than you are.',
}

/** `GET /organizations/:org/invitations`: who is invited, and inviting somebody. */
export const organizationInvitations: Endpoint = async (exchange) =>
  invitationsPage(exchange, await administeredOrganization(exchange))

async function invitationsPage(
  exchange: Exchange,
  organization: Membership,
  attempt?: Attempt,
): Promise<Response> {
  const { services } = exchange
  const open = await listInvitations(services.db, organization.id, services.clock.now())
  const path = organizationPath(organization, tab)
  return organizationPage(
    exchange,
    organization,
    { title: `Invitations to ${organization.name}`, current: tab, ...(attempt && { status: 422 }) },
    html`<h1>Invitations</h1>
      ${services.mailer ? inviteSection(path, organization, attempt) : noMail}
      <section aria-labelledby="open">
        <h2 id="open">Not accepted yet</h2>
        ${
          open.length > 0
            ? html`<ul>
                ${open.map((invitation) => invitationRow(path, invitation))}
              </ul>`
            : html`<p class="quiet">None.</p>`
        }
      </section>`,
  )
}

const noMail = html`<p class="notice">
  This server sends no mail, so nobody can be invited. Whoever runs it can change that.
</p>`

function inviteSection(path: string, { role }: Membership, attempt?: Attempt): Html {
  return html`<section aria-labelledby="invite">
    <h2 id="invite">Invite somebody</h2>
    <p class="quiet" id="invite-help">
      They get a mail with a link that works once, for seven days. They show who they are when they
      accept it.
    </p>
    ${attempt ? html`<p class="notice" id="problem" role="alert">${attempt.problem}</p>` : ''}
    <form method="post" action="${path}">
      <label for="address">E-mail address</label>
      <input
        id="address"
        name="address"
        type="email"
        required
        maxlength="254"
        autocomplete="off"
        value="${attempt?.address ?? ''}"
        aria-describedby="${attempt ? 'problem' : 'invite-help'}"
      />
      ${roleChoice('role', role, attempt?.role)}
      <button class="primary">Send the invitation</button>
    </form>
  </section>`
}

function invitationRow(path: string, { id, address, role, expiresAt }: Invitation): Html {
  const name = `invitation-${id}`
  return html`<li>
    <div id="${name}">
      <strong><bdi>${address}</bdi></strong> <span class="mark">${role}</span>
      <p class="quiet">Until ${moment(expiresAt)}</p>
    </div>
    ${buttonForm(`${path}/${id}/again`, 'Send again', { describedBy: name })}
    ${buttonForm(`${path}/${id}/withdraw`, 'Withdraw', { look: 'danger', describedBy: name })}
  </li>`
}

/** `POST /organizations/:org/invitations`: invites an address. */
export const invite: Endpoint = async (exchange) => {
  const { services, form } = exchange
  const organization = await administeredOrganization(exchange)
  assertMail(exchange)
  const address = (form['address'] ?? '').trim()
  const role = roleIn(form)
  if (!role) throw new AppError('invalid_request', { reason: 'no_such_role' })
  const refused = await services.db
    .transaction()
    .execute((tx) => send(tx, exchange, organization, { address, role }))
  if (!refused) return seeOther(organizationPath(organization, tab))
  return invitationsPage(exchange, organization, { address, role, problem: problems[refused] })
}

/** `POST /organizations/:org/invitations/:invitation/again`: a new link to the same address; the old one is dead. */
export const inviteAgain: Endpoint = async (exchange) => {
  const { services } = exchange
  const organization = await administeredOrganization(exchange)
  assertMail(exchange)
  await services.db.transaction().execute(async (tx) => {
    const { address, role } = await withdraw(tx, exchange, organization)
    const refused = await send(tx, exchange, organization, { address, role })
    if (refused) throw new AppError('invalid_request', { reason: refused })
  })
  return seeOther(organizationPath(organization, tab))
}

/** `POST /organizations/:org/invitations/:invitation/withdraw`: the link that was mailed is dead. */
export const withdrawInvited: Endpoint = async (exchange) => {
  const organization = await administeredOrganization(exchange)
  await exchange.services.db.transaction().execute((tx) => withdraw(tx, exchange, organization))
  return seeOther(organizationPath(organization, tab))
}

function assertMail({ services }: Exchange): void {
  if (!services.mailer) throw new AppError('invalid_request', { reason: 'no_mail' })
}

function send(
  tx: Db,
  { services, asker, requestId }: Exchange,
  organization: Membership,
  invited: { readonly address: string; readonly role: Role },
): Promise<InvitationRefused | null> {
  const { id: userId, name } = asker.session!.person
  const sender = { userId, name, requestId }
  return inviteByMail(tx, services, { organization, ...invited }, sender, services.clock.now())
}

/** @throws AppError `not_found` for another organization's, or one that is over */
async function withdraw(
  tx: Db,
  { services, asker, params, requestId }: Exchange,
  { id: organizationId }: Membership,
): Promise<Invitation> {
  const now = services.clock.now()
  const id = params['invitation'] ?? ''
  const open = await listInvitations(tx, organizationId, now)
  const invitation = open.find((one) => one.id === id)
  const actorId = asker.session!.person.id
  const gone = { organizationId, id, actorId, requestId }
  if (!invitation || !(await withdrawInvitation(tx, gone, now)))
    throw new AppError('not_found', { reason: 'no_such_invitation' })
  return invitation
}
