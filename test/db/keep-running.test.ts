import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { sql } from 'kysely'
import { keepPostgresRunning } from '../../src/db/keep-running.ts'
import { createLog } from '../../src/lib/log.ts'
import { openDatabase } from '../../src/db/open.ts'

it('FLT-09 a PostgreSQL that is killed under us is started again, and committed data is there', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-keep-'))
  const kept = await keepPostgresRunning(join(folder, 'postgres'), createLog('silent'))
  const db = openDatabase(kept.connection)
  try {
    await sql`create table marks (n int)`.execute(db)
    await sql`insert into marks values (1)`.execute(db)
    const [postmaster] = (await readFile(join(folder, 'postgres', 'postmaster.pid'), 'utf8')).split(
      '\n',
    )
    process.kill(Number(postmaster), 'SIGKILL')
    const until = Date.now() + 30_000
    for (;;) {
      const found = await sql<{ n: number }>`select n from marks`.execute(db).catch(() => undefined)
      if (found) {
        assert.deepEqual(found.rows, [{ n: 1 }])
        break
      }
      if (Date.now() > until) assert.fail('PostgreSQL did not come back')
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  } finally {
    await db.destroy()
    await kept.stop()
    await rm(folder, { recursive: true, force: true })
  }
})
