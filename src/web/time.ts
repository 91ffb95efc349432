import { days, hours, minutes } from '../lib/clock.ts'
import { html, type Html } from './page.ts'

const full = new Intl.DateTimeFormat('en-GB', {
  dateStyle: 'medium',
  timeStyle: 'short',
  timeZone: 'UTC',
})
const relative = new Intl.RelativeTimeFormat('en')

const units = [
  ['day', days(1)],
  ['hour', hours(1)],
  ['minute', minutes(1)],
] as const

/** A moment as people say it, such as `1 Jun 2026, 12:00 UTC`. */
export function moment(at: Date): Html {
  return time(at, `${full.format(at)} UTC`)
}

/** How long ago a moment was, such as `3 minutes ago`. */
export function ago(at: Date, now: Date): Html {
  const age = now.getTime() - at.getTime()
  const [unit, size] = units.find(([, size]) => age >= size) ?? []
  return time(at, unit && size ? relative.format(-Math.floor(age / size), unit) : 'just now')
}

function time(at: Date, text: string): Html {
  return html`<time datetime="${at.toISOString()}">${text}</time>`
}
