import { sql, type Kysely } from 'kysely'

/** How long sessions last: what organizations lower, who asked to be kept signed in, and who has to sign in again. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    -- For what rests on the organization. Each may only lower what the server allows.
    alter table organizations
      add idle_minutes integer check (idle_minutes between 5 and 43200),
      add absolute_minutes integer check (absolute_minutes between 10 and 129600),
      add keep_signed_in boolean not null default true,
      -- After how long a kept session asks for a new sign-in before it changes anything.
      add reauth_minutes integer check (reauth_minutes between 1 and 43200);

    alter table sessions
      -- The person asked to be kept signed in.
      add kept boolean not null default false,
      -- Since when nothing but signing in again is let through.
      add locked_at timestamptz,
      -- When the person was first told so; the session does not wait for ever.
      add challenged_at timestamptz,
      add constraint sessions_challenged_when_locked check (challenged_at is null or locked_at is not null);

    alter table session_proofs
      -- When it was given to us; its authenticated_at may be earlier, where the provider knew the person already.
      add proved_at timestamptz,
      -- Moves with the session's, but only while the proof itself has not run out.
      add last_seen_at timestamptz;
    update session_proofs p set proved_at = s.created_at, last_seen_at = s.last_seen_at
      from sessions s where s.id = p.session_id;
    alter table session_proofs alter proved_at set not null, alter last_seen_at set not null;

    -- Whose session it began in, where there was one.
    alter table flows add user_id uuid references users;
    create index flows_user on flows (user_id) where consumed_at is null;
    create index flows_connection on flows (connection_id) where consumed_at is null;
  `.execute(db)
}
