import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { startEmbeddedPostgres } from '../src/db/embedded.ts'
import { logFileOf } from '../src/db/embedded/server.ts'
import { migrate } from '../src/db/migrate.ts'
import { installQueues } from '../src/db/queue.ts'
import { openDatabase, type Db } from '../src/db/open.ts'
import { beginKeeping, findLeaks } from './_canaries.ts'

/** Connection settings of one database on the test server. */
export interface TestConnection {
  host: string
  port: number
  user: string
  database: string
}

const template = 'sallyport_template'
const variable = 'TEST_POSTGRES'
// Throw-away data: durability would only cost time.
const settings = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '300',
}

/** The server of a test run. */
export interface TestServer {
  /** What the tests so far have printed, or the server, and is secret. */
  findLeaks(): readonly string[]
  stop(): Promise<void>
}

/** Starts a PostgreSQL with a migrated template database; every test file copies it. */
export async function startTestServer(): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-test-'))
  const server = await startEmbeddedPostgres(join(folder, 'postgres'), { settings })
  const admin = openDatabase(server.connection)
  await sql`create database ${sql.id(template)}`.execute(admin)
  await admin.destroy()
  const db = openDatabase({ ...server.connection, database: template })
  await migrate(db)
  await installQueues(db)
  await db.destroy()
  beginKeeping(join(folder, 'canaries'))
  process.env[variable] = JSON.stringify(server.connection)
  return {
    findLeaks: () => findLeaks(join(folder, 'canaries'), [logFileOf(join(folder, 'postgres'))]),
    async stop() {
      delete process.env[variable]
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A database of its own, copied from the migrated template (or empty). Call `drop` when done. */
export async function createTestDatabase({ empty = false } = {}): Promise<{
  db: Db
  connection: TestConnection
  drop(): Promise<void>
}> {
  const text = process.env[variable]
  if (!text) throw new Error('Run tests with `npm test`, or with `npm run test:one -- FILE`.')
  const server = JSON.parse(text) as TestConnection
  const database = `test_${randomBytes(6).toString('hex')}`
  const connection = { ...server, database }
  await asAdmin(
    server,
    sql`create database ${sql.id(database)} template ${sql.id(empty ? 'template0' : template)}`,
  )
  const db = openDatabase(connection)
  return {
    db,
    connection,
    async drop() {
      await db.destroy()
      await asAdmin(server, sql`drop database ${sql.id(database)} with (force)`)
    },
  }
}

/** Runs `work` on a fresh migrated database, on a server of its own. */
export async function withTestDatabase<T>(work: (db: Db) => Promise<T>): Promise<T> {
  const server = await startTestServer()
  try {
    const { db, drop } = await createTestDatabase()
    const result = await work(db)
    await drop()
    return result
  } finally {
    await server.stop()
  }
}

async function asAdmin(
  server: TestConnection,
  statement: { execute(db: Db): Promise<unknown> },
): Promise<void> {
  const admin = openDatabase(
    { ...server, database: 'postgres' },
    { pool: 1, statementTimeoutMs: 30_000 },
  )
  try {
    await statement.execute(admin)
  } finally {
    await admin.destroy()
  }
}
