import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { EmbeddedPostgresError } from './failure.ts'

/** Who runs PostgreSQL when Sallyport itself is root, which PostgreSQL refuses to be. */
export interface Account {
  readonly uid: number
  readonly gid: number
}

/**
 * Nobody else when Sallyport is not root. Otherwise whoever owns the data already, else `postgres`, else `nobody`.
 *
 * @throws {EmbeddedPostgresError} when the machine has neither account
 */
export function accountFor(folder: string): Account | undefined {
  if (process.getuid?.() !== 0) return undefined
  const owner = statSync(folder, { throwIfNoEntry: false })
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid }
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  for (const name of ['postgres', 'nobody']) {
    const found = accounts.find((fields) => fields[0] === name)
    if (found) return { uid: Number(found[2]), gid: Number(found[3]) }
  }
  throw new EmbeddedPostgresError(
    'PostgreSQL may not run as root, and this machine has neither an account postgres nor nobody. ' +
      'Start Sallyport as another user, or set DATABASE_URL to a PostgreSQL 15 or later.',
  )
}

/** One run of a program of PostgreSQL. */
export interface Run {
  readonly program: string
  readonly args: readonly string[]
  readonly account: Account | undefined
  /** Folders the program works in. */
  readonly folders: readonly string[]
  /** Takes what it prints: an open file, or a pipe to us. */
  readonly output: number | 'pipe'
}

/**
 * Keeps one ability of root: to pass and read what file modes would forbid. `no_setuid_fixup` because `access()`,
 * by which PostgreSQL looks for its own programs, otherwise ignores that ability.
 */
const passEveryFolder = [
  '--clear-groups',
  '--nnp',
  '--securebits=+no_setuid_fixup',
  '--inh-caps=-all,+dac_override',
  '--ambient-caps=-all,+dac_override',
  '--bounding-set=-all,+dac_override',
]

/**
 * Starts a program in a session of its own, so that the terminal's Ctrl-C reaches only Sallyport, which then stops
 * everything in order. Of the environment it gets nothing but a plain locale: ours holds secrets.
 */
export function run({ program, args, account, folders, output }: Run): ChildProcess {
  const common = {
    cwd: '/',
    env: { LC_ALL: 'C', TZ: 'UTC' },
    detached: true,
    stdio: ['ignore', output, output] as StdioOptions,
  }
  if (!account) return spawn(program, args, common)
  if ([program, ...folders].every((path) => canEnter(path, account))) {
    return spawn(program, args, { ...common, ...account })
  }
  // A project cloned under /root, say. We must not open folders that are not ours.
  const identity = [`--reuid=${account.uid}`, `--regid=${account.gid}`]
  const env = { ...common.env, PATH: process.env['PATH'] }
  const words = [...identity, ...passEveryFolder, '--', program, ...args]
  return spawn('setpriv', words, { ...common, env })
}

/** How a program ended, such as `exit code 1`, `SIGKILL`, or why it did not even start. */
export function endOf(child: ChildProcess): Promise<string> {
  return new Promise((settle) => {
    child.once('error', (error) => settle(error.message))
    child.once('close', (code, signal) => settle(signal ?? `exit code ${code}`))
  })
}

/** Whether the account may pass every folder on the way to `path`, and enter (or execute) it. */
function canEnter(path: string, account: Account): boolean {
  const { uid, gid, mode } = statSync(path)
  const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001
  const above = dirname(path)
  return (mode & bit) !== 0 && (above === path || canEnter(above, account))
}
