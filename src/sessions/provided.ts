import type { Db } from '../db/open.ts'
import type { NameId } from '../providers/proof.ts'

/** What a session proves through one connection, as its provider knows it. */
export interface Provided {
  readonly connectionId: string
  /** The organization's name. */
  readonly organization: string
  readonly nameId: NameId | undefined
  readonly providerSession: string | undefined
}

/** What a session rests on at providers, whether or not it is over. */
export async function listProvided(db: Db, sessionId: string): Promise<readonly Provided[]> {
  const rows = await db
    .selectFrom('session_proofs')
    .innerJoin('organizations', 'organizations.id', 'session_proofs.organization_id')
    .select(['connection_id', 'organizations.name', 'name_id', 'provider_session'])
    .where('session_id', '=', sessionId)
    .where('connection_id', 'is not', null)
    .orderBy('organizations.slug')
    .execute()
  return rows.map(({ connection_id, name, name_id, provider_session }) => ({
    connectionId: connection_id!,
    organization: name,
    nameId: name_id === null ? undefined : (JSON.parse(name_id) as NameId),
    providerSession: provider_session ?? undefined,
  }))
}
