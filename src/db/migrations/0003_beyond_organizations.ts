import { sql, type Kysely } from 'kysely'

/** Sessions and flows that no organization stands behind, and counters that hold back whoever asks too often. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    -- How the person proved themself without an organization; such a session stands without any proof to one.
    alter table sessions add personal_method text check (personal_method in ('mail', 'passkey'));

    alter table flows
      alter organization_id drop not null,
      alter connection_id drop not null,
      alter config_version drop not null,
      drop constraint flows_kind_check,
      add constraint flows_kind_check check (kind in ('login', 'mail', 'passkey', 'interrupted')),
      add constraint flows_login_is_bound check (kind <> 'login'
        or (organization_id is not null and connection_id is not null and config_version is not null));

    -- Losing these in a crash costs nobody anything.
    create unlogged table rate_limits (
      -- The rule and whom it counts; what could name a person is hashed.
      key text primary key,
      used integer not null,
      -- When counting begins anew.
      until timestamptz not null
    );
    create index rate_limits_until on rate_limits (until);
  `.execute(db)
}
