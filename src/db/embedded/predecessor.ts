import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { EmbeddedPostgresError } from './failure.ts'

/*
 * Who uses a data folder? Every server carries the process id of its Sallyport on its command line. As long as that
 * Sallyport lives it is also the server's parent; when it dies, the kernel gives the server another parent at once.
 * So the kernel keeps the lock: nothing to clean up after a crash, and no process id that could be taken for another.
 * Two first starts at the same moment are kept apart by PostgreSQL itself, which creates postmaster.pid atomically.
 */

/** The argument by which a server names its Sallyport. */
export const ownerArgument: string = `sallyport.owner=${process.pid}`

/** What the process table says about a live process. */
export interface ProcessFacts {
  readonly parent: number
  /** Its words, joined with spaces. */
  readonly command: string
}

/** A live process; a zombie, which only waits to be noticed, is none. */
export function findProcess(pid: number): ProcessFacts | undefined {
  return process.platform === 'linux' ? readProc(pid) : askPs(pid)
}

/** {@link findProcess} for Linux, where slim images have no `ps`. */
export function readProc(pid: number): ProcessFacts | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the program's name in brackets, and may hold brackets and spaces.
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim()
    return state === 'Z' ? undefined : { parent: Number(parent), command }
  } catch {
    return undefined
  }
}

/** {@link findProcess} for macOS and others. */
export function askPs(pid: number): ProcessFacts | undefined {
  try {
    const columns = ['-o', 'ppid=', '-o', 'stat=', '-o', 'command=']
    const line = execFileSync('ps', ['-ww', ...columns, '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const [, parent, state, command] = /^\s*(\d+)\s+(\S+)\s+(.*)/.exec(line) ?? []
    if (!parent || !command || state?.startsWith('Z')) return undefined
    return { parent: Number(parent), command: command.trim() }
  } catch {
    return undefined
  }
}

/** Ends a server: first "fast", which loses nothing; then "immediate", after which the next start recovers. */
export async function endServer(pid: number): Promise<void> {
  for (const [signal, seconds] of [['SIGINT', 20] as const, ['SIGQUIT', 5] as const]) {
    try {
      process.kill(pid, signal)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
    for (const end = Date.now() + seconds * 1000; Date.now() < end; await wait(5)) {
      if (!findProcess(pid)) return
    }
  }
  throw new EmbeddedPostgresError(`PostgreSQL (process ${pid}) does not stop. End it by hand.`)
}

/**
 * Makes the data folder free for a server of ours.
 *
 * An orphan, left by a Sallyport that was killed, is replaced rather than adopted: only of our own child do we
 * notice the end, and it should run with today's programs and settings. A clean stop takes it some 50 ms.
 *
 * @param locks - PostgreSQL's lock files, each with a process id in its first line
 * @throws {EmbeddedPostgresError} when another live Sallyport, or a server that is not ours, uses the folder
 */
export async function clearTheWay(folder: string, locks: readonly string[]): Promise<void> {
  const orphan = refuseIfUsed(folder)
  if (orphan) await endServer(orphan)
  for (const lock of locks) disown(lock, folder)
}

/** @returns the process id of an orphan, when there is one */
export function refuseIfUsed(folder: string): number | undefined {
  const pid = firstNumber(join(folder, 'postmaster.pid'))
  const server = pid === undefined ? undefined : serverOf(folder, pid)
  if (!server) return undefined
  const owner = /sallyport\.owner=(\d+)/.exec(server.command)?.[1]
  if (owner && Number(owner) !== server.parent) return pid
  throw new EmbeddedPostgresError(
    owner
      ? `Another Sallyport (process ${owner}) uses the data folder ${folder}. Stop it first, or set DATABASE_URL for both.`
      : `Another PostgreSQL (process ${pid}) uses the data folder ${folder}. Stop it first.`,
  )
}

function serverOf(folder: string, pid: number): ProcessFacts | undefined {
  const facts = findProcess(pid)
  return facts && `${facts.command} `.includes(`postgres -D ${folder} `) ? facts : undefined
}

/**
 * PostgreSQL honours a lock file as long as any process has that id, even one that got it since. We name an id no
 * process can have instead of deleting the file: PostgreSQL reads on in it to see that no backend is still at work.
 */
function disown(lock: string, folder: string): void {
  const pid = firstNumber(lock)
  if (pid === undefined || !isTaken(pid) || serverOf(folder, pid)) return
  const content = readFileSync(lock, 'utf8').replace(/^\d+/, String(2 ** 31 - 1))
  // The folder is another account's when we are root, and a link in it could lead anywhere.
  const descriptor = openSync(lock, constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW)
  writeFileSync(descriptor, content)
  closeSync(descriptor)
}

/** Also by a zombie, or by somebody else's process. */
function isTaken(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function firstNumber(file: string): number | undefined {
  try {
    return Number(/^\d+/.exec(readFileSync(file, 'utf8'))?.[0]) || undefined
  } catch {
    return undefined
  }
}
