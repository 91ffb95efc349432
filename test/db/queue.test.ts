import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Writable } from 'node:stream'
import { suite, test, type TestContext } from 'node:test'
import { sql } from 'kysely'
import pgBoss from 'pg-boss/package.json' with { type: 'json' }
import { migrate } from '../../src/db/migrate.ts'
import { openDatabase } from '../../src/db/open.ts'
import { enqueue, installQueues, queueSchema, queueSchemaVersion } from '../../src/db/queue.ts'
import { startWorkers, type Handlers } from '../../src/db/workers.ts'
import { createLog } from '../../src/lib/log.ts'
import { cuttable } from '../_cut.ts'
import { createTestDatabase } from '../_database.ts'

const silent = createLog('silent')

/** A queue that only these tests have, with jobs of one word. */
const name = 'say' as never
const say = (word: string): never => ({ word }) as never

async function withQueue(t: TestContext) {
  const database = await createTestDatabase()
  t.after(() => database.drop())
  await installQueues(database.db, { say: { retries: 1 } })
  return database
}

/** Handlers that collect the words they are told. */
function listening(): { handlers: Handlers; heard: string[]; next(): Promise<string> } {
  const heard: string[] = []
  let wake = Promise.withResolvers<string>()
  return {
    heard,
    next: () => wake.promise,
    handlers: {
      say: async ({ word }: { word: string }) => {
        heard.push(word)
        wake.resolve(word)
        wake = Promise.withResolvers()
      },
    },
  }
}

suite('the queue', () => {
  test('the version of its tables is the one that the package makes', () => {
    assert.equal(queueSchemaVersion, pgBoss.pgboss.schema)
  })

  test('of eight nodes that start at once on an empty database all find it installed', async (t) => {
    const { connection, drop } = await createTestDatabase({ empty: true })
    t.after(drop)
    const nodes = Array.from({ length: 8 }, () => openDatabase(connection, { pool: 1 }))
    t.after(() => Promise.all(nodes.map((node) => node.destroy())))
    await migrate(nodes[0]!)
    await Promise.all(nodes.map((node) => installQueues(node, { say: {} })))
    const { rows } = await sql`select name from ${sql.table(`${queueSchema}.queue`)}`.execute(
      nodes[0]!,
    )
    assert.deepEqual(rows, [{ name: 'say' }])
  })

  test('a job is done at once when its transaction commits', async (t) => {
    const { db, connection } = await withQueue(t)
    const { handlers, heard, next } = listening()
    const workers = startWorkers(connection, handlers, silent)
    t.after(() => workers.stop())
    // The first is taken by the first look, or by the nudge; the second by the nudge alone.
    for (const word of ['one', 'two']) {
      const spoken = next()
      await db.transaction().execute((tx) => enqueue(tx, name, say(word)))
      assert.equal(await spoken, word)
    }
    assert.deepEqual(heard, ['one', 'two'])
  })

  test('a job whose transaction is rolled back never was', async (t) => {
    const { db, connection } = await withQueue(t)
    const failed = db.transaction().execute(async (tx) => {
      await enqueue(tx, name, say('never'))
      throw new Error('no')
    })
    await assert.rejects(failed, /no/)
    await enqueue(db, name, say('after'))
    const { handlers, heard, next } = listening()
    const spoken = next()
    const workers = startWorkers(connection, handlers, silent)
    t.after(() => workers.stop())
    await spoken
    assert.deepEqual(heard, ['after'])
  })

  test('a job that fails is kept and tried again', async (t) => {
    const { db, connection } = await withQueue(t)
    const tried = Promise.withResolvers<void>()
    const fails = async () => {
      tried.resolve()
      throw new Error('the mail server is away')
    }
    const workers = startWorkers(connection, { say: fails }, silent)
    await enqueue(db, name, say('again'))
    await tried.promise
    await workers.stop()
    const { rows } = await sql<{ state: string; later: boolean }>`
      select state, start_after > now() as later from ${sql.table(`${queueSchema}.job`)}`.execute(
      db,
    )
    assert.deepEqual(rows, [{ state: 'retry', later: true }])
  })

  test('two nodes do each job once', async (t) => {
    const { db, connection } = await withQueue(t)
    const all = Promise.withResolvers<void>()
    const heard: string[] = []
    const hear = async ({ word }: { word: string }) => {
      if (heard.push(word) === 25) all.resolve()
    }
    const nodes = [1, 2].map(() => startWorkers(connection, { say: hear }, silent))
    await db.transaction().execute(async (tx) => {
      for (let i = 0; i < 25; i++) await enqueue(tx, name, say(`word ${i}`))
    })
    await all.promise
    await Promise.all(nodes.map((node) => node.stop()))
    assert.equal(new Set(heard).size, 25)
    assert.equal(heard.length, 25)
  })

  test('stopping lets the job under way end', async (t) => {
    const { db, connection } = await withQueue(t)
    const [begun, mayEnd] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const slow = async () => {
      begun.resolve()
      await mayEnd.promise
    }
    const workers = startWorkers(connection, { say: slow }, silent)
    await enqueue(db, name, say('slowly'))
    await begun.promise
    const stopped = workers.stop()
    mayEnd.resolve()
    await stopped
    const { rows } = await sql`select state from ${sql.table(`${queueSchema}.job`)}`.execute(db)
    assert.deepEqual(rows, [{ state: 'completed' }])
  })

  test('an unknown queue is a fault, and not a job that nobody does', async (t) => {
    const { db } = await withQueue(t)
    await assert.rejects(enqueue(db, 'sya' as never, say('x')), /There is no queue "sya"/)
  })

  test('FLT-03 a database that is away is told of once, ends nothing, and work goes on when it is back', async (t) => {
    const { db, connection } = await withQueue(t)
    const line = await cuttable(connection)
    t.after(() => line.close())
    const lines: string[] = []
    const told = new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk))
        told.emit('line')
        done()
      },
    })
    const { handlers, next } = listening()
    const workers = startWorkers(line.connection, handlers, createLog('debug', told))
    t.after(() => workers.stop())
    const first = next()
    await enqueue(db, name, say('before'))
    await first
    line.cut()
    while (lines.length < 3) await once(told, 'line')
    assert.equal(lines.filter((line) => JSON.parse(line).level >= 40).length, 1)
    line.mend()
    const second = next()
    await enqueue(db, name, say('after'))
    assert.equal(await second, 'after')
  })
})
