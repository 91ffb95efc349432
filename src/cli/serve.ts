import cluster from 'node:cluster'
import { createSallyport, type Sallyport } from '../app.ts'
import { createHttpServer, listen, stopServer } from '../http/server.ts'
import { serveMetrics, type MetricsServer } from '../http/metrics-server.ts'
import { readConfig, type Config, type Environment } from '../lib/config.ts'
import { UsageError, type Values } from './command.ts'
import { serveWithWorkers } from './workers.ts'

/** More would only take turns. */
const mostWorkers = 64

/** Runs the server until it is told to stop; with `--workers`, as that many processes on one port. */
export async function serve(values: Values, env: Environment): Promise<void> {
  const workers = countWorkers(values['workers'])
  if (workers > 1 && cluster.isPrimary) return serveWithWorkers(workers, env, untilStopped())
  try {
    await serveHere(env, { jobs: values['no-worker'] !== true })
  } finally {
    // The line to the primary would keep a worker alive that has nothing left to do.
    if (cluster.isWorker) process.disconnect()
  }
}

function serveHere(env: Environment, { jobs }: { readonly jobs: boolean }): Promise<void> {
  return run(env, { jobs }, (sallyport, config) =>
    serveUntilStopped(sallyport, config, (port) =>
      sallyport.services.log.info(
        { host: config.host, port, url: config.url.origin, worker: jobs },
        'Sallyport is ready',
      ),
    ),
  )
}

/** Does background work, and answers no request, until it is told to stop. */
export function work(_values: Values, env: Environment): Promise<void> {
  return run(env, { jobs: true }, async ({ services }) => {
    const stopped = untilStopped()
    services.log.info('The worker is ready')
    await stopped
  })
}

async function run(
  env: Environment,
  { jobs }: { readonly jobs: boolean },
  until: (sallyport: Sallyport, config: Config) => Promise<void>,
): Promise<void> {
  const config = readConfig(env)
  const sallyport = await createSallyport({ config, jobs })
  const { metricsHost: host, metricsPort: port } = config
  let metrics: MetricsServer | undefined
  try {
    if (port) metrics = await serveMetrics(sallyport.metrics, { host, port })
    await until(sallyport, config)
  } finally {
    await metrics?.close()
    await sallyport.close()
  }
}

function countWorkers(given: string | boolean | undefined): number {
  const count = Number(given ?? 1)
  if (!Number.isInteger(count) || count < 1 || count > mostWorkers)
    throw new UsageError(
      `--workers takes a whole number from 1 to ${mostWorkers}; it is "${given}".`,
    )
  return count
}

/** Listens, says so through `ready`, and settles when everything is answered after SIGINT or SIGTERM. */
export async function serveUntilStopped(
  { fetch, quick }: Pick<Sallyport, 'fetch' | 'quick'>,
  at: Pick<Config, 'host' | 'port'>,
  ready: (port: number) => void,
): Promise<void> {
  const server = createHttpServer(fetch, {}, quick)
  const port = await listen(server, at)
  const stopped = untilStopped()
  ready(port)
  await stopped
  await stopServer(server)
}

const signals = ['SIGINT', 'SIGTERM'] as const

/** Settles at the first signal to stop; the next one ends the process at once. */
function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    const stop = (): void => {
      for (const signal of signals) process.off(signal, stop)
      resolve()
    }
    for (const signal of signals) process.on(signal, stop)
  })
}
