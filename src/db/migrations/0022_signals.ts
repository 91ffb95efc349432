import { sql, type Kysely } from 'kysely'

/** What providers say unasked: streams of shared signals, and signing out there and here. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    -- A connection's stream at its transmitter of shared signals.
    create table signal_streams (
      connection_id uuid primary key references connections,
      -- Sealed: how we authenticate there, and where we poll.
      settings bytea not null,
      issuer text not null,
      stream_id text not null,
      -- Whom its events are for, as the transmitter calls us.
      audience text[] not null,
      delivery text not null check (delivery in ('push', 'poll')),
      -- SHA-256 of what a transmitter that pushes has to authenticate with.
      push_hash bytea,
      -- What the transmitter last said of the stream.
      status text not null default 'enabled' check (status in ('enabled', 'paused', 'disabled')),
      status_reason text,
      -- SHA-256 of the state that a verification event has to bring, while one is awaited.
      awaited_hash bytea,
      asked_at timestamptz,
      verified_at timestamptz,
      last_event text,
      last_event_at timestamptz,
      -- Since when it does not work, and why; null: it does.
      failing_since timestamptz,
      failing_reason text,
      -- When it is looked at next: polled, or asked for a verification.
      due_at timestamptz not null,
      created_at timestamptz not null
    );
    create index signal_streams_due_at on signal_streams (due_at);

    alter table identities
      -- The provider has said that the account is disabled: nobody signs in as it until it says otherwise.
      add signal_disabled_at timestamptz,
      -- Which event said so.
      add signal_disabled_by text,
      -- When what was last said of the account happened; whatever is older changes nothing.
      add signal_at timestamptz;

    alter table connections
      -- Whether the provider's own page may end a browser's session in a frame.
      add frontchannel_logout boolean not null default false,
      -- Whether signing out here leads to the provider's own signing out.
      add sign_out_there boolean not null default false;

    -- The sealed ID token of a sign-in, as a hint for signing out at the provider; kept only where that is wanted.
    alter table session_proofs add id_token_hint bytea;
  `.execute(db)
}
