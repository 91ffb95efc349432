import { sql, type Kysely } from 'kysely'

/** What keeps SAML connections working over years, and by what a provider ends the sessions it has begun. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table session_proofs
      -- By which name the provider speaks of the person when it ends its session:
      -- {"value", "format", "nameQualifier", "spNameQualifier"} of a SAML NameID, as JSON. It selects no account.
      add name_id text;

    -- What is looked at every day about a SAML connection, and what was seen.
    create table saml_upkeep (
      connection_id uuid primary key references connections,
      -- When it is looked at next.
      check_at timestamptz not null,
      -- When its provider's metadata was last read, and understood.
      read_at timestamptz,
      -- What keeps the metadata from being taken, in a sentence for administrators.
      problem text,
      -- Whether new certificates in the metadata are taken without an administrator's word, because it comes over https.
      follow boolean not null default false,
      -- Certificates that the provider has published: [{"certificate", "seenAt", "goneAt", "takenAt"}], public all of them.
      published jsonb not null default '[]'
    );
    create index saml_upkeep_check_at on saml_upkeep (check_at);
  `.execute(db)
}
