import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'

const root = new URL('../', import.meta.url)
const { exports: entries } = JSON.parse(await readFile(new URL('package.json', root), 'utf8')) as {
  exports: Record<string, { types: string; default: string }>
}

/** The public names of the package. Taking one away, or changing what it means, is a breaking change. */
const names: Readonly<Record<string, readonly string[]>> = {
  '.': [
    'AppError',
    'ConfigError',
    'createSallyport',
    'errors',
    'readConfig',
    'type Asking',
    'type Challenged',
    'type Config',
    'type Demands',
    'type ErrorCode',
    'type Guest',
    'type GuestHooks',
    'type Mountable',
    'type Options',
    'type Queries',
    'type Sallyport',
    'type SignedIn',
    'type Who',
  ],
  './express': ['pages', 'requireUser', 'type Middleware'],
  './fastify': ['pages', 'requireUser', 'type Hook'],
  './hono': ['pages', 'requireUser'],
  './node': ['requireUser', 'toNodeListener', 'type Requirements'],
}

test('these sub-paths are what the package offers', () => {
  assert.deepEqual(Object.keys(entries).sort(), Object.keys(names).sort())
})

for (const [subpath, expected] of Object.entries(names)) {
  test(`sallyport${subpath.slice(1)} exports these names and no others`, async () => {
    const source = entries[subpath]!.default.replace('./dist/', './src/').replace('.js', '.ts')
    const values = Object.keys(await import(new URL(source, root).href))
    const text = await readFile(new URL(source, root), 'utf8')
    assert.deepEqual([...values, ...typesOf(text)].sort(), [...expected].sort())
  })
}

/** The types a module exports, by its own text: declared here, or passed on from elsewhere. */
function typesOf(text: string): string[] {
  const declared = [...text.matchAll(/^export (?:interface|type) (\w+)/gm)].map(([, name]) => name)
  const passedOn = [...text.matchAll(/^export (type )?\{([^}]*)\}/gm)].flatMap(
    ([, all, list = '']) =>
      list
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== '' && (all || name.startsWith('type ')))
        .map((name) => name.replace('type ', '')),
  )
  return [...declared, ...passedOn].map((name) => `type ${name}`)
}
