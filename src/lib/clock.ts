/** Where the time comes from. Everything that judges a time is handed one. */
export interface Clock {
  /** The database's time, carried on by the monotonic clock between readings. */
  now(): Date
}

/** A clock that follows another machine's: call `sync` now and then. */
export interface FollowingClock extends Clock {
  /** Reads the other clock once and goes on from there. */
  sync(): Promise<void>
}

/**
 * The database's clock. Between readings only the monotonic clock counts, so a step of this machine's wall clock
 * neither extends nor ends anything.
 * @param read asks the database for its time
 */
export async function followClock(read: () => Promise<Date>): Promise<FollowingClock> {
  let offset = 0
  const clock: FollowingClock = {
    now: () => new Date(performance.now() + offset),
    async sync() {
      const before = performance.now()
      const theirs = await read()
      // The reading happened somewhere between the two; the middle is off by at most half the round trip.
      offset = theirs.getTime() - (before + performance.now()) / 2
    },
  }
  await clock.sync()
  return clock
}

export const seconds = (n: number): number => n * 1000
export const minutes = (n: number): number => n * 60_000
export const hours = (n: number): number => n * 3_600_000
export const days = (n: number): number => n * 86_400_000

/** `date` moved by that many milliseconds. */
export function later(date: Date, milliseconds: number): Date {
  return new Date(date.getTime() + milliseconds)
}
