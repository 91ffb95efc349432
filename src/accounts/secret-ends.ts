import type { Db } from '../db/open.ts'
import { recordEvent } from './audit.ts'

/** Notes when a connection's client secret runs out; null: it does not, or nobody knows. */
export async function setSecretEndsAt(
  tx: Db,
  {
    connectionId,
    endsAt,
    ...by
  }: {
    readonly organizationId: string
    readonly connectionId: string
    readonly endsAt: Date | null
    readonly actorId: string
    readonly requestId: string
  },
  now: Date,
): Promise<void> {
  await tx
    .updateTable('connections')
    .set({ secret_ends_at: endsAt })
    .where('id', '=', connectionId)
    .where('organization_id', '=', by.organizationId)
    .execute()
  const data = { endsAt: endsAt?.toISOString() ?? null }
  const event = { ...by, target: connectionId, data }
  await recordEvent(tx, { action: 'connection.secret_end_set', ...event }, now)
}
