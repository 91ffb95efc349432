import { listActiveConnections, type Connection } from '../accounts/connections.ts'
import { findInvitation, type Invitation } from '../accounts/invitations.ts'
import { acceptPersonally, howToAccept, type Acceptable } from '../flows/accept-invitation.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { buttonForm, html, page, seeOther, type Html } from './page.ts'
import { provenDomains } from './proven-domains.ts'
import { tabOf } from './tabs.ts'
import { moment } from './time.ts'

const becoming = {
  owner: 'its owner, with every right there is',
  admin: 'an administrator',
  member: 'a member',
} as const

/** `GET /invitations/:token`: who invites to what, and how to accept. Opening it changes nothing. */
export const openInvitation: Endpoint = async (exchange) => {
  const { services, asker } = exchange
  const invitation = await invitationOf(exchange)
  const { organization, role, address, inviter, expiresAt } = invitation
  const person = asker.session?.kind === 'user' ? asker.session.person : undefined
  const connections = await listActiveConnections(services.db, organization.id)
  const how = await howToAccept(services.db, invitation, person?.id)
  return page(
    {
      title: `Join ${organization.name}`,
      signedInAs: person?.name,
      ...(person && { tab: tabOf(asker.session) }),
    },
    html`<h1>Join <bdi>${organization.name}</bdi></h1>
      <p>
        ${inviter ? html`<strong><bdi>${inviter}</bdi></strong> invites you` : 'You are invited'} to
        be ${becoming[role]} of <strong><bdi>${organization.name}</bdi></strong>
        <span class="quiet"
          >(${organization.slug}${await provenDomains(services.db, organization.id)})</span
        >.
      </p>
      <p class="quiet">
        The invitation is for <bdi>${address}</bdi> and works until ${moment(expiresAt)}. Accept it
        by signing in.
      </p>
      ${connections.map((connection) => throughConnection(exchange, connection))}
      ${personally(exchange, how, person?.name)}
      ${
        connections.length === 0 && how.required
          ? html`<p>
              <bdi>${organization.name}</bdi> has no way of signing in now. Ask its administrator.
            </p>`
          : ''
      }`,
  )
}

/** `POST /invitations/:token`: accepts for whoever is signed in. */
export const acceptOwnInvitation: Endpoint = async (exchange) => {
  const { services, asker, requestId } = exchange
  const invitation = await invitationOf(exchange)
  const { id: userId } = asker.session!.person
  const now = services.clock.now()
  await acceptPersonally(services, invitation, { userId, requestId }, now)
  return seeOther('/account')
}

function throughConnection({ params }: Exchange, { id, name }: Connection): Html {
  return buttonForm(`/sso/${id}/start`, html`Continue with <bdi>${name}</bdi>`, {
    look: 'primary',
    fields: { invitation: params['token']!, return_to: '/account' },
  })
}

function personally(
  { services, params }: Exchange,
  { required, ownAddress }: Acceptable,
  name: string | undefined,
): Html | '' {
  if (required) return ''
  const here = `/invitations/${params['token']}`
  if (ownAddress) return buttonForm(here, html`Accept as <bdi>${name}</bdi>`, { look: 'primary' })
  if (services.personalSignIn === 'off') return ''
  return html`<div class="also ways">
    <p class="quiet">
      ${name ? html`You are signed in as <bdi>${name}</bdi>, who has not verified that address.` : ''}
      Or without the organization’s own sign-in:
    </p>
    <p>
      <a class="button" href="/login/mail?return_to=${encodeURIComponent(here)}">Sign in by mail</a>
    </p>
  </div>`
}

/** @throws AppError `invitation_invalid`, the same whatever is wrong with it */
async function invitationOf({ services, params }: Exchange): Promise<Invitation> {
  const invitation = await findInvitation(services.db, params['token'], services.clock.now())
  if (!invitation) throw new AppError('invitation_invalid', { reason: 'invitation_over' })
  return invitation
}
