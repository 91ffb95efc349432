import type { Figures } from './figures.ts'

/** How long and how often to measure. */
export interface Effort {
  /** Of one loop, after as long again of warming up. */
  readonly seconds: number
  /** How often everything is measured; the median counts. */
  readonly rounds: number
}

/** Tells what is being done. */
export type Tell = (doing: string) => void

/** Measures the rounds, after a first one that is thrown away where there is something to warm up. */
export async function inRounds(
  { seconds, rounds }: Effort,
  once: (seconds: number, round: string) => Promise<Figures>,
): Promise<Figures> {
  if (seconds > 0) await once(seconds / 2, 'warming up')
  const measured: Figures[] = []
  for (let round = 1; round <= rounds; round++)
    measured.push(await once(seconds, `round ${round} of ${rounds}`))
  const ids = Object.keys(measured[0]!) as (keyof Figures)[]
  return Object.fromEntries(ids.map((id) => [id, median(measured.map((round) => round[id]!))]))
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
}
