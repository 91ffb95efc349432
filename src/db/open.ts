import {
  Kysely,
  PostgresDialect,
  sql,
  type PostgresPool,
  type PostgresPoolClient,
  type RawBuilder,
  type Transaction,
} from 'kysely'
import pg from 'pg'
import { OperatorError } from '../lib/errors.ts'
import type { DB } from './schema.ts'

/** The database, or a transaction in it: every domain function takes either. */
export type Db = Kysely<DB>
export type Tx = Transaction<DB>

export interface DatabaseOptions {
  /** The most connections this process opens. @default 10 */
  readonly pool?: number
  /** How long one statement may take, in milliseconds. @default 5000 */
  readonly statementTimeoutMs?: number
  /** Told of connections that broke while idle. */
  readonly onIdleError?: (error: Error) => void
}

/** Where a database is: a URL, or the settings of the embedded one. */
export type Connection = string | { host: string; port: number; user: string; database: string }

const oldestSupported = 15

/** For a connection, new or free. */
const longestWaitMs = 5000

/**
 * Opens a pooled connection. Nothing is sent until the first statement.
 * Statements, and waiting for a free connection, have a time-out, so that a slow database is an error and not a hang.
 */
export function openDatabase(to: Connection, options: DatabaseOptions = {}): Db {
  const { pool = 10, statementTimeoutMs = 5000, onIdleError = () => {} } = options
  const where = typeof to === 'string' ? { connectionString: to } : to
  const connections = new pg.Pool({
    ...where,
    max: pool,
    connectionTimeoutMillis: Math.min(statementTimeoutMs, longestWaitMs),
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs + 1000,
    idle_in_transaction_session_timeout: 30_000,
    application_name: 'sallyport',
    keepAlive: true,
  })
  connections.on('error', (error) => {
    // The driver hangs the whole connection on it, with the key that cancels its statements.
    delete (error as { client?: unknown }).client
    // Once we are closing, the server may well be stopped before the last connection has said goodbye.
    if (!connections.ending) onIdleError(error)
  })
  // A connection may also break while it is taken but silent, between two statements of a transaction; without a
  // listener that would end the process. The next statement on it fails, which is where it is dealt with.
  connections.on('connect', (client) => client.on('error', () => {}))
  const db = new Kysely<DB>({ dialect: new PostgresDialect({ pool: discarding(connections) }) })
  pools.set(db, connections)
  return db
}

const pools = new WeakMap<Db, pg.Pool>()

/** How many connections an opened database has in use and idle, and how many wait for one. */
export function poolUse(db: Db): { used: number; idle: number; waiting: number } {
  const { totalCount = 0, idleCount = 0, waitingCount = 0 } = pools.get(db) ?? {}
  return { used: totalCount - idleCount, idle: idleCount, waiting: waitingCount }
}

/**
 * Marks a statement of fixed text that is asked all the time: `${prepared('find_session')} select …`, or at the end of
 * what Kysely builds, `.modifyEnd(prepared('start_flow'))`. Each connection plans it once, and not at every call, which
 * may cost several times as much as running it. Name every column: the plan of a `*` fails once there is another.
 */
export function prepared(name: string): RawBuilder<unknown> {
  return sql.raw(`/* prepared: ${name} */`)
}

/** Kysely has no way to name a statement, and a name is what makes `pg` keep its plan. */
const mark = /\/\* prepared: (\w+) \*\//

/**
 * A pool that takes no connection back on which a statement went unanswered (a network that swallows packets): the
 * driver gives up waiting, but whoever got that connection next would wait behind the same statement.
 */
function discarding(pool: pg.Pool): PostgresPool {
  const watch = (client: pg.PoolClient): PostgresPoolClient => {
    let gone = false
    const release = (destroy = false): void => {
      if (!gone) client.release(destroy)
      gone = true
    }
    const query = async (text: string, values: unknown[]): Promise<unknown> => {
      try {
        const [, name] = mark.exec(text) ?? []
        return await (name ? client.query({ name, text, values }) : client.query(text, values))
      } catch (error) {
        if ((error as Error).message === 'Query read timeout') release(true)
        throw error
      }
    }
    return { query: query as PostgresPoolClient['query'], release }
  }
  return {
    options: pool.options,
    connect: async () => watch(await pool.connect()),
    end: () => pool.end(),
  }
}

/**
 * The row of a lookup by a unique key, if there is one.
 * @throws when there are several: whichever came first could be anybody's
 */
export function onlyRow<T>(rows: readonly T[]): T | undefined {
  if (rows.length > 1) throw new Error(`A unique key has ${rows.length} rows.`)
  return rows[0]
}

/** @throws OperatorError when the server is too old for us */
export async function assertSupportedServer(db: Db): Promise<void> {
  const { rows } = await sql<{
    version: string
  }>`select current_setting('server_version_num') as version`.execute(db)
  const version = Math.floor(Number(rows[0]?.version) / 10_000)
  if (version < oldestSupported)
    throw new OperatorError(
      `Sallyport needs PostgreSQL ${oldestSupported} or later, and the one at DATABASE_URL is ${version}.`,
    )
}

/** The database's time, to the millisecond. */
export async function readDatabaseTime(db: Db): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(db)
  return rows[0]!.now
}

/**
 * SQLSTATE classes that say "not now" rather than "wrong": connection, a transaction that lost to another (a deadlock),
 * resources, operator intervention.
 */
const unavailableClasses = ['08', '40', '53', '57']
const unavailableCodes = [
  // read_only_sql_transaction: a standby that is about to be the primary.
  '25006',
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
]
const unavailableMessages = /timeout|terminated|is not queryable|Cannot use a pool after/i

/** Whether an error means that the database is away or too slow, rather than that we asked something wrong. */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code } = error as { code?: unknown }
  if (typeof code === 'string')
    return (
      unavailableCodes.includes(code) ||
      (code.length === 5 && unavailableClasses.includes(code.slice(0, 2)))
    )
  return unavailableMessages.test(error.message)
}

/** Whether an error is a violated unique constraint (of that name, when one is given). */
export function isDuplicate(error: unknown, constraint?: string): boolean {
  const { code, constraint: violated } = (error ?? {}) as { code?: unknown; constraint?: unknown }
  return code === '23505' && (constraint === undefined || violated === constraint)
}
