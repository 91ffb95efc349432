import { sql, type Kysely } from 'kysely'

/** What a person proved without an organization ends as other proofs do: by its own time, whatever it is carried into. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table sessions add personal_until timestamptz;
    update sessions set personal_until = absolute_ends_at where personal_method is not null;
    alter table sessions add constraint sessions_personal_proof_ends
      check ((personal_method is null) = (personal_until is null));
  `.execute(db)
}
