import { LRUCache } from 'lru-cache'
import { minutes, type Clock } from '../lib/clock.ts'
import type { Egress } from '../lib/egress.ts'

/** How long anything a provider publishes is believed without asking again, in milliseconds. */
const maxAge = minutes(10)

/** One thing a provider publishes, with the moment it was asked for (milliseconds of the clock). */
export interface Held<T> {
  readonly value: T
  readonly askedAt: number
}

/** One thing a provider publishes, kept between sign-ins. */
export interface Kept<T> {
  /** What is held if it is at most ten minutes old, otherwise a new answer; a failure is never held. */
  get(): Promise<Held<T>>
  /** A new answer. However many ask while one is under way, the provider is asked once. */
  renew(): Promise<Held<T>>
}

/** Keeps what `load` answers for ten minutes. */
export function keep<T>(clock: Clock, load: () => Promise<T>): Kept<T> {
  let held: Held<T> | undefined
  let loading: Promise<Held<T>> | undefined

  async function ask(): Promise<Held<T>> {
    const askedAt = clock.now().getTime()
    return (held = { askedAt, value: await load() })
  }

  function renew(): Promise<Held<T>> {
    loading ??= ask().finally(() => (loading = undefined))
    return loading
  }

  return {
    renew,
    get: async () => (held && clock.now().getTime() - held.askedAt <= maxAge ? held : renew()),
  }
}

/** At most this many connections' answers are held; the one unused for longest goes first. */
const mostConnections = 1000

/**
 * A memory of things by key, one for each egress client, so that two applications in one process share nothing.
 * What is not there is made.
 */
export function createMemory<T extends object>(): (
  egress: Egress,
  key: string,
  make: () => T,
) => T {
  const memories = new WeakMap<Egress, LRUCache<string, T>>()
  return (egress, key, make) => {
    const memory = memories.get(egress) ?? new LRUCache({ max: mostConnections })
    memories.set(egress, memory)
    const known = memory.get(key)
    if (known) return known
    const made = make()
    memory.set(key, made)
    return made
  }
}
