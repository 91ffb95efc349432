import { sql, type Kysely } from 'kysely'

/** Passkeys: what a person holds, and the server knows the public half of. And the browsers people are known by. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table passkeys (
      id uuid primary key,
      user_id uuid not null references users,
      -- The authenticator's own name for it. It selects the account, so it is one account's only.
      credential_id bytea not null unique,
      -- COSE key (RFC 9052 §7).
      public_key bytea not null,
      -- How often it says it has signed; it may not go back. Many say 0 every time.
      sign_count bigint not null,
      transports text[] not null default '{}',
      -- Whether it is copied between the person's devices, as the authenticator says.
      backed_up boolean not null,
      -- The person's own name for it.
      name text not null,
      created_at timestamptz not null,
      last_used_at timestamptz
    );
    create index passkeys_user on passkeys (user_id);
    create trigger passkeys_keep_their_user before update of user_id, credential_id, public_key on passkeys
      for each row when (old.user_id is distinct from new.user_id or old.credential_id is distinct from new.credential_id
        or old.public_key is distinct from new.public_key)
      execute function refuse_change();

    -- Browsers a person has signed in with, for longer than their sessions are kept.
    create table known_browsers (
      id uuid primary key,
      user_id uuid not null references users,
      -- SHA-256 of the browser cookie's value.
      browser_hash bytea not null,
      seen_at timestamptz not null,
      unique (user_id, browser_hash)
    );
    create index known_browsers_seen_at on known_browsers (seen_at);

    -- The passkey a session began with: removing it ends the session.
    alter table sessions add passkey_id uuid references passkeys on delete set null;
    create index sessions_passkey on sessions (passkey_id) where revoked_at is null and passkey_id is not null;
  `.execute(db)
}
