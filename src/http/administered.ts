import { recordEvent } from '../accounts/audit.ts'
import { AppError } from '../lib/errors.ts'
import { ssoRequiredBy, type Membership } from '../sessions/lookup.ts'
import type { Exchange } from './exchange.ts'
import { loginUrl } from './handler.ts'

const administrators: readonly Membership['role'][] = ['owner', 'admin']

/** Whether somebody with that membership looks after the organization. */
export function isAdministrator({ role }: Membership): boolean {
  return administrators.includes(role)
}

/**
 * The organization that an address names, for one of its members. Whoever has no proof for it, whether or not there is
 * such an organization, is led to its sign-in page and back.
 * @throws AppError `sso_required` for members who signed in another way than it asks for, else `login_required`; with the
 * way there
 */
export function ownOrganization(exchange: Exchange): Membership {
  const { asker, params, services, url, request } = exchange
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
    const code = ssoRequiredBy(asker.session!, slug) ? 'sso_required' : 'login_required'
    throw new AppError(code, { reason: 'no_proof', members: { login_url: to } })
  }
  return organization
}

/**
 * The organization that an address names, for one of its administrators.
 * @param what the audit is told they were refused
 * @throws AppError `login_required` as {@link ownOrganization} does, `forbidden` for other members
 */
export async function administeredOrganization(
  exchange: Exchange,
  what = 'organization',
): Promise<Membership> {
  const { asker, services, requestId } = exchange
  const organization = ownOrganization(exchange)
  if (isAdministrator(organization)) return organization
  const event = {
    organizationId: organization.id,
    actorId: asker.session!.person.id,
    data: { what },
    requestId,
  }
  const now = services.clock.now()
  await recordEvent(services.db, { action: 'authz.denied', outcome: 'deny', ...event }, now)
  throw new AppError('forbidden', { reason: 'not_an_administrator' })
}
