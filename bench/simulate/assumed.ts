import type { Growth } from '../growth/results.ts'
import { slideEvery } from '../../src/sessions/slides.ts'
import type { Results } from '../report.ts'
import type { Activity, Costs, Layout } from './model.ts'

/** What people are taken to do. */
export const activity: Activity = {
  requests: 0.01,
  exponent: 0.8,
  most: 5,
  lifetime: 12 * 3600,
  ended: 0.1,
  slideEvery: slideEvery / 1000,
}

/** What machines are taken to be. */
export const layout: Omit<Layout, 'routing'> = {
  memory: 2 ** 31,
  busy: 0.6,
  databaseCores: 64,
}

/** Statements of a sign-in, each taken to cost the database what a read does (docs/performance.md). */
const signInStatements = 28

/** What was measured, as the model takes it. */
export function costsOf(latest: Pick<Results, 'figures'>, growth: Growth): Costs {
  const figure = (id: string) => latest.figures.find((each) => each.id === id)!.value
  const read = growth.cold.at(-1)!
  const revoke = growth.nodes[0]!.most
  const check = growth.workers[0]!.nodeUs
  return {
    check,
    read: { node: read.nodeUs, database: read.databaseUs },
    slide: { node: growth.slide.nodeUs, database: growth.slide.databaseUs },
    renew: { node: growth.renew.nodeUs, database: growth.renew.databaseUs },
    revoke: { node: revoke.nodeUs, database: revoke.databaseUs },
    signIn: {
      node: figure('sign-in.cpu') * 1000,
      database: signInStatements * read.databaseUs,
    },
    sessionBytes: growth.weights['whole']!,
  }
}
