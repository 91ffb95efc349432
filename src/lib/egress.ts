import { Agent as HttpAgent, request as requestHttp } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { isIP } from 'node:net'
import type { LookupFunction } from 'node:net'
import { PassThrough } from 'node:stream'
import type { Duplex } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { createBulkhead } from './bulkhead.ts'
import type { BulkheadOptions } from './bulkhead.ts'
import { BlockedTargetError, vetTarget } from './targets.ts'
import type { Target, TargetPolicy } from './targets.ts'

/** One request to the outside. */
export interface EgressRequest {
  /** @default 'GET' */
  readonly method?: 'GET' | 'POST' | 'DELETE'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Whose share of the outgoing connections this uses: a connection id. */
  readonly share: string
}

/** The one client through which every outbound HTTP request goes. */
export interface Egress {
  /**
   * Asks, under every limit, and answers with a standard `Response` whose body is already read and decompressed.
   * Any status but 3xx is an answer, errors too.
   * @throws EgressError
   */
  fetch(url: string | URL, request: EgressRequest): Promise<Response>
  /**
   * Throws what `fetch` would throw for this URL, without connecting; for checking settings when they are saved.
   * @throws EgressError
   */
  check(url: string | URL): Promise<void>
  /** Gives up what is under way. */
  close(): Promise<void>
}

/** Why an outbound request was refused or given up. One text for the world; this is for audit and log. */
export type EgressReason =
  | 'egress_blocked'
  | 'egress_redirect'
  | 'egress_timeout'
  | 'egress_too_large'
  | 'egress_busy'
  | 'egress_failed'

/** An outbound request that got no answer. Its `cause` says more, for the log. */
export class EgressError extends Error {
  readonly reason: EgressReason
  /** Whether the request may have left: from the moment a connection stood, nobody can say that it did not. */
  readonly sent: boolean
  constructor(
    reason: EgressReason,
    { sent = false, ...options }: ErrorOptions & { sent?: boolean } = {},
  ) {
    super(reason, options)
    this.name = 'EgressError'
    this.reason = reason
    this.sent = sent
  }
}

/** What the client allows. */
export interface EgressPolicy extends TargetPolicy, Partial<BulkheadOptions> {
  /** For one whole request: name, connection, TLS, headers and body. @default 5000 */
  readonly deadlineMs?: number
  /** Of a body, before and after decompression. @default 262_144 */
  readonly maxBytes?: number
  /** Of a response's headers. @default 16_384 */
  readonly maxHeaderBytes?: number
  /** Requests of one share at a time. @default 20 */
  readonly perShare?: number
}

// Brotli is not here because its decoder may hold a window of 16 MiB for each response (RFC 7932 §9.1); gzip's is 32 KiB.
const decoders: ReadonlyMap<string, () => Duplex> = new Map([
  ['identity', () => new PassThrough()],
  ['gzip', () => createGunzip()],
])

// The body handed on is neither compressed nor chunked any more.
const transferHeaders: ReadonlySet<string> = new Set([
  'content-encoding',
  'content-length',
  'transfer-encoding',
])

/**
 * The one HTTP client. Only public addresses over https; a name is resolved once, refused when any of its addresses is
 * not public, and exactly those addresses are dialled, so a second answer of the name server changes nothing. Redirects
 * are never followed. Proxy variables of the environment are ignored.
 */
export function createEgress(policy: EgressPolicy): Egress {
  const { deadlineMs = 5000, maxBytes = 256 * 1024, maxHeaderBytes = 16 * 1024 } = policy
  const bulkhead = createBulkhead({ ...policy, perShare: policy.perShare ?? 20 })
  const underWay = new Set<AbortController>()
  // No connection is used twice: each one has been vetted for the very request it carries. TLS sessions are resumed.
  // Agents of our own, because Node's global ones may follow the proxy variables.
  const plain = new HttpAgent({ keepAlive: false })
  const secure = new HttpsAgent({ keepAlive: false, rejectUnauthorized: true })

  function send(
    { url, addresses }: Target,
    request: EgressRequest,
    { signal, onConnected }: { signal: AbortSignal; onConnected: () => void },
  ) {
    return new Promise<IncomingMessage>((resolve, reject) => {
      const options = {
        method: request.method ?? 'GET',
        headers: { ...request.headers, 'accept-encoding': 'gzip' },
        lookup: lookupIn(addresses),
        maxHeaderSize: maxHeaderBytes,
        signal,
      }
      const outgoing =
        url.protocol === 'https:'
          ? requestHttps(url, { ...options, agent: secure })
          : requestHttp(url, { ...options, agent: plain })
      outgoing.on('socket', (socket) =>
        socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', onConnected),
      )
      outgoing.on('response', resolve)
      outgoing.on('error', reject)
      outgoing.on('close', () => reject(new Error('closed without a response')))
      outgoing.end(request.body)
    })
  }

  async function read(answer: IncomingMessage): Promise<Response> {
    const status = answer.statusCode ?? 0
    if (status >= 300 && status < 400) throw new EgressError('egress_redirect')
    const decoder = decoders.get(answer.headers['content-encoding']?.toLowerCase() ?? 'identity')
    if (!decoder) throw new Error('unknown content encoding')
    const cap = atMost(maxBytes)
    const body = await pipeline(answer, cap, decoder(), cap, buffer)
    return new Response(body.length > 0 ? body : null, { status, headers: headersOf(answer) })
  }

  async function withDeadline<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const abort = new AbortController()
    const { signal } = abort
    const timer = setTimeout(() => abort.abort(new EgressError('egress_timeout')), deadlineMs)
    underWay.add(abort)
    try {
      return await Promise.race([work(signal), rejectedBy(signal)])
    } catch (thrown) {
      throw toEgressError(thrown)
    } finally {
      clearTimeout(timer)
      underWay.delete(abort)
      // Lets go of a connection whose answer was not read to its end.
      abort.abort()
    }
  }

  return {
    async fetch(url, request) {
      const leave = bulkhead.enter(request.share)
      if (!leave) throw new EgressError('egress_busy')
      let [wentWell, sent] = [true, false]
      try {
        return await withDeadline(async (signal) => {
          const target = await vetTarget(url, policy)
          signal.throwIfAborted()
          return read(await send(target, request, { signal, onConnected: () => (sent = true) }))
        })
      } catch (thrown) {
        wentWell = !isOutage(thrown)
        throw sent ? asSent(thrown) : thrown
      } finally {
        leave(wentWell)
      }
    },
    async check(url) {
      await withDeadline(() => vetTarget(url, policy))
    },
    async close() {
      for (const abort of underWay) abort.abort(new EgressError('egress_failed'))
    },
  }
}

/** A `lookup` that knows only the vetted addresses, whatever the name servers say by now. */
function lookupIn(addresses: readonly string[]): LookupFunction {
  const answers = addresses.map((address) => ({ address, family: isIP(address) }))
  return (_host, options, callback) => {
    if (options.all) callback(null, answers)
    else callback(null, answers[0]?.address ?? '', answers[0]?.family)
  }
}

function atMost(maxBytes: number) {
  return async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let size = 0
    for await (const chunk of chunks) {
      size += chunk.length
      if (size > maxBytes) throw new EgressError('egress_too_large')
      yield chunk
    }
  }
}

function headersOf(answer: IncomingMessage): Headers {
  const headers = new Headers()
  for (const [name, values = []] of Object.entries(answer.headersDistinct)) {
    if (transferHeaders.has(name)) continue
    for (const value of values) headers.append(name, value)
  }
  return headers
}

function rejectedBy(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

/** Everything unforeseen is a failure; what is listed has a name of its own. */
function toEgressError(thrown: unknown): EgressError {
  if (thrown instanceof EgressError) return thrown
  if (thrown instanceof BlockedTargetError)
    return new EgressError('egress_blocked', { cause: thrown })
  const overflow =
    thrown instanceof Error && 'code' in thrown && thrown.code === 'HPE_HEADER_OVERFLOW'
  return new EgressError(overflow ? 'egress_too_large' : 'egress_failed', { cause: thrown })
}

/** The same, of a request that may have arrived. */
function asSent(thrown: unknown): unknown {
  if (!(thrown instanceof EgressError)) return thrown
  return new EgressError(thrown.reason, { cause: thrown.cause, sent: true })
}

/** Whether this counts against the other side's health: it was asked and gave no answer. */
function isOutage(thrown: unknown): boolean {
  return (
    thrown instanceof EgressError &&
    (thrown.reason === 'egress_timeout' || thrown.reason === 'egress_failed')
  )
}
