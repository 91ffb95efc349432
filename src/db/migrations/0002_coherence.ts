import { sql, type Kysely } from 'kysely'

/** What nodes that answer from memory need: the list of what died, and who has read how far. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    -- One row. Its lock, held to the commit, is what makes ids of revocations follow the order of commits.
    create table revocation_head (
      singleton boolean primary key default true check (singleton),
      id bigint not null
    );
    insert into revocation_head (id) values (0);

    create table revocations (
      -- Rises in commit order, without gaps: whoever has read up to n has missed nothing up to n.
      id bigint primary key,
      kind text not null
        check (kind in ('session', 'user', 'organization', 'connection', 'identity', 'everything')),
      target uuid,
      at timestamptz not null,
      check ((target is null) = (kind = 'everything'))
    );
    create index revocations_at on revocations (at);

    create trigger revocations_are_final before update on revocations
      for each row execute function refuse_change();

    create table nodes (
      id uuid primary key,
      -- When the node last registered or renewed, by this database's clock.
      at timestamptz not null,
      -- Up to where the node has applied revocations; never further than it has applied.
      position bigint not null
    );
  `.execute(db)
}
