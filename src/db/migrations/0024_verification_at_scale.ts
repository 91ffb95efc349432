import { sql, type Kysely } from 'kysely'

/** Which settings a grant was made under, and the order in which connections are taken of. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    -- The connection's config_version at the sign-in: under other settings the grant is shown to nobody.
    alter table identities add granted_under integer;
    update identities i set granted_under = c.config_version from connections c
    where c.id = i.connection_id and i.granted is not null;

    create index connection_checks_paid_until on connection_checks (paid_until);
  `.execute(db)
}
