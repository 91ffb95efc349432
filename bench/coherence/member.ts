import { sql } from 'kysely'
import { createSallyport } from '../../src/app.ts'
import { readConfig } from '../../src/lib/config.ts'
import { later } from '../../src/lib/clock.ts'
import { newId } from '../../src/lib/ids.ts'
import { createLog } from '../../src/lib/log.ts'
import { hashToken, randomToken } from '../../src/lib/secrets.ts'
import { authenticate } from '../../src/sessions/authenticate.ts'
import { Node } from '../../src/sessions/node.ts'
import { revokeSession } from '../../src/sessions/revoke.ts'
import { cuttable } from '../../test/_cut.ts'
import type { TestConnection } from '../../test/_database.ts'
import { work } from '../process.ts'

/** How a member of the three is set up. */
export interface MemberOptions {
  readonly database: TestConnection
  /** Whether it hears no nudge. */
  readonly deaf?: boolean
  /** Whether its line to the database can be cut, which costs a little always. */
  readonly cuttable?: boolean
}

/** A session made for the measurement. */
export interface Made {
  readonly id: string
  readonly userId: string
  readonly token: string
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
let { services } = sallyport
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
  /** Makes sessions, each of a person of its own who has signed in by mail. */
  async make(count: number): Promise<Made[]> {
    const { db, clock, lifetimes } = services
    const now = clock.now()
    const made = Array.from({ length: count }, () => ({
      id: newId(),
      userId: newId(),
      token: randomToken(),
    }))
    for (let from = 0; from < made.length; from += 1000) {
      const some = made.slice(from, from + 1000)
      const people = some.map(({ userId: id }) => ({
        id,
        name: 'Bench',
        kind: 'person' as const,
        created_at: now,
      }))
      const sessions = some.map(({ id, userId, token }) => ({
        id,
        token_hash: hashToken(token),
        user_id: userId,
        kind: 'user' as const,
        personal_method: 'mail' as const,
        authenticated_at: now,
        last_seen_at: now,
        idle_ends_at: later(now, lifetimes.idle),
        absolute_ends_at: later(now, lifetimes.absolute),
        created_at: now,
      }))
      await db.insertInto('users').values(people).execute()
      await db.insertInto('sessions').values(sessions).execute()
    }
    return made
  },

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
  async revoke({ id, userId }: Made): Promise<number> {
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
  leased: () => services.node.lease.holds(),
  cut: () => line!.cut(),
  mend: () => line!.mend(),
}

work(null, jobs, async () => {
  line?.mend()
  if (options.deaf) await services.node.stop()
  await sallyport.close()
  await line?.close()
})
