// How cost grows: with live sessions, with nodes, with processes; and what a session in memory weighs.

import { hash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { putOnPage } from './page.ts'
import { startProcess } from './process.ts'
import { busyNow, describeMachine } from './machine.ts'
import { createProgress } from './report.ts'
import type { Cost, Growth, NodesCost } from './growth/results.ts'
import { growthInWords } from './growth/table.ts'
import { measureWorkers, type Database } from './growth/workers.ts'
import type { ZipfLoad } from './servers/growing.ts'

const seconds = 3
const sizes = [1_000, 10_000, 100_000, 1_000_000]
const nodeCounts = [1, 2, 4, 8]
/** Requests that follow Zipf's law, on a memory smaller than what they ask for. */
const loads: readonly ZipfLoad[] = [100, 300, 1000, 3000].map((capacity) => ({
  capacity,
  population: 10_000,
  exponent: 1,
  requests: 20_000,
}))

/** Measures, prints, keeps the figures and writes them into docs/performance.md. */
export async function grow(): Promise<void> {
  const busyBefore = busyNow()
  const progress = createProgress(5)
  const doing = (what: string) => {
    progress.tell(what)
    progress.step()
  }
  doing('starting')
  await using node = await startProcess<{ postgres: string; database: Database }>(
    'servers/growing.ts',
  )
  await using load = await startProcess<null>('load.ts')
  const cold: Growth['cold'][number][] = []
  await node.ask('fill', sizes[0])
  await node.ask('cold', 1)

  const hits: Growth['hits'][number][] = []
  let single: Pick<Growth, 'slide' | 'renew' | 'weights'> | undefined
  const nodes: Growth['nodes'][number][] = []
  const workers: Growth['workers'][number][] = []
  for (const sessions of sizes) {
    doing(`${sessions} live sessions`)
    await node.ask('fill', sessions)
    cold.push({ sessions, ...(await node.ask<Cost>('cold', seconds)) })
    // Where the others are measured it is large enough to be in earnest, and small enough not to be about the disk.
    if (sessions !== 10_000) continue
    const weights = await node.ask<Record<string, number>>('weights', sessions)
    for (const zipf of loads) {
      const { capacity, population, exponent } = zipf
      hits.push({ capacity, population, exponent, rate: await node.ask<number>('hits', zipf) })
    }
    const cookies = Array.from(
      { length: 200 },
      (_, i) => `sallyport=${hash('sha256', `session-${i}`, 'base64url')}`,
    )
    for (let count = 1; count <= cpus().length; count++)
      workers.push(await measureWorkers(count, node.ready.database, load, { cookies, seconds }))
    single = {
      weights,
      slide: await node.ask<Cost>('slide', 4_000),
      renew: await node.ask<Cost>('renew', 2_000),
    }
    for (const count of nodeCounts)
      nodes.push({ nodes: count, ...(await node.ask<NodesCost>('nodes', count)) })
  }
  progress.end()
  const growth: Growth = {
    date: new Date().toISOString(),
    machine: describeMachine(node.ready.postgres, busyBefore),
    cold,
    ...single!,
    nodes,
    hits,
    workers,
  }
  const text = growthInWords(growth)
  console.log(text)
  const json = JSON.stringify(growth, (_, value) => rounded(value), 2)
  await writeFile(new URL('results/growth.json', import.meta.url), `${json}\n`)
  await putOnPage('docs/performance.md', 'growth', growthInWords(JSON.parse(json) as Growth))
}

/** To four digits: more than a run can tell. */
function rounded(value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(4)) : value
}
