import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { delimiter } from 'node:path'
import { test } from 'node:test'

const root = new URL('../', import.meta.url)

/** A module that makes any Node say it is an older one. */
const pretend = (version: string): string =>
  `data:text/javascript,${encodeURIComponent(
    `Object.defineProperty(process, 'version', { value: 'v${version}' });
     Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`,
  )}`

const entrances = ['bin/sallyport.js', 'dev/start.js']

function assertRefused(node: string, args: readonly string[], version: string): void {
  const { status, stderr, stdout } = spawnSync(node, args, { cwd: root, encoding: 'utf8' })
  assert.equal(status, 1)
  assert.equal(stdout, '')
  assert.match(
    stderr,
    new RegExp(`^Sallyport needs Node 22\\.18 or later, and this is v${version}`),
  )
  assert.equal(stderr.trim().split('\n').length, 1, stderr)
}

for (const entrance of entrances) {
  for (const version of ['18.19.0', '20.20.2', '22.17.1']) {
    test(`${entrance} refuses Node ${version} in one sentence`, () => {
      assertRefused(process.execPath, ['--import', pretend(version), entrance, 'help'], version)
    })
  }
}

test('bin/sallyport.js runs on the oldest Node it takes', () => {
  const args = ['--import', pretend('22.18.0'), 'bin/sallyport.js', 'help']
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
  assert.equal(status, 0)
  assert.match(stdout, /^Usage:/)
})

/** A Node older than 22 somewhere on the PATH, really. */
const older = (process.env['PATH'] ?? '').split(delimiter).flatMap((folder) => {
  const node = `${folder}/node`
  const { stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' })
  const major = Number(/^v(\d+)/.exec(stdout ?? '')?.[1])
  return major >= 18 && major < 22 ? [{ node, version: stdout.trim().slice(1) }] : []
})[0]

test(
  'an older Node that is really there is refused in one sentence',
  { skip: older ? false : 'no Node 18 to 21 is on the PATH' },
  () => {
    for (const entrance of entrances) assertRefused(older!.node, [entrance, 'help'], older!.version)
  },
)
