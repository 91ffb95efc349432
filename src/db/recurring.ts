import { sql } from 'kysely'
import { minutes } from '../lib/clock.ts'
import { metrics } from '../lib/metrics.ts'
import { isUnavailable, type Db } from './open.ts'
import type { Log } from '../lib/log.ts'

/** Work that is due every so often. It must bear being done twice at once, and being cut off anywhere. */
export interface Recurring<Services> {
  readonly name: string
  /** Milliseconds from one beginning to the next, over all nodes together. */
  readonly every: number
  /** @param signal aborted when the server stops: go no further than what is under way */
  run(services: Services, signal: AbortSignal): Promise<void>
}

/** Stops every recurring job; settles when none is under way. */
export type StopRecurring = () => Promise<void>

/**
 * Runs each job when it is due, on whichever node comes first. What fails is tried again when it is due again.
 */
export function startRecurring<Services extends { readonly db: Db; readonly log: Log }>(
  jobs: readonly Recurring<Services>[],
  services: Services,
): StopRecurring {
  const stopping = new AbortController()
  const stops = jobs.map((job) => repeat(job, services, stopping.signal))
  return async () => {
    stopping.abort()
    await Promise.all(stops.map((stop) => stop()))
  }
}

function repeat<Services extends { readonly db: Db; readonly log: Log }>(
  job: Recurring<Services>,
  services: Services,
  signal: AbortSignal,
): () => Promise<void> {
  let running: Promise<void> | undefined
  let failing = false
  async function once(): Promise<void> {
    try {
      if (await claim(services.db, job)) {
        await job.run(services, signal)
        metrics.jobs.add(1, job.name, 'ok')
      }
      failing = false
    } catch (err) {
      if (signal.aborted) return
      // A database that is away fails every time; once is enough to know.
      metrics.jobs.add(1, job.name, 'failed')
      const level = failing ? 'debug' : isUnavailable(err) ? 'warn' : 'error'
      failing = true
      services.log[level]({ err, job: job.name }, 'a recurring job failed')
    }
  }
  const timer = setInterval(
    () => {
      running ??= once().finally(() => (running = undefined))
    },
    Math.min(job.every, minutes(1)),
  ).unref()
  return async () => {
    clearInterval(timer)
    await running
  }
}

/** Nodes' timers do not tick as one; a job is due a little before its time, or every other tick would miss it. */
const slack = 0.9

/**
 * Whether it is ours to run the job now. By the database's clock, which all nodes share.
 * @returns false when it has begun within its interval, here or elsewhere
 */
export async function claim(
  db: Db,
  { name, every }: Pick<Recurring<never>, 'name' | 'every'>,
): Promise<boolean> {
  const due = `${every * slack} milliseconds`
  const { rows } = await sql`
    insert into recurring_jobs as r (name, began_at) values (${name}, clock_timestamp())
    on conflict (name) do update set began_at = excluded.began_at
      where r.began_at <= excluded.began_at - ${due}::interval
    returning name`.execute(db)
  return rows.length > 0
}
