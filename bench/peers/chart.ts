import { escape, style } from '../chart.ts'
import { busyness, inOneLine } from '../machine.ts'
import { readable } from '../report.ts'
import type { PeerFigure } from './measure.ts'
import { asRatio, type PeerResults } from './report.ts'

const width = 840
const [rowHeight, top, left, right] = [34, 84, 345, 705]
/** The chart begins at so many factors of ten below the floor. */
const decades = 4

/** Draws how near each check is to the least that one can be, for all that were measured in one run. */
export function drawPeers({ figures, machine, date }: PeerResults): string {
  const groups = ['over HTTP', 'in process'] as const
  let y = top
  const parts: string[] = []
  for (const group of groups) {
    const mine = figures.filter(({ how }) => how === group).toSorted((a, b) => b.ratio - a.ratio)
    parts.push(`<text class="head" x="16" y="${y + 16}">${group}</text>`)
    y += 26
    for (const figure of mine) {
      parts.push(drawRow(figure, y))
      y += rowHeight
    }
    y += 14
  }
  const ticks = Array.from({ length: decades + 1 }, (_, power) => power - decades)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y + 26}" width="${width}" height="${y + 26}" role="img" aria-label="Session checks a second, beside the least that a check can be">
${style}
<text class="title" x="16" y="26">Session checks a second, as part of the floor: a hash and a look into a Map</text>
<text class="small" x="16" y="45">${escape(inOneLine(machine, date))}</text>
<text class="small" x="16" y="61">${escape(busyness(machine))}</text>
${ticks.map((power) => `<line x1="${at(10 ** power)}" x2="${at(10 ** power)}" y1="${top}" y2="${y}"/>`).join('\n')}
${parts.join('\n')}
${ticks.map((power) => `<text class="small" x="${at(10 ** power)}" y="${y + 16}" text-anchor="middle">${power === 0 ? 'floor' : `1/${(10 ** -power).toLocaleString('en')}`}</text>`).join('\n')}
</svg>
`
}

function at(ratio: number): string {
  const power = Math.max(0, Math.min(decades * 1.03, Math.log10(ratio) + decades))
  return (left + (power / decades) * (right - left)).toFixed(1)
}

function drawRow({ what, rate, ratio, ours, peer }: PeerFigure, y: number): string {
  const kind = ours ? 'met' : peer ? 'other' : 'floor'
  return `<text x="16" y="${y + 18}">${escape(what)}</text>
<rect class="${kind}" x="${left}" y="${y + 4}" width="${Math.max(2, Number(at(ratio)) - left).toFixed(1)}" height="20" rx="2"/>
<text class="small" x="${width - 16}" y="${y + 18}" text-anchor="end">${readable(rate)}/s, ${asRatio(ratio)}</text>`
}
