import { spawn, type ChildProcess } from 'node:child_process'
import { constants } from 'node:fs'
import { open, readFile, statfs, type FileHandle } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { endOf, run, type Account } from './account.ts'
import { explain, type EmbeddedPostgresError } from './failure.ts'
import { clearTheWay, ownerArgument, refuseIfUsed } from './predecessor.ts'

/** The name of the socket in its folder; nothing listens on a network port. */
export const port = 5432

const defaults = {
  max_connections: '100',
  shared_buffers: '64MB',
  // A failed statement is the caller's affair, and its text and values may be private.
  log_min_messages: 'log',
  log_checkpoints: 'off',
}

/** What a server is started with. */
export interface ServerOptions {
  readonly program: string
  readonly folder: string
  readonly socketFolder: string
  readonly account: Account | undefined
  readonly settings: Readonly<Record<string, string>>
}

/** A server process. */
export interface Server {
  readonly child: ChildProcess
  /** Settles with how it ended. */
  readonly ended: Promise<string>
}

/** The file that takes what the server prints. */
export function logFileOf(folder: string): string {
  return `${folder}.log`
}

/**
 * Starts the server and waits until it accepts connections, however long it takes to recover.
 *
 * @throws {EmbeddedPostgresError} when the folder is in use, or the server ends instead
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  const { folder, socketFolder } = options
  const locks = [join(folder, 'postmaster.pid'), join(socketFolder, `.s.PGSQL.${port}.lock`)]
  // A file, not a pipe: it outlives us, and the server never waits for us to read.
  const log = await openLog(logFileOf(folder))
  try {
    for (const giveUp = Date.now() + 10_000; ; await wait(50)) {
      await clearTheWay(folder, locks)
      const start = (await log.stat()).size
      const server = launch(options, log.fd)
      if (await becomesReady(server.child, folder)) return server
      const end = await server.ended
      refuseIfUsed(folder)
      const said = (await readFile(logFileOf(folder))).subarray(start).toString()
      // The backends of a server that was killed may still be about to notice.
      const tryAgain = said.includes('pre-existing shared memory block') && Date.now() < giveUp
      if (!tryAgain) throw await failure(folder, said, end)
    }
  } finally {
    await log.close()
  }
}

async function openLog(file: string): Promise<FileHandle> {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW } = constants
  const handle = await open(file, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600)
  if ((await handle.stat()).size > 1_000_000) await handle.truncate()
  return handle
}

async function failure(folder: string, said: string, end: string): Promise<EmbeddedPostgresError> {
  const { bavail, bsize } = await statfs(folder)
  // On a full disk the log may be what could not be written.
  const why = said === '' && bavail * bsize < 1_000_000 ? 'no space left' : said
  return explain([...why.trim().split('\n').slice(-10), end].join('\n'), folder, logFileOf(folder))
}

function launch(options: ServerOptions, output: number): Server {
  const { program, folder, socketFolder, account } = options
  const settings = {
    ...defaults,
    ...options.settings,
    listen_addresses: '',
    port: String(port),
    unix_socket_directories: `"${socketFolder.replaceAll('"', '""')}"`,
    unix_socket_permissions: '0700',
  }
  const words = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const args = ['-D', folder, '-c', ownerArgument, ...words]
  const child = run({ program, args, account, folders: [folder, socketFolder], output })
  const ended = endOf(child)
  if (child.pid !== undefined) guardAgainstOurDeath(child.pid, ended)
  return { child, ended }
}

/** A shell that waits for the pipe to us to break, as it does however we end, and then stops the server cleanly. */
function guardAgainstOurDeath(pid: number, ended: Promise<string>): void {
  const guard = spawn('/bin/sh', ['-c', 'read -r _; kill -INT "$0"', String(pid)], {
    cwd: '/',
    env: {},
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  // Without a shell the server is left an orphan, which the next start replaces.
  guard.once('error', () => {})
  guard.unref()
  ;(guard.stdin as Socket | null)?.unref()
  void ended.then(() => guard.kill('SIGKILL'))
}

/** Whether the server comes to accept connections, which it writes into the eighth line of its lock file. */
async function becomesReady(child: ChildProcess, folder: string): Promise<boolean> {
  while (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
    const lock = await readFile(join(folder, 'postmaster.pid'), 'utf8').catch(() => '')
    const lines = lock.split('\n')
    if (Number(lines[0]) === child.pid && lines[7]?.startsWith('ready')) return true
    await wait(5)
  }
  return false
}
