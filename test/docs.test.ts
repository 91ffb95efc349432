import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { glob, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { byRow } from '../dev/docs/coverage.ts'
import { familiesOf, generateDocs } from '../dev/docs/generate.ts'
import { namedTests, namedTestsIn, rowOf } from '../dev/docs/named-tests.ts'
import { root } from '../dev/docs/root.ts'
import { prefixOf, readAllRows } from '../dev/docs/rows.ts'
import { formLimit } from '../src/http/body.ts'
import { presets } from '../src/providers/presets.ts'
import { settings as allSettings } from '../src/lib/config.ts'
import { leaseFor, renewEvery } from '../src/sessions/lease.ts'
import { temporaryFolder } from './_folder.ts'

const read = (path: string) => readFile(new URL(path, root), 'utf8')
const rows = await readAllRows()
const known = new Set([...rows.mission, ...rows.security, ...rows.scenarios].map(({ id }) => id))
const tests = await namedTests(familiesOf(rows))
const shown = byRow(tests)

describe('generated pages are in step with the code: if not, run npm run docs', async () => {
  for (const [path, text] of Object.entries(await generateDocs())) {
    it(path, async () => assert.equal(await read(path), text))
  }
})

test('S0-23 every preset has its page in docs/providers/, and no page is left over', async () => {
  const files = await Array.fromAsync(glob('docs/providers/*.md', { cwd: root }))
  const pages = Object.keys(presets).map((key) => `docs/providers/${key}.md`)
  assert.deepEqual(files.sort(), [...pages, 'docs/providers/README.md'].sort())
})

describe('rows, and the tests that carry their ids', () => {
  it('no test carries an id that nobody knows', () => {
    const unknown = tests.flatMap(({ file, ids }) =>
      ids.filter((id) => !known.has(rowOf(id))).map((id) => `${file}: ${id}`),
    )
    assert.deepEqual(unknown, [])
  })

  it('every security case of an area that is due has a test, or a line in docs/rows/open.tsv', () => {
    const due = rows.areas.filter(({ due }) => due === 'now').map(({ prefix }) => prefix)
    const open = new Set(rows.open.map(({ id }) => id))
    const left = rows.security
      .map(({ id }) => id)
      .filter((id) => due.includes(prefixOf(id)) && !shown.has(id) && !open.has(id))
    assert.deepEqual(left, [])
  })

  it('every id stands once, every security case has its area, and every open line a case and a reason', () => {
    const ids = [...rows.mission, ...rows.security, ...rows.scenarios].map(({ id }) => id)
    assert.deepEqual(
      ids.filter((id, i) => ids.indexOf(id) !== i),
      [],
    )
    const areas = new Set(rows.areas.map(({ prefix }) => prefix))
    assert.deepEqual(
      rows.security.filter(({ id }) => !areas.has(prefixOf(id))),
      [],
    )
    assert.deepEqual(
      rows.open.filter(({ id, why }) => !known.has(id) || why === ''),
      [],
    )
  })

  it('every row of the mission has an area, and what keeps one is there', () => {
    const areas = ['sign-on', 'sessions', 'verification', 'other services']
    assert.deepEqual(
      rows.mission.filter(({ area }) => !areas.includes(area)),
      [],
    )
    assert.deepEqual(
      rows.mission.filter(({ kept }) => kept !== '' && !existsSync(new URL(kept, root))),
      [],
    )
  })

  it('ids are read from the beginning of a name, several at once, and nowhere else', () => {
    const [quote, families] = ["'", new Set(['SES', 'S3', 'CKI'])]
    const names = ['SES-07 one', 'S3-21.4 CKI-01 two', 'three SES-08', 'SHA-256 four', 'CKI-03']
    const text = names.map((name) => `test(${quote}${name}${quote}, () => {})`).join('\n')
    assert.deepEqual(
      namedTestsIn(text, 'a', families).map(({ ids, name }) => [ids, name]),
      [
        [['SES-07'], 'one'],
        [['S3-21.4', 'CKI-01'], 'two'],
        [['CKI-03'], ''],
      ],
    )
  })
})

const documents = (
  await Array.fromAsync(glob(['*.md', 'docs/**/*.md', 'examples/**/*.md'], { cwd: root }))
).sort()

describe('every link in a document leads to a file that is there', () => {
  for (const path of documents) {
    it(path, async () => {
      const targets = [...(await read(path)).matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)]
        .map(([, target = '']) => target)
        .filter((target) => !/^[a-z]+:/.test(target))
      assert.deepEqual(
        targets.filter((target) => !existsSync(new URL(target, new URL(path, root)))),
        [],
      )
    })
  }
})

test('every document is reached from the README by links', async () => {
  const reached = new Set(['README.md'])
  for (const path of reached) {
    if (!path.endsWith('.md')) continue
    for (const [, target = ''] of (await read(path)).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
      const to = new URL(target, new URL(path, root)).href.slice(root.href.length)
      // A folder leads to what is in it.
      const inside = documents.filter((one) => to.endsWith('/') && one.startsWith(to))
      for (const one of [to, ...inside]) reached.add(one)
    }
  }
  assert.deepEqual(
    documents.filter((path) => !reached.has(path)),
    [],
  )
})

test('every file, folder and function that ARCHITECTURE.md names in `src/` is there', async () => {
  const named = [...(await read('ARCHITECTURE.md')).matchAll(/`((?:[a-z]+\/)+[\w.-]*)`/g)]
    .map(([, path = '']) => path)
    .filter((path) => !/^(tokens|verification|dist|bench|examples)\/$/.test(path))
  assert.ok(named.length > 20)
  const missing = named.filter(
    (path) => !['', 'src/'].some((base) => existsSync(new URL(`${base}${path}`, root))),
  )
  assert.deepEqual(missing, [])
})

/** What a document says in figures, made from the code. */
const figures: readonly [document: string, text: string][] = [
  ['README.md', `own end, ${Number(allSettings.absoluteMinutes.default) / 60} hours unless set`],
  ['README.md', `http://localhost:${allSettings.port.default}`],
  ['ARCHITECTURE.md', `up to ${formLimit / 1024} KiB`],
  ['docs/http.md', `at most ${formLimit / 1024} KiB`],
  ['docs/failures.md', `(${Number(allSettings.statementTimeoutMs.default) / 1000} s)`],
  ['docs/coherence.md', `L = ${leaseFor / 1000} s`],
  ['docs/coherence.md', renewEvery === 500 ? 'Every half second' : `Every ${renewEvery} ms`],
]

for (const [document, text] of figures) {
  test(`${document} says “${text}”, as the code does`, async () => {
    assert.ok((await read(document)).replaceAll(/\s+/g, ' ').includes(text))
  })
}

test('docs/failures.md names tests that there are', async () => {
  const page = await read('docs/failures.md')
  const named = [...page.matchAll(/`([\w/-]+\.test\.ts)` “([^”]+)”/g)]
  assert.ok(named.length > 20)
  for (const [, file, phrase] of named)
    assert.ok((await read(`test/${file}`)).includes(phrase!), `${file} has no test “${phrase}”`)
})

test('every record of a decision has a number of its own, the same in its name and its title', async () => {
  const files = (await Array.fromAsync(glob('docs/decisions/*.md', { cwd: root }))).sort()
  const numbers = files.map((file) => /\/(\d{4})-[a-z0-9-]+\.md$/.exec(file)?.[1])
  assert.equal(new Set(numbers).size, files.length)
  for (const [i, file] of files.entries())
    assert.match(await read(file), new RegExp(`^# ${Number(numbers[i])}\\. `))
})

/** Node's program beside this very module's own compiler. */
const compiler = fileURLToPath(new URL('node_modules/typescript/lib/tsc.js', root))

test('every TypeScript block in a document compiles against src/', async () => {
  const folder = await temporaryFolder('docs')
  await symlink(fileURLToPath(new URL('node_modules', root)), join(folder, 'node_modules'))
  const from = new Map<string, string>()
  for (const path of documents) {
    const blocks = [...(await read(path)).matchAll(/^```ts\n(.*?)^```/gms)]
    for (const [i, [, block = '']] of blocks.entries()) {
      const file = `${path.replaceAll(/[^\w]/g, '-')}-${i + 1}.ts`
      from.set(file, path)
      await writeFile(join(folder, file), `${block}\nexport {}\n`)
    }
  }
  assert.ok(from.size >= 5)
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(await settings()))
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  try {
    await promisify(execFile)(process.execPath, [compiler, '-p', folder])
  } catch (error) {
    assert.fail((error as { stdout: string }).stdout)
  }
})

/** The project's own settings, with the names of the package leading to its sources. */
async function settings(): Promise<unknown> {
  const { exports: names } = JSON.parse(await read('package.json')) as {
    exports: Record<string, { types: string }>
  }
  const paths = Object.entries(names).map(([name, { types }]) => {
    const source = types.replace('./dist/', './src/').replace('.d.ts', '.ts')
    return [name.replace('.', 'sallyport'), [fileURLToPath(new URL(source, root))]]
  })
  return {
    extends: fileURLToPath(new URL('tsconfig.json', root)),
    compilerOptions: { paths: Object.fromEntries(paths), types: ['node'] },
    include: ['*.ts'],
  }
}
