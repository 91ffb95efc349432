import { sql, type Kysely } from 'kysely'

/** What deleting by the million needs, and the chain that shows whether the audit is whole. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create index sessions_revoked_at on sessions (revoked_at) where revoked_at is not null;
    -- Without it every session that goes is looked for in the whole table.
    create index sessions_rotated_from on sessions (rotated_from) where rotated_from is not null;
    -- Whoever goes is looked for in every session, not only in those that live.
    drop index sessions_user;
    create index sessions_user on sessions (user_id);

    -- Committed events that have no place in the chain yet. Nobody waits for one another here; a job links them.
    create table audit_unlinked (
      seq bigint generated always as identity primary key,
      event_id uuid not null
    );
    insert into audit_unlinked (event_id) select id from audit_events order by id;

    create table audit_links (
      n bigint primary key,
      event_id uuid not null unique,
      -- SHA-256 of the hash before it and the event as canonical JSON.
      hash bytea not null
    );

    -- The end of the chain. Whoever links holds this row.
    create table audit_head (
      singleton boolean primary key default true check (singleton),
      n bigint not null,
      hash bytea not null
    );
    insert into audit_head (n, hash) values (0, '\\x');

    create function await_link() returns trigger language plpgsql as $$
    begin
      insert into audit_unlinked (event_id) values (new.id);
      return null;
    end $$;
    create trigger audit_events_await_link after insert on audit_events
      for each row execute function await_link();
    create trigger audit_links_are_final before update or delete on audit_links
      for each row execute function refuse_change();
  `.execute(db)
}
