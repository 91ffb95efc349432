import { sql, type Kysely } from 'kysely'

/** Accounts, connections, sessions, flows and the audit. Each comment states an invariant that the column keeps. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table users (
      id uuid primary key,
      name text not null,
      kind text not null check (kind in ('person', 'guest')),
      suspended_at timestamptz,
      merged_into uuid references users,
      deleted_at timestamptz,
      created_at timestamptz not null
    );

    create table user_emails (
      user_id uuid not null references users,
      address text not null,
      folded text not null,
      verified_at timestamptz,
      is_primary boolean not null default false,
      primary key (user_id, folded)
    );
    -- One verified owner per folded address; any number of people may merely claim it.
    create unique index user_emails_verified on user_emails (folded) where verified_at is not null;
    create unique index user_emails_primary on user_emails (user_id) where is_primary;

    create table organizations (
      id uuid primary key,
      slug text not null unique check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
      name text not null,
      default_role text not null default 'member',
      deleted_at timestamptz,
      created_at timestamptz not null
    );

    create table memberships (
      id uuid primary key,
      organization_id uuid not null references organizations,
      user_id uuid not null references users,
      role text not null check (role in ('owner', 'admin', 'member')),
      link_state text not null default 'unlinked'
        check (link_state in ('unlinked', 'linked', 'suspect', 'revoked')),
      link_reason text,
      link_since timestamptz not null,
      removed_at timestamptz,
      unique (organization_id, user_id)
    );
    create index memberships_user on memberships (user_id);

    create table connections (
      id uuid primary key,
      organization_id uuid not null references organizations,
      kind text not null,
      name text not null,
      -- Sealed: it holds the client secret or key.
      settings bytea not null,
      -- Moves with every change that matters to a sign-in under way; such a flow then starts again.
      config_version integer not null default 1,
      state text not null default 'draft' check (state in ('draft', 'tested', 'active', 'disabled')),
      -- Who may join by signing in when nobody has made them an account.
      provisioning text not null default 'off' check (provisioning in ('off', 'everybody')),
      deleted_at timestamptz,
      created_at timestamptz not null
    );
    create index connections_organization on connections (organization_id);

    create table identities (
      id uuid primary key,
      connection_id uuid not null references connections,
      -- Compared byte for byte: no collation may make two subjects one.
      issuer text collate "C" not null,
      subject text collate "C" not null check (subject <> ''),
      user_id uuid not null references users,
      claims jsonb not null default '{}',
      linked_at timestamptz not null,
      last_verified_at timestamptz not null,
      unique (connection_id, issuer, subject),
      unique (connection_id, user_id)
    );
    create index identities_user on identities (user_id);

    create function refuse_change() returns trigger language plpgsql as $$
    begin
      raise exception '% on % is not allowed', tg_op, tg_table_name using errcode = 'restrict_violation';
    end $$;

    -- An identity never changes whose it is: unlink it and link a new one.
    create trigger identities_keep_their_user before update of user_id, connection_id, issuer, subject on identities
      for each row when ((old.user_id, old.connection_id, old.issuer, old.subject)
        is distinct from (new.user_id, new.connection_id, new.issuer, new.subject))
      execute function refuse_change();

    create table flows (
      id uuid primary key,
      -- SHA-256 of the handle that travels in OAuth state.
      handle_hash bytea not null unique,
      -- SHA-256 of the browser cookie of the browser that began.
      browser_hash bytea not null,
      kind text not null check (kind in ('login')),
      organization_id uuid not null references organizations,
      connection_id uuid not null references connections,
      config_version integer not null,
      signature text not null,
      -- Moves with every write: a write that expects another version is lost, and says so.
      version integer not null default 1,
      data bytea not null,
      idle_ends_at timestamptz not null,
      absolute_ends_at timestamptz not null,
      -- Set once, by the one request that may speak to the provider.
      claimed_at timestamptz,
      -- Set once, together with the outcome.
      consumed_at timestamptz,
      outcome jsonb,
      -- How often another browser has tried.
      foreign_attempts integer not null default 0,
      created_at timestamptz not null
    );
    create index flows_absolute_ends_at on flows (absolute_ends_at);

    create table sessions (
      id uuid primary key,
      -- SHA-256 of the cookie's value, which is stored nowhere.
      token_hash bytea not null unique,
      user_id uuid not null references users,
      kind text not null check (kind in ('user', 'guest')),
      browser_hash bytea,
      flow_id uuid unique,
      rotated_from uuid references sessions on delete set null,
      device text not null default '',
      address inet,
      authenticated_at timestamptz not null,
      last_seen_at timestamptz not null,
      idle_ends_at timestamptz not null,
      absolute_ends_at timestamptz not null,
      revoked_at timestamptz,
      revoked_reason text,
      created_at timestamptz not null,
      check ((revoked_at is null) = (revoked_reason is null)),
      check (idle_ends_at <= absolute_ends_at)
    );
    create index sessions_user on sessions (user_id) where revoked_at is null;
    create index sessions_browser on sessions (browser_hash, created_at desc);
    create index sessions_absolute_ends_at on sessions (absolute_ends_at);

    -- Nothing brings a dead session back.
    create trigger sessions_stay_dead before update on sessions
      for each row when (old.revoked_at is not null and (new.revoked_at is null or new.token_hash <> old.token_hash))
      execute function refuse_change();

    create table session_proofs (
      session_id uuid not null references sessions on delete cascade,
      organization_id uuid not null references organizations,
      connection_id uuid not null references connections,
      identity_id uuid not null references identities on delete cascade,
      config_version integer not null,
      authenticated_at timestamptz not null,
      acr text,
      amr text[],
      -- The provider's own name for its session (OIDC sid).
      provider_session text,
      not_on_or_after timestamptz,
      primary key (session_id, organization_id)
    );
    create index session_proofs_identity on session_proofs (identity_id);
    create index session_proofs_connection on session_proofs (connection_id);

    create table audit_events (
      id uuid primary key,
      action text not null,
      outcome text not null check (outcome in ('ok', 'deny')),
      organization_id uuid,
      actor_id uuid,
      target text,
      data jsonb not null default '{}',
      request_id text,
      at timestamptz not null
    );
    create index audit_events_organization on audit_events (organization_id, at);

    -- Append-only.
    create trigger audit_events_are_final before update or delete on audit_events
      for each row execute function refuse_change();
  `.execute(db)
}
