import { sql } from 'kysely'
import { onlyRow, prepared, type Db } from '../db/open.ts'
import { AppError } from '../lib/errors.ts'
import type { ProofData } from '../providers/proof.ts'
import { recordEvent } from './audit.ts'
import { foldEmail } from './users.ts'

/** What a connection's directory says of somebody who signs in through it. */
export interface Provisioned {
  readonly id: string
  /** Whether they belong; false too for whoever it has deleted. An administrator's word counts over the directory's. */
  readonly active: boolean
  /** Whose account the entry is about; null: nobody has signed in as this person yet. */
  readonly userId: string | null
  /** The groups it has them in, by name. */
  readonly groups: readonly string[]
}

type Proven = Pick<ProofData, 'connectionId' | 'subject' | 'claims'>

/**
 * The entry that a directory has of whoever was just proven; undefined: it has said nothing of them. It is found by what
 * the connection is set to, byte for byte; but whoever is out is out in any spelling of the name. An entry says who may
 * join and who may not: it never leads to an account.
 */
export async function findProvisioned(
  db: Db,
  { connectionId, subject, claims }: Proven,
): Promise<Provisioned | undefined> {
  const oid = claims.raw?.['oid']
  const { rows } = await sql<
    Provisioned & { exact: boolean; on: boolean }
  >`${prepared('find_provisioned')}
    select r.id, r.user_id as "userId", c.scim_since is not null as "on",
      r.overruled_at is not null or (r.active and r.deleted_at is null) as active,
      r.subject = said.name as exact,
      array(select g.display_name from scim_group_members m join scim_groups g on g.id = m.group_id
        where m.scim_user_id = r.id order by g.display_name) as groups
    from connections c
    cross join lateral (select case when c.scim_match = 'oid' then ${typeof oid === 'string' ? oid : null}::text
      else ${subject}::text end as name) said
    join scim_users r on r.connection_id = c.id
      and (r.subject = said.name or (c.scim_match = 'userName' and r.folded = ${foldEmail(subject)}))
    where c.id = ${connectionId}
    order by r.deleted_at is null desc, r.deleted_at desc limit 1`.execute(db)
  const row = onlyRow(rows)
  if (!row || (row.active && !(row.exact && row.on))) return undefined
  const { id, active, userId, groups } = row
  return { id, active, userId, groups }
}

/**
 * What a directory says of whoever may come in as far as it goes.
 * @throws AppError `not_a_member` for whoever it has put out
 */
export async function assertProvisioned(db: Db, proven: Proven): Promise<Provisioned | undefined> {
  const found = await findProvisioned(db, proven)
  if (found && !found.active) throw new AppError('not_a_member', { reason: 'deactivated' })
  return found
}

/**
 * From now on an entry is about this account, because its person has just been proven to be the one it names.
 * @throws AppError `not_a_member` where the directory has another entry for the account, or the entry another account
 */
export async function bindProvisioned(
  tx: Db,
  { id, userId: bound }: Provisioned,
  member: { readonly organizationId: string; readonly userId: string; readonly requestId: string },
  now: Date,
): Promise<void> {
  const { userId, organizationId, requestId } = member
  if (bound === userId) return
  const { numAffectedRows } = await sql`
    update scim_users r set user_id = ${userId} where r.id = ${id} and r.user_id is null and not exists (
      select from scim_users o where o.connection_id = r.connection_id and o.user_id = ${userId} and o.deleted_at is null)`.execute(
    tx,
  )
  if (numAffectedRows !== 1n)
    throw new AppError('not_a_member', { reason: 'provisioned_elsewhere' })
  const event = { organizationId, target: id, actorId: userId, requestId }
  await recordEvent(tx, { action: 'scim.user_bound', ...event }, now)
}

/** Whether a directory of the organization has put somebody out, and nobody has overruled it. */
export async function isDeactivated(
  db: Db,
  { organizationId, userId }: { readonly organizationId: string; readonly userId: string },
): Promise<boolean> {
  const { rows } = await sql`
    select from scim_users r join connections c on c.id = r.connection_id and c.deleted_at is null
    where r.user_id = ${userId} and c.organization_id = ${organizationId} and r.overruled_at is null
      and (not r.active or r.deleted_at is not null) limit 1`.execute(db)
  return rows.length > 0
}

/** What a connection's directory has said, in numbers. */
export interface ProvisionedCounts {
  /** Who belongs and has signed in. */
  readonly active: number
  /** Who belongs and has not signed in yet. */
  readonly waiting: number
  readonly putOut: number
  readonly groups: number
}

/** Somebody whom a directory has put out, or has deleted. */
export interface PutOut {
  readonly id: string
  readonly userName: string
  readonly deleted: boolean
  /** Whether they had an account here. */
  readonly known: boolean
  readonly at: Date
}

/** Counts what a connection's directory has said. */
export async function countProvisioned(db: Db, connectionId: string): Promise<ProvisionedCounts> {
  const { rows } = await sql<ProvisionedCounts>`
    select count(*) filter (where active and deleted_at is null and user_id is not null)::int as active,
      count(*) filter (where active and deleted_at is null and user_id is null)::int as waiting,
      count(*) filter (where overruled_at is null and (not active or deleted_at is not null))::int as "putOut",
      (select count(*)::int from scim_groups g where g.connection_id = ${connectionId}) as groups
    from scim_users where connection_id = ${connectionId}`.execute(db)
  return rows[0]!
}

/** How many are listed by name. */
export const putOutListed = 100

/** Whom a connection's directory has put out, the latest first. */
export async function listPutOut(db: Db, connectionId: string): Promise<readonly PutOut[]> {
  const { rows } = await sql<PutOut>`
    select id, user_name as "userName", deleted_at is not null as deleted, user_id is not null as known, changed_at as at
    from scim_users where connection_id = ${connectionId} and overruled_at is null and (not active or deleted_at is not null)
    order by changed_at desc, id limit ${putOutListed}`.execute(db)
  return rows
}
