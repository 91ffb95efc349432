import type { Db } from '../db/open.ts'

/** Whose sign-ins under way. @default everybody's */
interface FlowsToEnd {
  readonly userId?: string
  readonly connectionId?: string
  readonly organizationId?: string
}

/**
 * Ends sign-ins that are under way, with the answer that everybody gets who comes back to one.
 * @returns how many
 */
export async function endFlows(
  tx: Db,
  { userId, connectionId, organizationId }: FlowsToEnd,
  refusal: { readonly code: string; readonly reason: string },
  now: Date,
): Promise<number> {
  let query = tx
    .updateTable('flows')
    .set({
      consumed_at: now,
      outcome: JSON.stringify({ kind: 'refused', ...refusal }),
      data: Buffer.alloc(0),
    })
    .where('consumed_at', 'is', null)
  if (userId) query = query.where('user_id', '=', userId)
  if (organizationId) query = query.where('organization_id', '=', organizationId)
  if (connectionId) query = query.where('connection_id', '=', connectionId)
  return Number((await query.executeTakeFirst()).numUpdatedRows)
}
