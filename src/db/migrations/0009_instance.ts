import { sql, type Kysely } from 'kysely'

/** What a database is for, and which people in it are invented. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    -- One row, or none: a database that nobody has marked holds real people.
    create table instance (
      singleton boolean primary key default true check (singleton),
      purpose text not null check (purpose in ('development')),
      marked_at timestamptz not null
    );
    create trigger instance_is_final before update or delete on instance
      for each row execute function refuse_change();

    create function is_development() returns boolean language sql stable as $$
      select exists (select from instance where purpose = 'development')
    $$;

    -- Whoever is made in a development database is invented; whoever is brought into it from elsewhere says so.
    alter table users add synthetic boolean not null default false;
    alter table users alter synthetic set default is_development();

    create function refuse_synthetic() returns trigger language plpgsql as $$
    begin
      if not is_development() then
        raise exception 'a synthetic person outside a development database is not allowed'
          using errcode = 'restrict_violation';
      end if;
      return new;
    end $$;
    create trigger users_synthetic_in_development_only before insert on users
      for each row when (new.synthetic) execute function refuse_synthetic();
    create trigger users_stay_what_they_are before update of synthetic on users
      for each row when (old.synthetic is distinct from new.synthetic) execute function refuse_change();
  `.execute(db)
}
