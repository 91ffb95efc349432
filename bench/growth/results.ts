import type { Machine } from '../machine.ts'
import type { Cost, NodesCost } from '../servers/growing.ts'

export type { Cost, NodesCost }

/** How cost grows, as it is written down. */
export interface Growth {
  /** ISO 8601. */
  readonly date: string
  readonly machine: Machine
  /** A check that memory cannot answer, among so many live sessions. */
  readonly cold: readonly ({ readonly sessions: number } & Cost)[]
  /** Moving one session's end on, a thousand in a statement. */
  readonly slide: Cost
  /** Renewing a lease. */
  readonly renew: Cost
  readonly nodes: readonly ({ readonly nodes: number } & NodesCost)[]
  /** Bytes of a remembered session: `whole`, and its parts. */
  readonly weights: Readonly<Record<string, number>>
  /** How often memory knew, of requests that follow Zipf's law. */
  readonly hits: readonly {
    readonly capacity: number
    readonly population: number
    readonly exponent: number
    readonly rate: number
  }[]
  /** `/verify` from memory, with so many processes on one port. */
  readonly workers: readonly {
    readonly workers: number
    readonly rate: number
    readonly p99Ms: number
    /** Microseconds of processor time of each check, of all workers together. */
    readonly nodeUs: number
  }[]
}
