import { sql } from 'kysely'
import { sealGrant } from '../accounts/grants.ts'
import type { Db } from '../db/open.ts'
import type { Sealer } from '../lib/seal.ts'
import type { Grant } from '../providers/again.ts'
import type { Leased } from './lease.ts'

type Held = Pick<Leased, 'id' | 'lease' | 'grantVersion'>

const ours = ({ id, lease, grantVersion }: Held) =>
  sql`id = ${id} and lease = ${lease} and grant_version = ${grantVersion}`

/**
 * Writes down, before a refresh token is presented, that it is. Whoever finds this without what came of it never
 * presents that token again. Answers whether it is ours to present.
 */
export async function writeIntent(db: Db, held: Held, now: Date): Promise<boolean> {
  const { numAffectedRows } = await sql`
    update identities set refresh_intent = ${now} where ${ours(held)} and refresh_intent is null`.execute(
    db,
  )
  return numAffectedRows === 1n
}

/** The token was not presented after all, or the provider said that it did not take it. */
export async function withdrawIntent(db: Db, held: Held): Promise<void> {
  await sql`update identities set refresh_intent = null where ${ours(held)}`.execute(db)
}

/**
 * Keeps the tokens that came, before anything about them is judged. Answers the version they are, or undefined where a
 * sign-in has brought newer ones meanwhile. The lease does not matter here: whoever holds it now could only present a
 * token that is used up.
 */
export async function keepTokens(
  db: Db,
  sealer: Sealer,
  { id, grantVersion }: Held,
  grant: Grant,
): Promise<number | undefined> {
  const { rows } = await sql<{ version: number }>`
    update identities set granted = ${sealGrant(sealer, id, grant)}, grant_version = grant_version + 1, refresh_intent = null
    where id = ${id} and grant_version = ${grantVersion} returning grant_version as version`.execute(
    db,
  )
  return rows[0]?.version
}

/** Counts refreshes that brought the same token back; one that brought another begins anew. */
export async function countUnrotated(
  db: Db,
  connectionId: string,
  { same, counted }: { readonly same: boolean; readonly counted: number },
): Promise<void> {
  if (same ? counted >= enoughUnrotated : counted === 0) return
  await db
    .updateTable('connection_checks')
    .set((eb) => ({ unrotated: same ? eb('unrotated', '+', 1) : 0 }))
    .where('connection_id', '=', connectionId)
    .execute()
}

/** After so many in a row a provider is known to give the same token back, so presenting it twice is no theft. */
export const enoughUnrotated = 10
