import type { Db } from '../db/open.ts'
import type { NameId } from '../providers/proof.ts'

/** What a session proves through one connection, as its provider knows it. */
export interface Provided {
  readonly connectionId: string
  /** The organization's name. */
  readonly organization: string
  readonly nameId: NameId | undefined
  readonly providerSession: string | undefined
  readonly identityId: string | null
  /** The ID token it began with, sealed. */
  readonly idTokenHint: Buffer | null
  /** Whether the organization wants people led to the provider's page for signing out. */
  readonly wanted: boolean
}

/** What a session rests on at providers, whether or not it is over. */
export async function listProvided(db: Db, sessionId: string): Promise<readonly Provided[]> {
  const rows = await db
    .selectFrom('session_proofs')
    .innerJoin('organizations', 'organizations.id', 'session_proofs.organization_id')
    .innerJoin('connections', 'connections.id', 'session_proofs.connection_id')
    .select([
      'connection_id',
      'organizations.name',
      'name_id',
      'provider_session',
      'identity_id',
      'id_token_hint',
      'sign_out_there',
    ])
    .where('session_id', '=', sessionId)
    .orderBy('organizations.slug')
    .execute()
  return rows.map((row) => ({
    connectionId: row.connection_id!,
    organization: row.name,
    nameId: row.name_id === null ? undefined : (JSON.parse(row.name_id) as NameId),
    providerSession: row.provider_session ?? undefined,
    identityId: row.identity_id,
    idTokenHint: row.id_token_hint,
    wanted: row.sign_out_there,
  }))
}
