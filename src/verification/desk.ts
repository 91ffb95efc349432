import type { Db } from '../db/open.ts'
import type { Clock } from '../lib/clock.ts'
import { giveBack, type Leased } from './lease.ts'

/** Asked about at once of each connection: its share of outgoing connections is left to sign-ins too. */
const askedAtOnce = 12

/** What came of asking about one identity. */
export interface Asked {
  /** Whether the provider does not answer, or wants to be left alone: then nobody else is asked about either. */
  readonly rests: boolean
}

interface Line {
  readonly waiting: Leased[]
  asked: number
}

/**
 * What one worker has leased, in a line for each connection: one whose provider is slow keeps nobody waiting but its own
 * people.
 */
export class Desk {
  readonly #db: Db
  readonly #clock: Clock
  readonly #ask: (leased: Leased) => Promise<Asked>
  readonly #signal: AbortSignal | undefined
  readonly #lines = new Map<string, Line>()
  #returned: Leased[] = []
  #changed = Promise.withResolvers<void>()

  /** @param signal gives back what nobody has been asked about yet */
  constructor(
    { db, clock }: { readonly db: Db; readonly clock: Clock },
    ask: (leased: Leased) => Promise<Asked>,
    signal?: AbortSignal,
  ) {
    this.#db = db
    this.#clock = clock
    this.#ask = ask
    this.#signal = signal
  }

  /** How many are in our hands. */
  get size(): number {
    return [...this.#lines.values()].reduce(
      (sum, line) => sum + line.waiting.length + line.asked,
      0,
    )
  }

  /** Connections of which somebody waits for their turn. */
  waiting(): string[] {
    return [...this.#lines].filter(([, line]) => line.waiting.length > 0).map(([id]) => id)
  }

  /** Has them asked about, as many at once as each connection allows. */
  take(leased: readonly Leased[]): void {
    for (const [id, newcomers] of Map.groupBy(leased, ({ connectionId }) => connectionId)) {
      const line = this.#lines.get(id) ?? { waiting: [], asked: 0 }
      this.#lines.set(id, line)
      line.waiting.push(...newcomers)
      for (let more = Math.min(askedAtOnce - line.asked, newcomers.length); more > 0; more--)
        void this.#work(id, line)
    }
  }

  /** Until a line runs short, or for so long, in milliseconds. */
  async change(atMost: number): Promise<void> {
    const over = Promise.withResolvers<void>()
    const timer = setTimeout(over.resolve, atMost).unref()
    this.#signal?.addEventListener('abort', () => over.resolve(), { once: true })
    await Promise.race([over.promise, this.#changed.promise])
    clearTimeout(timer)
  }

  /** Until nobody is left. */
  async emptied(): Promise<void> {
    while (this.#lines.size > 0) await this.#changed.promise
    await this.giveBack()
  }

  /** Gives back those who are not asked about after all: they are due at once. */
  async giveBack(): Promise<void> {
    const returned = this.#returned
    this.#returned = []
    await giveBack(this.#db, returned, this.#clock.now())
  }

  async #work(id: string, line: Line): Promise<void> {
    line.asked++
    for (let next = line.waiting.shift(); next; next = line.waiting.shift()) {
      if (line.waiting.length === 0) this.#change()
      if (this.#signal?.aborted) this.#returned.push(next)
      else if ((await this.#ask(next)).rests) this.#returned.push(...line.waiting.splice(0))
    }
    line.asked--
    if (line.asked === 0) this.#lines.delete(id)
    this.#change()
  }

  #change(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}
