import { sql } from 'kysely'
import { prepared, type Db } from '../db/open.ts'
import { later, minutes } from '../lib/clock.ts'
import type { Published } from '../providers/saml/overlap.ts'

/** What was last seen of a SAML connection's provider. */
export interface SamlUpkeep {
  /** When its metadata was last read, and understood. */
  readonly readAt: Date | null
  /** What keeps its metadata from being taken, in a sentence. */
  readonly problem: string | null
  /** Whether new certificates are taken without an administrator's word. */
  readonly follow: boolean
  readonly published: readonly Published[]
}

/** How long whoever has taken a connection to look after has it to themselves, in milliseconds. */
const lease = minutes(5)

/** Has every SAML connection looked after that is not yet. */
export async function enrolSamlConnections(db: Db, now: Date): Promise<void> {
  await sql`${prepared('enrol_saml_connections')}
    insert into saml_upkeep (connection_id, check_at)
    select c.id, ${now} from connections c
    where c.kind = 'saml' and c.deleted_at is null and not exists (select from saml_upkeep u where u.connection_id = c.id)
    on conflict do nothing`.execute(db)
}

/** Takes connections that are due to be looked after; nobody else does while the lease lasts. */
export async function takeDueConnections(
  db: Db,
  now: Date,
  most: number,
): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`${prepared('take_due_saml_connections')}
    update saml_upkeep set check_at = ${later(now, lease)}
    where connection_id in (
      select connection_id from saml_upkeep where check_at <= ${now} order by check_at limit ${most} for update skip locked)
    returning connection_id as id`.execute(db)
  return rows.map(({ id }) => id)
}

/** What was last seen of a connection; in a transaction it can be held (`hold`) until what follows from it is written. */
export async function readUpkeep(
  db: Db,
  connectionId: string,
  { hold = false } = {},
): Promise<SamlUpkeep> {
  const query = db
    .selectFrom('saml_upkeep')
    .select(['read_at', 'problem', 'follow', 'published'])
    .where('connection_id', '=', connectionId)
  const row = await (hold ? query.forUpdate() : query).executeTakeFirst()
  return {
    readAt: row?.read_at ?? null,
    problem: row?.problem ?? null,
    follow: row?.follow ?? false,
    published: (row?.published ?? []) as readonly Published[],
  }
}

/** Writes down what was seen of a connection, beginning with the first time. */
export async function saveUpkeep(
  db: Db,
  connectionId: string,
  seen: Partial<SamlUpkeep> & { readonly checkAt?: Date },
  now: Date,
): Promise<void> {
  const { checkAt, readAt, problem, follow, published } = seen
  const changed = {
    ...(checkAt && { check_at: checkAt }),
    ...(readAt !== undefined && { read_at: readAt }),
    ...(problem !== undefined && { problem }),
    ...(follow !== undefined && { follow }),
    ...(published && { published: JSON.stringify(published) }),
  }
  await db
    .insertInto('saml_upkeep')
    .values({ connection_id: connectionId, check_at: now, ...changed })
    .onConflict((conflict) =>
      conflict.column('connection_id').doUpdateSet({ connection_id: connectionId, ...changed }),
    )
    .execute()
}

/** A connection that an administrator should look at. */
export interface UpkeepTask {
  readonly connectionId: string
  readonly name: string
  /** Whether a certificate waits for their word; else its provider's metadata cannot be taken. */
  readonly waiting: boolean
}

/** Which of an organization's SAML connections need an administrator, those with a certificate that waits first. */
export async function listUpkeepTasks(
  db: Db,
  organizationId: string,
): Promise<readonly UpkeepTask[]> {
  const { rows } = await sql<UpkeepTask>`
    select * from (
      select c.id as "connectionId", c.name, u.problem, exists (select from jsonb_array_elements(u.published) p
        where p->>'takenAt' is null and p->>'goneAt' is null) as waiting
      from saml_upkeep u join connections c on c.id = u.connection_id
      where c.organization_id = ${organizationId} and c.deleted_at is null and c.state <> 'disabled'
    ) as t where waiting or problem is not null order by waiting desc, name`.execute(db)
  return rows.map(({ connectionId, name, waiting }) => ({ connectionId, name, waiting }))
}
