import type { Growth } from '../growth/results.ts'
import { hitRate, kindsOf, type Prediction } from './model.ts'
import { power } from './table.ts'

const [width, height] = [840, 360]
const [top, bottom] = [112, 300]

type Point = readonly [x: number, y: number]

/** Half of the chart: a part of all, from none to all, over something that grows by factors of ten. */
interface Panel {
  readonly left: number
  readonly title: string
  readonly below: string
  /** Powers of ten. */
  readonly from: number
  readonly to: number
  readonly lines: readonly { readonly style: string; readonly points: readonly Point[] }[]
  readonly dots?: readonly Point[]
}

const panelWidth = 310

/** Draws how often memory knows: of one node beside what was measured, and of all over the number of live sessions. */
export function drawSimulation(
  predictions: readonly Prediction[],
  measured: Growth['hits'],
): string {
  const { population, exponent } = measured[0]!
  const kinds = kindsOf(population, { requests: 1, exponent, most: Infinity })
  const curve = Array.from({ length: 41 }, (_, i) => 10 ** (1 + i * 0.075))
  const along = (routing: Prediction['routing']) =>
    predictions
      .filter((each) => each.routing === routing)
      .map(({ sessions, hits }) => [sessions, hits] as const)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="How often memory knows a session">
<style>
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 }
  .small { font-size: 11px; fill: #59636e }
  .grid { stroke: #d1d9e0 }
  .line { fill: none; stroke-width: 2 }
  .any { stroke: #bc4c00 }
  .token { stroke: #1a7f37 }
  .dot { fill: #1f2328 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .small { fill: #9198a1 }
    .grid { stroke: #3d444d }
    .any { stroke: #f0883e }
    .token { stroke: #3fb950 }
    .dot { fill: #f0f6fc }
  }
</style>
<text class="title" x="16" y="26">How often memory knows a session</text>
<text class="small" x="16" y="45">Lines are predicted, dots were measured.</text>
${drawPanel({
  left: 60,
  title: `One node, ${population.toLocaleString('en')} sessions`,
  below: 'sessions it has room for',
  from: 1,
  to: 4,
  lines: [{ style: 'token', points: curve.map((room) => [room, hitRate(kinds, room)]) }],
  dots: measured.map(({ capacity, rate }) => [capacity, rate]),
})}
${drawPanel({
  left: 470,
  title: 'All nodes, slides taken into account',
  below: 'live sessions',
  from: 5,
  to: 9,
  lines: [
    { style: 'any', points: along('any') },
    { style: 'token', points: along('by-token') },
  ],
})}
${key('any', 470, 'to any node')}
${key('token', 590, 'by token')}
</svg>
`
}

function drawPanel({ left, title, below, from, to, lines, dots = [] }: Panel): string {
  const x = (value: number) => left + ((Math.log10(value) - from) / (to - from)) * panelWidth
  const y = (part: number) => bottom - part * (bottom - top)
  const right = left + panelWidth
  const powers = Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i))
  const parts = [0, 0.25, 0.5, 0.75, 1]
  return `<text x="${left}" y="76">${title}</text>
${parts.map((part) => `<line class="grid" x1="${left}" x2="${right}" y1="${at(y(part))}" y2="${at(y(part))}"/><text class="small" x="${left - 8}" y="${at(y(part) + 4)}" text-anchor="end">${part * 100} %</text>`).join('\n')}
${powers.map((value) => `<text class="small" x="${at(x(value))}" y="${bottom + 18}" text-anchor="middle">${power(value)}</text>`).join('\n')}
<text class="small" x="${left + panelWidth / 2}" y="${bottom + 40}" text-anchor="middle">${below}</text>
${lines.map(({ style, points }) => `<polyline class="line ${style}" points="${points.map(([value, part]) => `${at(x(value))},${at(y(part))}`).join(' ')}"/>`).join('\n')}
${dots.map(([value, part]) => `<circle class="dot" cx="${at(x(value))}" cy="${at(y(part))}" r="4"/>`).join('\n')}`
}

function key(style: string, x: number, what: string): string {
  return `<line class="line ${style}" x1="${x}" x2="${x + 16}" y1="92" y2="92"/><text class="small" x="${x + 22}" y="96">${what}</text>`
}

function at(position: number): string {
  return position.toFixed(1)
}
