import { sql, type Kysely } from 'kysely'

/** What a person has proved by themself can let them in to an organization too: such a proof rests on no connection. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table session_proofs
      alter connection_id drop not null,
      alter identity_id drop not null,
      alter config_version drop not null,
      add constraint session_proofs_rest_on_one_thing
        check (num_nulls(connection_id, identity_id, config_version) in (0, 3));

    -- When the person proved it, whatever session it was carried into since.
    alter table sessions add personal_since timestamptz;
    update sessions set personal_since = created_at where personal_method is not null;
    alter table sessions add constraint sessions_personal_proof_begins
      check ((personal_method is null) = (personal_since is null));
  `.execute(db)
}
