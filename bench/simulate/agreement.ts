import type { Growth } from '../growth/results.ts'
import { hitRate, kindsOf, looksEach, looksOfOwn, renewalsEach } from './model.ts'

/** Something that was both predicted and measured. */
export interface Agreement {
  readonly what: string
  readonly predicted: number
  readonly measured: number
}

/** How far the two may lie apart, as a part of what was measured. */
export const tolerance = 0.2

/** Everything that was measured and can be predicted without having been measured. */
export function agreements({ hits, nodes }: Growth): Agreement[] {
  return [
    ...hits.map(({ capacity, population, exponent, rate }) => ({
      what: `hits of a memory for ${capacity} of ${population} sessions`,
      predicted: hitRate(kindsOf(population, { requests: 1, exponent, most: Infinity }), capacity),
      measured: rate,
    })),
    ...nodes.flatMap((row) => [
      {
        what: `renewals a second of ${row.nodes} node${row.nodes > 1 ? 's' : ''}`,
        predicted: row.nodes * renewalsEach,
        measured: row.idle,
      },
      {
        what: `statements for a revocation with ${row.nodes} node${row.nodes > 1 ? 's' : ''}`,
        predicted: row.nodes * looksEach + looksOfOwn,
        measured: row.perRevocation,
      },
    ]),
  ]
}

/** How far the prediction lies off, as a part of what was measured. */
export function off({ predicted, measured }: Agreement): number {
  return Math.abs(predicted - measured) / measured
}
