import { isUnavailable, type Db } from '../db/open.ts'

/** Does something about one thing, which may be done together with the same about others. */
export type Gathered<Item, Result> = (db: Db, item: Item) => Promise<Result>

/** As many go into one statement. */
const most = 200

interface Waiting<Item, Result> {
  readonly item: Item
  readonly resolve: (result: Result) => void
  readonly reject: (error: unknown) => void
}

/**
 * One statement, and one wait for the disk, for whatever many checks want written at about the same time: while one
 * statement is under way, the next is gathered. Nobody waits for company.
 * @param work does it for all of them and answers in their order, all or nothing
 */
export function gathering<Item, Result>(
  work: (db: Db, items: readonly Item[]) => Promise<readonly Result[]>,
): Gathered<Item, Result> {
  const lines = new WeakMap<Db, Waiting<Item, Result>[]>()

  async function drain(db: Db, line: Waiting<Item, Result>[]): Promise<void> {
    // What else this turn of the event loop brings goes along.
    await new Promise(setImmediate)
    while (line.length > 0) await settle(db, line.splice(0, most))
    lines.delete(db)
  }

  async function settle(db: Db, together: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await work(
        db,
        together.map(({ item }) => item),
      )
      for (const [i, { resolve }] of together.entries()) resolve(results[i]!)
    } catch (error) {
      // What is wrong with one is not the others' fault, and a transaction that lost to another may win by itself.
      const alone = !isUnavailable(error) || hasLost(error)
      if (together.length > 1 && alone) for (const one of together) await settle(db, [one])
      else for (const { reject } of together) reject(error)
    }
  }

  return (db, item) =>
    new Promise((resolve, reject) => {
      const line = lines.get(db)
      if (line) return void line.push({ item, resolve, reject })
      const begun = [{ item, resolve, reject }]
      lines.set(db, begun)
      void drain(db, begun)
    })
}

/** Whether a transaction had to make way for another (SQLSTATE class 40): a deadlock, or an order that cannot be. */
function hasLost(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' && code.startsWith('40')
}
