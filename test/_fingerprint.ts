import { sql } from 'kysely'
import type { Db } from '../src/db/open.ts'

/** Tables that may change though nothing was granted: what is told of a refusal, and what nodes say of themselves. */
const besides = ['audit_', 'nodes', 'rate_limits', 'recurring_jobs']

/** What every table holds, as one digest each: two that are equal mean that nothing was made, changed or removed. */
export async function fingerprint(db: Db): Promise<Record<string, string>> {
  const { rows: tables } = await sql<{ name: string }>`
    select table_name as name from information_schema.tables
    where table_schema = 'public' and table_type = 'BASE TABLE' order by 1`.execute(db)
  const digests = tables
    .filter(({ name }) => !besides.some((one) => name.startsWith(one)))
    .map(async ({ name }) => {
      const { rows } = await sql<{ digest: string }>`
        select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) as digest from ${sql.table(name)} t`.execute(
        db,
      )
      return [name, rows[0]!.digest] as const
    })
  return Object.fromEntries(await Promise.all(digests))
}
