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

/** How long it is to a moment, such as `in 3 minutes`; `now` once it is there. */
export function ahead(at: Date, now: Date): Html {
  const left = at.getTime() - now.getTime()
  const [unit, size] = units.find(([, size]) => left >= size) ?? []
  const soon = left > 0 ? 'in less than a minute' : 'now'
  return time(at, unit && size ? relative.format(Math.round(left / size), unit) : soon)
}

/** A length of time in its two largest units, such as `1 hour 9 minutes`. */
export function lasting(milliseconds: number): string {
  if (milliseconds < 1000) return 'less than a second'
  const left = Math.round(milliseconds / 1000)
  if (left < 60) return counted(left, 'second')
  const at = units.findIndex(([, size]) => milliseconds >= size)
  const [unit, size] = units[at] ?? units.at(-1)!
  const [smaller, part] = units[at + 1] ?? []
  const whole = Math.floor(milliseconds / size)
  const rest = part ? Math.floor((milliseconds - whole * size) / part) : 0
  return counted(whole, unit) + (smaller && rest > 0 ? ` ${counted(rest, smaller)}` : '')
}

function counted(n: number, unit: string): string {
  return `${n} ${unit}${n === 1 ? '' : 's'}`
}

function time(at: Date, text: string): Html {
  return html`<time datetime="${at.toISOString()}">${text}</time>`
}
