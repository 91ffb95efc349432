import { sql } from 'kysely'
import type { Db } from '../db/open.ts'
import type { Place, Sealer } from '../lib/seal.ts'

/** A column of sealed values that stay: what is sealed for minutes or days is gone before a key is. */
export interface SealedColumn {
  readonly table: string
  readonly column: string
  /** What a row is found by. */
  readonly key: readonly string[]
  /** By what, joined by a space, its seal names it. @default the key */
  readonly named?: readonly string[]
}

/** Every one there is. */
export const sealedColumns: readonly SealedColumn[] = [
  { table: 'connections', column: 'settings', key: ['id'] },
  { table: 'connection_versions', column: 'settings', key: ['connection_id', 'version'] },
  { table: 'connection_versions', column: 'answers', key: ['connection_id', 'version'] },
  { table: 'identities', column: 'granted', key: ['id'] },
  {
    table: 'session_proofs',
    column: 'id_token_hint',
    key: ['session_id', 'organization_id'],
    named: ['identity_id'],
  },
  { table: 'webhooks', column: 'secret', key: ['organization_id'] },
  { table: 'signal_streams', column: 'settings', key: ['connection_id'] },
]

const batch = 200

/**
 * Seals everything that stays under the newest key, while servers run. A value that changes meanwhile is left to whoever
 * changed it, who has sealed it under the newest key already.
 * @throws Error where a value was sealed with a key that is not there any more; what was done until then is done
 */
export async function resealAll(
  db: Db,
  sealer: Sealer,
  onProgress: (done: number, all: number) => void = () => {},
): Promise<number> {
  let all = 0
  for (const column of sealedColumns) all += await countOld(db, sealer, column)
  let done = 0
  for (const column of sealedColumns)
    for (let rows = await readOld(db, sealer, column); rows.length > 0;) {
      for (const row of rows) await resealOne(db, sealer, column, row)
      done += rows.length
      onProgress(done, Math.max(done, all))
      rows = await readOld(db, sealer, column, rows.at(-1)!.key)
    }
  return done
}

/** Values that begin otherwise than what is sealed now; those of what was deleted are empty. */
function isOld({ column }: SealedColumn, { header }: Sealer) {
  const sealed = sql.ref(column)
  return sql`octet_length(${sealed}) > 0 and substring(${sealed} for ${header.length}) <> ${header}`
}

async function countOld(db: Db, sealer: Sealer, column: SealedColumn): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from ${sql.table(column.table)} where ${isOld(column, sealer)}`.execute(
    db,
  )
  return rows[0]!.n
}

interface Sealed {
  readonly key: readonly (string | number)[]
  readonly named: readonly (string | number)[]
  readonly sealed: Buffer
}

/** The next old values, after the row with that key. */
async function readOld(
  db: Db,
  sealer: Sealer,
  of: SealedColumn,
  after?: Sealed['key'],
): Promise<readonly Sealed[]> {
  const key = listed(of.key)
  const beyond = after ? sql`and (${key}) > (${sql.join(after)})` : sql``
  const { rows } = await sql<Sealed>`
    select json_build_array(${key}) as key, json_build_array(${listed(of.named ?? of.key)}) as named, ${sql.ref(of.column)} as sealed from ${sql.table(of.table)}
    where ${isOld(of, sealer)} ${beyond} order by ${key} limit ${batch}`.execute(db)
  return rows
}

async function resealOne(
  db: Db,
  sealer: Sealer,
  { table, column, key: names }: SealedColumn,
  { key, named, sealed }: Sealed,
): Promise<void> {
  const place: Place = { table, column, row: named.join(' ') }
  const anew = sealer.seal(sealer.open(sealed, place), place)
  await sql`
    update ${sql.table(table)} set ${sql.ref(column)} = ${anew}
    where (${listed(names)}) = (${sql.join(key)}) and ${sql.ref(column)} = ${sealed}`.execute(db)
}

function listed(columns: readonly string[]) {
  return sql.join(columns.map((one) => sql.ref(one)))
}
