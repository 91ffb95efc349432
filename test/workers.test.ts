import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { it } from 'node:test'
import { newSealingKey } from '../src/lib/config.ts'
import { createTestDatabase } from './_database.ts'
import { freePortPair, startProgram } from './_program.ts'

const program = 'bin/sallyport.js'

it('two workers share one port as two nodes; one that is killed is replaced; SIGTERM ends all cleanly', async (t) => {
  const { db, connection, drop } = await createTestDatabase()
  t.after(drop)
  const port = await freePortPair()
  const server = startProgram(t, [program, 'serve', '--workers', '2'], {
    NODE_ENV: 'production',
    SALLYPORT_URL: 'https://app.example',
    SALLYPORT_KEYS: newSealingKey(),
    PORT: String(port),
    DATABASE_URL: `postgres://${connection.user}@socket:${connection.port}/${connection.database}?host=${encodeURIComponent(connection.host)}`,
  })
  const ready = () =>
    server
      .output()
      .split('\n')
      .filter((line) => line.includes('Sallyport is ready'))
  const until = async (holds: () => boolean | Promise<boolean>) => {
    for (let i = 0; i < 600; i++) {
      if (await holds()) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    assert.fail(server.output())
  }
  const nodes = async () => (await db.selectFrom('nodes').select('id').execute()).length

  await until(() => ready().length === 2)
  assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200)
  await until(async () => (await nodes()) === 2)

  const children = await childrenOf(server.pid)
  assert.ok(children.length >= 2)
  process.kill(children[0]!, 'SIGKILL')
  await until(() => ready().length === 3)
  assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200)

  const asked = performance.now()
  assert.equal(await server.stop('SIGTERM'), 0)
  assert.ok(performance.now() - asked < 8_000, 'nobody had to be killed')
  assert.equal(await nodes(), 1, 'only the killed one is left, for the others to wait out')
})

it('when a worker cannot start the program says so and ends', { timeout: 60_000 }, async (t) => {
  const server = startProgram(t, [program, 'serve', '--workers', '2'], {
    SALLYPORT_URL: 'https://app.example',
    SALLYPORT_KEYS: newSealingKey(),
    DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nothing',
  })
  assert.equal(await server.ended, 1)
  assert.match(server.complaint(), /^The database does not answer \(connect ECONNREFUSED/)
  assert.match(server.complaint(), /A worker could not start; what it said stands above\.\n$/)
})

it('a number of workers that is none is refused in a sentence', async (t) => {
  for (const count of ['0', '-1', 'many', '65', '1.5']) {
    const refused = startProgram(t, [program, 'serve', `--workers=${count}`])
    assert.equal(await refused.ended, 2)
    assert.match(refused.complaint(), /--workers takes a whole number from 1 to 64/)
  }
})

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.trim().split(/\s+/).map(Number)
}
