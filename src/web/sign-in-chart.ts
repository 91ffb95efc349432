import type { SignInDay } from '../accounts/audit-read.ts'
import { html, type Html } from './page.ts'

/** In the drawing's own units; it is as wide as the page lets it. */
const width = 600
const height = 140
const floor = 116

const spoken = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })

/** Sign-ins a day as bars, those that were refused on top, and the same in words for whoever does not see them. */
export function signInChart(days: readonly SignInDay[]): Html {
  const most = Math.max(1, ...days.map(({ ok, refused }) => ok + refused))
  const step = width / days.length
  const scale = (floor - 8) / most
  const total = days.reduce((sum, { ok }) => sum + ok, 0)
  const refused = days.reduce((sum, day) => sum + day.refused, 0)
  return html`<svg
      class="chart"
      viewBox="0 0 ${width} ${height}"
      role="img"
      aria-label="${total} sign-ins and ${refused} refused in ${days.length} days, at most ${most} on one day"
    >
      <line class="axis" x1="0" y1="${floor}" x2="${width}" y2="${floor}" />
      ${days.map((day, i) => bars(day, { x: i * step + step * 0.15, width: step * 0.7, scale }))}
      <text x="0" y="${height - 6}">${dayOf(days[0])}</text>
      <text x="${width}" y="${height - 6}" text-anchor="end">${dayOf(days.at(-1))}</text>
      <text x="0" y="10">${most}</text>
    </svg>
    <p class="legend">
      <span class="key ok">${total} signed in</span>
      <span class="key refused">${refused} refused</span>
    </p>`
}

function bars(
  { day, ok, refused }: SignInDay,
  { x, width, scale }: { x: number; width: number; scale: number },
): Html | '' {
  if (ok + refused === 0) return ''
  const bar = (name: string, from: number, n: number) =>
    n === 0
      ? ''
      : html`<rect
          class="${name}"
          x="${round(x)}"
          y="${round(floor - (from + n) * scale)}"
          width="${round(width)}"
          height="${round(n * scale)}"
          data-day="${day}"
        />`
  return html`${bar('ok', 0, ok)}${bar('refused', ok, refused)}`
}

function round(n: number): number {
  return Math.round(n * 10) / 10
}

function dayOf(day: SignInDay | undefined): string {
  return day ? spoken.format(new Date(day.day)) : ''
}
