import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import type { Growth } from '../bench/growth/results.ts'
import { growthInWords } from '../bench/growth/table.ts'
import { createRandom } from '../bench/growth/zipf.ts'
import { withBlock } from '../bench/page.ts'
import { agreements, off, tolerance } from '../bench/simulate/agreement.ts'
import { activity, layout } from '../bench/simulate/assumed.ts'
import {
  hitRate,
  kindsOf,
  predict,
  rememberedFor,
  slidesOf,
  type Costs,
} from '../bench/simulate/model.ts'
import { simulation } from '../bench/simulate.ts'

const read = (path: string) => readFile(new URL(`../${path}`, import.meta.url), 'utf8')
const growth = JSON.parse(await read('bench/results/growth.json')) as Growth

describe('the simulation agrees with what was measured and kept', () => {
  for (const agreement of agreements(growth))
    it(`${agreement.what}, to ${tolerance * 100} %`, () => {
      assert.ok(off(agreement) <= tolerance, JSON.stringify(agreement))
    })

  it('checks reach what their processor time allows, and no more', () => {
    for (const { rate, nodeUs, databaseUs } of growth.cold)
      assert.ok(rate <= (1.1 * growth.machine.cores * 1e6) / (nodeUs + databaseUs))
    for (const { workers, rate, nodeUs } of growth.workers)
      assert.ok(rate <= (1.1 * workers * 1e6) / nodeUs)
  })
})

describe('the pages say what the kept results say: if not, run npm run bench -- growth, or simulate', () => {
  it('docs/performance.md', async () => {
    const page = await read('docs/performance.md')
    assert.equal(await withBlock(page, 'growth', growthInWords(growth)), page)
  })

  it('docs/scaling.md, and its chart', async () => {
    const { text, chart } = await simulation()
    const page = await read('docs/scaling.md')
    assert.equal(await withBlock(page, 'simulate', text), page)
    assert.equal(await read('bench/results/simulation.svg'), chart)
  })
})

describe('the model by itself', () => {
  it('sessions send what they should in all, and none more than the most', () => {
    for (const sessions of [1e3, 1e6, 1e9]) {
      const kinds = kindsOf(sessions, activity)
      const sum = (value: (kind: { count: number; rate: number }) => number) =>
        kinds.reduce((total, kind) => total + value(kind), 0)
      assert.equal(
        sum(({ count }) => count),
        sessions,
      )
      const sent = sum(({ count, rate }) => count * rate)
      assert.ok(Math.abs(sent / (sessions * activity.requests) - 1) < 0.001)
      assert.ok(kinds.every(({ rate }) => rate <= activity.most))
    }
  })

  it('a memory with room for all knows all, and a larger one knows more', () => {
    const kinds = kindsOf(10_000, { ...activity, most: Infinity })
    assert.equal(rememberedFor(kinds, 10_000), Infinity)
    assert.equal(hitRate(kinds, 10_000), 1)
    const rates = [100, 1000, 5000].map((capacity) => hitRate(kinds, capacity))
    assert.deepEqual(
      rates,
      rates.toSorted((a, b) => a - b),
    )
  })

  for (const nodes of [1, 4, 16, 100])
    for (const rate of [0.002, 0.02, 0.2, 2])
      it(`a session with ${rate} requests a second at ${nodes} nodes is moved on as often as one that is played through`, () => {
        const played = playThrough(rate, nodes, 100_000)
        const { moved, futile } = slidesOf(rate, { nodes, known: 1, slideEvery: 60 })
        assert.ok(Math.abs(moved / played.moved - 1) < 0.1, `${moved} ${played.moved}`)
        const statements = moved + futile
        assert.ok(
          Math.abs(statements / played.statements - 1) < 0.1,
          `${statements} ${played.statements}`,
        )
      })

  it('hashing the cookie never costs more, and ten times the sessions never take fewer nodes', () => {
    const one = { node: 100, database: 100 }
    const costs: Costs = {
      check: 50,
      read: one,
      slide: one,
      renew: one,
      revoke: one,
      signIn: one,
      sessionBytes: 1000,
    }
    let before = 0
    for (const sessions of [1e5, 1e6, 1e7]) {
      const any = predict(sessions, activity, { ...layout, routing: 'any' }, costs)
      const token = predict(sessions, activity, { ...layout, routing: 'by-token' }, costs)
      assert.ok(token.statements <= any.statements && token.nodes <= any.nodes)
      assert.ok(any.nodes >= before)
      before = any.nodes
    }
  })
})

/** One session, requests at random times to random nodes; a node remembers it from reading it until it moves it on. */
function playThrough(rate: number, nodes: number, requests: number) {
  const random = createRandom(7)
  const copies: (number | undefined)[] = Array.from({ length: nodes })
  let [time, stored, moved, statements] = [0, 0, 0, 0]
  for (let i = 0; i < requests; i++) {
    time -= Math.log(1 - random()) / rate
    const node = Math.floor(random() * nodes)
    const seen = copies[node] ?? stored
    copies[node] = seen
    if (time - seen < 60) continue
    statements++
    copies[node] = undefined
    if (time - stored >= 60) {
      moved++
      stored = time
    }
  }
  return { moved: moved / time, statements: statements / time }
}
