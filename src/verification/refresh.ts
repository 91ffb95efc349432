import { sql } from 'kysely'
import { sealGrant } from '../accounts/grants.ts'
import { prepared, type Db } from '../db/open.ts'
import type { Sealer } from '../lib/seal.ts'
import type { Grant } from '../providers/again.ts'
import { gathering, type Gathered } from './gather.ts'
import type { Leased } from './lease.ts'

type Held = Pick<Leased, 'id' | 'lease' | 'grantVersion'>

const intend: Gathered<Held & { readonly now: Date }, boolean> = gathering(async (db, held) => {
  const { rows } = await sql<{ id: string }>`
    ${prepared('write_intents')} update identities i set refresh_intent = t.now
    from unnest(${held.map(({ id }) => id)}::uuid[], ${held.map(({ lease }) => lease)}::uuid[],
      ${held.map(({ grantVersion }) => grantVersion)}::int[], ${held.map(({ now }) => now)}::timestamptz[])
      as t (id, lease, version, now)
    where i.id = t.id and i.lease = t.lease and i.grant_version = t.version and i.refresh_intent is null
    returning i.id`.execute(db)
  const written = new Set(rows.map(({ id }) => id))
  return held.map(({ id }) => written.has(id))
})

/**
 * Writes down, before a refresh token is presented, that it is. Whoever finds this without what came of it never
 * presents that token again. Answers whether it is ours to present.
 */
export function writeIntent(
  db: Db,
  { id, lease, grantVersion }: Held,
  now: Date,
): Promise<boolean> {
  return intend(db, { id, lease, grantVersion, now })
}

/** The token was not presented after all, or the provider said that it did not take it. */
export async function withdrawIntent(db: Db, { id, lease, grantVersion }: Held): Promise<void> {
  await sql`update identities set refresh_intent = null
    where id = ${id} and lease = ${lease} and grant_version = ${grantVersion}`.execute(db)
}

const keep: Gathered<
  { readonly id: string; readonly grantVersion: number; readonly sealed: Buffer },
  number | undefined
> = gathering(async (db, kept) => {
  const { rows } = await sql<{ id: string; version: number }>`
    ${prepared('keep_tokens')} update identities i set granted = t.sealed, grant_version = i.grant_version + 1, refresh_intent = null
    from unnest(${kept.map(({ id }) => id)}::uuid[], ${kept.map(({ grantVersion }) => grantVersion)}::int[],
      ${kept.map(({ sealed }) => sealed)}::bytea[]) as t (id, version, sealed)
    where i.id = t.id and i.grant_version = t.version returning i.id, i.grant_version as version`.execute(
    db,
  )
  const versions = new Map(rows.map(({ id, version }) => [id, version]))
  return kept.map(({ id }) => versions.get(id))
})

/**
 * Keeps the tokens that came, before anything about them is judged. Answers the version they are, or undefined where a
 * sign-in has brought newer ones meanwhile. The lease does not matter here: whoever holds it now could only present a
 * token that is used up.
 */
export function keepTokens(
  db: Db,
  sealer: Sealer,
  { id, grantVersion }: Held,
  grant: Grant,
): Promise<number | undefined> {
  return keep(db, { id, grantVersion, sealed: sealGrant(sealer, id, grant) })
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
