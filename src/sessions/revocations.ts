import { sql } from 'kysely'
import { prepared, type Db } from '../db/open.ts'
import type { StoredSession } from './lookup.ts'

/** What can be declared dead, or merely changed: whatever rests on it has to be read anew. */
export type Target =
  | {
      readonly kind: 'session' | 'user' | 'organization' | 'connection' | 'identity'
      readonly id: string
    }
  | { readonly kind: 'everything' }

/** One entry of the list every node reads. */
export interface Revocation {
  readonly position: number
  readonly target: Target
}

/** How long entries and silent nodes are kept, in milliseconds. */
export const keepRevocations: number = 60 * 60_000

/** The channel that says "look now". Losing what is said there costs time, never truth. */
export const revocationChannel = 'sallyport_revocations'

/**
 * Adds to the list that every node reads, and has the commit nudge them all. Call it last in the transaction: from here
 * to the commit nobody else can.
 * @returns the position that every node has to reach before the change holds everywhere
 */
export async function announce(tx: Db, targets: readonly Target[]): Promise<number> {
  if (targets.length === 0) return 0
  const kinds = targets.map(({ kind }) => kind)
  const ids = targets.map((target) => ('id' in target ? target.id : null))
  const { rows } = await sql<{ position: string }>`
    ${prepared('announce')} with head as (update revocation_head set id = id + ${targets.length} returning id),
    entries as (
      insert into revocations (id, kind, target, at)
      select head.id - ${targets.length} + t.place, t.kind, t.target, clock_timestamp()
      from head, unnest(${kinds}::text[], ${ids}::uuid[]) with ordinality as t (kind, target, place)
    )
    select id as position, pg_notify(${revocationChannel}, '') from head`.execute(tx)
  return Number(rows[0]!.position)
}

/** The last position committed: who has reached it knows of everything that has happened. */
export async function lastPosition(db: Db): Promise<number> {
  const { rows } = await sql<{
    id: string
  }>`${prepared('last_position')} select id from revocation_head`.execute(db)
  return Number(rows[0]!.id)
}

/** Whether a session rests on something. No two things have the same id, of whatever kind they are. */
export function restsOn(session: StoredSession, isIt: (id: string) => boolean): boolean {
  return (
    isIt(session.id) ||
    isIt(session.person.id) ||
    session.unproven.some(({ id }) => isIt(id)) ||
    session.organizations.some(
      (one) =>
        isIt(one.id) ||
        (one.connectionId !== null && isIt(one.connectionId)) ||
        (one.identityId !== null && isIt(one.identityId)),
    )
  )
}

const batch = 1000

/**
 * Deletes what nobody needs any more, a little at a time: entries older than {@link keepRevocations}, and nodes that
 * have been silent for as long. By the database's clock, as nodes write it.
 * A node that has not read an entry before it goes sees the gap, and registers anew.
 */
export async function prune(db: Db): Promise<void> {
  const before = sql`clock_timestamp() - ${keepRevocations} * interval '1 millisecond'`
  await sql`delete from nodes where at < ${before}`.execute(db)
  let deleted: number
  do {
    const { numAffectedRows } = await sql`
      delete from revocations where id in (
        select id from revocations where at < ${before} order by at limit ${batch} for update skip locked
      )`.execute(db)
    deleted = Number(numAffectedRows)
  } while (deleted === batch)
}
