import { sql, type Kysely } from 'kysely'

/** What an organization's own sign-on needs: invitations, domains, requiring it, setting it up, and telling why it failed. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table organizations
      -- Since when only a proof through one of its connections lets members in; null: any sign-in that proves them does.
      add sso_required_since timestamptz;

    alter table connections
      -- Which row of the presets it was made from; wording and defaults only.
      add preset text,
      -- The configuration a test sign-in went through with; only that one may be switched on.
      add tested_version integer,
      -- From a claim or group of the provider's to a role, first match counts: [{"claim", "value", "role"}].
      add role_rules jsonb not null default '[]',
      -- Whether the provider may begin a sign-in (SAML only).
      add idp_initiated boolean not null default false,
      add disabled_at timestamptz,
      drop constraint connections_provisioning_check,
      add constraint connections_provisioning_check
        check (provisioning in ('off', 'invited', 'domain', 'register', 'everybody'));

    -- Every configuration a connection has had.
    create table connection_versions (
      connection_id uuid not null references connections,
      version integer not null,
      -- Sealed, as in connections.
      settings bytea not null,
      saved_by uuid references users on delete set null,
      saved_at timestamptz not null,
      primary key (connection_id, version)
    );

    alter table memberships
      -- Who says what role this is: the application, or the provider by the connection's rules.
      add role_from text not null default 'application' check (role_from in ('application', 'provider')),
      -- Why somebody is a member no more.
      add removed_reason text;

    create table invitations (
      id uuid primary key,
      organization_id uuid not null references organizations,
      address text not null,
      folded text not null,
      role text not null check (role in ('owner', 'admin', 'member')),
      -- SHA-256 of the token in the mailed link.
      token_hash bytea not null unique,
      invited_by uuid references users on delete set null,
      expires_at timestamptz not null,
      accepted_at timestamptz,
      accepted_by uuid references users on delete set null,
      withdrawn_at timestamptz,
      created_at timestamptz not null
    );
    create unique index invitations_open on invitations (organization_id, folded)
      where accepted_at is null and withdrawn_at is null;
    create index invitations_expires_at on invitations (expires_at);

    create table domains (
      id uuid primary key,
      organization_id uuid not null references organizations,
      -- In ASCII, lower case, without a dot at the end.
      domain text collate "C" not null,
      -- What the DNS record has to say.
      token text not null,
      -- Through which connection people with an address there sign in; null: whichever they choose.
      connection_id uuid references connections on delete set null,
      verified_at timestamptz,
      last_proved_at timestamptz,
      -- When the record is looked for next.
      check_at timestamptz,
      -- Since when the record of a verified domain cannot be found.
      missing_since timestamptz,
      warned_at timestamptz,
      created_at timestamptz not null,
      unique (organization_id, domain)
    );
    -- One owner.
    create unique index domains_verified on domains (domain) where verified_at is not null;
    create index domains_check_at on domains (check_at) where check_at is not null;

    -- How an owner gets in when the provider does not work.
    create table recovery_codes (
      id uuid primary key,
      organization_id uuid not null references organizations,
      user_id uuid not null references users,
      code_hash bytea not null unique,
      created_at timestamptz not null,
      used_at timestamptz
    );
    create index recovery_codes_user on recovery_codes (user_id, organization_id);

    -- Sessions that a recovery code has let past a required sign-on, for a while.
    create table sso_exemptions (
      session_id uuid not null references sessions on delete cascade,
      organization_id uuid not null references organizations,
      user_id uuid not null references users,
      until timestamptz not null,
      primary key (session_id, organization_id)
    );
    create index sso_exemptions_until on sso_exemptions (until);

    -- For whoever sets a connection up in the customer's own IT, without an account here.
    create table setup_links (
      id uuid primary key,
      organization_id uuid not null references organizations,
      connection_id uuid references connections,
      token_hash bytea not null unique,
      created_by uuid references users on delete set null,
      expires_at timestamptz not null,
      withdrawn_at timestamptz,
      created_at timestamptz not null
    );
    create index setup_links_expires_at on setup_links (expires_at);

    -- What can be used once: assertions, logout tokens, and notices that are sent once.
    create table used_once (
      kind text not null,
      -- Whose; a connection's id, or that of what a notice is about.
      scope text not null,
      id text collate "C" not null,
      until timestamptz not null,
      primary key (kind, scope, id)
    );
    create index used_once_until on used_once (until);

    -- How each attempt to sign in went, step by step and without secrets: why did it fail?
    create table attempts (
      -- The request id that the error page shows.
      id text primary key,
      flow_id uuid,
      organization_id uuid not null references organizations,
      connection_id uuid references connections,
      kind text not null check (kind in ('login', 'link', 'test', 'setup')),
      outcome text not null check (outcome in ('ok', 'refused')),
      reason text,
      -- [{"step", "at", "what"}], what it saw and which check failed.
      trace jsonb not null default '[]',
      user_id uuid references users on delete set null,
      at timestamptz not null
    );
    create index attempts_organization on attempts (organization_id, at desc);
    create index attempts_at on attempts (at);

    alter table flows
      drop constraint flows_kind_check,
      add constraint flows_kind_check
        check (kind in ('login', 'mail', 'passkey', 'interrupted', 'link', 'test')),
      drop constraint flows_login_is_bound,
      add constraint flows_login_is_bound check (kind not in ('login', 'link', 'test')
        or (organization_id is not null and connection_id is not null and config_version is not null));
  `.execute(db)
}
