import { LRUCache } from 'lru-cache'
import { restsOn, type Revocation } from './revocations.ts'
import type { StoredSession } from './lookup.ts'

/** How much is remembered. */
export interface MemoryLimits {
  /** Live sessions. @default 100 000 */
  readonly sessions?: number
  /** Tokens that name no live session, each for five seconds. @default 10 000 */
  readonly dead?: number
}

/** How long a token that names nothing is remembered, in milliseconds. A refusal only, so it needs no lease. */
const deadFor = 5_000

/** A session as just read: whether it lives, and what there is to say of it if it does not. */
export interface Found {
  readonly live: boolean
  readonly session: StoredSession | undefined
}

interface Read {
  readonly position: number
  readonly result: Promise<Found>
}

interface Remembered {
  session: StoredSession
  /** Up to where no revocation concerns it. */
  position: number
}

/** How many revocations are kept to judge by; what was last looked at before them is read anew. */
const judgedBy = 10_000

/**
 * What one node remembers of sessions. It is as true as its `position`: every revocation up to there is applied.
 * Whether it may be believed at all is the lease's business.
 *
 * A revocation is applied to a session when that is next recalled, so that one of a hundred thousand sessions
 * costs no more than one of a single one: nothing stands still.
 */
export class SessionMemory {
  /** The last revocation applied. */
  position = 0
  /** Requests that memory answered, which whoever asks it counts, and those for which the database was asked. */
  hits = 0
  misses = 0
  readonly #live: LRUCache<string, Remembered>
  readonly #dead: LRUCache<string, Found>
  readonly #reads = new Map<string, Read>()
  /** The last position at which something was revoked, by its id, oldest first. */
  readonly #revoked = new Map<string, number>()
  /** Of revocations up to here the list may know nothing. */
  #judgedFrom = 0

  constructor({ sessions = 100_000, dead = 10_000 }: MemoryLimits = {}) {
    this.#live = new LRUCache({ max: sessions })
    this.#dead = new LRUCache({ max: dead, ttl: deadFor })
  }

  /** How many sessions take up room. */
  get size(): number {
    return this.#live.size
  }

  /** The live session with that key, as last read. */
  recall(key: string): StoredSession | undefined {
    const remembered = this.#live.get(key)
    if (!remembered) return undefined
    if (remembered.position < this.position) {
      if (this.#isRevoked(remembered)) return void this.#live.delete(key)
      remembered.position = this.position
    }
    return remembered.session
  }

  /** What was found a moment ago under a key that names no live session. */
  recallDead(key: string): Found | undefined {
    return this.#dead.get(key)
  }

  /**
   * Puts what a session has become by being used in the place of what was recalled. Nothing is remembered by it that
   * was not remembered before, and up to the same position: so a session that has been revoked stays so.
   */
  exchange(key: string, recalled: StoredSession, used: StoredSession): void {
    const remembered = this.#live.peek(key)
    if (remembered?.session === recalled) remembered.session = used
  }

  /** Forgets one key, after a write of our own: the next request reads it. */
  forget(key: string): void {
    this.#live.delete(key)
  }

  /**
   * Reads a session through `load`, once for all who may share the answer, and remembers it.
   * When a revocation was applied while the read was under way, whoever it was about, its result answers those who
   * wait for it, for they came before; it is not remembered.
   * @param load asks the database
   * @param leased whether memory may be believed now. Without a lease nobody waits for us, and so a read that began
   * earlier may be older than a revocation that is over: everybody asks for themselves.
   */
  async read(key: string, load: () => Promise<Found>, leased: boolean): Promise<Found> {
    this.misses++
    const { position, result } = this.#join(key, load, leased)
    const found = await result
    if (!found.live) this.#dead.set(key, found)
    else if (position === this.position) this.#live.set(key, { session: found.session!, position })
    return found
  }

  /** Applies revocations in order: what rests on one is not recalled again. */
  apply(revocations: readonly Revocation[]): void {
    for (const { position, target } of revocations) {
      this.position = position
      if (target.kind === 'everything') this.clear(position)
      else this.#note(target.id, position)
    }
  }

  /** Forgets everything and begins again at `position`. */
  clear(position: number): void {
    this.position = position
    this.#judgedFrom = 0
    this.#live.clear()
    this.#dead.clear()
    this.#revoked.clear()
  }

  #join(key: string, load: () => Promise<Found>, leased: boolean): Read {
    const running = this.#reads.get(key)
    if (leased && running?.position === this.position) return running
    const read = { position: this.position, result: load() }
    this.#reads.set(key, read)
    const done = () => void (this.#reads.get(key) === read && this.#reads.delete(key))
    read.result.then(done, done)
    return read
  }

  #note(id: string, position: number): void {
    this.#revoked.delete(id)
    this.#revoked.set(id, position)
    if (this.#revoked.size <= judgedBy) return
    const [[oldest, at] = ['', 0]] = this.#revoked
    this.#revoked.delete(oldest)
    this.#judgedFrom = at
  }

  #isRevoked({ session, position }: Remembered): boolean {
    if (position < this.#judgedFrom) return true
    return restsOn(session, (id) => (this.#revoked.get(id) ?? 0) > position)
  }
}
