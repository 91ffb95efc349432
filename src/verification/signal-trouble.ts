import type { Connection } from '../accounts/connections.ts'
import { noteFailing } from '../accounts/signal-streams.ts'
import type { Db } from '../db/open.ts'
import { alarm, allClear } from './alarms.ts'
import type { VerdictServices } from './verdict.ts'

/**
 * Notes that a stream of shared signals does not work, or works again. Administrators are told once when it has lasted
 * for longer than there is patience for, and once when it is over.
 * @param trouble `reason` null: it works; `patience` in milliseconds
 */
export async function noteStreamTrouble(
  tx: Db,
  services: Pick<VerdictServices, 'sendMail' | 'origin'>,
  { id: connectionId, organization }: Pick<Connection, 'id' | 'organization'>,
  { reason, patience }: { readonly reason: string | null; readonly patience: number },
  now: Date,
): Promise<void> {
  const noted = await noteFailing(tx, connectionId, reason, now)
  const about = { connectionId, organizationId: organization.id, what: 'signals' } as const
  if (noted?.since && now.getTime() - noted.since.getTime() >= patience)
    await alarm(tx, services, { ...about, since: noted.since }, now)
  if (noted?.before && !noted.since)
    await allClear(tx, services, { ...about, since: noted.before }, now)
}
