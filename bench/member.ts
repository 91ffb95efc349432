import { sql } from 'kysely'
import type { Db } from '../src/db/open.ts'

/** A person, their organization, its connection and their identity, all by this id: what rows of sessions rest on. */
export const member = '01890000-0000-7000-8000-000000000001'

/** Makes what goes by the id of {@link member}. */
export async function makeMember(db: Db): Promise<void> {
  await sql
    .raw(
      `insert into users (id, name, kind, created_at) values ('${member}', 'Bench', 'person', now());
    insert into organizations (id, slug, name, created_at) values ('${member}', 'bench', 'Bench', now());
    insert into connections (id, organization_id, kind, name, settings, created_at)
      values ('${member}', '${member}', 'oidc', 'Bench', '', now());
    insert into identities (id, connection_id, issuer, subject, user_id, linked_at, last_verified_at)
      values ('${member}', '${member}', 'bench', 'bench', '${member}', now(), now());`,
    )
    .execute(db)
}
