import { getRequestListener } from '@hono/node-server'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'

/** Answers a request; the second argument is the address at the other end of the connection. */
export type Answer = (request: Request, peer?: string) => Promise<Response>

/** Request headers, together; Node answers 431 beyond it. */
const maxHeaderSize = 16 * 1024

/** Node's `(request, response)` listener around a `Request → Response` function. */
export function toListener(answer: Answer): RequestListener {
  return getRequestListener(
    (request, env) =>
      answer(request, (env as { incoming: IncomingMessage }).incoming.socket.remoteAddress),
    { overrideGlobalObjects: false },
  )
}

/** A server with limits on size and time; it does not listen yet. */
export function createHttpServer(answer: Answer): Server {
  return createServer(
    { maxHeaderSize, headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 5_000 },
    toListener(answer),
  )
}

/** Listens, and answers the port that was given or found free. */
export function listen(
  server: Server,
  { host, port }: { host: string; port: number },
): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve((server.address() as { port: number }).port)
    })
  })
}

/** Stops taking connections, lets running requests finish for `patience` milliseconds, then cuts what is left. */
export async function stopServer(server: Server, patience = 5_000): Promise<void> {
  const cut = setTimeout(() => server.closeAllConnections(), patience)
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
    server.closeIdleConnections()
  })
  clearTimeout(cut)
}
