import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { drawChart } from './chart.ts'
import { allRounds, runCoherence } from './coherence/run.ts'
import { describeFigures, type Figures } from './figures.ts'
import { busyNow, describeMachine } from './machine.ts'
import { measureAuthenticate, measureSaml, measureSignIn, measureVerify } from './measure.ts'
import { measurePurge } from './purge.ts'
import { createProgress, printResults, type Results } from './report.ts'
import type { Effort, Tell } from './rounds.ts'
import { measureSlides } from './slides.ts'
import { setStage, type Stage } from './stage.ts'
import { measureStart } from './start.ts'

type Measure = (stage: Stage, effort: Effort, tell: Tell) => Promise<Figures>

/** Everything that can be measured, by name. */
const measurements: Readonly<Record<string, Measure>> = {
  verify: measureVerify,
  authenticate: measureAuthenticate,
  'sign-in': measureSignIn,
  saml: measureSaml,
  start: (_stage, effort, tell) => measureStart(effort, tell),
}

/** What is run alone: it takes minutes, and says by itself what came of it. */
const programs: Readonly<Record<string, () => Promise<void>>> = {
  purge: async () => {
    process.exitCode = (await measurePurge(Number(values.rows))) ? 0 : 1
  },
  slides: () => measureSlides(Number(values.sessions)),
  coherence: () => runCoherence(Number(values.rounds), values.out),
  verification: async () => {
    const { runVerification } = await import('./verification/run.ts')
    const met = await runVerification(values.quick ? 'quick' : 'full', values.out)
    // A quick run is too small to meet anything.
    if (!values.quick && !met) process.exitCode = 1
  },
  growth: async () => (await import('./growth.ts')).grow(),
  simulate: async () => (await import('./simulate.ts')).simulate(),
}

const efforts: Readonly<Record<'full' | 'quick', Effort>> = {
  full: { seconds: 4, rounds: 3 },
  quick: { seconds: 0.4, rounds: 1 },
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    rows: { type: 'string', default: '10000000' },
    sessions: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: String(allRounds) },
    out: { type: 'string' },
  },
})
const out = values.out ?? join(import.meta.dirname, 'results')
const names = positionals.length > 0 ? positionals : Object.keys(measurements)
const alone = names.length === 1 && Object.hasOwn(programs, names[0]!)
const unknown = names.filter((name) => !Object.hasOwn(measurements, name))

if (alone) {
  process.once('SIGINT', () => process.exit(130))
  await programs[names[0]!]!()
} else if (unknown.length > 0) {
  console.error(`There is no measurement "${unknown[0]}".
Usage: npm run bench -- [--quick] [--out FOLDER] [${Object.keys(measurements).join('|')} …]
       npm run bench -- ${Object.keys(programs).join('|')} [--rows 10000000] [--sessions 20000] [--rounds 10000]`)
  process.exitCode = 2
} else {
  // By `exit`, so that whatever was started hears of it.
  process.once('SIGINT', () => process.exit(130))
  const results = await measure(values.quick ? 'quick' : 'full')
  printResults(results)
  await save(results)
}

async function measure(how: 'full' | 'quick'): Promise<Results> {
  const busyBefore = busyNow()
  const progress = createProgress(names.length)
  progress.tell('starting the servers')
  await using stage = await setStage(efforts[how])
  const figures: Figures[] = []
  for (const name of names) {
    figures.push(await measurements[name]!(stage, efforts[how], progress.tell))
    progress.step()
  }
  progress.end()
  return {
    date: new Date().toISOString(),
    effort: how,
    machine: describeMachine(stage.sallyport.ready.postgres, busyBefore),
    figures: describeFigures(Object.assign({}, ...figures)),
  }
}

/** Keeps the run under its date; a full run of everything is also the latest, with its chart. */
async function save(results: Results): Promise<void> {
  const whole = results.effort === 'full' && positionals.length === 0
  const name = `${results.date.slice(0, 19).replaceAll(':', '-')}-${whole ? 'all' : names.join('-')}`
  const json = `${JSON.stringify(results, null, 2)}\n`
  await mkdir(out, { recursive: true })
  await writeFile(join(out, `${name}.json`), json)
  console.log(`\n${join(out, `${name}.json`)}`)
  if (!whole) return
  await writeFile(join(out, 'latest.json'), json)
  await writeFile(join(out, 'latest.svg'), drawChart(results))
}
