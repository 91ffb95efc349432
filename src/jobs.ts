import type { QueueName, QueuedJobs } from './db/queue.ts'
import type { Recurring } from './db/recurring.ts'
import { minutes } from './lib/clock.ts'
import type { Services } from './http/exchange.ts'
import { prune } from './sessions/revocations.ts'

/** What is done with each queued job: once for every transaction that left one, on whichever node takes it. */
export const queued: {
  readonly [Name in QueueName]: (services: Services, data: QueuedJobs[Name]) => Promise<void>
} = {}

/** Every job that is due by itself, and how often. */
export const recurring: readonly Recurring<Services>[] = [
  { name: 'prune_revocations', every: minutes(1), run: ({ db }) => prune(db) },
]
