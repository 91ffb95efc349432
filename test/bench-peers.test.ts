import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { withFigures } from '../bench/document.ts'
import { drawPeers } from '../bench/peers/chart.ts'
import { peers, races, rows, stale, type Row, type Trial } from '../bench/peers/list.ts'
import {
  conditions,
  figuresTable,
  sentence,
  triedTable,
  type PeerResults,
} from '../bench/peers/report.ts'

const root = join(import.meta.dirname, '..')
const read = (name: string) => readFile(join(root, name), 'utf8')
const results = JSON.parse(await read('bench/results/peers.json')) as PeerResults

test('the README says of others what was measured, to the figure', async () => {
  const readme = join(root, 'README.md')
  assert.equal(await read('README.md'), await withFigures(readme, { peers: sentence(results) }))
})

test('docs/peers.md holds the tables of the run that is kept, and the chart is the one drawn from it', async () => {
  const figures = {
    rates: figuresTable(results),
    stale: triedTable(results, 'stale'),
    races: triedTable(results, 'race'),
    conditions: conditions(results),
  }
  const page = join(root, 'docs/peers.md')
  assert.equal(await read('docs/peers.md'), await withFigures(page, figures))
  assert.equal(await read('bench/results/peers.svg'), drawPeers(results))
})

test('the run that is kept is a whole one: everything but what it says it skipped', () => {
  const all = Object.entries<Row | Trial>({ ...rows, ...stale, ...races })
  const there = new Set<string>([...results.figures, ...results.tried].map(({ id }) => id))
  const skipped = results.skipped.map(({ what }) => what.split(' ')[0]!.toLowerCase())
  for (const [id, { needs }] of all)
    assert.ok(there.has(id) || skipped.includes(needs ?? ''), `${id} is missing`)
  assert.equal(results.effort, 'full')
  for (const { rate, ratio, spread } of results.figures)
    assert.ok(rate > 0 && spread[0] <= ratio && ratio <= spread[1])
})

test('no ended session of ours was accepted, on any node, whatever was still on its way', () => {
  for (const id of ['stale.sallyport', 'race.sallyport']) {
    const { accepted, tries } = results.tried.find((one) => one.id === id)!
    assert.deepEqual([accepted, tries >= 20], [0, true])
  }
})

test('every peer has a page of its own documentation to compare with', () => {
  for (const { docs } of Object.values(peers)) assert.match(docs, /^https:\/\/[^\s]+$/)
})

test('the peers’ lock file names no registry, and nothing of theirs is in our package', async () => {
  assert.doesNotMatch(await read('bench/peers/package-lock.json'), /"resolved"/)
  const { dependencies, devDependencies } = JSON.parse(await read('package.json')) as Record<
    string,
    Record<string, string>
  >
  for (const name of ['better-auth', 'express-session', 'iron-session', 'redis'])
    assert.ok(!(name in dependencies!) && !(name in devDependencies!))
})
