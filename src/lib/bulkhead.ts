import { LRUCache } from 'lru-cache'

/** Keeps the trouble of one share from becoming everybody's. */
export interface Bulkhead {
  /**
   * Takes one of the share's places. Nothing when all are taken, or while the share rests after failing too often.
   * Give the place back, once, by saying whether it went well.
   */
  enter(share: string): ((wentWell: boolean) => void) | undefined
  /** How many shares are remembered. Idle shares that work are not. */
  readonly size: number
}

export interface BulkheadOptions {
  /** Places of each share. */
  readonly perShare: number
  /** Failures in a row after which a share rests. @default 5 */
  readonly failuresToOpen?: number
  /** How long it rests before one probe is let through, in milliseconds. @default 10_000 */
  readonly coolDownMs?: number
  /** A monotonic time in milliseconds. @default performance.now */
  readonly now?: () => number
}

// A forgotten failing share costs a few slow requests, so an upper bound loses nothing that matters.
const maxFailing = 10_000

/** A bulkhead with a circuit breaker for every share. */
export function createBulkhead(options: BulkheadOptions): Bulkhead {
  const { perShare, failuresToOpen = 5, coolDownMs = 10_000 } = options
  const now = options.now ?? (() => performance.now())
  const taken = new Map<string, number>()
  const failing = new LRUCache<string, { failures: number; restsUntil: number }>({
    max: maxFailing,
  })

  const mayTry = (share: string): boolean => {
    const record = failing.get(share)
    if (!record || record.failures < failuresToOpen) return true
    if (now() < record.restsUntil) return false
    // This one is the probe; the others go on waiting for what it finds.
    record.restsUntil = now() + coolDownMs
    return true
  }

  const giveBack = (share: string): void => {
    const left = (taken.get(share) ?? 1) - 1
    if (left === 0) taken.delete(share)
    else taken.set(share, left)
  }

  const noteFailure = (share: string): void => {
    const failures = (failing.get(share)?.failures ?? 0) + 1
    failing.set(share, { failures, restsUntil: now() + coolDownMs })
  }

  return {
    enter(share) {
      const places = taken.get(share) ?? 0
      if (places >= perShare || !mayTry(share)) return undefined
      taken.set(share, places + 1)
      return (wentWell) => {
        giveBack(share)
        if (wentWell) failing.delete(share)
        else noteFailure(share)
      }
    },
    get size() {
      return new Set([...taken.keys(), ...failing.keys()]).size
    },
  }
}
