import { escape, style } from '../chart.ts'
import { busyness, inOneLine, type Machine } from '../machine.ts'
import { readable } from '../report.ts'
import type { Allowance, Bound, Claim, Outage, Rate } from './measure.ts'

/** One run, as it is written down. */
export interface VerificationResults {
  /** ISO 8601. */
  readonly date: string
  readonly effort: 'full' | 'quick'
  readonly machine: Machine
  readonly seconds: number
  readonly claim: Claim
  readonly rate: Rate
  readonly allowances: readonly Allowance[]
  readonly outage: Outage
  readonly bounds: readonly Bound[]
  /** Refresh tokens that were presented a second time. */
  readonly reuses: number
}

interface Target {
  readonly what: string
  readonly found: string
  readonly target: string
  readonly met: boolean
}

/** Everything that was to be shown, beside what was found. */
export function targetsOf(results: VerificationResults): readonly Target[] {
  const { claim, rate, allowances, outage, bounds, reuses } = results
  const ratio = claim.many.ms / claim.few.ms
  const off = Math.max(
    ...allowances.map(({ allowed, measured }) => Math.abs(measured / allowed - 1)),
  )
  const sizes = [claim.many, claim.few].map(({ identities }) => identities.toLocaleString('en'))
  return [
    {
      what: `finding due work among ${sizes[0]} identities, of the time among ${sizes[1]}`,
      found: `${readable(rounded(ratio))} ×`,
      target: '≤ 1.2 ×',
      met: ratio <= 1.2,
    },
    {
      what: 'identities verified a second by three processes',
      found: readable(rounded(rate.perSecond)),
      target: '≥ 500',
      met: rate.perSecond >= 500,
    },
    {
      what: 'token requests for each verdict',
      found: readable(rounded(rate.requestsEach)),
      target: 'exactly 1',
      met: rate.requestsEach === 1,
    },
    {
      what: 'refresh tokens presented twice, in the whole run',
      found: String(reuses),
      target: '0',
      met: reuses === 0,
    },
    {
      what: `furthest from its allowance, of ${allowances.length} connections`,
      found: `${readable(rounded(off * 100))} %`,
      target: '≤ 5 %',
      met: off <= 0.05,
    },
    {
      what: 'most requests in a second around an outage',
      found: String(outage.peak),
      target: `≤ ${outage.allowed} allowed`,
      met: outage.peak <= outage.allowed,
    },
    {
      what: 'people touched by the outage',
      found: String(outage.out),
      target: '0',
      met: outage.out === 0,
    },
    ...bounds.map(({ how, people, p50, p99, promised }) => ({
      what: `suspended there, refused on every node, by ${how} (${people} people)`,
      found: `p50 ${inTime(p50)}, p99 ${inTime(p99)}`,
      target: `≤ ${inTime(promised)}`,
      met: p99 <= promised,
    })),
  ]
}

/** The targets as a table in Markdown, for docs/performance.md. */
export function verificationTable(results: VerificationResults): string {
  const { date, machine, claim, rate, outage } = results
  const rows = targetsOf(results).map(
    ({ what, found, target, met }) =>
      `| ${what} | ${found} | ${target} | ${met ? 'met' : 'not met'} |`,
  )
  return `| | measured | target | |
| --- | --: | --: | --- |
${rows.join('\n')}

${[
  `Due work was found in ${inTime(claim.many.ms)} (${inTime(claim.few.ms)} among few).`,
  `A verdict took ${readable(rounded(rate.workersMs))} ms of processor time of the workers and ${readable(rounded(rate.providerMs))} ms of the provider.`,
  `After ${readable(Math.round(outage.away[1] - outage.away[0]))} s without an answer nobody was overdue any more ${readable(Math.round(outage.drained - outage.away[1]))} s after the provider was back.`,
  `Of ${outage.untold} people the answer was lost when it went away: their token is never presented again, and they are asked about after their next sign-in.`,
  inOneLine(machine, date) + '.',
  busyness(machine),
]
  .filter(Boolean)
  .join(' ')}`
}

/** Prints the targets, one line for each. */
export function printVerification(results: VerificationResults): void {
  const { date, machine, seconds, rate, claim, effort } = results
  const rows = targetsOf(results).map(({ what, found, target, met }) => [
    what,
    found,
    target,
    met ? 'met' : 'not met',
  ])
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length)))
  console.log(`\n${inOneLine(machine, date)}\n${busyness(machine)}`)
  if (effort === 'quick') console.log('A quick run: the figures say little.')
  for (const [what = '', found = '', target = '', met = ''] of rows)
    console.log(
      `${what.padEnd(widths[0]!)}  ${found.padStart(widths[1]!)}  ${target.padStart(widths[2]!)}  ${met}`,
    )
  console.log(`
Due work was found in ${inTime(claim.many.ms)}, among few in ${inTime(claim.few.ms)}. ${readable(rate.verified)} were verified in ${readable(rate.seconds)} s;
each took ${readable(rounded(rate.workersMs))} ms of processor time of the workers and ${readable(rounded(rate.providerMs))} ms of the provider. The run took ${Math.round(seconds)} s.`)
}

const [width, left, top, panel] = [840, 56, 84, 190]
const right = width - 24

/** Draws the requests at the provider around an outage, and how soon people were refused who were suspended there. */
export function drawVerification(results: VerificationResults): string {
  const { outage, bounds, machine, date } = results
  const height = top + (1 + bounds.length) * (panel + 64)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Verification: requests around an outage, and how soon people are refused">
${style}
<text class="title" x="16" y="26">Requests a second at a provider that is away for a while</text>
<text class="small" x="16" y="45">${escape(inOneLine(machine, date))}</text>
<text class="small" x="16" y="61">${escape(busyness(machine))}</text>
${drawOutage(outage)}
${bounds.map((bound, i) => drawBound(bound, top + (i + 1) * (panel + 64))).join('\n')}
</svg>
`
}

function drawOutage({ perSecond, away, allowed, usual, drained }: Outage): string {
  const most = Math.max(allowed, ...perSecond) * 1.1
  const bottom = top + panel
  const x = (second: number) => left + (second / perSecond.length) * (right - left)
  const y = (count: number) => bottom - (count / most) * panel
  const bars = perSecond.map((count, second) =>
    count === 0
      ? ''
      : `<rect class="met" x="${at(x(second) + 0.5)}" y="${at(y(count))}" width="${at(x(1) - left - 1)}" height="${at(bottom - y(count))}"/>`,
  )
  const ticks = Array.from({ length: Math.floor(perSecond.length / 10) + 1 }, (_, i) => i * 10)
  return `<rect class="floor" x="${at(x(away[0]))}" y="${top}" width="${at(x(away[1]) - x(away[0]))}" height="${panel}"/>
<text class="small" x="${at((x(away[0]) + x(away[1])) / 2)}" y="${top + 14}" text-anchor="middle">refuses connections</text>
${bars.filter(Boolean).join('\n')}
<line class="target" x1="${left}" x2="${right}" y1="${at(y(allowed))}" y2="${at(y(allowed))}"/>
<text class="small" x="${right}" y="${at(y(allowed) - 5)}" text-anchor="end">allowed in a second: ${allowed}</text>
<line x1="${left}" x2="${right}" y1="${at(y(usual))}" y2="${at(y(usual))}"/>
<text class="small" x="${left - 6}" y="${at(y(usual) + 4)}" text-anchor="end">${Math.round(usual)}</text>
${drained ? `<line class="target" x1="${at(x(drained))}" x2="${at(x(drained))}" y1="${top + 20}" y2="${bottom}"/><text class="small" x="${at(x(drained) + 4)}" y="${top + 30}">nobody is overdue</text>` : ''}
<line x1="${left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>
${ticks.map((second) => `<text class="small" x="${at(x(second))}" y="${bottom + 16}" text-anchor="middle">${second} s</text>`).join('\n')}`
}

/** A line that rises by one person at each moment when one was refused. */
function drawBound({ how, took, people, p50, p99, promised }: Bound, y: number): string {
  const longest = Math.max(promised, ...took.filter(Number.isFinite)) * 1.05
  const bottom = y + panel
  const x = (ms: number) => left + (Math.min(ms, longest) / longest) * (right - left)
  const points = took.flatMap((ms, i) => [
    `${at(x(ms))},${at(bottom - (i / people) * panel)}`,
    `${at(x(ms))},${at(bottom - ((i + 1) / people) * panel)}`,
  ])
  return `<text class="title" x="16" y="${y - 14}">${escape(`Suspended there, refused here by ${how}: ${people} people, p50 ${inTime(p50)}, p99 ${inTime(p99)}`)}</text>
<polyline points="${left},${bottom} ${points.join(' ')}" fill="none" stroke="#1a7f37" stroke-width="2"/>
<line class="target" x1="${at(x(promised))}" x2="${at(x(promised))}" y1="${y}" y2="${bottom}"/>
<text class="small" x="${at(x(promised) - 5)}" y="${bottom - 8}" text-anchor="end">promised: ${inTime(promised)}</text>
<line x1="${left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>
${[0, 0.5, 1].map((share) => `<text class="small" x="${left - 6}" y="${at(bottom - share * panel + 4)}" text-anchor="end">${share * 100} %</text>`).join('\n')}
${[p50, p99].map((ms) => `<text class="small" x="${at(x(ms))}" y="${bottom + 16}" text-anchor="middle">${inTime(ms)}</text>`).join('\n')}`
}

function inTime(ms: number): string {
  return ms >= 1000 ? `${readable(rounded(ms / 1000))} s` : `${readable(rounded(ms))} ms`
}

function rounded(value: number): number {
  return Number(value.toPrecision(3))
}

function at(position: number): string {
  return position.toFixed(1)
}
