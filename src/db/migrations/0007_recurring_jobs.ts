import { sql, type Kysely } from 'kysely'

/** When each recurring job last began, so that one of any number of nodes runs it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table recurring_jobs (
      name text primary key,
      began_at timestamptz not null
    );
  `.execute(db)
}
