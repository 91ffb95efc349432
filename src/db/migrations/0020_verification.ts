import { sql, type Kysely } from 'kysely'

/** Asking providers again: what each identity was granted, when it is due, and how its connection fares. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table identities
      -- Sealed tokens for asking again. Whoever writes them moves the version.
      add granted bytea,
      add grant_version integer not null default 0,
      -- Since when the refresh token of this version may have been presented, with no answer kept: it never is again.
      add refresh_intent timestamptz,
      -- How this identity is asked about.
      add rung text check (rung in ('refresh', 'userinfo', 'introspection', 'directory', 'deadline')),
      -- When it is due. Leasing moves it to the lease's end, so that a worker that dies gives it back by itself.
      add check_at timestamptz,
      add lease uuid,
      add verdict text check (verdict in ('still_true', 'no_longer_true', 'could_not_tell')),
      add verdict_reason text,
      add verdict_at timestamptz,
      -- Since when nobody could tell.
      add failing_since timestamptz,
      add failures integer not null default 0,
      -- The brake holds what it says.
      add held boolean not null default false;
    create index identities_due on identities (connection_id, check_at) where check_at is not null;
    create index identities_gone on identities (connection_id, verdict_at) where verdict = 'no_longer_true';

    alter table connections
      add check_every_minutes integer not null default 60 check (check_every_minutes between 1 and 43200),
      -- How long a provider may be unable to answer before its people are suspect; 0: not at all.
      add outage_budget_minutes integer not null default 1440 check (outage_budget_minutes >= 0),
      -- What a suspect may still do.
      add outage_policy text not null default 'lock' check (outage_policy in ('keep', 'read_only', 'lock')),
      add checks_per_second integer not null default 10 check (checks_per_second > 0),
      add checks_burst integer not null default 20 check (checks_burst > 0);

    -- How asking a connection's provider goes. Whoever holds its row may take of the connection's allowance.
    create table connection_checks (
      connection_id uuid primary key references connections,
      -- When everything taken so far is paid for at the connection's rate (GCRA). A provider that wants to be left alone
      -- moves it ahead.
      paid_until timestamptz not null,
      failures integer not null default 0,
      failing_since timestamptz,
      failing_reason text,
      misconfigured_since timestamptz,
      misconfigured_reason text,
      -- More people than usual were said to be gone: nobody loses anything until this is lifted.
      braked_since timestamptz,
      -- An administrator has said that they are gone indeed.
      brake_lifted_until timestamptz,
      -- How often in a row a refresh brought the same token back: enough, and one may be presented twice.
      unrotated integer not null default 0
    );

    insert into connection_checks (connection_id, paid_until) select id, created_at from connections;
    create function begin_checks() returns trigger language plpgsql as $$
    begin
      insert into connection_checks (connection_id, paid_until) values (new.id, new.created_at);
      return null;
    end $$;
    create trigger connections_begin_checks after insert on connections
      for each row execute function begin_checks();

    -- How many verdicts of each kind, for the chart and the brake.
    create table connection_verdicts (
      connection_id uuid not null references connections,
      -- The beginning of the minute.
      at timestamptz not null,
      verdict text not null,
      count integer not null,
      primary key (connection_id, at, verdict)
    );
    create index connection_verdicts_at on connection_verdicts (at);
  `.execute(db)
}
