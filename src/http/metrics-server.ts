import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'

/** A listener for whoever collects numbers, and for nothing else. */
export interface MetricsServer {
  readonly port: number
  close(): Promise<void>
}

/**
 * Answers `GET /metrics` on an address of its own, apart from what the world reaches. There is no authentication.
 * @param read the numbers, as Prometheus reads them; those of the process itself are added
 */
export async function serveMetrics(
  read: () => Promise<string>,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<MetricsServer> {
  // Only here, so that whoever does not ask for numbers does not load it.
  const { collectDefaultMetrics, Registry } = await import('prom-client')
  const ofProcess = new Registry()
  collectDefaultMetrics({ register: ofProcess })
  const server = createServer(async (request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics')
      return void response.writeHead(404).end()
    try {
      const body = `${await read()}${await ofProcess.metrics()}`
      response.writeHead(200, { 'content-type': ofProcess.contentType }).end(body)
    } catch {
      response.writeHead(503).end()
    }
  })
  // Exclusive, because processes that share a port would answer for one another in turn.
  server.listen({ host, port, exclusive: true })
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      ofProcess.clear()
    },
  }
}
