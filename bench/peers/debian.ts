import { execFile } from 'node:child_process'
import { access, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Programs of Debian: installed already, or unpacked into a folder of ours. */
export interface Programs {
  /** Where their files are: `/` or a folder that looks like it. */
  readonly root: string
  /** What they have to be started with. */
  readonly env: NodeJS.ProcessEnv
  /** The version of one of the packages, such as `2.4.12.3-2`. */
  version(name: string): Promise<string>
}

/** Debian's packages are not to be had; the message is a sentence that says why. */
export class NotHere extends Error {}

/**
 * Finds a program of Debian's, and unpacks its packages into `folder` when it is not installed. Nothing on the system
 * is changed, and nobody has to be root.
 * @param file what tells that it is there, such as `usr/bin/redis-server`
 * @throws NotHere
 */
export async function findDebian(
  file: string,
  packages: readonly string[],
  folder: string,
): Promise<Programs> {
  if (await exists(join('/', file)))
    return { root: '/', env: process.env, version: installedVersion }
  const root = join(folder, 'root')
  if (!(await exists(join(root, file)))) await unpack(packages, folder, root)
  const libraries = (await readdir(join(root, 'usr/lib'))).filter((name) => name.endsWith('-gnu'))
  const paths = libraries.map((name) => join(root, 'usr/lib', name))
  return {
    root,
    env: { ...process.env, LD_LIBRARY_PATH: paths.join(':') },
    async version(name) {
      const file = (await readdir(folder)).find((one) => one.startsWith(`${name}_`))
      return decodeURIComponent(file?.split('_')[1] ?? 'unknown')
    },
  }
}

async function installedVersion(name: string): Promise<string> {
  const { stdout } = await run('dpkg-query', ['-W', '-f', '${Version}', name])
  return stdout.trim()
}

/** Unpacks packages with what they need and the system has not. */
async function unpack(packages: readonly string[], folder: string, root: string): Promise<void> {
  await mkdir(root, { recursive: true })
  const wanted = ['install', '--simulate', '-qq', '--no-install-recommends', ...packages]
  const { stdout } = await run('apt-get', wanted).catch((error: Error & { code?: unknown }) => {
    throw new NotHere(
      error.code === 'ENOENT'
        ? `There is no apt-get here, and no ${packages.join(' or ')}.`
        : `apt-get does not know ${packages.join(' and ')}; \`apt-get update\` may help.`,
    )
  })
  const names = [...stdout.matchAll(/^Inst (\S+) /gm)].map(([, name]) => name!)
  try {
    await run('apt-get', ['download', '-qq', ...names], { cwd: folder })
    for (const file of (await readdir(folder)).filter((name) => name.endsWith('.deb')))
      await run('dpkg-deb', ['-x', join(folder, file), root])
  } catch (error) {
    throw new NotHere(`${packages.join(' and ')} could not be fetched: ${(error as Error).message}`)
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
