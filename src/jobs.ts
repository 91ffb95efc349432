import { linkEvents } from './accounts/audit-chain.ts'
import type { QueueName, QueuedJobs } from './db/queue.ts'
import type { Recurring } from './db/recurring.ts'
import { purgeOld } from './flows/upkeep.ts'
import { minutes, seconds } from './lib/clock.ts'
import type { Services } from './http/exchange.ts'
import { prune } from './sessions/revocations.ts'

/** What is done with each queued job: once for every transaction that left one, on whichever node takes it. */
export const queued: {
  readonly [Name in QueueName]: (services: Services, data: QueuedJobs[Name]) => Promise<void>
} = {}

/** Every job that is due by itself, and how often. */
export const recurring: readonly Recurring<Services>[] = [
  {
    name: 'link_audit',
    every: seconds(2),
    run: async ({ db }, signal) => {
      await linkEvents(db, signal)
    },
  },
  {
    name: 'purge',
    every: minutes(10),
    run: async (services, signal) => {
      await purgeOld(services, services.clock.now(), signal)
    },
  },
  { name: 'prune_revocations', every: minutes(1), run: ({ db }) => prune(db) },
]
