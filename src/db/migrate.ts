import { readdir } from 'node:fs/promises'
import { sql, type Kysely } from 'kysely'
import { Migrator, type Migration } from 'kysely/migration'
import { OperatorError } from '../lib/errors.ts'

/** The schema in the database does not fit this program. */
export class SchemaError extends OperatorError {}

const folder = new URL('./migrations/', import.meta.url)
const migrationFile = /^(\d{4}_\w+)\.(ts|js)$/

/** Every migration this program knows, by name. A new file in the folder is all it takes. */
export async function knownMigrations(): Promise<Record<string, Migration>> {
  const files = (await readdir(folder))
    .map((file) => migrationFile.exec(file))
    .filter((match) => match !== null)
  const entries = files.map(async ([file, name]) => [
    name,
    await import(new URL(file, folder).href),
  ])
  return Object.fromEntries(await Promise.all(entries))
}

/**
 * Brings the schema up to date: all pending migrations in one transaction, under an advisory lock, so that any
 * number of nodes may start at once and each migration runs once.
 * @returns the names of the migrations that ran now
 * @throws SchemaError when the database is newer than this program
 */
export async function migrate<Schema>(
  db: Kysely<Schema>,
  migrations?: Record<string, Migration>,
): Promise<readonly string[]> {
  const known = migrations ?? (await knownMigrations())
  await refuseNewerSchema(db, known)
  const migrator = new Migrator({
    db: db as Kysely<unknown>,
    provider: { getMigrations: async () => known },
  })
  const { error, results = [] } = await migrator.migrateToLatest()
  if (error)
    throw new SchemaError(
      `The database schema could not be brought up to date; nothing was changed (${(error as Error).message}).`,
      { cause: error },
    )
  return results
    .filter(({ status }) => status === 'Success')
    .map(({ migrationName }) => migrationName)
}

async function refuseNewerSchema<Schema>(
  db: Kysely<Schema>,
  known: Record<string, Migration>,
): Promise<void> {
  const {
    rows: [table],
  } = await sql<{ found: string | null }>`
    select to_regclass('kysely_migration')::text as found`.execute(db)
  if (!table?.found) return
  const { rows } = await sql<{
    name: string
  }>`select name from kysely_migration order by name`.execute(db)
  const unknown = rows.map(({ name }) => name).filter((name) => !(name in known))
  if (unknown.length > 0) {
    throw new SchemaError(
      `This database was written by a newer Sallyport (it has ${unknown.join(', ')}). Start that version; nothing was changed.`,
    )
  }
}
