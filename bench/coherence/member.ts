import { sql } from 'kysely'
import { createSallyport } from '../../src/app.ts'
import { readConfig } from '../../src/lib/config.ts'
import { later } from '../../src/lib/clock.ts'
import { createLog } from '../../src/lib/log.ts'
import { authenticate } from '../../src/sessions/authenticate.ts'
import { Node } from '../../src/sessions/node.ts'
import { revokeSession } from '../../src/sessions/revoke.ts'
import { cuttable } from '../../test/_cut.ts'
import type { TestConnection } from '../../test/_database.ts'
import { makeMailed, type Mailed } from '../../test/sessions/_mailed.ts'
import { work } from '../process.ts'

/** How a member of the three is set up. */
export interface MemberOptions {
  readonly database: TestConnection
  /** Whether it hears no nudge. */
  readonly deaf?: boolean
  /** Whether its line to the database can be cut, which costs a little always. */
  readonly cuttable?: boolean
}

// One node of several, in a process of its own, told what to do.
const options = JSON.parse(process.argv[2]!) as MemberOptions
const line = options.cuttable ? await cuttable(options.database) : undefined
const database = line?.connection ?? options.database
const origin = 'http://localhost'
const sallyport = await createSallyport({
  config: readConfig({ NODE_ENV: 'development', SALLYPORT_URL: origin }),
  database,
  log: createLog('silent'),
})
let ahead = 0
const { clock } = sallyport.services
let services = { ...sallyport.services, clock: { now: () => later(clock.now(), ahead) } }
if (options.deaf) {
  await services.node.stop()
  const node = new Node({ database, log: services.log, listen: false })
  await node.start()
  services = { ...services, node }
}

const accepts = async (token: string) => {
  const asker = await authenticate(services, `${services.cookies.session}=${token}`)
  return asker.session !== null
}

const jobs = {
  make: (count: number) => makeMailed(services.db, count, services.lifetimes, services.clock.now()),

  /** Has the sessions in memory, and answers how many of them it would answer from there. */
  async warm(tokens: readonly string[]): Promise<number> {
    for (const token of tokens)
      if (!(await accepts(token))) throw new Error('A live session was refused.')
    const { memory } = services.node
    const { hits } = memory
    for (const token of tokens) await accepts(token)
    return memory.hits - hits
  },

  accepts,

  /** Ends a session, and answers how many milliseconds that took. */
  async revoke({ id, userId }: Mailed): Promise<number> {
    const began = performance.now()
    const now = services.clock.now()
    if (!(await revokeSession(services, { id, userId }, 'logout', { userId }, now)))
      throw new Error('There was no session to end.')
    return performance.now() - began
  },

  postgres: async () =>
    (
      await sql<{ version: string }>`select current_setting('server_version') as version`.execute(
        services.db,
      )
    ).rows[0]!.version,
  /** So much time passes for this node's sessions; what its lease rests on are other clocks. */
  pass: (milliseconds: number) => void (ahead += milliseconds),
  leased: () => services.node.lease.holds(),
  cut: () => line!.cut(),
  /** Everything arrives so many milliseconds late. */
  slow: (milliseconds: number) => line!.slow(milliseconds),
  mend: () => line!.mend(),
}

work(null, jobs, async () => {
  line?.mend()
  if (options.deaf) await services.node.stop()
  await sallyport.close()
  await line?.close()
})
