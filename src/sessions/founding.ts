import { addMember, createOrganization, type Organization } from '../accounts/organizations.ts'
import { countUse } from '../db/limits.ts'
import { letInPersonally } from './personal-proofs.ts'
import { revoke, type Revoking } from './revoke.ts'

/** Who makes an organization, and what it is to be called. */
export interface Founding {
  readonly slug: string
  readonly name: string
  readonly userId: string
  readonly requestId: string
}

/**
 * Makes an organization that the person who asks for it owns. Their own sessions are good for it at once, as far as they
 * proved who they are without another organization.
 * @throws AppError `config_rejected` for a slug that is taken or no slug, `rate_limited`
 */
export function foundOrganization(
  revoking: Revoking,
  { slug, name, userId, requestId }: Founding,
  now: Date,
): Promise<Organization> {
  return revoke(revoking, async (tx) => {
    await countUse(tx, 'organizations_of_person', userId, now)
    const by = { userId, requestId }
    const organization = await createOrganization(tx, { slug, name, by }, now)
    const member = { organizationId: organization.id, userId }
    await addMember(tx, { ...member, role: 'owner' }, now)
    await letInPersonally(tx, member, now)
    return { result: organization, targets: [{ kind: 'user', id: userId }] }
  })
}
