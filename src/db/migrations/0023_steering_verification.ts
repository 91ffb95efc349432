import { sql, type Kysely } from 'kysely'

/** What administrators see of verification and steer: bounds, webhooks, ends of client secrets, and how long unused identities stay. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table organizations
      -- No connection of it asks about anybody less often than this.
      add check_at_most_minutes integer not null default 1440 check (check_at_most_minutes between 1 and 43200),
      -- An identity that nobody has signed in with for so long is removed.
      add keep_identities_days integer not null default 400 check (keep_identities_days between 120 and 3650);
    update organizations o set check_at_most_minutes = c.most from (
      select organization_id, max(check_every_minutes) as most from connections group by organization_id) c
      where c.organization_id = o.id and c.most > o.check_at_most_minutes;

    -- When the client secret runs out, as an administrator has noted it; nobody else knows.
    alter table connections add secret_ends_at timestamptz;

    alter table identities
      -- The last sign-in. Verification moves last_verified_at, never this.
      add signed_in_at timestamptz,
      -- When it goes: its person has been told, or is no member any more. A sign-in takes it back.
      add leaving_at timestamptz;
    update identities set signed_in_at = last_verified_at;
    alter table identities alter signed_in_at set not null, alter signed_in_at set default now();
    create index identities_signed_in_at on identities (signed_in_at);
    create index identities_leaving_at on identities (leaving_at) where leaving_at is not null;

    -- No membership, no identity, whatever kind of provider it is at. A member who was removed keeps a membership that
    -- says so, and an identity by which they are known as removed.
    create function identities_leave() returns trigger language plpgsql as $$
    begin
      update identities i set leaving_at = '-infinity' from connections c
      where c.id = i.connection_id and c.organization_id = old.organization_id and i.user_id = old.user_id;
      return null;
    end $$;
    create trigger memberships_take_identities after delete on memberships
      for each row execute function identities_leave();
    update identities i set leaving_at = '-infinity' from connections c
      where c.id = i.connection_id and not exists (
        select from memberships m where m.organization_id = c.organization_id and m.user_id = i.user_id);

    -- How long it took from "no longer true" there to "refused" here, for what is promised and what was kept.
    create table connection_lockouts (
      id uuid primary key,
      connection_id uuid not null references connections,
      -- The rung that found it, or the signal that said it.
      found_by text not null,
      milliseconds integer not null,
      at timestamptz not null
    );
    create index connection_lockouts_connection on connection_lockouts (connection_id, at);
    create index connection_lockouts_at on connection_lockouts (at);

    -- Where an organization's alarms are posted, beside the mails.
    create table webhooks (
      organization_id uuid primary key references organizations,
      url text not null,
      secret bytea not null,
      created_at timestamptz not null
    );
    create table webhook_deliveries (
      -- Sent as webhook-id, the same at every try.
      id uuid primary key,
      organization_id uuid not null references organizations,
      event text not null,
      -- As it is signed, to the byte.
      body text not null,
      state text not null check (state in ('waiting', 'delivered', 'failed')),
      tries integer not null default 0,
      -- What came of the last try: a status, or why there was none.
      answer text,
      tried_at timestamptz,
      created_at timestamptz not null
    );
    create index webhook_deliveries_organization on webhook_deliveries (organization_id, created_at desc);
    create index webhook_deliveries_created_at on webhook_deliveries (created_at);
  `.execute(db)
}
