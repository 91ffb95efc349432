import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { findProcess } from '../src/db/embedded/predecessor.ts'
import { createBrowser, type Browser } from './dev/_browser.ts'
import { temporaryFolder } from './_folder.ts'
import { freePortPair, startProgram, type Program } from './_program.ts'
import { walkThroughSignIn } from './_walk.ts'

/** A place where `npm start` can be started: two ports and a data folder of its own. */
interface Place {
  readonly port: number
  readonly folder: string
  readonly origin: string
  start(env?: Record<string, string>): Program
  /** The process of the PostgreSQL that serves the folder. */
  postgres(): number
}

async function place(t: TestContext): Promise<Place> {
  const folder = await temporaryFolder('start')
  const port = await freePortPair()
  const settings = { PORT: String(port), SALLYPORT_DATA: folder }
  return {
    port,
    folder,
    origin: `http://localhost:${port}`,
    start: (env = {}) => startProgram(t, ['dev/start.js'], { ...settings, ...env }),
    postgres: () => parseInt(readFileSync(join(folder, 'postgres', 'postmaster.pid'), 'utf8'), 10),
  }
}

const ready = 'Sallyport is ready.'

async function nameOf(browser: Browser, origin: string): Promise<string | undefined> {
  const answer = await browser.get(`${origin}/me`)
  const { user } = (await answer.json()) as { user?: { name: string } }
  return user?.name
}

/** That nothing serves the folder any more. */
function assertStopped(pid: number, folder: string): void {
  assert.equal(findProcess(pid), undefined, 'PostgreSQL is left running')
  assert.ok(!existsSync(join(folder, 'postgres', 'postmaster.pid')))
}

suite('npm start', () => {
  test('says where to go, as whom to sign in, where the data is and how to stop', async (t) => {
    const { start, origin, port, folder, postgres } = await place(t)
    const program = start()
    await program.says('Ctrl+C')
    const screen = program.output()
    const said = (label: string) => screen.split('\n').find((line) => line.includes(label))
    assert.ok(said('Open')?.endsWith(origin))
    assert.match(said('Sign in as')!, /Alice .*\(owner\), Bob .*\(member\), Carol .*\(suspended\)/)
    assert.ok(said('Provider')?.includes(`http://127.0.0.1:${port + 1}`))
    assert.ok(said('Data')?.endsWith(folder))

    const page = await fetch(origin)
    assert.equal(page.status, 200)
    assert.match(await page.text(), /Sallyport is running on your machine/)
    for (const secret of ['keys', 'development-client-secret'])
      assert.equal((await stat(join(folder, secret))).mode & 0o777, 0o600, secret)

    const second = (await place(t)).start({ SALLYPORT_DATA: folder })
    assert.equal(await second.ended, 1)
    assert.equal(
      second.complaint(),
      `Another Sallyport (process ${program.pid}) uses the data folder ${join(folder, 'postgres')}. Stop it first, or set DATABASE_URL for both.\n`,
    )
    assert.equal((await fetch(origin)).status, 200, 'the first goes on')

    const pid = postgres()
    assert.ok(findProcess(pid))
    assert.equal(await program.stop('SIGINT'), 0)
    assert.equal(program.output(), screen, 'a clean stop says nothing')
    assertStopped(pid, folder)
  })

  test('SEED-11 whoever is signed in stays so over a restart, and over a kill', async (t) => {
    const { start, origin, port, folder, postgres } = await place(t)
    const browser = createBrowser()
    let program = start()
    await program.says(ready)
    assert.match(await (await walkThroughSignIn(browser, origin, 'alice')).text(), /Alice/)
    const name = await nameOf(browser, origin)
    assert.match(name!, /^Alice/)

    const pid = postgres()
    assert.equal(await program.stop('SIGTERM'), 0)
    assertStopped(pid, folder)
    program = start()
    await program.says(ready)
    assert.equal(await nameOf(browser, origin), name)

    await program.stop('SIGKILL')
    program = start()
    await program.says(ready)
    assert.equal(await nameOf(browser, origin), name)
    const other = createBrowser()
    await walkThroughSignIn(other, origin, 'bob')
    assert.match((await nameOf(other, origin))!, /^Bob/)
    assert.equal(await program.stop(), 0)

    const moved = (await place(t)).start({ SALLYPORT_DATA: folder })
    assert.equal(await moved.ended, 1)
    assert.match(moved.output(), new RegExp(`Start with PORT=${port}, or set SALLYPORT_DATA`))
    assert.ok(!existsSync(join(folder, 'postgres', 'postmaster.pid')))
  })

  for (const [which, offset] of [
    ['its own', 0],
    ['the provider’s', 1],
  ] as const) {
    test(`${which} port being taken is told in a sentence, and nothing is left running`, async (t) => {
      const { start, port, folder } = await place(t)
      const other = createServer()
      await new Promise<void>((resolve) => other.listen(port + offset, '127.0.0.1', resolve))
      t.after(() => other.close())
      const program = start()
      assert.equal(await program.ended, 1)
      assert.equal(
        program.complaint(),
        `listen EADDRINUSE: address already in use 127.0.0.1:${port + offset}. Something else listens there: stop it, or set PORT.\n`,
      )
      assert.ok(!existsSync(join(folder, 'postgres', 'postmaster.pid')))
    })
  }

  test('settings that will not do are told, all of them', async (t) => {
    const { start } = await place(t)
    const last = start({ PORT: '65535' })
    const wrong = start({ HOST: '0.0.0.0', SALLYPORT_PRT: '1' })
    assert.deepEqual(await Promise.all([last.ended, wrong.ended]), [1, 1])
    assert.match(last.output(), /^Sallyport cannot start with these settings:\n {2}- PORT must be/)
    assert.match(wrong.output(), /- HOST must be a loopback address/)
    assert.match(wrong.output(), /- SALLYPORT_PRT is not a setting; did you mean PORT\?/)
  })
})
