import type { Log } from '../lib/log.ts'
import { startEmbeddedPostgres, type EmbeddedPostgres } from './embedded.ts'

/** A PostgreSQL of our own that is started again when it ends by itself. */
export interface KeptPostgres {
  /** The same after every restart. */
  readonly connection: EmbeddedPostgres['connection']
  stop(): Promise<void>
}

/** Two failed starts in a row end the attempts: whatever is wrong then needs a person. */
const attempts = 2

/**
 * Starts the embedded PostgreSQL and, should it end by itself (killed, out of memory), starts it again. Requests
 * meanwhile are answered as with any database that is away; committed data is there afterwards.
 * @param log told what happened and, when a restart fails, what to do
 */
export async function keepPostgresRunning(
  folder: string,
  log: Pick<Log, 'info' | 'warn'>,
): Promise<KeptPostgres> {
  const start = () => startEmbeddedPostgres(folder, { log: (line) => log.info(line) })
  let server = await start()
  const { connection } = server
  let stopping = false

  async function watch(): Promise<void> {
    for (let failed = 0; failed < attempts;) {
      await server.ended
      if (stopping) return
      try {
        server = await start()
        failed = 0
        log.warn('PostgreSQL had ended by itself and runs again')
      } catch (error) {
        failed += 1
        log.warn(`PostgreSQL could not be started again: ${(error as Error).message}`)
      }
    }
  }
  void watch()

  return {
    connection,
    async stop() {
      stopping = true
      await server.stop()
    },
  }
}
