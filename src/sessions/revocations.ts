import { sql } from 'kysely'
import type { Db } from '../db/open.ts'
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

/** How long entries are kept; a node that has not read for that long has long forgotten everything. */
export const keepRevocations: number = 60 * 60_000

/**
 * Adds to the list that every node reads. Call it last in the transaction: from here to the commit nobody else can.
 * @returns the position that every node has to reach before the change holds everywhere
 */
export async function announce(tx: Db, targets: readonly Target[], now: Date): Promise<number> {
  if (targets.length === 0) return 0
  const kinds = targets.map(({ kind }) => kind)
  const ids = targets.map((target) => ('id' in target ? target.id : null))
  const { rows } = await sql<{ position: string }>`
    with head as (update revocation_head set id = id + ${targets.length} returning id)
    insert into revocations (id, kind, target, at)
    select head.id - ${targets.length} + t.place, t.kind, t.target, ${now}
    from head, unnest(${kinds}::text[], ${ids}::uuid[]) with ordinality as t (kind, target, place)
    returning (select id from head) as position`.execute(tx)
  return Number(rows[0]!.position)
}

/** Whether a session rests on any of the targets. `named` holds their {@link nameOf}. */
export function restsOn(session: StoredSession, named: ReadonlySet<string>): boolean {
  const { id, person, organizations } = session
  return (
    named.has('everything') ||
    named.has(`session ${id}`) ||
    named.has(`user ${person.id}`) ||
    organizations.some(
      (one) =>
        named.has(`organization ${one.id}`) ||
        named.has(`connection ${one.connectionId}`) ||
        named.has(`identity ${one.identityId}`),
    )
  )
}

/** A target as a string, to be looked up in a set. */
export function nameOf(target: Target): string {
  return 'id' in target ? `${target.kind} ${target.id}` : target.kind
}
