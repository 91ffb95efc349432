import { sql, type Kysely } from 'kysely'

/** Directories that say who belongs to an organization (SCIM 2.0): their tokens, and what they have said. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table connections
      -- Since when a directory may say who belongs; null: it may not.
      add scim_since timestamptz,
      -- What a directory's entry and a sign-in have in common.
      add scim_match text not null default 'userName' check (scim_match in ('userName', 'externalId', 'oid'));

    create table scim_tokens (
      id uuid primary key,
      connection_id uuid not null references connections,
      token_hash bytea not null unique,
      created_by uuid references users on delete set null,
      created_at timestamptz not null,
      expires_at timestamptz not null,
      revoked_at timestamptz,
      last_used_at timestamptz
    );
    create index scim_tokens_connection on scim_tokens (connection_id);

    create table scim_users (
      id uuid primary key,
      connection_id uuid not null references connections,
      user_name text not null,
      -- The name in the form in which two spellings of one are equal.
      folded text collate "C" not null,
      external_id text collate "C",
      -- Who this is in the words of the connection's provider; null: the directory has not said.
      subject text collate "C",
      active boolean not null,
      -- The other attributes that are known, in the shape of RFC 7643.
      attributes jsonb not null default '{}',
      -- Whose account this is, once somebody has proven the subject.
      user_id uuid references users,
      -- When an administrator let somebody in although the directory had said no; until it says so again.
      overruled_at timestamptz,
      version integer not null default 1,
      created_at timestamptz not null,
      changed_at timestamptz not null,
      -- A tombstone keeps them out.
      deleted_at timestamptz
    );
    create unique index scim_users_name on scim_users (connection_id, folded) where deleted_at is null;
    create unique index scim_users_subject on scim_users (connection_id, subject) where deleted_at is null;
    create unique index scim_users_account on scim_users (connection_id, user_id) where deleted_at is null;
    create index scim_users_listed on scim_users (connection_id, created_at, id) where deleted_at is null;
    create index scim_users_external on scim_users (connection_id, external_id) where deleted_at is null;
    -- With the tombstones.
    create index scim_users_said on scim_users (connection_id, subject);
    create index scim_users_called on scim_users (connection_id, folded);
    create index scim_users_user on scim_users (user_id) where user_id is not null;

    create table scim_groups (
      id uuid primary key,
      connection_id uuid not null references connections,
      display_name text not null,
      folded text collate "C" not null,
      external_id text collate "C",
      version integer not null default 1,
      created_at timestamptz not null,
      changed_at timestamptz not null,
      unique (connection_id, folded)
    );

    create table scim_group_members (
      group_id uuid not null references scim_groups on delete cascade,
      scim_user_id uuid not null references scim_users on delete cascade,
      primary key (group_id, scim_user_id)
    );
    create index scim_group_members_user on scim_group_members (scim_user_id);
  `.execute(db)
}
