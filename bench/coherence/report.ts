import { escape, style } from '../chart.ts'
import { busyness, inOneLine, type Machine } from '../machine.ts'
import { readable } from '../report.ts'
import type { Revoked } from './measure.ts'

/** One run, as it is written down. */
export interface CoherenceResults {
  /** ISO 8601. */
  readonly date: string
  readonly machine: Machine
  /** How long the run took. */
  readonly seconds: number
  readonly cases: readonly Revoked[]
}

/** What a case was to be, and whether it is: `p50 ≤ 5 ms: met`. */
function verdicts({ most, ...found }: Revoked): string {
  return (['p50', 'p99', 'max'] as const)
    .flatMap((which) => {
      const limit = most[which]
      return limit === undefined
        ? []
        : `${which} ≤ ${limit} ms: ${found[which] <= limit ? 'met' : 'not met'}`
    })
    .join(', ')
}

/** The cases as a table in Markdown. */
export function coherenceTable({ date, machine, cases }: CoherenceResults): string {
  const rows = cases.map((one) =>
    [
      one.what,
      one.revocations.toLocaleString('en'),
      one.staleAccepts,
      readable(one.p50),
      readable(one.p99),
      readable(one.max),
      one.busy,
      verdicts(one),
    ].join(' | '),
  )
  return `| \`revoke()\` on three nodes | revocations | stale accepts | p50 ms | p99 ms | max ms | load average | target |
| --- | --: | --: | --: | --: | --: | --: | --- |
${rows.map((row) => `| ${row} |`).join('\n')}

${[inOneLine(machine, date) + '.', busyness(machine)].filter(Boolean).join(' ')}`
}

/** Prints the cases, one line for each. */
export function printCoherence({ date, machine, seconds, cases }: CoherenceResults): void {
  console.log(`\n${inOneLine(machine, date)}\n${busyness(machine)}`)
  for (const one of cases) {
    const { what, revocations, staleAccepts, warm, p50, p99, max, busy } = one
    console.log(`
${what}: ${revocations.toLocaleString('en')} revocations, ${Math.round(warm * 100)} % of the answers before were from memory
  stale accepts ${staleAccepts}   (target 0)
  revoke()      p50 ${readable(p50)} ms, p99 ${readable(p99)} ms, max ${readable(max)} ms   (${verdicts(one)}; load average ${busy})`)
  }
  console.log(`\nThe run took ${Math.round(seconds)} s.`)
}

const [width, left, top, panel, bars] = [840, 24, 92, 120, 74]
const right = width - 24

/** Draws how long revocations took: a histogram for each case on one axis, every doubling as wide as another. */
export function drawCoherence({ date, machine, cases }: CoherenceResults): string {
  const doublings = 12
  const x = (ms: number) =>
    left + (Math.min(doublings, Math.max(0, Math.log2(ms))) / doublings) * (right - left)
  const bottom = top + cases.length * panel
  const ticks = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2500]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${bottom + 30}" width="${width}" height="${bottom + 30}" role="img" aria-label="How long a revocation takes on three nodes">
${style}
<text class="title" x="${left}" y="26">How long revoke() takes on three nodes, until none of them accepts the session any more</text>
<text class="small" x="${left}" y="45">${escape(inOneLine(machine, date))}</text>
<text class="small" x="${left}" y="61">${escape(busyness(machine))}</text>
${ticks.map((ms) => `<line x1="${x(ms).toFixed(1)}" x2="${x(ms).toFixed(1)}" y1="${top - 8}" y2="${bottom}"/>`).join('\n')}
${cases.map((one, i) => drawCase(one, top + i * panel, x)).join('\n')}
${ticks.map((ms) => `<text class="small" x="${x(ms).toFixed(1)}" y="${bottom + 16}" text-anchor="middle">${ms} ms</text>`).join('\n')}
</svg>
`
}

function drawCase(one: Revoked, y: number, x: (ms: number) => number): string {
  const most = Math.max(...one.histogram.map(([, count]) => count))
  const floor = y + panel - 14
  const drawn = one.histogram.map(([upTo, count]) => {
    if (count === 0) return ''
    const [from, to] = [x(upTo / Math.SQRT2), x(upTo)]
    const height = Math.max(1, (count / most) * bars)
    return `<rect class="met" x="${(from + 1).toFixed(1)}" y="${(floor - height).toFixed(1)}" width="${Math.max(1, to - from - 2).toFixed(1)}" height="${height.toFixed(1)}" rx="1"/>`
  })
  const limits = Object.entries(one.most).map(
    ([which, ms]) =>
      `<line class="target" x1="${x(ms).toFixed(1)}" x2="${x(ms).toFixed(1)}" y1="${y + 22}" y2="${floor}"/><text class="small" x="${(x(ms) - 4).toFixed(1)}" y="${y + 34}" text-anchor="end">${which} ≤ ${ms}</text>`,
  )
  return `${drawn.filter(Boolean).join('\n')}
${limits.join('\n')}
<line x1="${left}" x2="${right}" y1="${floor}" y2="${floor}"/>
<text x="${left}" y="${y + 14}">${escape(`${one.what}: ${one.revocations.toLocaleString('en')}, ${one.staleAccepts} stale accepts; p50 ${readable(one.p50)}, p99 ${readable(one.p99)}, max ${readable(one.max)} ms`)}</text>`
}
