import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, lstat, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { chromium, type Browser } from 'playwright-core'

/** One way to have a Chromium: the program, and what has to be added to its environment. */
interface Program {
  readonly executablePath: string
  readonly env?: Readonly<Record<string, string>>
}

const installed = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Nothing but loopback has an address.
  '--no-proxy-server',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
]

/**
 * Starts a Chromium without a window, with a profile of its own that goes when it is closed: an installed one, or the
 * one in the package `@sparticuz/chromium` where none is installed or none starts.
 * `TEST_CHROMIUM` decides instead: `bundled`, or the path of a program.
 * @throws AggregateError with everything that was tried
 */
export async function launchChromium(): Promise<Browser> {
  const failures: unknown[] = []
  for (const find of ways(process.env['TEST_CHROMIUM'])) {
    try {
      const { executablePath, env } = await find()
      return await chromium.launch({
        executablePath,
        args,
        env: { ...process.env, ...env },
        // People's browsers have this cache, and what it shows after signing out matters.
        ignoreDefaultArgs: ['--disable-back-forward-cache'],
        timeout: 60_000,
      })
    } catch (failure) {
      failures.push(failure)
    }
  }
  const advice = 'Install Chromium, or set TEST_CHROMIUM to the path of one.'
  throw new AggregateError(failures, `No Chromium starts here. ${advice}`)
}

function ways(wanted: string | undefined): readonly (() => Program | Promise<Program>)[] {
  if (wanted === 'bundled') return [bundled]
  if (wanted) return [() => ({ executablePath: wanted })]
  return [...installed.filter(existsSync).map((path) => () => ({ executablePath: path })), bundled]
}

/** Chromium out of the npm package, with the libraries and fonts that it needs and a bare system lacks. */
async function bundled(): Promise<Program> {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error('@sparticuz/chromium is for Linux on x64 only')
  const folder = await unpacked()
  return {
    executablePath: join(folder, 'chromium'),
    env: { LD_LIBRARY_PATH: join(folder, 'al2023', 'lib'), FONTCONFIG_PATH: folder },
  }
}

/** The folder with the unpacked package: one for each user and version, made whole or not at all. */
async function unpacked(): Promise<string> {
  const manifest = new URL('../package.json', import.meta.resolve('@sparticuz/chromium'))
  const { version } = JSON.parse(await readFile(manifest, 'utf8')) as { version: string }
  const user = process.getuid?.()
  const folder = join(tmpdir(), `sallyport-chromium-${version}-${user}`)
  if (!existsSync(folder)) await unpack(folder)
  const found = await lstat(folder)
  if (!found.isDirectory() || found.uid !== user || found.mode & 0o022)
    throw new Error(`${folder} is not a folder of ours; remove it`)
  return folder
}

/** The package unpacks into the folder for temporary files, and its libraries only where it believes to be on Lambda. */
const unpackPackage = `(await import('@sparticuz/chromium')).default.executablePath()`

async function unpack(folder: string): Promise<void> {
  const fresh = await mkdtemp(`${folder}-`)
  try {
    await promisify(execFile)(process.execPath, ['--input-type=module', '-e', unpackPackage], {
      cwd: import.meta.dirname,
      env: { ...process.env, TMPDIR: fresh, AWS_EXECUTION_ENV: 'nodejs24.x' },
    })
    await writeFile(join(fresh, 'fonts.conf'), fontsIn(join(folder, 'fonts')))
    await chmod(fresh, 0o700)
    await rename(fresh, folder)
  } catch (error) {
    await rm(fresh, { recursive: true, force: true })
    // Another run was faster.
    if (!existsSync(folder)) throw error
  }
}

function fontsIn(folder: string): string {
  return `<?xml version="1.0"?><fontconfig><dir>${folder}</dir><cachedir>${folder}-cache</cachedir></fontconfig>\n`
}
