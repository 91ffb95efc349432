import { sql } from 'kysely'
import type { Db } from '../db/open.ts'

/** How many connections in use need somebody, by what is wrong. */
export async function countTroubled(
  db: Db,
): Promise<Readonly<Record<'outage' | 'misconfigured' | 'brake', number>>> {
  const { rows } = await sql<{ outage: number; misconfigured: number; brake: number }>`
    select count(k.failing_since)::int as outage, count(k.misconfigured_since)::int as misconfigured,
      count(k.braked_since)::int as brake
    from connection_checks k join connections c on c.id = k.connection_id and c.state = 'active' and c.deleted_at is null`.execute(
    db,
  )
  return rows[0]!
}

/** For how many seconds the most overdue identity has been due, of connections that answer; 0: nobody is. */
export async function longestOverdue(db: Db, now: Date): Promise<number> {
  const { rows } = await sql<{ seconds: number }>`
    select greatest(0, coalesce(max(extract(epoch from ${now}::timestamptz - due.first)), 0))::float8 as seconds
    from connection_checks k join connections c on c.id = k.connection_id and c.state = 'active' and c.deleted_at is null
    cross join lateral (
      select i.check_at as first from identities i where i.connection_id = c.id and i.check_at is not null
      order by i.check_at limit 1) due
    where k.failing_since is null and k.misconfigured_since is null and k.paid_until <= ${now}`.execute(
    db,
  )
  return rows[0]!.seconds
}
