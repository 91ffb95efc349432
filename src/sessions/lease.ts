import { localClocks, type LocalClocks } from '../lib/clock.ts'

/** How long a node may answer from memory after a renewal began, in milliseconds (L). */
export const leaseFor = 2_000
/** The longest a renewal may take from its beginning to its answer, in milliseconds (S). A later answer gives no lease. */
export const statementFor = 500
/** How often a node renews when nothing wakes it, in milliseconds. */
export const renewEvery = 500
/** How far two machines' clocks may run apart while a lease lasts, in milliseconds. */
export const driftAllowed = 200
/** How far this machine's two clocks may disagree before it must have been stopped, in milliseconds. */
export const jumpAllowed = 100

/**
 * The right to answer from memory, until L after the *beginning* of the statement that renewed it.
 * Believed only while both clocks have moved alike since: a machine that was stopped has one that did not.
 */
export class Lease {
  readonly #clocks: LocalClocks
  #until = -Infinity
  #skew = 0

  constructor(clocks: LocalClocks = localClocks) {
    this.#clocks = clocks
  }

  /** Sets the lease by the moment a renewal began, as `moment()` told it then. */
  renew(began: Moment): void {
    this.#until = began.monotonic + leaseFor
    this.#skew = began.wall - began.monotonic
  }

  /** Gives the lease up. */
  end(): void {
    this.#until = -Infinity
  }

  /** The clock that stands still while the machine is suspended, now. */
  monotonic(): number {
    return this.#clocks.monotonic()
  }

  /** Whether memory may be believed now. @param monotonic what {@link monotonic} has just said */
  holds(monotonic: number = this.#clocks.monotonic()): boolean {
    return (
      monotonic < this.#until &&
      Math.abs(this.#clocks.wall() - monotonic - this.#skew) <= jumpAllowed
    )
  }

  /** Both clocks, now. */
  moment(): Moment {
    return { monotonic: this.#clocks.monotonic(), wall: this.#clocks.wall() }
  }
}

/** A moment by both of this machine's clocks. */
export interface Moment {
  readonly monotonic: number
  readonly wall: number
}

/** Whether more than so many milliseconds have passed since `began`, by either clock. */
export function outlived(began: Moment, now: Moment, limit: number): boolean {
  return now.monotonic - began.monotonic > limit || Math.abs(now.wall - began.wall) > limit
}
