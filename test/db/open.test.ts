import assert from 'node:assert/strict'
import { connect as dial, createServer, type Socket } from 'node:net'
import { after, before, suite, test, type TestContext } from 'node:test'
import { inspect } from 'node:util'
import { DummyDriver, Kysely, PostgresAdapter, PostgresQueryCompiler, sql } from 'kysely'
import type { DB } from '../../src/db/schema.ts'
import { assertSupportedServer, isDuplicate, isUnavailable } from '../../src/db/open.ts'
import { openDatabase, readDatabaseTime, type Db } from '../../src/db/open.ts'
import type { DatabaseOptions } from '../../src/db/open.ts'
import { hashToken, randomToken } from '../../src/lib/secrets.ts'
import { defaultLifetimes } from '../../src/sessions/lifetimes.ts'
import { findSession } from '../../src/sessions/lookup.ts'
import { startTestApp } from '../_app.ts'
import { cuttable } from '../_cut.ts'
import { createTestDatabase, type TestConnection } from '../_database.ts'

let database: Awaited<ReturnType<typeof createTestDatabase>>
before(async () => void (database = await createTestDatabase()))
after(() => database.drop())

/** A database opened for one test. */
function opened(
  t: TestContext,
  options: DatabaseOptions = {},
  to: TestConnection = database.connection,
): Db {
  const db = openDatabase(to, options)
  t.after(() => db.destroy())
  return db
}

/** The server process that answers: one for each connection. */
async function backend(db: Db): Promise<number> {
  const { rows } = await sql<{ pid: number }>`
    select pg_backend_pid() as pid, pg_sleep(0.005)`.execute(db)
  return rows[0]!.pid
}

/** What the server says about our connections to this database, without the one that asks. */
async function activity(): Promise<string[]> {
  const { rows } = await sql<{ state: string }>`
    select state from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and application_name = 'sallyport'`.execute(
    database.db,
  )
  return rows.map(({ state }) => state)
}

suite('the pool', () => {
  test('SEED-14, S3-45a, S3-47 200 lookups at once take at most ten connections, and all are answered', async (t) => {
    const db = opened(t, { pool: 10 })
    const judging = { lifetimes: defaultLifetimes, now: new Date() }
    const lookups = Array.from({ length: 200 }, async () => {
      const [pid, session] = await Promise.all([
        backend(db),
        findSession(db, hashToken(randomToken()), judging),
      ])
      assert.equal(session, undefined)
      return pid
    })
    const seen = new Set(await Promise.all(lookups))
    assert.ok(seen.size <= 10 && seen.size > 1, `${seen.size} connections`)
  })

  test('SEED-14, S3-47 failed statements and transactions give their connections back', async (t) => {
    const db = opened(t, { pool: 10 })
    const failing = Array.from({ length: 100 }, async (_, i) => {
      const fail = (on: Db) => sql`select 1 / 0`.execute(on)
      await assert.rejects(
        i % 2 === 0 ? fail(db) : db.transaction().execute(async (tx) => fail(tx)),
        { code: '22012' },
      )
    })
    await Promise.all(failing)
    // Ten who hold a connection until all ten have one: with one lost they would wait in vain.
    let holders = 0
    const { promise: allHere, resolve } = Promise.withResolvers<void>()
    const holding = Array.from({ length: 10 }, () =>
      db.connection().execute(async () => {
        if (++holders === 10) resolve()
        await allHere
      }),
    )
    await Promise.all(holding)
    const states = await activity()
    assert.ok(states.length >= 10)
    assert.ok(
      states.every((state) => state === 'idle'),
      states.join(),
    )
  })

  test('S3-51a whoever waits for a connection waits without holding up the process, and not for ever', async (t) => {
    const db = opened(t, { pool: 1, statementTimeoutMs: 200 })
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    const held = db.connection().execute(() => released)
    let turns = 0
    const turning = setInterval(() => turns++, 1)
    t.after(() => clearInterval(turning))
    await assert.rejects(readDatabaseTime(db), (error) => isUnavailable(error))
    assert.ok(turns > 10, `${turns} turns of the event loop`)
    release()
    await held
    assert.ok((await readDatabaseTime(db)) instanceof Date)
  })

  test('S2-10 SEED-14 200 requests with a session cookie are answered by a pool of ten', async () => {
    await using app = await startTestApp({ env: { DATABASE_POOL: '10' } })
    const browser = app.browser()
    await app.signIn(browser)
    const answers = await Promise.all(Array.from({ length: 200 }, () => browser.api('/me')))
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200])
  })
})

suite('a database in trouble', () => {
  test('a statement that takes too long is ended by the server and counts as unavailable', async (t) => {
    const db = opened(t, { pool: 1, statementTimeoutMs: 100 })
    await assert.rejects(sql`select pg_sleep(30)`.execute(db), (error: { code?: string }) => {
      assert.equal(error.code, '57014')
      return isUnavailable(error)
    })
    assert.ok((await readDatabaseTime(db)) instanceof Date, 'the connection serves on')
  })

  test('a connection cut in the middle of a transaction is an error and not the end of the process', async (t) => {
    const line = await cuttable(database.connection)
    t.after(() => line.close())
    const told: Error[] = []
    const options = { pool: 2, onIdleError: (error: Error) => void told.push(error) }
    const db = opened(t, options, line.connection)
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const { promise: cut, resolve: tellCut } = Promise.withResolvers<void>()
    const work = db.transaction().execute(async (tx) => {
      await backend(tx)
      begin()
      await cut
      return backend(tx)
    })
    const failed = assert.rejects(work, (error) => isUnavailable(error))
    await begun
    line.cut()
    // The driver hears of it while the transaction is silent.
    await new Promise((resolve) => setImmediate(resolve))
    tellCut()
    await failed
    await assert.rejects(backend(db), (error) => isUnavailable(error))
    line.mend()
    assert.ok(await backend(db))
    assert.deepEqual(told, [], 'nothing broke while idle')
  })

  test('a connection cut while idle is told, and replaced', async (t) => {
    const line = await cuttable(database.connection)
    t.after(() => line.close())
    const { promise: told, resolve: onIdleError } = Promise.withResolvers<Error>()
    const db = opened(t, { pool: 1, onIdleError }, line.connection)
    const before = await backend(db)
    line.cut()
    const error = await told
    assert.ok(isUnavailable(error))
    assert.ok(!inspect(error, { depth: 9 }).includes('secretKey'), 'the error is fit for the log')
    line.mend()
    assert.notEqual(await backend(db), before)
  })

  test('what a server says while the pool closes is nobody’s concern', async (t) => {
    const { connection, spoke } = await lastWord(t, database.connection)
    const told: Error[] = []
    const db = openDatabase(connection, { onIdleError: (error) => void told.push(error) })
    await backend(db)
    await db.destroy()
    await spoke
    // What was written is read within a few turns of the event loop.
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(told, [])
  })

  test('a connection that swallows a statement is not used again', async (t) => {
    const line = await swallowing(t, database.connection)
    const db = opened(t, { pool: 1, statementTimeoutMs: 100 }, line.connection)
    await backend(db)
    line.swallow()
    const inTransaction = db.transaction().execute((tx) => backend(tx))
    await assert.rejects(inTransaction, (error) => isUnavailable(error))
    assert.ok(await backend(db))
  })
})

suite('what an error means', () => {
  const unavailable = [
    ['08006', 'connection failure'],
    ['53300', 'too many connections'],
    ['57P01', 'terminating connection due to administrator command'],
    ['57P03', 'the database system is starting up'],
    ['25006', 'cannot execute UPDATE in a read-only transaction'],
    ['ECONNREFUSED', 'connect ECONNREFUSED'],
    ['ENOTFOUND', 'getaddrinfo ENOTFOUND'],
    [undefined, 'Connection terminated unexpectedly'],
    [undefined, 'timeout exceeded when trying to connect'],
    [undefined, 'Query read timeout'],
    [undefined, 'Client was closed and is not queryable'],
  ] as const
  const wrong = [
    ['23505', 'duplicate key value violates unique constraint "timeout"'],
    ['42P01', 'relation "terminated" does not exist'],
    ['22012', 'division by zero'],
    [undefined, 'something else'],
  ] as const

  test('away or too slow is told from asked wrongly', () => {
    for (const [code, message] of unavailable)
      assert.ok(isUnavailable(Object.assign(new Error(message), { code })), message)
    for (const [code, message] of wrong)
      assert.ok(!isUnavailable(Object.assign(new Error(message), { code })), message)
    for (const thrown of [undefined, null, 'timeout', { code: '57014' }])
      assert.ok(!isUnavailable(thrown))
  })

  test('a violated unique constraint is known by its name', async (t) => {
    const db = opened(t)
    await sql`create table once (n int constraint once_key unique)`.execute(db)
    await sql`insert into once values (1)`.execute(db)
    const error = await sql`insert into once values (1)`.execute(db).catch((thrown) => thrown)
    assert.ok(isDuplicate(error))
    assert.ok(isDuplicate(error, 'once_key'))
    assert.ok(!isDuplicate(error, 'another_key'))
    const other = await sql`insert into once values ('x')`.execute(db).catch((thrown) => thrown)
    for (const thrown of [other, new Error('23505'), undefined, null])
      assert.ok(!isDuplicate(thrown))
  })
})

suite('the version of the server', () => {
  test('one that is too old is refused in a sentence', async () => {
    await assert.rejects(assertSupportedServer(serverOf('140012')), {
      name: 'OperatorError',
      message: 'Sallyport needs PostgreSQL 15 or later, and the one at DATABASE_URL is 14.',
    })
    await assert.rejects(assertSupportedServer(serverOf('90624')), /is 9\.$/)
  })

  test('the oldest supported one and this one will do', async () => {
    await assertSupportedServer(serverOf('150000'))
    await assertSupportedServer(database.db)
  })
})

/** A database that only tells its version. */
function serverOf(version: string): Db {
  class Driver extends DummyDriver {
    override async acquireConnection() {
      const connection = await super.acquireConnection()
      const executeQuery = async <R>() => ({ rows: [{ version }] as R[] })
      return Object.assign(connection, { executeQuery })
    }
  }
  return new Kysely<DB>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new Driver(),
      createIntrospector: () => assert.fail('nobody asks'),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })
}

/** A line to the server on which what is said can be made to vanish, connection by connection. */
async function swallowing(t: TestContext, to: TestConnection) {
  const pairs: [near: Socket, far: Socket][] = []
  const server = createServer((near) => {
    const far = dial(`${to.host}/.s.PGSQL.${to.port}`)
    pairs.push([near, far])
    near
      .on('error', () => {})
      .pipe(far.on('error', () => {}))
      .pipe(near)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of pairs.flat()) socket.destroy()
    server.close()
  })
  return {
    connection: { ...to, host: '127.0.0.1', port: (server.address() as { port: number }).port },
    /** From now on; new connections work. */
    swallow: () => pairs.forEach(([near]) => near.unpipe().resume()),
  }
}

/** A line to a server that is stopped while we say goodbye, and so answers that with a fault. */
async function lastWord(t: TestContext, to: TestConnection) {
  const { promise: spoke, resolve } = Promise.withResolvers<void>()
  const fields = Buffer.from('SFATAL\0C57P01\0Mterminating connection\0\0')
  const fault = Buffer.concat([Buffer.from('E\0\0\0'), Buffer.of(fields.length + 4), fields])
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = dial(`${to.host}/.s.PGSQL.${to.port}`)
    near
      .on('error', () => {})
      .pipe(
        far.on('error', () => {}),
        { end: false },
      )
    far.pipe(near, { end: false })
    near.on('end', () => {
      near.end(fault)
      far.destroy()
    })
    near.on('close', resolve)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  t.after(() => server.close())
  const { port } = server.address() as { port: number }
  return { connection: { ...to, host: '127.0.0.1', port }, spoke }
}
