import { recordEvent } from '../accounts/audit.ts'
import { takeProofs } from './ending.ts'
import { endFlows } from './pending.ts'
import { revoke, type Actor, type Revoking } from './revoke.ts'

/**
 * Deletes an organization: what sessions prove to it ends, sign-ins to it that are under way end, its domains are free
 * for others, and nothing lets anybody in any more. Its id and slug stay taken, and the audit and accounts stay.
 */
export function closeOrganization(
  revoking: Revoking,
  organizationId: string,
  actor: Actor,
  now: Date,
): Promise<void> {
  return revoke(revoking, async (tx) => {
    const { numUpdatedRows } = await tx
      .updateTable('organizations')
      .set({ deleted_at: now })
      .where('id', '=', organizationId)
      .where('deleted_at', 'is', null)
      .executeTakeFirst()
    if (numUpdatedRows === 0n) return { result: undefined, targets: [] }
    for (const table of ['domains', 'recovery_codes', 'sso_exemptions'] as const)
      await tx.deleteFrom(table).where('organization_id', '=', organizationId).execute()
    for (const table of ['invitations', 'setup_links'] as const)
      await tx
        .updateTable(table)
        .set({ withdrawn_at: now })
        .where('organization_id', '=', organizationId)
        .where('withdrawn_at', 'is', null)
        .execute()
    const refusal = { code: 'provider_disabled', reason: 'organization_deleted' } as const
    await endFlows(tx, { organizationId }, refusal, now)
    const { targets } = await takeProofs(tx, { organizationId }, actor, now)
    const event = {
      organizationId,
      actorId: actor.userId,
      target: organizationId,
      requestId: actor.requestId,
    }
    await recordEvent(tx, { action: 'organization.deleted', ...event }, now)
    return { result: undefined, targets }
  })
}
