import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'

const read = (path: string) => readFile(new URL(`../${path}`, import.meta.url), 'utf8')
const { scripts } = JSON.parse(await read('package.json')) as { scripts: Record<string, string> }

test('every npm command that a document names exists', async () => {
  const pages = await Promise.all(['README.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md'].map(read))
  const named = pages
    .flatMap((text) => [...text.matchAll(/npm (?:run (?:-s )?)?([a-z][\w:-]*)/g)])
    .map(([, name = '']) => name)
    .filter((name) => !['ci', 'install', 'pack', 'run'].includes(name))
  assert.ok(named.includes('start') && named.includes('test'))
  assert.deepEqual(
    [...new Set(named)].filter((name) => !(name in scripts)),
    [],
  )
})

test('what is run on every change is the README’s test command, and the checks', async () => {
  const readme = await read('README.md')
  const lines = (await read('.ci/run')).split('\n')
  assert.match(readme, /npm ci && npm test/)
  for (const command of ['npm ci', 'npm run check', 'npm test']) {
    // Alone on its line, or with a limit on how long it may take.
    const runs = lines.some((line) => line.replace(/^timeout .* (?=npm )/, '') === command)
    assert.ok(runs, `.ci/run lacks the line "${command}"`)
  }
})

test('every command of sallyport that a document names exists', async () => {
  const { commands } = await import('../src/cli.ts')
  const documents = ['README.md', 'docs/library.md', 'docs/failures.md', 'docs/configuration.md']
  const texts = await Promise.all(documents.map(read))
  const known = Object.keys(commands)
  const groups = known.map((name) => name.split(' ', 1)[0])
  const named = texts
    .flatMap((text) => [...text.matchAll(/(?:npx sallyport|`sallyport) ([a-z]+)( [a-z]+)?/g)])
    .map(([, name = '', rest = '']) =>
      groups.includes(name) && !known.includes(name) ? `${name}${rest}` : name,
    )
  assert.ok(named.length > 0)
  assert.deepEqual(
    [...new Set(named)].filter((name) => !known.includes(name)),
    [],
  )
})
