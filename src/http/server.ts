import { getRequestListener } from '@hono/node-server'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { staticPage } from './static-page.ts'

/** Answers a request; the second argument is the address at the other end of the connection. */
export type Answer = (request: Request, peer?: string) => Promise<Response>

/**
 * Answers 204 from memory with these headers, names and values in turn; undefined: {@link Answer} has to.
 * Most requests to a server beside a proxy are such, and making `Request` and `Response` of them costs more than all
 * the rest.
 */
export type QuickAnswer = (request: IncomingMessage) => string[] | undefined

/** How much, and for how long, a server listens to somebody. Times are in milliseconds. */
export interface Limits {
  /** Characters of the request target; 414 beyond it. */
  readonly target: number
  /** Bytes of request line and headers together; 431 beyond it. */
  readonly headers: number
  /** Until the headers are complete, from the connection's start; 408 beyond it. */
  readonly headersTime: number
  /** Until the whole request is there; 408 beyond it. */
  readonly requestTime: number
  /** How often slow requests are looked for. */
  readonly checkEvery: number
  /** Open connections; more are dropped. */
  readonly connections: number
}

const limits: Limits = {
  target: 8 * 1024,
  headers: 16 * 1024,
  headersTime: 10_000,
  requestTime: 30_000,
  checkEvery: 5_000,
  connections: 10_000,
}

/** Node's `(request, response)` listener around a `Request → Response` function. */
export function toListener(answer: Answer, quick?: QuickAnswer): RequestListener {
  const listener = getRequestListener(
    (request, env) =>
      answer(request, (env as { incoming: IncomingMessage }).incoming.socket.remoteAddress),
    {
      overrideGlobalObjects: false,
      errorHandler: (error) =>
        toResponse(error instanceof Error && error.name === 'RequestError' ? 400 : 500),
    },
  )
  return (request, response) => {
    // Nobody reads such a body, and the next request on the connection must not be taken for it.
    if (bodyless.includes(request.method ?? '') && announcesBody(request))
      response.shouldKeepAlive = false
    const headers = quick && quietly(quick, request)
    return headers ? void response.writeHead(204, headers).end() : listener(request, response)
  }
}

/** A fault on the quick way is met again, and told, on the other. */
function quietly(quick: QuickAnswer, request: IncomingMessage): string[] | undefined {
  try {
    return quick(request)
  } catch {
    return undefined
  }
}

const bodyless = ['GET', 'HEAD']

function announcesBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** The path of a request target (RFC 9112 §3.2), without its query. */
export function pathOf(target: string = '/'): string {
  return target.split(/[?#]/, 1)[0]!
}

/** What is refused before anything looks at it, whatever the path. */
const refusals: readonly {
  readonly status: number
  readonly applies: (request: IncomingMessage, limits: Limits) => boolean
}[] = [
  { status: 414, applies: ({ url = '' }, { target }) => url.length > target },
  // Node keeps the first and forgets the others; whoever stands before us may have kept another (RFC 9112 §3.2).
  { status: 400, applies: ({ rawHeaders }) => count(rawHeaders, 'host') !== 1 },
  { status: 405, applies: ({ method }) => method === 'TRACE' },
]

/** What the parser's complaints mean to the other side; anything else is 400. */
const parserFaults: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
}

/** A server with limits on size and time; it does not listen yet. */
export function createHttpServer(
  answer: Answer,
  changed: Partial<Limits> = {},
  quick?: QuickAnswer,
): Server {
  const now = { ...limits, ...changed }
  const listener = toListener(answer, quick)
  const server = createServer(
    {
      maxHeaderSize: now.headers,
      headersTimeout: now.headersTime,
      requestTimeout: now.requestTime,
      connectionsCheckingInterval: now.checkEvery,
      // Longer than proxies keep theirs: whoever closes first may close on a request under way.
      keepAliveTimeout: 65_000,
      // Refused below, with a page.
      requireHostHeader: false,
    },
    (request, response) => {
      const refused = refusals.find(({ applies }) => applies(request, now))
      if (!refused) return listener(request, response)
      const { headers, body } = staticPage(refused.status)
      response.writeHead(refused.status, { ...headers, connection: 'close' }).end(body)
    },
  )
  server.maxConnections = now.connections
  // Their size is limited; a limit on their number would drop the rest of them silently.
  server.maxHeadersCount = 0
  server.on('connect', (_request, socket) => end(socket, 405))
  server.on('clientError', (error: NodeJS.ErrnoException, socket) =>
    end(socket, parserFaults[error.code ?? ''] ?? 400),
  )
  return server
}

/** How often a header came; raw headers are names and values in turn. */
function count(rawHeaders: readonly string[], name: string): number {
  let times = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const each = rawHeaders[i]!
    if (each.length === name.length && each.toLowerCase() === name) times++
  }
  return times
}

function toResponse(status: number): Response {
  const { headers, body } = staticPage(status)
  return new Response(body, { status, headers })
}

/** Answers on a connection that HTTP has failed on, and closes it. */
function end(socket: Duplex & { readonly bytesWritten?: number }, status: number): void {
  // An answer may be under way already, and must not be mixed with this one.
  if (!socket.writable || socket.bytesWritten) return void socket.destroy()
  const { title, headers, body } = staticPage(status)
  const lines = Object.entries({ ...headers, connection: 'close' }).map(([k, v]) => `${k}: ${v}`)
  socket.end([`HTTP/1.1 ${status} ${title}`, ...lines, '', body].join('\r\n'))
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
