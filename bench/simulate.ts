// What so many live sessions would take, from what was measured here; written into docs/scaling.md with a chart.

import { readFile, writeFile } from 'node:fs/promises'
import type { Growth } from './growth/results.ts'
import { putOnPage } from './page.ts'
import type { Results } from './report.ts'
import { agreements, off, tolerance } from './simulate/agreement.ts'
import { activity, costsOf, layout } from './simulate/assumed.ts'
import { drawSimulation } from './simulate/chart.ts'
import { predict, type Prediction } from './simulate/model.ts'
import { simulationInWords } from './simulate/table.ts'

const results = new URL('results/', import.meta.url)

/** What the kept measurements lead to: the text for the page, and the chart. */
export async function simulation(): Promise<{ text: string; chart: string; apart: number }> {
  const read = async (name: string) => JSON.parse(await readFile(new URL(name, results), 'utf8'))
  const growth = (await read('growth.json')) as Growth
  const costs = costsOf((await read('latest.json')) as Results, growth)
  const run = (sessions: number, routing: Prediction['routing'], assumed = activity) =>
    predict(sessions, assumed, { ...layout, routing }, costs)
  const routings = ['any', 'by-token'] as const
  const sizes = [1e5, 1e6, 1e7, 1e8, 1e9]
  const predictions = sizes.flatMap((size) => routings.map((routing) => run(size, routing)))
  const checked = agreements(growth)
  const large = predictions.filter(({ sessions }) => sessions >= 1e7)
  return {
    text: simulationInWords(large, checked, {
      costs,
      activity,
      layout,
      seldom: run(1e8, 'by-token', { ...activity, slideEvery: 300 }),
    }),
    chart: drawSimulation(predictions, growth.hits),
    apart: Math.max(...checked.map(off)),
  }
}

/** Prints the prediction, and writes it down. */
export async function simulate(): Promise<void> {
  const { text, chart, apart } = await simulation()
  console.log(text)
  if (apart > tolerance) console.log('\nThe model and what was measured lie too far apart.')
  await writeFile(new URL('simulation.svg', results), chart)
  await putOnPage('docs/scaling.md', 'simulate', text)
}
