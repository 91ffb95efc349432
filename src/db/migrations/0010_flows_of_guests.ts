import { sql, type Kysely } from 'kysely'

/** Deleting a guest looks for sign-ins that they began, and must neither stumble over one nor read them all. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table flows
      drop constraint flows_user_id_fkey,
      add constraint flows_user_id_fkey foreign key (user_id) references users on delete set null;
    drop index flows_user;
    create index flows_user on flows (user_id) where user_id is not null;
  `.execute(db)
}
