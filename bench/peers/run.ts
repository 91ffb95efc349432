import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fillFigures } from '../document.ts'
import { busyNow, describeMachine } from '../machine.ts'
import { createProgress } from '../report.ts'
import type { Effort } from '../rounds.ts'
import { drawPeers } from './chart.ts'
import { tryAll } from './correctness.ts'
import { installPeers } from './install.ts'
import { measurePeers, preparePeers } from './measure.ts'
import {
  conditions,
  figuresTable,
  printPeers,
  sentence,
  triedTable,
  type PeerResults,
} from './report.ts'
import { setPeerStage } from './stage.ts'

// `npm run bench:peers`: the same check by Sallyport and by others, in one run, and what becomes of an ended session.
const efforts: Readonly<Record<'full' | 'quick', Effort & { readonly tries: number }>> = {
  full: { seconds: 3, rounds: 5, tries: 20 },
  quick: { seconds: 0.4, rounds: 1, tries: 2 },
}

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, out: { type: 'string' } },
})
const effort = values.quick ? 'quick' : 'full'
const root = join(import.meta.dirname, '../..')

// By `exit`, so that whatever was started hears of it.
process.once('SIGINT', () => process.exit(130))
// As they are run in earnest.
process.env['NODE_ENV'] = 'production'

const results = await measure()
printPeers(results)
if (values.out !== undefined || effort === 'full') await save(results, values.out)
else console.log('A quick run, so nothing was written down.')

async function measure(): Promise<PeerResults> {
  const [began, busyBefore] = [performance.now(), busyNow()]
  const date = new Date().toISOString()
  const progress = createProgress(4)
  progress.tell('installing the peers into bench/peers')
  await installPeers()
  progress.step()
  await using stage = await setPeerStage(progress.tell)
  const { measures, versions } = await preparePeers(stage, progress.tell)
  progress.step()
  const figures = await measurePeers(measures, efforts[effort], progress.tell)
  progress.step()
  const tried = await tryAll(stage, efforts[effort].tries, progress.tell)
  progress.end()
  return {
    date,
    machine: describeMachine(stage.ours.sallyport.ready.postgres, busyBefore),
    effort,
    seconds: Math.round((performance.now() - began) / 1000),
    versions: { ...versions, ...(stage.redis && { redis: stage.redis.version }) },
    skipped: stage.skipped,
    figures,
    tried,
  }
}

/** Keeps the run with its chart, and puts its figures into the documents that show them. */
async function save(found: PeerResults, out?: string): Promise<void> {
  const folder = out ?? join(root, 'bench/results')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'peers.json'), `${JSON.stringify(found, null, 2)}\n`)
  await writeFile(join(folder, 'peers.svg'), drawPeers(found))
  console.log(`\n${join(folder, 'peers.json')}`)
  if (out !== undefined) return
  await fillFigures(join(root, 'docs/peers.md'), {
    rates: figuresTable(found),
    stale: triedTable(found, 'stale'),
    races: triedTable(found, 'race'),
    conditions: conditions(found),
  })
  await fillFigures(join(root, 'README.md'), { peers: sentence(found) })
}
