import { sql } from 'kysely'
import type { Db } from '../db/open.ts'
import type { Rung } from './standing.ts'

/** An identity as its organization's administrators see it. */
export interface CheckedIdentity {
  readonly id: string
  readonly userId: string
  readonly name: string
  readonly rung: Rung | null
  readonly lastVerifiedAt: Date
  /** When it is asked about next; null: it is not. */
  readonly checkAt: Date | null
  readonly verdict: 'still_true' | 'no_longer_true' | 'could_not_tell' | null
  readonly reason: string | null
  readonly verdictAt: Date | null
  readonly failingSince: Date | null
  readonly held: boolean
}

export type IdentityList = 'verified' | 'next' | 'errors' | 'held'

interface List {
  readonly label: string
  /** Which of a connection's identities. */
  readonly where: ReturnType<typeof sql>
  /** By what, and which way. */
  readonly by: ReturnType<typeof sql>
  readonly way: 'asc' | 'desc'
}

/** The ways to look through a connection's identities. */
export const identityLists: Readonly<Record<IdentityList, List>> = {
  verified: {
    label: 'By last verified',
    where: sql`true`,
    by: sql`i.last_verified_at`,
    way: 'asc',
  },
  next: {
    label: 'By next check',
    where: sql`i.check_at is not null`,
    by: sql`i.check_at`,
    way: 'asc',
  },
  errors: {
    label: 'With an error',
    where: sql`i.verdict in ('no_longer_true', 'could_not_tell')`,
    by: sql`i.verdict_at`,
    way: 'desc',
  },
  held: {
    label: 'Held by the brake',
    where: sql`i.held`,
    by: sql`i.verdict_at`,
    way: 'desc',
  },
}

/** A connection's identities, a page at a time. `next` is where the following page begins. */
export async function listIdentities(
  db: Db,
  connectionId: string,
  {
    list,
    after,
    limit = 50,
  }: { readonly list: IdentityList; readonly after?: string | undefined; readonly limit?: number },
): Promise<{ readonly identities: readonly CheckedIdentity[]; readonly next: string | null }> {
  const { where, by, way } = identityLists[list]
  const [beyond, order] = [sql.raw(way === 'asc' ? '>' : '<'), sql.raw(way)]
  const from = after
    ? sql`and (${by}, i.id) ${beyond} (
        select ${by}, i.id from identities i where i.id = ${after} and i.connection_id = ${connectionId})`
    : sql``
  const { rows } = await sql<CheckedIdentity>`
    select i.id, i.user_id as "userId", u.name, i.rung, i.last_verified_at as "lastVerifiedAt", i.check_at as "checkAt",
      i.verdict, i.verdict_reason as reason, i.verdict_at as "verdictAt", i.failing_since as "failingSince", i.held
    from identities i join users u on u.id = i.user_id
    where i.connection_id = ${connectionId} and ${where} ${from}
    order by ${by} ${order}, i.id ${order} limit ${limit + 1}`.execute(db)
  const identities = rows.slice(0, limit)
  return { identities, next: rows.length > limit ? identities.at(-1)!.id : null }
}
