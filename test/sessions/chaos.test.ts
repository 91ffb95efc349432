import assert from 'node:assert/strict'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import pg from 'pg'
import { createSallyport, type Sallyport } from '../../src/app.ts'
import { startEmbeddedPostgres } from '../../src/db/embedded.ts'
import { isUnavailable } from '../../src/db/open.ts'
import { readConfig } from '../../src/lib/config.ts'
import { createLog } from '../../src/lib/log.ts'
import { authenticate } from '../../src/sessions/authenticate.ts'
import { driftAllowed, leaseFor } from '../../src/sessions/lease.ts'
import { revokeSession } from '../../src/sessions/revoke.ts'
import { testSettings } from '../_app.ts'
import { cuttable, type CuttableConnection } from '../_cut.ts'
import type { TestConnection } from '../_database.ts'
import { temporaryFolder } from '../_folder.ts'
import { makeMailed, type Mailed } from './_mailed.ts'
import { until } from './_members.ts'

/** A node, and its line to whichever database is the primary. */
interface Placed extends Sallyport {
  readonly line: CuttableConnection
}

type Outcome = 'in' | 'store-down' | string

/** Starts nodes on a database; what `primary` says may change, and new connections go there. */
async function startNodes(
  t: TestContext,
  primary: TestConnection,
  count: number,
  env: Record<string, string> = {},
): Promise<readonly Placed[]> {
  const nodes: Placed[] = []
  for (let i = 0; i < count; i++) {
    const line = await cuttable(primary)
    const sallyport = await createSallyport({
      config: readConfig({ ...testSettings('http://localhost:3000'), ...env }),
      log: createLog('silent'),
      database: line.connection,
    })
    nodes.push({ ...sallyport, line })
    t.after(async () => {
      line.mend()
      await sallyport.close()
      await line.close()
    })
  }
  return nodes
}

const make = ({ services: { db, lifetimes, clock } }: Sallyport, count: number) =>
  makeMailed(db, count, lifetimes, clock.now())

async function ask({ services }: Sallyport, { token }: Mailed): Promise<Outcome> {
  const asker = await authenticate(services, `${services.cookies.session}=${token}`)
  return asker.session ? 'in' : asker.state.session
}

const end = ({ services }: Sallyport, session: Mailed) =>
  revokeSession(services, session, 'logout', { userId: session.userId }, services.clock.now())

/** Ends a session however often that fails: whoever gets no answer asks again. */
async function endAtLast(node: Sallyport, session: Mailed): Promise<void> {
  await until(async () => {
    try {
      await end(node, session)
      return true
    } catch (error) {
      if (!isUnavailable(error)) throw error
      return false
    }
  })
}

/** Asks every node for every session, on and on; what came of requests that came after a session was over is told apart. */
function watch(nodes: readonly Sallyport[], sessions: readonly Mailed[]) {
  const over = new Set<Mailed>()
  const seen = new Map(sessions.map((session) => [session, new Map<Outcome, number>()]))
  let [stale, stopped] = [0, false]
  const watching = nodes.flatMap((node) =>
    sessions.map(async (session) => {
      while (!stopped) {
        const late = over.has(session)
        const outcome = await ask(node, session)
        const counts = seen.get(session)!
        counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
        if (late && outcome === 'in') stale++
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
    }),
  )
  return {
    over: (session: Mailed) => void over.add(session),
    /** What was seen of a session so far. */
    seen: (session: Mailed) => Object.fromEntries(seen.get(session)!),
    async stop() {
      stopped = true
      await Promise.all(watching)
      return stale
    },
  }
}

const allIn = (nodes: readonly Sallyport[], session: Mailed) =>
  until(async () =>
    (await Promise.all(nodes.map((node) => ask(node, session)))).every((one) => one === 'in'),
  )

describe('a database that fails under load', () => {
  it('COH-09 is killed and recovers: nobody is signed out, what was revoked stays so, and nothing has to be restarted', async (t) => {
    const folder = join(await temporaryFolder('chaos'), 'postgres')
    let server = await startEmbeddedPostgres(folder)
    t.after(() => server.stop())
    const primary: TestConnection = { ...server.connection }
    const nodes = await startNodes(t, primary, 2)
    const [kept, before, after] = await make(nodes[0]!, 3)
    const watched = watch(nodes, [kept!, before!, after!])
    await allIn(nodes, kept!)
    await end(nodes[0]!, before!)
    watched.over(before!)

    const killed = performance.now()
    process.kill(await postmaster(folder), 'SIGKILL')
    await server.ended
    server = await startEmbeddedPostgres(folder)
    Object.assign(primary, server.connection)
    t.diagnostic(`the database was away for ${(performance.now() - killed).toFixed(0)} ms`)
    await endAtLast(nodes[1]!, after!)
    watched.over(after!)
    await allIn(nodes, kept!)
    await until(() => nodes.every(({ services }) => services.node.lease.holds()))
    t.diagnostic(`all was well again after ${(performance.now() - killed).toFixed(0)} ms`)

    assert.equal(await watched.stop(), 0)
    for (const session of [before!, after!])
      for (const node of nodes) assert.equal(await ask(node, session), 'revoked')
    assert.deepEqual(
      Object.keys(watched.seen(kept!)).filter((one) => one !== 'in' && one !== 'store-down'),
      [],
    )
  })

  for (const late of [100, 400]) {
    it(`COH-02 answers ${late} ms late, both ways: revoking takes longer, and lets nobody in`, async (t) => {
      const server = await startEmbeddedPostgres(join(await temporaryFolder('chaos'), 'postgres'))
      t.after(() => server.stop())
      const nodes = await startNodes(t, server.connection, 2)
      const [kept, ended] = await make(nodes[0]!, 2)
      await allIn(nodes, kept!)
      const watched = watch(nodes, [kept!, ended!])
      for (const { line } of nodes) line.slow(late)
      const began = performance.now()
      await end(nodes[0]!, ended!)
      watched.over(ended!)
      const took = performance.now() - began
      t.diagnostic(`revoke() took ${took.toFixed(0)} ms`)
      for (const node of nodes) assert.equal(await ask(node, ended!), 'revoked')
      for (const { line } of nodes) line.slow(0)
      await allIn(nodes, kept!)
      assert.equal(await watched.stop(), 0)
      assert.deepEqual(Object.keys(watched.seen(kept!)), ['in'])
      // Begin, three statements, commit, and asking who holds out, each there and back; then at most L and the margin.
      assert.ok(took < 9 * 2 * late + leaseFor + driftAllowed + 3000, `${took} ms`)
    })
  }
})

describe('a primary that dies, and a standby that takes its place', () => {
  it('an asynchronous one may not have got a revocation: what it has not got never happened, and can be done again', async (t) => {
    const { primary, standby, connection, promote } = await startPair(t)
    const nodes = await startNodes(t, connection, 2)
    const [kept, known, lost] = await make(nodes[0]!, 3)
    for (const session of [kept!, known!, lost!]) await allIn(nodes, session)
    await end(nodes[0]!, known!)
    await standby.caughtUp()

    standby.line.cut()
    await end(nodes[0]!, lost!)
    for (const node of nodes) assert.equal(await ask(node, lost!), 'revoked')
    await primary.stop()
    await promote()

    await allIn(nodes, kept!)
    for (const node of nodes) assert.equal(await ask(node, known!), 'revoked')
    await until(() => nodes.every(({ services }) => services.node.lease.holds()))
    await allIn(nodes, lost!)

    // What docs/failures.md says to run.
    const page = await readFile(new URL('../../docs/failures.md', import.meta.url), 'utf8')
    const statements = /```sql\n([^]*?)```/.exec(page)![1]!
    await withClient(connection, (client) => client.query(statements))
    await until(async () => {
      const outcomes = await Promise.all(nodes.flatMap((n) => [ask(n, kept!), ask(n, lost!)]))
      return outcomes.every((one) => one === 'revoked')
    })
  })

  it('a synchronous one has what was confirmed: what it cannot get is not confirmed', async (t) => {
    const settings = { synchronous_commit: 'remote_apply', synchronous_standby_names: '*' }
    const { primary, standby, connection, promote } = await startPair(t, settings)
    const nodes = await startNodes(t, connection, 2, { DATABASE_STATEMENT_TIMEOUT_MS: '1000' })
    const [kept, known, unconfirmed] = await make(nodes[0]!, 3)
    for (const session of [kept!, known!, unconfirmed!]) await allIn(nodes, session)
    await end(nodes[0]!, known!)

    standby.line.cut()
    await assert.rejects(end(nodes[0]!, unconfirmed!), isUnavailable)
    await primary.stop()
    await promote()

    await allIn(nodes, kept!)
    for (const node of nodes) assert.equal(await ask(node, known!), 'revoked')
    await endAtLast(nodes[1]!, unconfirmed!)
    for (const node of nodes) assert.equal(await ask(node, unconfirmed!), 'revoked')
  })
})

async function postmaster(folder: string): Promise<number> {
  return Number((await readFile(join(folder, 'postmaster.pid'), 'utf8')).split('\n')[0])
}

async function withClient<T>(
  connection: TestConnection,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client(connection)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/**
 * A primary and a standby that streams from it, over a line that can be cut.
 * @param settings of the primary, once the standby has come up
 */
async function startPair(t: TestContext, settings: Readonly<Record<string, string>> = {}) {
  const folder = await temporaryFolder('chaos')
  const server = await startEmbeddedPostgres(join(folder, 'primary'))
  const line = await cuttable(server.connection)
  const copy = join(folder, 'standby')
  await withClient(server.connection, async (client) => {
    await client.query(`select pg_backup_start('standby', true)`)
    const wanted = (path: string) => !path.endsWith('postmaster.pid')
    await cp(join(folder, 'primary'), copy, { recursive: true, filter: wanted })
    const { rows } = await client.query<{ labelfile: string }>('select * from pg_backup_stop()')
    await writeFile(join(copy, 'backup_label'), rows[0]!.labelfile)
    await writeFile(join(copy, 'standby.signal'), '')
  })
  const { host, port, user } = { ...line.connection }
  const standby = await startEmbeddedPostgres(copy, {
    settings: { primary_conninfo: `host=${host} port=${port} user=${user}` },
  })
  t.after(async () => {
    await server.stop()
    await line.close()
    await standby.stop()
  })
  const caughtUp = () =>
    withClient(server.connection, (client) =>
      until(async () => {
        const { rows } = await client.query<{ caught_up: boolean }>(
          'select replay_lsn >= pg_current_wal_lsn() as caught_up from pg_stat_replication',
        )
        return rows[0]?.caught_up === true
      }),
    )
  await caughtUp()
  await withClient(server.connection, async (client) => {
    for (const [name, value] of Object.entries(settings))
      await client.query(`alter system set ${name} = '${value}'`)
    await client.query('select pg_reload_conf()')
  })
  // Whoever connects anew is led to whichever is the primary.
  const connection: TestConnection = { ...server.connection }
  return {
    primary: { stop: () => server.stop() },
    standby: { line, caughtUp },
    connection,
    /** Whoever moves the address first and promotes afterwards has nodes meet a standby that takes no writes. */
    async promote() {
      Object.assign(connection, standby.connection)
      await withClient(connection, (client) => client.query('select pg_promote()'))
    },
  }
}
