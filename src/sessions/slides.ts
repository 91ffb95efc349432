import { sql } from 'kysely'
import type { Db } from '../db/open.ts'
import { minutes, seconds } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Lifetimes } from './lifetimes.ts'
import { movedOn, type StoredSession } from './lookup.ts'
import type { SessionMemory } from './memory.ts'

/** At most one sliding write a session in this time. */
export const slideEvery: number = minutes(1)
/** How long writes are gathered, in milliseconds: what a crash loses. */
export const gatherFor: number = seconds(5)
/** As many sessions go into one statement. */
export const batch = 1000
/** As many wait at most, should the database be away; what is used then is gathered when it is next used. */
const waitingAtMost = 10_000

/** A session that was used. */
export interface Touch {
  readonly id: string
  /** First, since the last write: it must have been alive then, and not have run out between the two. */
  readonly from: Date
  /** Last. */
  readonly at: Date
}

/** Whether the last sliding write of a session is long enough ago for another. */
export function isToSlide({ lastSeenAt }: StoredSession, now: number): boolean {
  return lastSeenAt <= now - slideEvery
}

/** What gathering takes. */
export interface SlidesOptions {
  readonly db: Db
  readonly memory: SessionMemory
  readonly lifetimes: Lifetimes
  readonly log: Log
}

/**
 * The sliding writes of one node: a request only notes that its session was used, and one statement writes for many.
 * This node's own memory sees the moved end at once.
 */
export class Slides {
  readonly #options: SlidesOptions
  #waiting = new Map<string, Touch & { readonly key: string }>()
  #writing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: SlidesOptions) {
    this.#options = options
  }

  /** Notes that the session remembered under `key` was used. */
  add(key: string, session: StoredSession, at: Date): void {
    const { id } = session
    if (this.#waiting.size >= waitingAtMost && !this.#waiting.has(id)) return
    const { memory, lifetimes } = this.#options
    memory.exchange(key, session, movedOn(session, lifetimes, at))
    const from = this.#waiting.get(id)?.from ?? at
    this.#waiting.set(id, { id, key, from, at })
    this.#timer ??= setTimeout(() => void this.flush(), gatherFor).unref()
    // Close to its end another node might call it over, because it has not heard of this request.
    const close = session.goodUntil - at.getTime() < slideEvery
    if (close || this.#waiting.size === batch) void this.flush()
  }

  /** Whether a session was used that is not written yet. */
  has(id: string): boolean {
    return this.#waiting.has(id)
  }

  /** Writes what was gathered. A database that is away is told later. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    while (this.#writing) await this.#writing
    this.#writing = this.#write().finally(() => (this.#writing = undefined))
    return this.#writing
  }

  /** Writes what was gathered, and is done. */
  async stop(): Promise<void> {
    await this.flush()
    clearTimeout(this.#timer)
  }

  async #write(): Promise<void> {
    const { db, memory, lifetimes, log } = this.#options
    const touched = [...this.#waiting.values()]
    for (let i = 0; i < touched.length; i += batch) {
      const some = touched.slice(i, i + batch)
      try {
        await slideSessions(db, some, lifetimes)
      } catch (err) {
        log.warn({ err, sessions: touched.length - i }, 'the use of sessions could not be written')
        this.#timer ??= setTimeout(() => void this.flush(), gatherFor).unref()
        return
      }
      for (const touch of some) {
        // The next request reads it, and whatever else has changed since the last time without being announced.
        memory.forget(touch.key)
        if (this.#waiting.get(touch.id) === touch) this.#waiting.delete(touch.id)
      }
    }
  }
}

/**
 * Moves the idle ends of sessions on, in one statement: each only if it was alive when it was used and is not revoked,
 * and was not moved a moment ago. Nothing is resurrected, neither a session nor a proof that has run out.
 */
export async function slideSessions(
  db: Db,
  touches: readonly Touch[],
  lifetimes: Lifetimes,
): Promise<void> {
  if (touches.length === 0) return
  const ids = touches.map(({ id }) => id)
  const firsts = touches.map(({ from }) => from.toISOString())
  const lasts = touches.map(({ at }) => at.toISOString())
  const { idle, kept, guest } = lifetimes
  // Whoever is about to end one of them holds its row; that one is left out rather than waited for.
  await sql`
    with touched as (
      select s.id, t.first, t.at, s.kept, span.idle
      from unnest(${ids}::uuid[], ${firsts}::timestamptz[], ${lasts}::timestamptz[]) as t (id, first, at)
      join sessions s on s.id = t.id
      cross join lateral (
        select interval '1 millisecond' * (case when s.kind = 'guest' then ${guest.idle}::float8
          when s.kept then ${kept.idle}::float8 else ${idle}::float8 end) as idle
      ) span
      where s.revoked_at is null and s.locked_at is null and s.idle_ends_at > t.first and s.absolute_ends_at > t.at
        and t.at - t.first < span.idle
        and s.last_seen_at <= t.at - ${slideEvery} * interval '1 millisecond'
      order by s.id for no key update of s skip locked
    ), moved as (
      update sessions s set last_seen_at = t.at, idle_ends_at = least(s.absolute_ends_at, t.at + t.idle)
      from touched t where s.id = t.id and s.revoked_at is null
    )
    update session_proofs p set last_seen_at = t.at
    from touched t, organizations o, lateral (
      select interval '1 millisecond' * least(o.idle_minutes * 60000::float8,
        case when t.kept and o.keep_signed_in then ${kept.idle}::float8 else ${idle}::float8 end) as idle
    ) span
    where p.session_id = t.id and o.id = p.organization_id
      and p.last_seen_at + span.idle > t.first and t.at - t.first < span.idle`.execute(db)
}
