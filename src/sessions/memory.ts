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

/**
 * What one node remembers of sessions. It is as true as its `position`: every revocation up to there is applied.
 * Whether it may be believed at all is the lease's business.
 */
export class SessionMemory {
  /** The last revocation applied. */
  position = 0
  /** Sessions that memory knew, and those that the database had to be asked for, since the start. */
  hits = 0
  misses = 0
  readonly #live: LRUCache<string, StoredSession>
  readonly #dead: LRUCache<string, Found>
  readonly #keys = new Map<string, string>()
  readonly #reads = new Map<string, Read>()

  constructor({ sessions = 100_000, dead = 10_000 }: MemoryLimits = {}) {
    this.#live = new LRUCache({
      max: sessions,
      dispose: ({ id }, key) => void (this.#keys.get(id) === key && this.#keys.delete(id)),
    })
    this.#dead = new LRUCache({ max: dead, ttl: deadFor })
  }

  /** How many live sessions are remembered. */
  get size(): number {
    return this.#live.size
  }

  /** The live session with that key, as last read. */
  recall(key: string): StoredSession | undefined {
    const session = this.#live.get(key)
    if (session) this.hits++
    return session
  }

  /** What was found a moment ago under a key that names no live session. */
  recallDead(key: string): Found | undefined {
    return this.#dead.get(key)
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
    else if (position === this.position) this.#remember(key, found.session!)
    return found
  }

  /** Applies revocations in order: what rests on one is forgotten. */
  apply(revocations: readonly Revocation[]): void {
    const last = revocations.at(-1)
    if (!last) return
    this.position = last.position
    const targets = revocations.map(({ target }) => target)
    if (targets.some(({ kind }) => kind === 'everything')) return this.#live.clear()
    const ids = new Set(targets.map((target) => ('id' in target ? target.id : '')))
    if (targets.every(({ kind }) => kind === 'session'))
      return ids.forEach((id) => this.#forgetSession(id))
    for (const [key, session] of this.#live.entries()) {
      if (restsOn(session, ids)) this.#live.delete(key)
    }
  }

  /** Forgets everything and begins again at `position`. */
  clear(position: number): void {
    this.position = position
    this.#live.clear()
    this.#dead.clear()
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

  #remember(key: string, session: StoredSession): void {
    this.#live.set(key, session)
    this.#keys.set(session.id, key)
  }

  #forgetSession(id: string): void {
    const key = this.#keys.get(id)
    if (key) this.#live.delete(key)
  }
}
