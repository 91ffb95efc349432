import { linkEvents } from './accounts/audit-chain.ts'
import type { QueueName, QueuedJobs } from './db/queue.ts'
import type { Recurring } from './db/recurring.ts'
import { checkDueDomains } from './flows/domain-proofs.ts'
import { keepSamlUp } from './flows/saml-upkeep.ts'
import { purgeOld } from './flows/upkeep.ts'
import { warnOfSecrets } from './flows/secret-upkeep.ts'
import { deliverWebhook } from './flows/webhooks.ts'
import { hours, minutes, seconds } from './lib/clock.ts'
import { metrics } from './lib/metrics.ts'
import type { Services } from './http/exchange.ts'
import { deliver } from './mails/outbox.ts'
import { purgeGuests } from './sessions/guests.ts'
import { prune } from './sessions/revocations.ts'
import { keepIdentities } from './verification/retention.ts'
import { keepStreamsUp } from './verification/signal-upkeep.ts'
import { keepUp } from './verification/upkeep.ts'

/** What is done with each queued job: once for every transaction that left one, on whichever node takes it. */
export const queued: {
  readonly [Name in QueueName]: (services: Services, data: QueuedJobs[Name]) => Promise<void>
} = {
  mail: deliver,
  webhook: deliverWebhook,
}

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
      const now = services.clock.now()
      await purgeOld(services, now, signal)
      if (signal.aborted) return
      const guests = await purgeGuests(services.db, services.guests, now, 100)
      metrics.purged.add(guests, 'guests')
    },
  },
  {
    name: 'check_domains',
    every: minutes(5),
    run: async (services, signal) => {
      await checkDueDomains(services, services.clock.now(), signal)
    },
  },
  {
    name: 'keep_saml_up',
    every: minutes(10),
    run: async (services, signal) => {
      await keepSamlUp(services, services.clock.now(), signal)
    },
  },
  {
    name: 'verification',
    every: minutes(1),
    run: (services) => keepUp(services, services.clock.now()),
  },
  {
    name: 'signals',
    every: seconds(15),
    run: (services, signal) => keepStreamsUp(services, services.clock.now(), signal),
  },
  {
    name: 'warn_of_secrets',
    every: hours(1),
    run: async (services) => {
      await warnOfSecrets(services, services.clock.now())
    },
  },
  {
    name: 'keep_identities',
    every: hours(1),
    run: async (services, signal) => {
      await keepIdentities(services, services.clock.now(), signal)
    },
  },
  { name: 'prune_revocations', every: minutes(1), run: ({ db }) => prune(db) },
]
