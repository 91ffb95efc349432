import { sql } from 'kysely'
import type { Db } from '../db/open.ts'
import type { IdentityKey } from './identities.ts'

/** An identity that a provider's signal is about, held until the commit. */
export interface Signalled {
  readonly id: string
  readonly userId: string
  readonly verdict: string | null
  readonly held: boolean
  /** When it is asked about next; null: it cannot be asked about. */
  readonly checkAt: Date | null
  readonly lastVerifiedAt: Date
  readonly disabledAt: Date | null
  readonly disabledBy: string | null
  /** When what was last said of the account happened. */
  readonly saidAt: Date | null
}

/** The identity with that key, held; undefined where nobody has it. */
export async function holdSignalled(tx: Db, key: IdentityKey): Promise<Signalled | undefined> {
  const { rows } = await sql<Signalled>`
    select id, user_id as "userId", verdict, held, check_at as "checkAt", last_verified_at as "lastVerifiedAt",
      signal_disabled_at as "disabledAt", signal_disabled_by as "disabledBy", signal_at as "saidAt"
    from identities where connection_id = ${key.connectionId} and issuer = ${key.issuer} and subject = ${key.subject}
    for update`.execute(tx)
  return rows[0]
}

/**
 * Writes down that a provider has disabled an account: it is asked about no more, and nobody signs in as it.
 * @param by the event that said so; where it is `purged`, what is shown of the person goes too
 */
export async function markDisabled(
  tx: Db,
  id: string,
  { by, at, purged }: { readonly by: string; readonly at: Date; readonly purged: boolean },
  now: Date,
): Promise<void> {
  await sql`
    update identities set signal_disabled_at = ${now}, signal_disabled_by = ${by}, signal_at = ${at},
      verdict = 'no_longer_true', verdict_reason = ${`signal: ${by}`}, verdict_at = ${now}, held = false,
      lease = null, check_at = null, granted = null, grant_version = grant_version + 1, refresh_intent = null,
      claims = case when ${purged} then '{}' else claims end
    where id = ${id}`.execute(tx)
}

/** Writes down that an account may be signed in as again. */
export async function markEnabled(tx: Db, id: string, at: Date): Promise<void> {
  await tx
    .updateTable('identities')
    .set({ signal_disabled_at: null, signal_disabled_by: null, signal_at: at })
    .where('id', '=', id)
    .execute()
}

/** Lets everybody sign in again whom a connection's signals have disabled, for nobody is left to say it. Answers how many. */
export async function enableAll(tx: Db, connectionId: string, forGood: string): Promise<number> {
  const { numUpdatedRows } = await tx
    .updateTable('identities')
    .set({ signal_disabled_at: null, signal_disabled_by: null })
    .where('connection_id', '=', connectionId)
    .where('signal_disabled_by', '<>', forGood)
    .executeTakeFirst()
  return Number(numUpdatedRows)
}

/** How many people a connection's signals keep out. */
export async function countDisabled(db: Db, connectionId: string): Promise<number> {
  const { count } = await db
    .selectFrom('identities')
    .select((eb) => eb.fn.countAll<string>().as('count'))
    .where('connection_id', '=', connectionId)
    .where('signal_disabled_at', 'is not', null)
    .executeTakeFirstOrThrow()
  return Number(count)
}
