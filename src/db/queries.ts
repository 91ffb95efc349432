import { CompiledQuery } from 'kysely'
import type { Db } from './open.ts'

/** A transaction as an application's hooks are given it: plain SQL with `$1` parameters, in the database that Sallyport uses. */
export interface Queries {
  /** Runs one statement in the transaction. Whatever it throws, thrown on, undoes the whole of it. */
  query<Row = Record<string, unknown>>(
    sql: string,
    values?: readonly unknown[],
  ): Promise<readonly Row[]>
}

/** A transaction of ours, for somebody who knows nothing of how we speak to the database. */
export function queriesIn(tx: Db): Queries {
  return {
    async query<Row>(sql: string, values: readonly unknown[] = []) {
      const { rows } = await tx.executeQuery<Row>(CompiledQuery.raw(sql, [...values]))
      return rows
    },
  }
}
