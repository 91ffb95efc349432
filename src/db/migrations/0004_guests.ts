import { sql, type Kysely } from 'kysely'

/** Guests and what becomes of their work, and connections through which people register on a form. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table connections
      drop constraint connections_provisioning_check,
      add constraint connections_provisioning_check check (provisioning in ('off', 'register', 'everybody'));

    -- The guest whose work the person has been offered and has not answered for; gone with the guest.
    alter table sessions add offered_guest_id uuid references users on delete set null;
    create index sessions_offered_guest on sessions (offered_guest_id) where offered_guest_id is not null;

    -- Guests at work are counted by the first, and those whose time is over are found by the others.
    create index sessions_live_guests on sessions (idle_ends_at) where kind = 'guest' and revoked_at is null;
    create index sessions_guest on sessions (user_id) where kind = 'guest';
    create index users_guests on users (created_at) where kind = 'guest' and merged_into is null;
    create index users_merged_into on users (merged_into) where merged_into is not null;
  `.execute(db)
}
