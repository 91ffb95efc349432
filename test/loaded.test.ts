import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { promisify } from 'node:util'

const root = new URL('../', import.meta.url)

/** What of our dependencies a server needs before anybody has asked it anything. The others wait for their first use. */
const fromTheStart = [
  '@hono/node-server',
  'hono',
  'ipaddr.js',
  'kysely',
  'lru-cache',
  'oauth4webapi',
  'pg',
  'pino',
  'uuid',
  'zod',
]

/** Prints which packages `sallyport serve` loads, its own modules and theirs, before it does anything. */
const program = `
  import { registerHooks } from 'node:module'
  const packages = new Set()
  registerHooks({
    load(url, context, next) {
      const [, name] = /.*\\/node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(url) ?? []
      if (name) packages.add(name)
      return next(url, context)
    },
  })
  await import('./src/cli/serve.ts')
  console.log(JSON.stringify([...packages]))`

test('a server starts without the libraries that it may never need', async () => {
  const node = ['--input-type=module', '--eval', program]
  const { stdout } = await promisify(execFile)(process.execPath, node, { cwd: root })
  const loaded = JSON.parse(stdout) as string[]
  const { dependencies } = JSON.parse(await readFile(new URL('package.json', root), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const ours = loaded.filter((name) => Object.hasOwn(dependencies, name))
  assert.deepEqual(ours.sort(), fromTheStart)
})
