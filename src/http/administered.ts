import { recordEvent } from '../accounts/audit.ts'
import { AppError } from '../lib/errors.ts'
import type { Membership } from '../sessions/lookup.ts'
import type { Exchange } from './exchange.ts'
import { loginUrl } from './handler.ts'

const administrators: readonly Membership['role'][] = ['owner', 'admin']

/**
 * The organization that an address names, for one of its administrators. Whoever has no proof for it, whether or not
 * there is such an organization, is led to its sign-in page and back.
 * @throws AppError `login_required` with the way there, `forbidden` for other members
 */
export async function administeredOrganization(exchange: Exchange): Promise<Membership> {
  const { asker, params, services, url, request, requestId } = exchange
  const slug = params['org'] ?? ''
  const organization = asker.session!.organizations.find((one) => one.slug === slug)
  if (!organization) {
    const to = loginUrl(
      services.origin,
      request.method === 'GET' ? url : new URL('/account', url),
      {
        organization: slug,
      },
    )
    throw new AppError('login_required', { reason: 'no_proof', members: { login_url: to } })
  }
  if (administrators.includes(organization.role)) return organization
  const event = {
    organizationId: organization.id,
    actorId: asker.session!.person.id,
    data: { what: 'organization_sessions' },
    requestId,
  }
  const now = services.clock.now()
  await recordEvent(services.db, { action: 'authz.denied', outcome: 'deny', ...event }, now)
  throw new AppError('forbidden', { reason: 'not_an_administrator' })
}
