import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, open, readdir, readFile, realpath } from 'node:fs/promises'
import { rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { Account } from './account.ts'
import { EmbeddedPostgresError } from './failure.ts'
import { findProcess } from './predecessor.ts'

/** The true path of the data folder, whose parent is made if need be. */
export async function locate(folder: string): Promise<string> {
  const path = resolve(folder)
  // Root's may be passed by others, so that the account that runs PostgreSQL can reach its own folder inside.
  const mode = process.getuid?.() === 0 ? 0o711 : 0o700
  await mkdir(dirname(path), { recursive: true, mode })
  return realpath(path).catch(async () => join(await realpath(dirname(path)), basename(path)))
}

/**
 * Whether the folder holds a database that this PostgreSQL can open; a new or empty one does not yet.
 *
 * @throws {EmbeddedPostgresError} when it holds another version's, somebody else's, or something else
 */
export async function holdsDatabase(folder: string, major: string): Promise<boolean> {
  const uid = await stat(folder).then((found) => found.uid, ignore('ENOENT'))
  if (uid === undefined) return false
  if (uid !== process.getuid?.() && process.getuid?.() !== 0) {
    throw new EmbeddedPostgresError(
      `The data folder ${folder} belongs to another user (uid ${uid}). Start Sallyport as that user, or give it the folder with chown -R.`,
    )
  }
  const entries = await readdir(folder)
  if (entries.length === 0) return false
  if (!entries.includes('PG_VERSION')) {
    throw new EmbeddedPostgresError(
      `The folder ${folder} is not empty and holds no PostgreSQL database. Move it away; nothing was changed.`,
    )
  }
  const found = (await readFile(join(folder, 'PG_VERSION'), 'utf8')).trim()
  if (found === major) return true
  throw new EmbeddedPostgresError(
    `The data folder ${folder} was made by PostgreSQL ${found}, and this is PostgreSQL ${major}. ` +
      `To keep the data, dump it with PostgreSQL ${found} (pg_dump) and load it into the new one; ` +
      'to begin anew, move the folder away. Nothing was changed.',
  )
}

/** Sees to it that the data folder belongs to whoever runs PostgreSQL, and to nobody else. */
export async function own(folder: string, account: Account | undefined): Promise<void> {
  if (account && (await stat(folder)).uid !== account.uid) {
    await promisify(execFile)('chown', ['-R', `${account.uid}:${account.gid}`, folder])
  }
  await chmod(folder, 0o700)
}

/**
 * Makes a database beside its place and moves it there when it is complete, so that a start that was killed halfway
 * leaves nothing that looks like one. Of two that do so at once the slower gives up its own.
 *
 * @param fill - makes the database in the given folder
 */
export async function createDatabase(
  folder: string,
  account: Account | undefined,
  fill: (unfinished: string) => Promise<void>,
): Promise<void> {
  await removeUnfinished(folder)
  const unfinished = await mkdtemp(`${folder}.init-${process.pid}-${startedAt}-`)
  try {
    if (account) await chown(unfinished, account.uid, account.gid)
    await fill(unfinished)
    await rename(unfinished, folder)
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true, maxRetries: 5 })
    ignore('ENOTEMPTY', 'EEXIST')(error as NodeJS.ErrnoException)
  }
}

const startedAt = Math.round(performance.timeOrigin)

async function removeUnfinished(folder: string): Promise<void> {
  const prefix = `${basename(folder)}.init-`
  for (const name of await readdir(dirname(folder))) {
    if (!name.startsWith(prefix)) continue
    const [pid, time] = name.slice(prefix.length).split('-').map(Number)
    // In a container we may well have the same process id as the Sallyport that was killed.
    const abandoned = pid === process.pid ? time !== startedAt : !findProcess(pid ?? 0)
    if (abandoned)
      await rm(join(dirname(folder), name), { recursive: true, force: true, maxRetries: 5 })
  }
}

/** The longest path of a Unix socket that every system takes (macOS 103 bytes, Linux 107). */
const maxSocketPathBytes = 103

/**
 * The private folder of the server's socket. It is not in the data folder, whose path may be too long for a socket.
 *
 * @throws {EmbeddedPostgresError} when somebody else has put something in its place
 */
export async function createSocketFolder(
  folder: string,
  account: Account | undefined,
): Promise<string> {
  const name = `sallyport-${createHash('sha256').update(folder).digest('hex').slice(0, 16)}`
  const short = (parent: string): boolean =>
    Buffer.byteLength(join(parent, name, '.s.PGSQL.5432')) <= maxSocketPathBytes
  const usual = await realpath(tmpdir())
  const path = join(short(usual) ? usual : '/tmp', name)
  await mkdir(path, { mode: 0o700 }).catch(ignore('EEXIST'))
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants
  // Through a descriptor: the path could be made to point elsewhere between one step and the next.
  const handle = await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW).catch(() => undefined)
  try {
    const uid = (await handle?.stat())?.uid
    if (!handle || uid === undefined || ![process.getuid?.(), account?.uid].includes(uid)) {
      throw new EmbeddedPostgresError(
        `The folder ${path}, where PostgreSQL's socket belongs, was put there by somebody else. Remove it.`,
      )
    }
    if (account) await handle.chown(account.uid, account.gid)
    await handle.chmod(0o700)
  } finally {
    await handle?.close()
  }
  return path
}

function ignore(...codes: string[]): (error: NodeJS.ErrnoException) => undefined {
  return (error) => {
    if (!codes.includes(error.code ?? '')) throw error
  }
}
