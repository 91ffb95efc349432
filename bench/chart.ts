import type { Figure } from './figures.ts'
import { busyness, inOneLine } from './machine.ts'
import { inWords, readable, type Results } from './report.ts'

const width = 840
const rowHeight = 46
const top = 94
/** Where the target's line stands, and how far a factor of ten reaches from it. */
const line = 560
const decade = 105
const furthest = 2.5

/** What every chart looks like, by day and by night. */
export const style = `<style>
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 }
  .small { font-size: 11px; fill: #59636e }
  .met { fill: #1a7f37 }
  .short { fill: #bc4c00 }
  .head { font-weight: 600 }
  .other { fill: #818b98 }
  .floor { fill: #d1d9e0 }
  line { stroke: #d1d9e0 }
  .target { stroke: #1f2328 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .small { fill: #9198a1 }
    .met { fill: #3fb950 }
    .short { fill: #f0883e }
    .other { fill: #656c76 }
    .floor { fill: #3d444d }
    line { stroke: #3d444d }
    .target { stroke: #f0f6fc }
  }
</style>`

/**
 * Draws how near each figure is to its target: one line for all targets, bars to the right of it are better, bars to
 * the left fall short, and every tick is a factor of ten.
 */
export function drawChart({ figures, machine, date }: Results): string {
  const shown = figures.filter(({ reached }) => reached !== undefined)
  const bottom = top + shown.length * rowHeight
  const height = bottom + 34
  const ticks = [-2, -1, 1, 2].map((power) => line + power * decade)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="How near each figure is to its target">
${style}
<text class="title" x="16" y="26">How near each figure is to its target</text>
<text class="small" x="16" y="45">${escape(inOneLine(machine, date))}</text>
<text class="small" x="16" y="61">${escape(busyness(machine))}</text>
${ticks.map((x) => `<line x1="${x}" x2="${x}" y1="${top - 6}" y2="${bottom}"/>`).join('\n')}
${shown.map((figure, index) => drawRow(figure, top + index * rowHeight)).join('\n')}
<line class="target" x1="${line}" x2="${line}" y1="${top - 10}" y2="${bottom + 4}"/>
<text class="small" x="${line}" y="${top - 14}" text-anchor="middle">target</text>
${[-2, -1, 1, 2].map((power) => `<text class="small" x="${line + power * decade}" y="${bottom + 18}" text-anchor="middle">${power < 0 ? `1/${10 ** -power}` : `${10 ** power}×`}</text>`).join('\n')}
</svg>
`
}

function drawRow({ what, value, unit, target, reached = 1 }: Figure, y: number): string {
  const power = Math.max(-furthest, Math.min(furthest, Math.log10(reached)))
  const length = Math.max(2, Math.abs(power) * decade)
  const met = reached >= 1
  return `<text x="16" y="${y + 16}">${escape(what)}</text>
<text class="small" x="16" y="${y + 32}">${escape(`${readable(value)} ${unit}, target ${inWords(target)}: ${met ? 'met' : 'not yet'}`)}</text>
<rect class="${met ? 'met' : 'short'}" x="${met ? line : line - length}" y="${y + 6}" width="${length.toFixed(1)}" height="22" rx="2"/>`
}

/** Text that may stand in SVG. */
export function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
