// By import: the global of that name is looked up anew at each call.
import { performance } from 'node:perf_hooks'

/** Where the time comes from. Everything that judges a time is handed one. */
export interface Clock {
  /** The database's time, carried on by the monotonic clock between readings. */
  now(): Date
  /**
   * The same in milliseconds since 1970, at a reading of `localClocks.monotonic` just taken: for what every request
   * asks, where a `Date` and another reading would count. @default {@link now}
   */
  at?(monotonic: number): number
  /** Reads the time anew where this machine may have been stopped since the last reading. */
  check?(): Promise<void>
}

/** A clock that follows another machine's: call `sync` now and then. */
export interface FollowingClock extends Clock {
  /** Reads the other clock once and goes on from there. */
  sync(): Promise<void>
  check(): Promise<void>
  at(monotonic: number): number
  /** How far this machine's wall clock is ahead of the other clock, in milliseconds; negative: behind. */
  skew(): number
}

/** This machine's clocks, in milliseconds. */
export interface LocalClocks {
  /** Never goes back; may stand still while the machine is suspended. */
  monotonic(): number
  /** May be set; goes on while the machine is suspended. */
  wall(): number
}

export const localClocks: LocalClocks = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
}

/** How far this machine's two clocks may disagree before it must have been stopped, or one of them set, in milliseconds. */
const jumpAllowed = 1000

/**
 * The database's clock. Between readings only the monotonic clock counts, so a step of this machine's wall clock
 * neither extends nor ends anything. A suspended machine's monotonic clock stands still: `check` sees it by the other.
 * @param read asks the database for its time
 */
export async function followClock(
  read: () => Promise<Date>,
  { monotonic, wall }: LocalClocks = localClocks,
): Promise<FollowingClock> {
  let offset = 0
  let apart = 0
  const clock: FollowingClock = {
    now: () => new Date(clock.at(monotonic())),
    at: (reading) => Math.trunc(reading + offset),
    async sync() {
      const before = monotonic()
      const theirs = await read()
      const after = monotonic()
      // The reading happened somewhere between the two; the middle is off by at most half the round trip.
      offset = theirs.getTime() - (before + after) / 2
      apart = wall() - after
    },
    async check() {
      if (Math.abs(wall() - monotonic() - apart) > jumpAllowed) await clock.sync()
    },
    skew: () => wall() - (monotonic() + offset),
  }
  await clock.sync()
  return clock
}

/** How far this machine's wall clock is ahead of another's time, in milliseconds. */
export function aheadOf(theirs: Date): number {
  return localClocks.wall() - theirs.getTime()
}

/** Whether a wall clock is so far off, more than 30 s, that somebody has to set it: not ready until then. */
export function isSkewed(milliseconds: number): boolean {
  return Math.abs(milliseconds) > 30_000
}

export const seconds = (n: number): number => n * 1000
export const minutes = (n: number): number => n * 60_000
export const hours = (n: number): number => n * 3_600_000
export const days = (n: number): number => n * 86_400_000

/** `date` moved by that many milliseconds. */
export function later(date: Date, milliseconds: number): Date {
  return new Date(date.getTime() + milliseconds)
}
