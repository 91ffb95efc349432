import { sql, type Kysely } from 'kysely'

/** What setting a connection up keeps beside the settings, and how the attempts of one sign-in are found. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table connection_versions
      -- What the administrator answered, for changing one answer and keeping the others. Sealed.
      add answers bytea,
      -- What the provider published about itself when the settings were checked.
      add published jsonb;

    alter table connections
      -- When a test sign-in last went through, in whatever version and whoever tried.
      add tested_at timestamptz;

    alter table setup_links
      -- When a test sign-in last went through by way of this link.
      add tested_at timestamptz;

    create index attempts_flow on attempts (flow_id);
  `.execute(db)
}
