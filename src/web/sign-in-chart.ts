import type { SignInDay } from '../accounts/audit-read.ts'
import { html, type Html } from './page.ts'
import { stackedBars } from './stacked-bars.ts'

const spoken = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })

/** Sign-ins a day as bars, those that were refused on top, and the same in words for whoever does not see them. */
export function signInChart(days: readonly SignInDay[]): Html {
  const most = Math.max(1, ...days.map(({ ok, refused }) => ok + refused))
  const total = days.reduce((sum, { ok }) => sum + ok, 0)
  const refused = days.reduce((sum, day) => sum + day.refused, 0)
  return html`${stackedBars({
      bars: days.map((day) => [day.ok, day.refused]),
      kinds: ['ok', 'refused'],
      label: `${total} sign-ins and ${refused} refused in ${days.length} days, at most ${most} on one day`,
      ends: [dayOf(days[0]), dayOf(days.at(-1))],
    })}
    <p class="legend">
      <span class="key ok">${total} signed in</span>
      <span class="key refused">${refused} refused</span>
    </p>`
}

function dayOf(day: SignInDay | undefined): string {
  return day ? spoken.format(new Date(day.day)) : ''
}
