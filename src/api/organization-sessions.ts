import { isOfOrganization } from '../accounts/members.ts'
import { administeredOrganization } from '../http/administered.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { isId } from '../lib/ids.ts'
import { endProofs, type ProofsToEnd } from '../sessions/ending.ts'
import { listSessionsOfOrganization } from '../sessions/inventory.ts'

/** `GET /api/organizations/:org/sessions`: who is signed in to one's organization, and where. */
export const listOrganizationSessions: Endpoint = async (exchange) => {
  const { services } = exchange
  const { id } = await administeredOrganization(exchange)
  const people = await listSessionsOfOrganization(services.db, id, services.clock.now())
  return Response.json({ people })
}

/** `POST /api/organizations/:org/sessions/end`: ends what all sessions prove to one's organization. */
export const endOrganizationSessions: Endpoint = (exchange) => end(exchange, {})

/** `POST /api/organizations/:org/people/:person/sessions/end`: ends what one person's sessions prove to it. */
export const endPersonSessions: Endpoint = (exchange) =>
  end(exchange, { userId: idIn(exchange, 'person') })

/** `POST /api/organizations/:org/connections/:connection/sessions/end`: ends what was proven through a connection. */
export const endConnectionSessions: Endpoint = (exchange) =>
  end(exchange, { connectionId: idIn(exchange, 'connection') })

async function end(
  exchange: Exchange,
  which: Omit<ProofsToEnd, 'organizationId'>,
): Promise<Response> {
  const { services, asker, requestId } = exchange
  const { id: organizationId } = await administeredOrganization(exchange)
  if (!(await isOfOrganization(services.db, { organizationId, ...which })))
    throw new AppError('not_found', { reason: 'of_another_organization' })
  const actor = { userId: asker.session!.person.id, requestId }
  const now = services.clock.now()
  return Response.json({
    ended: await endProofs(services, { organizationId, ...which }, actor, now),
  })
}

function idIn({ params }: Exchange, name: string): string {
  const id = params[name] ?? ''
  if (!isId(id)) throw new AppError('not_found', { reason: `no_such_${name}` })
  return id
}
