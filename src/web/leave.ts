import { listBelongings, type BelongsTo } from '../accounts/members.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { changeMembership } from '../sessions/membership.ts'
import { buttonForm, html, page, seeOther } from './page.ts'
import { tabOf } from './tabs.ts'

/** `GET /account/organizations/:organization/leave`: asks, and says what it will do. Needs no proof to the organization. */
export const askToLeave: Endpoint = async (exchange) => {
  const { asker } = exchange
  const { id, name } = await load(exchange)
  return page(
    {
      title: `Leave ${name}?`,
      signedInAs: asker.session!.person.name,
      tab: tabOf(asker.session),
    },
    html`<h1>Leave <bdi>${name}</bdi>?</h1>
      <p>
        What your sessions prove to it ends at once. Signing in does not bring you back; somebody
        there has to invite you again. Your account stays.
      </p>
      ${buttonForm(`/account/organizations/${id}/leave`, html`Leave <bdi>${name}</bdi>`, { look: 'danger' })}
      <p class="also"><a href="/account">Stay</a></p>`,
  )
}

/** `POST /account/organizations/:organization/leave`: whoever wants to go may, unless nobody would own it then. */
export const leaveOrganization: Endpoint = async (exchange) => {
  const { services, asker, requestId } = exchange
  const { id: organizationId } = await load(exchange)
  const userId = asker.session!.person.id
  const change = { organizationId, userId, actorId: userId, role: null }
  const refused = await changeMembership(services, change, requestId, services.clock.now())
  if (refused)
    throw new AppError(refused === 'last_owner' ? refused : 'not_found', { reason: refused })
  return seeOther('/account')
}

/** @throws AppError `not_found` for what one does not belong to */
async function load({ services, asker, params }: Exchange): Promise<BelongsTo> {
  const all = await listBelongings(services.db, asker.session!.person.id)
  const found = all.find(({ id }) => id === params['organization'])
  if (!found) throw new AppError('not_found', { reason: 'no_such_organization' })
  return found
}
