import { Hono } from 'hono'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { verifyFromMemory } from './api/verify.ts'
import { countWaiting } from './accounts/audit-chain.ts'
import { readProvider, readVersion } from './accounts/connections.ts'
import { assertPurpose } from './db/instance.ts'
import { keepPostgresRunning } from './db/keep-running.ts'
import { migrate } from './db/migrate.ts'
import { installQueues } from './db/queue.ts'
import { startRecurring } from './db/recurring.ts'
import { startWorkers } from './db/workers.ts'
import {
  assertSupportedServer,
  openDatabase,
  poolUse,
  readDatabaseTime,
  type Connection,
  type Db,
} from './db/open.ts'
import type { LoginServices } from './flows/login.ts'
import type { Route, Services } from './http/exchange.ts'
import { answerPreflight } from './http/cors.ts'
import { handle, requestIdOf, requestsPerShare } from './http/handler.ts'
import { secure } from './http/headers.ts'
import { problem } from './http/problem.ts'
import { challenge, whoIs, type Mountable } from './http/who.ts'
import {
  days,
  followClock,
  hours,
  isSkewed,
  minutes,
  seconds,
  type Clock,
  type FollowingClock,
} from './lib/clock.ts'
import { readConfig, type Config } from './lib/config.ts'
import { createResolver, type Resolver } from './lib/dns.ts'
import { createBulkhead } from './lib/bulkhead.ts'
import { createEgress, type Egress } from './lib/egress.ts'
import { AppError, toAppError } from './lib/errors.ts'
import { newRequestId } from './lib/ids.ts'
import { createLog, type Log } from './lib/log.ts'
import { exposition, type Sources } from './lib/metrics.ts'
import { sendToStatsd } from './lib/statsd.ts'
import { createMailer, type Mailer } from './lib/mail.ts'
import { createSealer } from './lib/seal.ts'
import { createOutbox } from './mails/outbox.ts'
import { openProvider } from './providers/index.ts'
import { queued, recurring } from './jobs.ts'
import { routes as ownRoutes } from './routes.ts'
import { resolveUser } from './accounts/users.ts'
import { countOutcomes, createQuiet } from './sessions/authenticate.ts'
import { cookieNames } from './sessions/cookies.ts'
import type { GuestHooks, GuestRules } from './sessions/guests.ts'
import { Node } from './sessions/node.ts'
import { Slides } from './sessions/slides.ts'
import type { Lifetimes } from './sessions/lifetimes.ts'
import { Tally } from './verification/tally.ts'
import { watchBounds } from './verification/bound.ts'
import { countTroubled, longestOverdue } from './verification/watch.ts'
import { startVerifying } from './verification/worker.ts'
import { errorPage } from './web/error.ts'

/** What can be given to {@link createSallyport}; everything has a default. */
export interface Options {
  /** @default what the environment says: see docs/configuration.md */
  readonly config?: Config
  /** @default JSON lines on standard output */
  readonly log?: Log
  /** Where the database is. @default `config.databaseUrl`, else an embedded PostgreSQL in `config.data` */
  readonly database?: Connection
  /** @default the database's clock */
  readonly clock?: Clock
  /** @default the egress client; loopback is open to it outside production */
  readonly egress?: Egress
  /** Who is asked for the DNS records that prove domains. @default the machine’s name servers */
  readonly resolver?: Resolver
  /** Who carries mail. @default the server of `SMTP_URL`; without one nobody, and no mail is sent */
  readonly mailer?: Mailer
  /** How a connection's provider is opened. @default by its kind, from the table of providers */
  readonly openProvider?: typeof openProvider
  /** Whether this process does background work; any number may, and one must. @default true */
  readonly jobs?: boolean
  /** What becomes of the work of guests. @default nothing: it stays where it is, under the guest’s id */
  readonly guests?: GuestHooks
  /** Endpoints beside or, at the same path, instead of Sallyport's own. */
  readonly routes?: readonly Route[]
}

/** A running Sallyport. */
export interface Sallyport extends Mountable {
  /** What the endpoints are built on; for tests and tools. */
  readonly services: Services
  /**
   * Whom an id that the application has stored stands for now: itself, or the person a guest turned out to be. Null
   * when there is nobody any more.
   */
  resolveUser(id: string): Promise<string | null>
  /** What this process has counted, as Prometheus reads it: see docs/metrics.md. */
  metrics(): Promise<string>
  /** Stops everything this Sallyport has started. */
  close(): Promise<void>
}

/** How long what is under way may take when everything stops, in milliseconds. */
const patience = seconds(5)

const clockEvery = seconds(10)
const skewed = 'this machine’s clock and the database’s are more than 30 seconds apart'

/**
 * Starts a Sallyport: opens the database, brings its schema up to date, and wires everything by hand.
 * @throws OperatorError: its message is a sentence for whoever runs the server
 */
export async function createSallyport(options: Options = {}): Promise<Sallyport> {
  const config = options.config ?? readConfig(process.env)
  const log = options.log ?? createLog(config.logLevel)
  const { db, where, stopDatabase } = await startDatabase(config, options.database, log)
  try {
    await assertSupportedServer(db)
    await migrateUnhurried(where)
    await assertPurpose(db, config.mode)
    return await wire({ ...options, config, log }, { db, where, stopDatabase })
  } catch (error) {
    await db.destroy()
    await stopDatabase()
    throw error
  }
}

async function startDatabase(
  config: Config,
  given: Connection | undefined,
  log: Log,
): Promise<{ db: Db; where: Connection; stopDatabase: () => Promise<void> }> {
  const elsewhere = given ?? config.databaseUrl?.reveal()
  const own = elsewhere ? undefined : await keepPostgresRunning(join(config.data, 'postgres'), log)
  const where = elsewhere ?? own!.connection
  const db = openDatabase(where, {
    pool: config.databasePool,
    statementTimeoutMs: config.statementTimeoutMs,
    onIdleError: (err) => log.warn({ err }, 'a database connection broke'),
  })
  return { db, where, stopDatabase: async () => own?.stop() }
}

/** A migration may take its time, and so may waiting for the node that runs it. */
async function migrateUnhurried(where: Connection): Promise<void> {
  const db = openDatabase(where, { pool: 1, statementTimeoutMs: hours(1) })
  try {
    await migrate(db)
    await installQueues(db)
  } finally {
    await db.destroy()
  }
}

async function wire(
  { config, log, ...given }: Options & { config: Config; log: Log },
  { db, where, stopDatabase }: { db: Db; where: Connection; stopDatabase: () => Promise<void> },
): Promise<Sallyport> {
  const following = given.clock ? undefined : await followClock(() => readDatabaseTime(db))
  const node = new Node({ database: where, log })
  await node.start()
  const clock = given.clock ?? following!
  const heartbeat = following && followOn(following, log)
  const lifetimes = lifetimesOf(config)
  const slides = new Slides({ db, memory: node.memory, lifetimes, log })
  const egress =
    given.egress ??
    createEgress({ allowLoopback: config.mode !== 'production', allow: config.egressAllow })
  const sealer = createSealer(config.keys)
  const open = given.openProvider ?? openProvider
  const provider: LoginServices['provider'] = async (connectionId, version) => {
    const connection = await readProvider(db, sealer, connectionId)
    if (!connection) throw new AppError('provider_disabled', { reason: 'connection_gone' })
    const { kind, configVersion } = connection
    const settings =
      version === undefined || version === configVersion
        ? connection.settings
        : await readVersion(db, sealer, connectionId, version)
    return open(kind, settings, { egress, clock, log, connectionId })
  }
  const { smtpUrl: url, mailFrom: from } = config
  const mailer = given.mailer ?? (url && from ? createMailer({ url, from }) : undefined)
  const services: Services = {
    db,
    node,
    clock,
    log,
    sealer,
    provider,
    origin: config.url.origin,
    cookies: cookieNames(config.url),
    lifetimes,
    slides,
    corsOrigins: config.corsOrigins,
    retention: { sessions: days(config.keepSessionsDays), flows: days(config.keepFlowsDays) },
    guests: guestRules(config, given.guests),
    termsUrl: config.termsUrl,
    quiet: createQuiet(),
    shares: createBulkhead({ perShare: requestsPerShare }),
    proxies: config.proxies,
    proxySecret: config.proxySecret,
    version: packageVersion(),
    personalSignIn: config.personalSignIn,
    organizations: config.organizations,
    sendMail: createOutbox(sealer, mailer),
    mailer,
    egress,
    resolver: given.resolver ?? createResolver(),
    errorPage,
  }
  const router = route(services, [...(given.routes ?? []), ...ownRoutes])
  const sources = sourcesOf(services)
  const stopStatsd = config.statsd && sendToStatsd(config.statsd, sources)
  const stopJobs = given.jobs === false ? undefined : startJobs(services, where)
  return {
    services,
    fetch: async (request, peer) => router.fetch(request, { peer }),
    quick: (request) => verifyFromMemory(services, request),
    owns: (pathname) => pathname !== '/' && router.router.match('GET', pathname)[0].length > 0,
    authenticate: (request, demands) => whoIs(services, request, demands),
    challenge: (request, who) => challenge(services, request, who),
    resolveUser: (id) => resolveUser(db, id),
    metrics: () => exposition(sources),
    async close() {
      clearInterval(heartbeat)
      stopStatsd?.()
      const stopped = stopJobs?.()
      await Promise.race([stopped, pause(patience, undefined, { ref: false })])
      // What is still being asked by now gets no answer, and so comes to its end.
      if (!given.egress) await egress.close()
      await stopped
      await slides.stop()
      await node.stop()
      await db.destroy()
      await stopDatabase()
    },
  }
}

/** Where the numbers are that are kept elsewhere than among the metrics. */
function sourcesOf({ db, node, clock }: Services): Sources {
  return {
    promised: watchBounds(db, clock),
    troubled: () => countTroubled(db),
    overdue: () => longestOverdue(db, clock.now()),
    outcomes: countOutcomes,
    lookups: () => ({ memory: node.memory.hits, database: node.memory.misses }),
    remembered: () => node.memory.size,
    lease: () => (node.lease.holds() ? 1 : 0),
    unlinked: () => countWaiting(db),
    connections: () => poolUse(db),
  }
}

/** @returns what stops them; it settles when nothing is under way any more */
function startJobs(services: Services, where: Connection): () => Promise<void> {
  const handlers = Object.entries<(services: Services, data: never) => Promise<void>>(queued).map(
    ([name, run]) => [name, (data: never) => run(services, data)] as const,
  )
  const workers = startWorkers(where, Object.fromEntries(handlers), services.log)
  const stopRecurring = startRecurring(recurring, services)
  const stopVerifying = startVerifying({ ...services, tally: new Tally() })
  return async () => {
    await Promise.all([workers.stop(), stopRecurring(), stopVerifying()])
  }
}

function guestRules(config: Config, hooks: GuestHooks = {}): GuestRules {
  return {
    enabled: config.guests === 'on',
    lifetimes: lifetimesOf(config).guest,
    quota: config.guestQuota,
    grace: days(config.guestGraceDays),
    hooks,
  }
}

/** Reads the database's clock now and then, and at once when this machine may have been stopped. */
function followOn(clock: FollowingClock, log: Log): NodeJS.Timeout {
  const read = (how: 'sync' | 'check') =>
    clock[how]().catch((err) => log.warn({ err }, 'the database clock could not be read'))
  let beats = 0
  return setInterval(async () => {
    const due = beats++ % (clockEvery / seconds(1)) === 0
    await read(due ? 'sync' : 'check')
    if (due && isSkewed(clock.skew())) log.error({ skewMs: Math.round(clock.skew()) }, skewed)
  }, seconds(1)).unref()
}

function lifetimesOf(config: Config): Lifetimes {
  return {
    idle: minutes(config.idleMinutes),
    absolute: minutes(config.absoluteMinutes),
    kept: {
      idle: minutes(config.keptIdleMinutes),
      absolute: minutes(config.keptAbsoluteMinutes),
    },
    guest: {
      idle: minutes(config.guestIdleMinutes),
      absolute: minutes(config.guestAbsoluteMinutes),
    },
    reauth: minutes(config.keptReauthMinutes),
    recent: minutes(config.reauthMinutes),
    atMost: config.sessionsPerPerson,
  }
}

/** The table of routes as a router; a known path with another method is 405, anything else 404. */
function route(services: Services, table: readonly Route[]): Hono<{ Bindings: { peer?: string } }> {
  const router = new Hono<{ Bindings: { peer?: string } }>()
  const allowed = new Map<string, Set<string>>()
  for (const row of table) {
    allowed.set(row.path, (allowed.get(row.path) ?? new Set()).add(row.method))
    router.on(row.method, row.path, (c) =>
      handle(services, row, { request: c.req.raw, params: c.req.param(), peer: c.env.peer }),
    )
  }
  for (const [path, methods] of allowed) {
    const cors = table.some((row) => row.path === path && row.cors)
    if (cors)
      router.options(path, (c) => {
        const requestId = requestIdOf(c.req.raw.headers.get('x-request-id'))
        const answer = answerPreflight(c.req.raw.headers, [...methods], services.corsOrigins)
        return secure(answer, { https: services.cookies.secure, requestId })
      })
    router.all(path, (c) =>
      handle(services, 'method_not_allowed', {
        request: c.req.raw,
        peer: c.env.peer,
        allow: [...methods].join(', '),
        cors,
      }),
    )
  }
  router.onError((error) => {
    services.log.error({ err: error }, 'a request failed outside its handler')
    const requestId = newRequestId()
    return secure(problem(toAppError(error), requestId), {
      https: services.cookies.secure,
      requestId,
    })
  })
  router.notFound((c) => handle(services, 'not_found', { request: c.req.raw, peer: c.env.peer }))
  return router
}

function packageVersion(): string {
  const file = new URL('../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
