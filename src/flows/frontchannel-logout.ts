import { sql } from 'kysely'
import type { Connection } from '../accounts/connections.ts'
import { revoke, type Revoking } from '../sessions/revoke.ts'
import { takeProofs, type EndedCounts } from '../sessions/ending.ts'

/** What a provider's page says of its session. */
export interface FramedLogout {
  readonly issuer: string
  /** The provider's name for it (`sid`). */
  readonly session: string
}

/**
 * Ends what one session proves through a connection, where the provider's page names both the issuer and the session that
 * the proof was given under. Any other changes nothing. When this returns, that holds on every node.
 */
export function endFramed(
  revoking: Revoking,
  { id: connectionId, organization }: Connection,
  sessionId: string,
  { issuer, session }: FramedLogout,
  requestId: string,
  now: Date,
): Promise<EndedCounts> {
  return revoke(revoking, async (tx) => {
    const { rows } = await sql`
      select from session_proofs p join identities i on i.id = p.identity_id
      where p.session_id = ${sessionId} and p.connection_id = ${connectionId} and i.issuer = ${issuer}
        and p.provider_session = ${session}`.execute(tx)
    if (rows.length === 0) return { result: { sessions: 0, proofs: 0 }, targets: [] }
    const which = {
      organizationId: organization.id,
      connectionId,
      sessionId,
      providerSession: session,
      reason: 'provider_logout',
    } as const
    return takeProofs(tx, which, { requestId }, now)
  })
}
