import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { drawChart } from '../bench/chart.ts'
import { coherenceTable, drawCoherence, type CoherenceResults } from '../bench/coherence/report.ts'
import { withFigures } from '../bench/document.ts'
import { describeFigures, figureKinds, type FigureKind } from '../bench/figures.ts'
import type { Results } from '../bench/report.ts'
import {
  drawVerification,
  verificationTable,
  type VerificationResults,
} from '../bench/verification/report.ts'

const root = join(import.meta.dirname, '..')

/** Checks what a run writes down; how fast it was is not a test's to say. */
function assertShape({ date, machine, figures }: Results): void {
  assert.equal(new Date(date).toISOString(), date)
  assert.ok(machine.cores > 0)
  assert.match(machine.node, /^\d+\.\d+/)
  assert.match(machine.postgres, /^\d+/)
  for (const { id, what, unit, value, target, reached } of figures) {
    assert.ok(Object.hasOwn(figureKinds, id), id)
    assert.ok(what && unit)
    assert.ok(Number.isFinite(value) && value > 0, `${id} is ${value}`)
    assert.equal(reached === undefined, target === undefined)
  }
}

test('a quick run of one measurement writes its figures down and says what is not met', async () => {
  const out = await mkdtemp(join(tmpdir(), 'sallyport-bench-test-'))
  try {
    const args = ['bench/run.ts', '--quick', '--out', out, 'authenticate']
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root })
    assert.match(stdout, /authenticate\(\) in process, from memory/)
    assert.match(stdout, /≥ 1,000,000/)
    const [file = '', ...others] = await readdir(out)
    assert.match(file, /^\d{4}-\d{2}-\d{2}T[\d-]+-authenticate\.json$/)
    assert.deepEqual(others, [])
    const results = JSON.parse(await readFile(join(out, file), 'utf8')) as Results
    assertShape(results)
    const ids = Object.keys(figureKinds).filter((id) => id.startsWith('authenticate.'))
    assert.deepEqual(
      results.figures.map(({ id }) => id),
      ids,
    )
  } finally {
    await rm(out, { recursive: true, force: true })
  }
})

test('COH-01 COH-02 COH-08 a small run of the coherence figures lets nobody in and writes them down', async () => {
  const out = await mkdtemp(join(tmpdir(), 'sallyport-bench-test-'))
  try {
    const args = ['bench/run.ts', 'coherence', '--rounds', '40', '--out', out]
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root })
    assert.match(stdout, /stale accepts 0/)
    const results = JSON.parse(
      await readFile(join(out, 'coherence.json'), 'utf8'),
    ) as CoherenceResults
    assert.deepEqual(
      results.cases.map(({ id, revocations, staleAccepts }) => [id, revocations, staleAccepts]),
      [
        ['none', 40, 0],
        ['cut', 1, 0],
        ['deaf', 4, 0],
      ],
    )
    assert.equal(await readFile(join(out, 'coherence.svg'), 'utf8'), drawCoherence(results))
  } finally {
    await rm(out, { recursive: true, force: true })
  }
})

test('COH-01 the coherence figures that are kept are of 10,000 revocations, none of which let anybody in', async () => {
  const read = (name: string) => readFile(join(root, name), 'utf8')
  const results = JSON.parse(await read('bench/results/coherence.json')) as CoherenceResults
  const [none] = results.cases
  assert.ok(none!.revocations >= 10_000 && none!.warm > 0.9)
  for (const { staleAccepts, histogram, revocations } of results.cases) {
    assert.equal(staleAccepts, 0)
    assert.equal(
      histogram.reduce((sum, [, count]) => sum + count, 0),
      revocations,
    )
  }
  const page = join(root, 'docs/coherence.md')
  const figures = { coherence: coherenceTable(results) }
  assert.equal(await read('docs/coherence.md'), await withFigures(page, figures))
  assert.equal(await read('bench/results/coherence.svg'), drawCoherence(results))
})

test('VER-02 VER-05 VER-14 a small run of the verification figures asks once for each verdict, and an outage touches nobody', async () => {
  const out = await mkdtemp(join(tmpdir(), 'sallyport-bench-test-'))
  try {
    const args = ['bench/run.ts', 'verification', '--quick', '--out', out]
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root })
    assert.match(stdout, /identities verified a second by three processes .* ≥ 500/)
    const text = await readFile(join(out, 'verification-quick.json'), 'utf8')
    const results = JSON.parse(text) as VerificationResults
    const { rate, reuses, outage, allowances, bounds } = results
    assert.deepEqual([rate.verified, rate.requestsEach, reuses, outage.out], [200, 1, 0, 0])
    // Whatever else is at work here can only make it slower.
    for (const { allowed, measured } of allowances) assert.ok(measured <= allowed * 1.35, text)
    assert.ok(outage.peak > 0 && bounds.length > 0)
    const drawn = await readFile(join(out, 'verification-quick.svg'), 'utf8')
    assert.equal(drawn, drawVerification(results))
  } finally {
    await rm(out, { recursive: true, force: true })
  }
})

test('VER-05 VER-08 the verification figures that are kept are of a million identities, no token came twice, and the page tells them', async () => {
  const read = (name: string) => readFile(join(root, name), 'utf8')
  const results = JSON.parse(await read('bench/results/verification.json')) as VerificationResults
  assert.equal(results.effort, 'full')
  assert.ok(results.claim.many.identities >= 1_000_000 && results.rate.verified >= 10_000)
  assert.deepEqual([results.reuses, results.rate.requestsEach, results.outage.out], [0, 1, 0])
  const page = join(root, 'docs/performance.md')
  const figures = { verification: verificationTable(results) }
  assert.equal(await read('docs/performance.md'), await withFigures(page, figures))
  assert.equal(await read('bench/results/verification.svg'), drawVerification(results))
})

test('an unknown measurement is told with the names there are', async () => {
  const args = ['bench/run.ts', 'nothing']
  await assert.rejects(promisify(execFile)(process.execPath, args, { cwd: root }), {
    code: 2,
    stderr: /verify\|authenticate\|sign-in\|saml\|start/,
  })
})

test('the latest results hold every figure that has a target, and the chart is the one drawn from them', async () => {
  const read = (name: string) => readFile(join(root, 'bench/results', name), 'utf8')
  const results = JSON.parse(await read('latest.json')) as Results
  assertShape(results)
  const aimed = Object.entries<FigureKind>(figureKinds).filter(([, { target }]) => target)
  assert.deepEqual(
    results.figures.filter(({ target }) => target).map(({ id }) => id),
    aimed.map(([id]) => id),
  )
  assert.equal(drawChart(results), await read('latest.svg'))
})

test('a figure is told as so many times its target, more being better either way', () => {
  const [rate, start] = describeFigures({ 'sign-in.rate': 75, 'start.first': 1500 })
  assert.equal(rate?.reached, 0.5)
  assert.equal(start?.reached, 2)
})
