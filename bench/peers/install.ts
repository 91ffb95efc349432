import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

const folder = import.meta.dirname

/** Installs the peers from their lock file into this folder, unless they are there as it says. */
export async function installPeers(): Promise<void> {
  if (await isInstalled()) return
  // No scripts of theirs: none of them needs one.
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  const npm = spawn('npm', args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
  const [code] = (await once(npm, 'exit')) as [number | null]
  if (code !== 0) throw new Error('The peers could not be installed: see above.')
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly version?: string }>>
}

/** Whether what npm wrote down of its last installation is what the lock file wants. */
async function isInstalled(): Promise<boolean> {
  const read = async (path: string) => {
    const { packages } = JSON.parse(await readFile(join(folder, path), 'utf8')) as Lock
    return Object.entries(packages)
      .filter(([name]) => name !== '')
      .map(([name, { version }]) => `${name} ${version}`)
  }
  const wanted = await read('package-lock.json')
  const there = await read('node_modules/.package-lock.json').catch(() => [])
  // Packages for other systems are in the lock file, and not there.
  return there.length > 0 && there.every((one) => wanted.includes(one))
}
