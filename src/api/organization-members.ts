import { linkStates, listMembers, type Member } from '../accounts/members.ts'
import { administeredOrganization } from '../http/administered.ts'
import type { Endpoint } from '../http/exchange.ts'
import { isId } from '../lib/ids.ts'

/**
 * `GET /api/organizations/:org/members`: who belongs to one's organization, by name and a hundred at a time. `state` and
 * `name` narrow it down; `after` is the `next` of the answer before.
 */
export const listOrganizationMembers: Endpoint = async (exchange) => {
  const { services, url } = exchange
  const { id } = await administeredOrganization(exchange)
  const after = url.searchParams.get('after') ?? ''
  const { members, next } = await listMembers(services.db, id, {
    state: linkStates.find((one) => one === url.searchParams.get('state')),
    search: url.searchParams.get('name') ?? undefined,
    after: isId(after) ? after : undefined,
    limit: 100,
  })
  return Response.json({ members: members.map(toJson), next })
}

function toJson({ userId: id, linkState, linkReason, linkSince, ...member }: Member): unknown {
  return {
    id,
    ...member,
    link: { state: linkState, reason: linkReason, since: linkSince },
    flags: {
      'sso:linked': linkState === 'linked' || linkState === 'suspect',
      'sso:invalid': linkState === 'revoked',
    },
  }
}
