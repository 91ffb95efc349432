import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { startEmbeddedPostgres } from '../../src/db/embedded.ts'
import { migrate } from '../../src/db/migrate.ts'
import { openDatabase, type Db } from '../../src/db/open.ts'
import { installQueues } from '../../src/db/queue.ts'
import { newSealingKey, readConfig } from '../../src/lib/config.ts'
import { createSealer, type Sealer } from '../../src/lib/seal.ts'
import { startProcess, type Process } from '../process.ts'
import type { Tell } from '../rounds.ts'
import { makeConnections, makePeople } from './fill.ts'
import type { MemberOptions } from './member.ts'

/** How much is made and measured. */
export interface Sizes {
  /** Identities in either database. */
  readonly few: number
  readonly many: number
  /** How often due work is looked for in each. */
  readonly claims: number
  readonly rate: { readonly people: number }
  readonly allowance: { readonly rates: readonly number[]; readonly seconds: number }
  /** Seconds, and people at four connections that are allowed so much each. */
  readonly outage: {
    readonly people: number
    readonly allowedEach: number
    readonly before: number
    readonly away: number
    readonly after: number
  }
  /** People who are suspended over so many seconds, and who are logged out. */
  readonly bound: { readonly polled: number; readonly pushed: number; readonly seconds: number }
}

export const sizes: Readonly<Record<'full' | 'quick', Sizes>> = {
  full: {
    few: 10_000,
    many: 1_000_000,
    claims: 200,
    rate: { people: 12_000 },
    allowance: { rates: [5, 10, 20, 40, 80], seconds: 20 },
    outage: { people: 3000, allowedEach: 25, before: 20, away: 20, after: 60 },
    bound: { polled: 100, pushed: 100, seconds: 60 },
  },
  quick: {
    few: 2000,
    many: 10_000,
    claims: 8,
    rate: { people: 200 },
    allowance: { rates: [5, 20], seconds: 3 },
    outage: { people: 400, allowedEach: 10, before: 3, away: 2, after: 6 },
    // Nobody waits for a minute to pass.
    bound: { polled: 0, pushed: 4, seconds: 1 },
  },
}

/** A provider, three nodes that ask it, and two databases of people, of which they work on the larger one. */
export interface Stage extends AsyncDisposable {
  readonly few: Db
  readonly many: Db
  readonly sealer: Sealer
  readonly provider: Process<{ readonly issuer: string }>
  readonly members: readonly Process<null>[]
  /** In the larger database; the provider knows each as the client `c` and its place. */
  readonly connections: readonly string[]
  readonly postgres: string
}

const connectionCount = 10

// Enough for what a million people need in memory; the rest is as every embedded one has it, so a commit waits for the disk.
const settings = { shared_buffers: '512MB', max_wal_size: '4GB' }

export async function setStage({ few, many }: Sizes, tell: Tell): Promise<Stage> {
  const stack = new AsyncDisposableStack()
  try {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-verification-'))
    stack.defer(() => rm(folder, { recursive: true, force: true }))
    const server = await startEmbeddedPostgres(join(folder, 'postgres'), { settings })
    stack.defer(() => server.stop())
    const provider = stack.use(await startProcess<{ issuer: string }>('servers/refreshing.ts'))
    const { issuer } = provider.ready
    const key = newSealingKey()
    const sealer = createSealer(readConfig({ NODE_ENV: 'development', SALLYPORT_KEYS: key }).keys)
    const admin = openDatabase(server.connection, { pool: 1 })
    for (const name of ['few', 'many']) await sql`create database ${sql.id(name)}`.execute(admin)
    const { rows } = await sql<{ version: string }>`
      select current_setting('server_version') as version`.execute(admin)
    await admin.destroy()
    const open = async (name: string, count: number) => {
      tell(`making ${count.toLocaleString('en')} identities`)
      const where = { ...server.connection, database: name }
      const db = openDatabase(where, { pool: 3, statementTimeoutMs: 600_000 })
      stack.defer(() => db.destroy())
      await migrate(db)
      await installQueues(db)
      const connections = await makeConnections(db, sealer, { issuer, count: connectionCount })
      await sql`update connections set checks_per_second = 100000, checks_burst = 100000`.execute(
        db,
      )
      await makePeople(db, { count, connections, issuer })
      return { db, connections, where }
    }
    const small = await open('few', few)
    const large = await open('many', many)
    tell('starting three nodes')
    const told = JSON.stringify({ database: large.where, key } satisfies MemberOptions)
    const members: Process<null>[] = []
    for (let i = 0; i < 3; i++)
      members.push(stack.use(await startProcess<null>('verification/member.ts', [told])))
    return {
      few: small.db,
      many: large.db,
      sealer,
      provider,
      members,
      connections: large.connections,
      postgres: rows[0]!.version,
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}
