import { openDatabase, type Db } from '../../src/db/open.ts'
import type { Services } from '../../src/http/exchange.ts'

/** A port of loopback that nothing listens on, so that every statement is refused as by a server that is gone. */
const nowhere = 'postgres://nobody@127.0.0.1:1/nothing'

/** How to give the database back to those that are without it. */
const without = new WeakMap<Services, () => void>()

/** Takes the database away from the requests of this server for a while; the node forgets what it remembered of it. */
export function takeDatabaseAway(services: Services, milliseconds: number): void {
  if (without.has(services)) return
  const mutable = services as { db: Db }
  const { db } = mutable
  const away = openDatabase(nowhere, { pool: 1 })
  mutable.db = away
  services.node.memory.clear(services.node.memory.position)
  const timer = setTimeout(() => giveDatabaseBack(services), milliseconds).unref()
  without.set(services, () => {
    clearTimeout(timer)
    mutable.db = db
    void away.destroy()
  })
}

/** Gives it back before its time. */
export function giveDatabaseBack(services: Services): void {
  without.get(services)?.()
  without.delete(services)
}
