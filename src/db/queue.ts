import { sql } from 'kysely'
import type { Db } from './open.ts'

/**
 * What each queued job is told. It is stored as JSON and read again by a later version of this program, so a change
 * must be one that both understand. Nothing secret: seal it first.
 */
export interface QueuedJobs {
  /** A mail to send: `sealed` is base64, and sealed to `id`; `mail` says for the log which it is. */
  readonly mail: { readonly id: string; readonly mail: string; readonly sealed: string }
  /** A message to an organization's webhook, by the id of its row. */
  readonly webhook: { readonly id: string }
}

export type QueueName = keyof QueuedJobs

/** How hard a queue tries. */
export interface QueueSettings {
  /** How often a job is tried again after its first failure. @default 8, which takes about two hours */
  readonly retries?: number
  /** How long one try may take, in seconds; then it counts as failed. @default 60 */
  readonly trySeconds?: number
}

/** Every queue. A name, once given, is kept: jobs of an earlier version may wait under it. */
export const queues: { readonly [Name in QueueName]: QueueSettings } = {
  mail: {},
  // Within about eight hours.
  webhook: { retries: 14, trySeconds: 30 },
}

/** Where pg-boss keeps its tables: a schema of our own, beside whatever queue the application has. */
export const queueSchema = 'sallyport_jobs'

/** The version of pg-boss's tables that this program works with. */
export const queueSchemaVersion = 43

/**
 * Leaves a job to be done once the transaction has committed, by any node; if it never commits, it never was. Waiting
 * nodes hear of it at the commit.
 * @param tx the transaction of the change that causes it
 * @throws when there is no such queue
 */
export async function enqueue<Name extends QueueName>(
  tx: Db,
  name: Name,
  data: QueuedJobs[Name],
): Promise<void> {
  // A plain insert, so that a node that runs no jobs can leave one. The defaults are the queue's.
  const { numAffectedRows } = await sql`
    with queue as (select * from ${sql.table(`${queueSchema}.queue`)} where name = ${name})
    insert into ${sql.table(`${queueSchema}.job`)} (name, data, policy, retry_limit, retry_delay, retry_backoff,
      retry_delay_max, expire_seconds, deletion_seconds, keep_until)
    select name, ${JSON.stringify(data)}::jsonb, policy, retry_limit, retry_delay, retry_backoff,
      retry_delay_max, expire_seconds, deletion_seconds, now() + retention_seconds * interval '1 second'
    from queue`.execute(tx)
  if (numAffectedRows !== 1n) throw new Error(`There is no queue "${name}".`)
  // How pg-boss names the channel on which it listens.
  const channel = sql`'pgboss_' || left(encode(sha224(${queueSchema}::bytea), 'hex'), 24)`
  await sql`select pg_notify(${channel}, ${name})`.execute(tx)
}

/** What makes two nodes wait for each other while they install; any number that nothing else uses. */
const installing = 5_301_927

/**
 * Makes pg-boss's tables and our queues, or brings them up to date. Any number of nodes may do so at once.
 * @param db with room for more than a statement's usual time
 */
export async function installQueues(
  db: Db,
  wanted: Readonly<Record<string, QueueSettings>> = queues,
): Promise<void> {
  if (await isInstalled(db, wanted)) return
  await db.connection().execute(async (connection) => {
    await sql`select pg_advisory_lock(${installing})`.execute(connection)
    try {
      await install(connection, wanted)
    } finally {
      await sql`select pg_advisory_unlock(${installing})`.execute(connection)
    }
  })
}

async function isInstalled(
  db: Db,
  wanted: Readonly<Record<string, QueueSettings>>,
): Promise<boolean> {
  const { rows: found } = await sql<{ found: boolean }>`
    select to_regclass(${`${queueSchema}.version`}) is not null as found`.execute(db)
  if (!found[0]!.found) return false
  const { rows } = await sql<{ version: number; names: string[] }>`
    select version, array(select name from ${sql.table(`${queueSchema}.queue`)}) as names
    from ${sql.table(`${queueSchema}.version`)}`.execute(db)
  const { version = 0, names = [] } = rows[0] ?? {}
  return version >= queueSchemaVersion && Object.keys(wanted).every((name) => names.includes(name))
}

async function install(db: Db, wanted: Readonly<Record<string, QueueSettings>>): Promise<void> {
  // Only here, so that a start that finds everything in place does not load it.
  const { PgBoss, fromKysely } = await import('pg-boss')
  const boss = new PgBoss({
    db: fromKysely(db),
    schema: queueSchema,
    supervise: false,
    schedule: false,
  })
  await boss.start()
  try {
    for (const [name, { retries = 8, trySeconds = 60 }] of Object.entries(wanted))
      await boss.createQueue(name, {
        notify: true,
        retryLimit: retries,
        retryBackoff: true,
        retryDelay: 15,
        retryDelayMax: 3600,
        expireInSeconds: trySeconds,
        retentionSeconds: 7 * 86_400,
        deleteAfterSeconds: 3600,
      })
  } finally {
    await boss.stop({ graceful: false })
  }
}
