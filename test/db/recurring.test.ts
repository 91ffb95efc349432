import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { claim, startRecurring } from '../../src/db/recurring.ts'
import { openDatabase, type Db } from '../../src/db/open.ts'
import { createLog } from '../../src/lib/log.ts'
import { createTestDatabase } from '../_database.ts'

const log = createLog('silent')
const everyMinute = { name: 'tidy', every: 60_000 }

async function opened(t: TestContext) {
  const database = await createTestDatabase()
  t.after(() => database.drop())
  return database
}

/** As if the last run had begun so long ago, in milliseconds. */
async function age(db: Db, by: number): Promise<void> {
  const { began_at } = await db.selectFrom('recurring_jobs').selectAll().executeTakeFirstOrThrow()
  await db
    .updateTable('recurring_jobs')
    .set({ began_at: new Date(began_at.getTime() - by) })
    .execute()
}

suite('recurring jobs', () => {
  test('of eight nodes one runs a job that is due, and nobody before it is due again', async (t) => {
    const { db, connection } = await opened(t)
    const nodes = Array.from({ length: 8 }, () => openDatabase(connection, { pool: 1 }))
    t.after(() => Promise.all(nodes.map((node) => node.destroy())))
    const all = async () =>
      (await Promise.all(nodes.map((node) => claim(node, everyMinute)))).filter(Boolean).length
    assert.equal(await all(), 1)
    assert.equal(await all(), 0)
    await age(db, 50_000)
    assert.equal(await all(), 0)
    await age(db, 10_000)
    assert.equal(await all(), 1)
  })

  test('a job that is rarely due is due by the database’s time, however often a node starts anew', async (t) => {
    const { db } = await opened(t)
    t.mock.timers.enable({ apis: ['setInterval'] })
    const runs: string[] = []
    const ran = Promise.withResolvers<void>()
    const daily = {
      name: 'daily',
      every: 86_400_000,
      run: async () => {
        runs.push('once')
        ran.resolve()
      },
    }
    const stop = startRecurring([daily], { db, log })
    t.mock.timers.tick(60_000)
    await ran.promise
    await stop()
    const again = startRecurring([daily], { db, log })
    t.mock.timers.tick(60_000)
    await again()
    assert.deepEqual(runs, ['once'])
  })

  test('a job that fails is run again when it is due again', async (t) => {
    const { db } = await opened(t)
    t.mock.timers.enable({ apis: ['setInterval'] })
    let wake = Promise.withResolvers<void>()
    const fails = {
      ...everyMinute,
      run: async () => {
        wake.resolve()
        throw new Error('no')
      },
    }
    const stop = startRecurring([fails], { db, log })
    t.after(stop)
    t.mock.timers.tick(60_000)
    await wake.promise
    wake = Promise.withResolvers()
    await age(db, 60_000)
    await new Promise((resolve) => setImmediate(resolve))
    t.mock.timers.tick(60_000)
    await wake.promise
  })

  test('stopping tells the job under way, and waits for it', async (t) => {
    const { db } = await opened(t)
    t.mock.timers.enable({ apis: ['setInterval'] })
    const begun = Promise.withResolvers<void>()
    let ended = false
    const long = {
      ...everyMinute,
      run: async (_: unknown, signal: AbortSignal) => {
        begun.resolve()
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        ended = true
      },
    }
    const stop = startRecurring([long], { db, log })
    t.mock.timers.tick(60_000)
    await begun.promise
    await stop()
    assert.ok(ended)
  })
})
