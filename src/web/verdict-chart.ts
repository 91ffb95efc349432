import { spans, type Span, type VerdictCounts } from '../verification/standing.ts'
import { html, type Html } from './page.ts'
import { stackedBars } from './stacked-bars.ts'

const formats: Readonly<Record<Span, Intl.DateTimeFormat>> = {
  day: new Intl.DateTimeFormat('en-GB', { timeStyle: 'short', timeZone: 'UTC' }),
  month: new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' }),
}

/** Verdicts over time as bars, and the same in words for whoever does not see them. */
export function verdictChart(counts: readonly VerdictCounts[], span: Span): Html {
  const sum = (of: 'stillTrue' | 'couldNotTell' | 'noLongerTrue') =>
    counts.reduce((total, one) => total + one[of], 0)
  const [good, doubt, gone] = [sum('stillTrue'), sum('couldNotTell'), sum('noLongerTrue')]
  const at = (one: VerdictCounts | undefined) => (one ? formats[span].format(one.from) : '')
  return html`${stackedBars({
      bars: counts.map((one) => [one.stillTrue, one.couldNotTell, one.noLongerTrue]),
      kinds: ['ok', 'doubt', 'refused'],
      label: `${spans[span].label}: ${good} still true, ${doubt} could not tell, ${gone} no longer true`,
      ends: [at(counts[0]), at(counts.at(-1))],
    })}
    <p class="legend">
      <span class="key ok">${good} still true</span>
      <span class="key doubt">${doubt} could not tell</span>
      <span class="key refused">${gone} no longer true</span>
    </p>`
}
