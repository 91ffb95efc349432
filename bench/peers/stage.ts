import { startEmbeddedPostgres } from '../../src/db/embedded.ts'
import { openDatabase } from '../../src/db/open.ts'
import type { TestConnection } from '../../test/_database.ts'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { startProcess, type Process } from '../process.ts'
import type { Tell } from '../rounds.ts'
import { setStage, type Stage } from '../stage.ts'
import { startApache, type Apache } from './apache.ts'
import { NotHere } from './debian.ts'
import { startRedis, type Redis } from './redis.ts'

/** A server of a peer's. */
export type Server = Process<{ readonly port: number; readonly version: string }>

/** What every comparison needs, started once. */
export interface PeerStage extends AsyncDisposable {
  readonly ours: Stage
  readonly floor: Process<{ port: number }>
  readonly redis: Redis | undefined
  readonly apache: Apache | undefined
  /** What could not be had, and why. */
  readonly skipped: readonly { readonly what: string; readonly why: string }[]
  /** A database of its own on the PostgreSQL that all of them share. */
  database(name: string): Promise<TestConnection>
  /** Starts a peer's server; it ends with the stage. */
  serve(file: string, options: object): Promise<Server>
}

/** Where what is not from the npm registry is unpacked. */
const debian = join(import.meta.dirname, '.debian')

/** Starts what every comparison needs; what cannot be had is skipped, and said to be. */
export async function setPeerStage(tell: Tell): Promise<PeerStage> {
  const stack = new AsyncDisposableStack()
  const skipped: { what: string; why: string }[] = []
  const orSkip = async <T extends AsyncDisposable>(what: string, start: () => Promise<T>) => {
    try {
      return stack.use(await start())
    } catch (error) {
      if (!(error instanceof NotHere)) throw error
      skipped.push({ what, why: error.message })
      return undefined
    }
  }
  try {
    tell('starting Sallyport')
    const ours = stack.use(await setStage({ seconds: 1, rounds: 1 }))
    const floor = stack.use(await startProcess<{ port: number }>('servers/floor.ts'))
    await floor.ask('know', ours.cookies)
    tell('starting Redis')
    const redis = await orSkip('Redis', () => startRedis(debian))
    tell('starting Apache')
    const apache = await orSkip('Apache with mod_auth_openidc', () => startApache(debian))
    tell('starting PostgreSQL')
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-peers-'))
    stack.defer(() => rm(folder, { recursive: true, force: true }))
    const postgres = await startEmbeddedPostgres(join(folder, 'postgres'))
    stack.defer(() => postgres.stop())
    return {
      ours,
      floor,
      redis,
      apache,
      skipped,
      async database(name) {
        const admin = openDatabase(postgres.connection, { pool: 1 })
        await sql`create database ${sql.id(name)}`.execute(admin)
        await admin.destroy()
        return { ...postgres.connection, database: name }
      },
      async serve(file, options) {
        const told = [JSON.stringify(options)]
        return stack.use(await startProcess<Server['ready']>(`peers/servers/${file}`, told))
      },
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}
