import type { Db } from './open.ts'

/** Something that counts once: an assertion, a logout token, a notice. */
export interface UsedOnce {
  /** What kind of thing, such as `saml-assertion`. */
  readonly kind: string
  /** Whose: a connection's id, or that of what a notice is about. */
  readonly scope: string
  /** Its own name there. Compared byte for byte. */
  readonly id: string
  /** As long as it has to be remembered: at least until nothing would accept it for other reasons. */
  readonly until: Date
}

/** Uses something up, in the transaction that acts on it. Answers whether this was the first time. */
export async function useOnce(db: Db, { kind, scope, id, until }: UsedOnce): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await db
    .insertInto('used_once')
    .values({ kind, scope, id, until })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst()
  return numInsertedOrUpdatedRows === 1n
}
