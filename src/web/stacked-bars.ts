import { html, type Html } from './page.ts'

/** How much of each kind, in the order of the kinds, from the floor up. */
export type Bar = readonly number[]

/** What a drawing of bars says. */
export interface Bars {
  readonly bars: readonly Bar[]
  /** The class of each kind in the stylesheet. */
  readonly kinds: readonly string[]
  /** The drawing in words, for whoever does not see it. */
  readonly label: string
  /** What stands below the first bar and the last. */
  readonly ends: readonly [first: string, last: string]
}

/** In the drawing's own units; it is as wide as the page lets it. */
const [width, height, floor] = [600, 140, 116]

/** Bars side by side, what they are made of one on top of the other. */
export function stackedBars({ bars, kinds, label, ends }: Bars): Html {
  const most = Math.max(1, ...bars.map(total))
  const step = width / bars.length
  const scale = (floor - 16) / most
  return html`<svg class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}">
    <line class="axis" x1="0" y1="${floor}" x2="${width}" y2="${floor}" />
    ${bars.map((bar, i) => pieces(bar, kinds, { x: i * step + step * 0.15, width: step * 0.7, scale }))}
    <text x="0" y="${height - 6}">${ends[0]}</text>
    <text x="${width}" y="${height - 6}" text-anchor="end">${ends[1]}</text>
    <text x="0" y="10">${most}</text>
  </svg>`
}

function total(parts: Bar): number {
  return parts.reduce((sum, n) => sum + n, 0)
}

function pieces(
  parts: Bar,
  kinds: readonly string[],
  { x, width, scale }: { x: number; width: number; scale: number },
): Html[] {
  let below = 0
  return parts.flatMap((n, i) => {
    if (n === 0) return []
    below += n
    return html`<rect
      class="${kinds[i]!}"
      x="${round(x)}"
      y="${round(floor - below * scale)}"
      width="${round(width)}"
      height="${round(n * scale)}"
    />`
  })
}

function round(n: number): number {
  return Math.round(n * 10) / 10
}
