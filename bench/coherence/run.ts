import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fillFigures } from '../document.ts'
import { busyNow, describeMachine } from '../machine.ts'
import { createProgress } from '../report.ts'
import { measureCoherence } from './measure.ts'
import { coherenceTable, drawCoherence, printCoherence, type CoherenceResults } from './report.ts'

/** As many as the design asks to be shown; only a run of that many is kept, unless another folder is named. */
export const allRounds = 10_000

const document = join(import.meta.dirname, '../../docs/coherence.md')

/**
 * `npm run bench -- coherence`: revokes so many sessions on three nodes and asks all of them at once whether they still
 * accept. Ends with 1 when one did.
 * @param out the folder for the results. @default `bench/results`, and the figures in docs/coherence.md
 */
export async function runCoherence(rounds: number, out?: string): Promise<void> {
  const [began, busyBefore] = [performance.now(), busyNow()]
  const date = new Date().toISOString()
  const progress = createProgress(1)
  const { postgres, cases } = await measureCoherence(rounds, progress.tell)
  progress.end()
  const results: CoherenceResults = {
    date,
    machine: describeMachine(postgres, busyBefore),
    seconds: Math.round((performance.now() - began) / 1000),
    cases,
  }
  printCoherence(results)
  if (out !== undefined || rounds >= allRounds) await save(results, out)
  else console.log(`Fewer than ${allRounds.toLocaleString('en')}, so nothing was written down.`)
  if (cases.some(({ staleAccepts }) => staleAccepts > 0)) process.exitCode = 1
}

async function save(results: CoherenceResults, out?: string): Promise<void> {
  const folder = out ?? join(import.meta.dirname, '../results')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'coherence.json'), `${JSON.stringify(results, null, 2)}\n`)
  await writeFile(join(folder, 'coherence.svg'), drawCoherence(results))
  if (out === undefined) await fillFigures(document, { coherence: coherenceTable(results) })
  console.log(`\n${join(folder, 'coherence.json')}`)
}
