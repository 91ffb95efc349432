import { sql } from 'kysely'
import type { Db } from '../src/db/open.ts'

/**
 * Marks a database in which nobody is yet as one for development, for good: everybody made in it is invented, and
 * production refuses it. One that holds somebody already is left as it is.
 */
export async function markForDevelopment(db: Db, now: Date): Promise<void> {
  await sql`
    insert into instance (purpose, marked_at)
    select 'development', ${now}::timestamptz
    where not exists (select from users) and not exists (select from organizations)
    on conflict do nothing`.execute(db)
}
