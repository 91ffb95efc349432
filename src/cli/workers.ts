import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import { join } from 'node:path'
import { keepPostgresRunning } from '../db/keep-running.ts'
import { readConfig, type Config, type Environment } from '../lib/config.ts'
import { OperatorError } from '../lib/errors.ts'
import { createLog } from '../lib/log.ts'

/** How long workers get to answer what is running before they are ended, in milliseconds. */
const patience = 10_000

/**
 * Runs `count` server processes that share one port, and replaces any that ends by itself. Each is a node of its own:
 * they answer from their own memory and hear of revocations through the database.
 * @throws OperatorError when a worker cannot start; it has said why
 */
export async function serveWithWorkers(
  count: number,
  env: Environment,
  stopped: Promise<void>,
): Promise<void> {
  const config = readConfig(env)
  const log = createLog(config.logLevel)
  const own = config.databaseUrl
    ? undefined
    : await keepPostgresRunning(join(config.data, 'postgres'), log)
  const shared = own ? { ...env, DATABASE_URL: urlOf(own.connection) } : env
  const workers = new Set<Worker>()
  let stopping = false

  const failed = new Promise<never>((_, reject) => {
    function fork(place: number): void {
      const worker = cluster.fork({ ...shared, ...ofItsOwn(config, place) })
      let started = false
      workers.add(worker)
      worker.once('listening', () => (started = true))
      worker.on('exit', (code, signal) => {
        workers.delete(worker)
        if (stopping) return
        if (!started)
          return reject(new OperatorError('A worker could not start; what it said stands above.'))
        log.warn({ worker: worker.process.pid, code, signal }, 'a worker ended and is replaced')
        fork(place)
      })
    }
    for (let i = 0; i < count; i++) fork(i)
  })

  try {
    await Promise.race([stopped, failed])
  } finally {
    stopping = true
    await Promise.all([...workers].map(end))
    await own?.stop()
  }
}

/** Processes cannot share the port of their metrics: each counts for itself. */
function ofItsOwn({ metricsPort }: Config, place: number): Record<string, string> {
  return metricsPort ? { SALLYPORT_METRICS_PORT: String(metricsPort + place) } : {}
}

async function end(worker: Worker): Promise<void> {
  if (worker.isDead()) return
  const exited = once(worker, 'exit')
  worker.process.kill('SIGTERM')
  const cut = setTimeout(() => worker.process.kill('SIGKILL'), patience)
  await exited
  clearTimeout(cut)
}

/** The embedded server's socket as an address that DATABASE_URL can carry. */
function urlOf({
  host,
  port,
  user,
  database,
}: {
  host: string
  port: number
  user: string
  database: string
}): string {
  return `postgres://${user}@socket:${port}/${database}?host=${encodeURIComponent(host)}`
}
