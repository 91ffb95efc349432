import { recordEvent } from '../accounts/audit.ts'
import {
  renameOrganization,
  setDefaultRole,
  setSessionLimits,
  type Role,
  type SessionLimits,
} from '../accounts/organizations.ts'
import type { Db } from '../db/open.ts'
import { revoke, type Actor, type Revoking } from './revoke.ts'

/** What an organization can change about itself; what is not named stays. */
export interface PolicyChange {
  readonly limits?: SessionLimits
  readonly defaultRole?: Exclude<Role, 'owner'>
  readonly name?: string
}

/** Changes an organization's policy. When it returns, every node judges by the new one. */
export function changePolicy(
  revoking: Revoking,
  organizationId: string,
  change: PolicyChange,
  actor: Actor,
  now: Date,
): Promise<void> {
  return revoke(revoking, async (tx) => {
    await carryOut(tx, organizationId, change)
    const { limits, defaultRole, name } = change
    await recordEvent(
      tx,
      {
        action: name === undefined ? 'organization.policy_changed' : 'organization.renamed',
        organizationId,
        target: organizationId,
        actorId: actor.userId,
        requestId: actor.requestId,
        data: { ...limits, ...(defaultRole && { defaultRole }) },
      },
      now,
    )
    return { result: undefined, targets: [{ kind: 'organization', id: organizationId }] }
  })
}

async function carryOut(
  tx: Db,
  organizationId: string,
  { limits, defaultRole, name }: PolicyChange,
): Promise<void> {
  if (limits) await setSessionLimits(tx, organizationId, limits)
  if (defaultRole) await setDefaultRole(tx, organizationId, defaultRole)
  if (name !== undefined) await renameOrganization(tx, organizationId, name)
}
