import type { Job, JobResult, PgBoss } from 'pg-boss'
import { minutes } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { metrics } from '../lib/metrics.ts'
import type { Connection } from './open.ts'
import { queueSchema } from './queue.ts'

/** What is done with each queue's jobs. A throw is tried again, with growing pauses. */
export type Handlers = Readonly<Record<string, (data: never) => Promise<void>>>

/** What works through the queues, in this process. */
export interface Workers {
  /** Lets what is under way end, for {@link patience} at most. What is cut off is tried again by another node. */
  stop(): Promise<void>
}

/** How long stopping waits for jobs that are under way, in milliseconds. */
export const patience = 8000

/** Connections besides the one that listens: one to look for work, one to say how it went. */
const pool = 2

/** One nudge may stand for many jobs: who finds a full batch looks again at once, and a lost nudge costs seconds. */
const looking = {
  batchSize: 10,
  burstWhenBatchFull: true,
  perJobResults: true,
  pollingIntervalSeconds: 2,
  notifyPollingIntervalSeconds: 10,
} as const

/**
 * Works through the queues on connections of its own, so that no request waits for a job. Beginning takes no time here:
 * whoever starts a server waits for nothing. A database that is away is told of once, and tried again.
 */
export function startWorkers(where: Connection, handlers: Handlers, log: Log): Workers {
  const complain = once(log)
  let boss: PgBoss | undefined
  const starting = begin().catch((err) => complain(err))

  async function begin(): Promise<void> {
    const { PgBoss } = await import('pg-boss')
    boss = new PgBoss({
      ...(typeof where === 'string' ? { connectionString: where } : where),
      schema: queueSchema,
      application_name: 'sallyport-jobs',
      max: pool,
      connectionTimeoutMillis: 5000,
      options: '-c statement_timeout=10000',
      schedule: false,
      useListenNotify: true,
    })
    boss.on('error', complain)
    boss.on('warning', (warning) => log.warn({ warning }, 'the job queue has a warning'))
    await boss.start()
    for (const [name, handle] of Object.entries(handlers))
      await boss.work(name, looking, (jobs) => Promise.all(jobs.map((job) => attempt(job, handle))))
  }

  async function attempt(
    { id, name, data }: Job<unknown>,
    handle: Handlers[string],
  ): Promise<JobResult> {
    try {
      await handle(data as never)
      metrics.jobs.add(1, name, 'ok')
      return { id, status: 'completed' }
    } catch (err) {
      metrics.jobs.add(1, name, 'failed')
      log.warn({ err, queue: name, job: id }, 'a job failed')
      return { id, status: 'failed' }
    }
  }

  return {
    async stop() {
      await starting
      await boss?.stop({ timeout: patience }).catch((err) => complain(err))
    },
  }
}

/** Tells of a fault once, and again only after a while without any. */
function once(log: Log): (err: Error) => void {
  let last = -Infinity
  return (err) => {
    const level = performance.now() - last > minutes(1) ? 'warn' : 'debug'
    last = performance.now()
    log[level]({ err }, 'background jobs could not be looked for')
  }
}
