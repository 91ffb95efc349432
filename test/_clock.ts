import type { Clock } from '../src/lib/clock.ts'

/** A clock that stands still until it is moved. */
export class TestClock implements Clock {
  #now: number

  constructor(start: Date = new Date('2026-06-01T12:00:00Z')) {
    this.#now = start.getTime()
  }

  now(): Date {
    return new Date(this.#now)
  }

  /** Moves on (or back) by that many milliseconds. */
  advance(milliseconds: number): void {
    this.#now += milliseconds
  }
}
