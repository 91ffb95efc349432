import { z } from 'zod'
import { isObject, ask, readJson, type JsonObject } from './answer.ts'
import { isEndpoint, isIssuer } from './endpoint.ts'
import { fromEgress, printable, refused, unavailable } from './faults.ts'
import { isSubject } from './id-token.ts'
import { createMemory, keep, type Kept } from './kept.ts'
import type { ProviderContext } from './provider.ts'
import type { RefusedSet } from './security-event.ts'

/** What is read of a transmitter's published metadata (Shared Signals Framework 1.0 §7.1). */
export interface Transmitter {
  /** Equal to the configured issuer, character for character. */
  readonly issuer: string
  readonly jwks_uri: string
  readonly configuration_endpoint?: string | undefined
  readonly status_endpoint?: string | undefined
  readonly verification_endpoint?: string | undefined
  readonly delivery_methods_supported?: readonly string[] | undefined
  readonly critical_subject_members?: readonly string[] | undefined
}

const metadata = z.object({
  issuer: z.string(),
  jwks_uri: z.string(),
  configuration_endpoint: z.string().optional(),
  status_endpoint: z.string().optional(),
  verification_endpoint: z.string().optional(),
  delivery_methods_supported: z.array(z.string()).optional(),
  critical_subject_members: z.array(z.string()).optional(),
})

const endpoints = [
  'jwks_uri',
  'configuration_endpoint',
  'status_endpoint',
  'verification_endpoint',
] as const

/** How events are delivered (RFC 8935, RFC 8936). */
export const deliveryMethods = { push: 'urn:ietf:rfc:8935', poll: 'urn:ietf:rfc:8936' } as const

export type Delivery = keyof typeof deliveryMethods

const recall = createMemory<Kept<Transmitter>>()

/**
 * A transmitter's metadata, at most ten minutes old.
 * @throws AppError `sso_unavailable` or `sso_failed`; the reason begins with `transmitter`
 */
export async function discoverTransmitter(
  issuer: string,
  context: ProviderContext,
): Promise<Transmitter> {
  const key = `${context.connectionId} ${issuer}`
  const kept = recall(context.egress, key, () => keep(context.clock, () => load(issuer, context)))
  return (await kept.get()).value
}

async function load(issuer: string, context: ProviderContext): Promise<Transmitter> {
  if (!isIssuer(issuer) || !isEndpoint(issuer)) throw refused('transmitter: not an https address')
  const headers = { accept: 'application/json' }
  const response = await ask('transmitter', wellKnown(issuer), { headers }, context)
  const { success, data } = metadata.safeParse(await readAnswer('transmitter', response, [200]))
  if (!success) throw refused('transmitter: incomplete')
  if (data.issuer !== issuer) throw refused('transmitter: issuer differs')
  await Promise.all(endpoints.map((name) => checkEndpoint(name, data[name], context)))
  return data
}

/** The well-known part goes between the host and the issuer's path (Shared Signals Framework 1.0 §7.2). */
function wellKnown(issuer: string): string {
  const { origin, pathname } = new URL(issuer)
  return `${origin}/.well-known/ssf-configuration${pathname.replace(/\/$/, '')}`
}

async function checkEndpoint(
  name: string,
  url: string | undefined,
  { egress }: ProviderContext,
): Promise<void> {
  if (url === undefined) return
  if (!isEndpoint(url)) throw refused(`transmitter: ${name} is not an https address`)
  try {
    await egress.check(url)
  } catch (thrown) {
    throw fromEgress(`transmitter: ${name}`, thrown)
  }
}

/** How we come to a transmitter: the value of the `Authorization` header. Secret. */
export interface TransmitterAccess {
  readonly authorization: string
}

/** A stream as the transmitter has set it up. */
export interface CreatedStream {
  readonly streamId: string
  /** Whom its events are for. */
  readonly audience: readonly string[]
  /** Where its events are fetched; undefined where they are pushed. */
  readonly pollEndpoint?: string
}

const created = z.object({
  stream_id: z.string().min(1).max(255),
  iss: z.string(),
  aud: z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(20)]),
  delivery: z.object({ method: z.string(), endpoint_url: z.string().optional() }),
})

/**
 * Asks a transmitter for a stream of events to us (Shared Signals Framework 1.0 §8.1.1.1).
 * @param push where to and with what authorization; undefined: we poll
 * @throws AppError `sso_failed`, `sso_unavailable`; the reason begins with `stream`
 */
export async function createStream(
  transmitter: Transmitter,
  { authorization }: TransmitterAccess,
  wanted: {
    readonly push?: { readonly endpoint: string; readonly authorization: string } | undefined
    readonly events: readonly string[]
  },
  context: ProviderContext,
): Promise<CreatedStream> {
  const url = transmitter.configuration_endpoint
  if (url === undefined) throw refused('stream: the transmitter has no configuration endpoint')
  const { push, events } = wanted
  const delivery = push
    ? {
        method: deliveryMethods.push,
        endpoint_url: push.endpoint,
        authorization_header: push.authorization,
      }
    : { method: deliveryMethods.poll }
  const body = { delivery, events_requested: events, description: 'Sallyport' }
  const response = await send('stream', url, authorization, body, context)
  const { success, data } = created.safeParse(await readAnswer('stream', response, [200, 201]))
  if (!success) throw refused('stream: incomplete')
  if (data.iss !== transmitter.issuer) throw refused('stream: issuer differs')
  if (data.delivery.method !== delivery.method) throw refused('stream: another way of delivery')
  const audience = typeof data.aud === 'string' ? [data.aud] : data.aud
  if (push) return { streamId: data.stream_id, audience }
  const pollEndpoint = data.delivery.endpoint_url
  if (pollEndpoint === undefined) throw refused('stream: no address to poll')
  await checkEndpoint('endpoint_url', pollEndpoint, context)
  return { streamId: data.stream_id, audience, pollEndpoint }
}

/**
 * Asks for an event that shows that the stream works (§8.1.4.2).
 * @throws AppError `sso_failed`, `sso_unavailable`; the reason begins with `verification`
 */
export async function requestVerification(
  { verification_endpoint: url }: Transmitter,
  { authorization }: TransmitterAccess,
  asked: { readonly streamId: string; readonly state: string },
  context: ProviderContext,
): Promise<void> {
  if (url === undefined) throw refused('verification: the transmitter has no endpoint for it')
  const body = { stream_id: asked.streamId, state: asked.state }
  assertDone('verification', await send('verification', url, authorization, body, context))
}

/** What a transmitter may say of a stream. */
export const streamStatuses = ['enabled', 'paused', 'disabled'] as const

export type StreamStatus = (typeof streamStatuses)[number]

const statusAnswer = z.object({
  status: z.enum(streamStatuses),
  reason: z.string().optional().catch(undefined),
})

/** What a transmitter or an event says of a stream; undefined where it makes no sense. */
export function readStreamStatus(
  said: unknown,
): { readonly status: StreamStatus; readonly reason: string | null } | undefined {
  const { data } = statusAnswer.safeParse(said)
  return data && { status: data.status, reason: data.reason ? printable(data.reason, 200) : null }
}

/**
 * Asks how a stream stands (§8.1.2.1); undefined where the transmitter does not say.
 * @throws AppError `sso_failed`, `sso_unavailable`; the reason begins with `status`
 */
export async function askStreamStatus(
  { status_endpoint: endpoint }: Transmitter,
  { authorization }: TransmitterAccess,
  streamId: string,
  context: ProviderContext,
): Promise<ReturnType<typeof readStreamStatus>> {
  if (endpoint === undefined) return undefined
  const url = new URL(endpoint)
  url.searchParams.set('stream_id', streamId)
  const headers = { accept: 'application/json', authorization }
  const response = await ask('status', url.href, { headers }, context)
  return readStreamStatus(await readAnswer('status', response, [200]))
}

/**
 * Gives a stream up at its transmitter (§8.1.1.5). One that is gone already is no error.
 * @throws AppError `sso_failed`, `sso_unavailable`; the reason begins with `stream`
 */
export async function deleteStream(
  { configuration_endpoint: endpoint }: Transmitter,
  { authorization }: TransmitterAccess,
  streamId: string,
  context: ProviderContext,
): Promise<void> {
  if (endpoint === undefined) return
  const url = new URL(endpoint)
  url.searchParams.set('stream_id', streamId)
  const request = { method: 'DELETE', headers: { authorization } } as const
  const response = await ask('stream', url.href, request, context)
  if (response.status !== 404) assertDone('stream', response)
}

/** What a poll acknowledges of the one before, and what it could not take (RFC 8936 §2.4). */
export interface PollRequest {
  readonly acknowledged: readonly string[]
  readonly refused: Readonly<Record<string, RefusedSet>>
  readonly most: number
}

/** What a poll brought. */
export interface Polled {
  /** Tokens by their names (`jti`). */
  readonly sets: ReadonlyMap<string, string>
  readonly more: boolean
}

/**
 * Fetches events, and says what became of those fetched before (RFC 8936 §2).
 * @throws AppError `sso_failed`, `sso_unavailable`; the reason begins with `poll`
 */
export async function pollEvents(
  url: string,
  { authorization }: TransmitterAccess,
  { acknowledged, refused: unread, most }: PollRequest,
  context: ProviderContext,
): Promise<Polled> {
  const setErrs = Object.fromEntries(
    Object.entries(unread).map(([id, { err }]) => [id, { err, description: err }]),
  )
  const body = {
    maxEvents: most,
    returnImmediately: true,
    ...(acknowledged.length > 0 && { ack: acknowledged }),
    ...(Object.keys(setErrs).length > 0 && { setErrs }),
  }
  const response = await send('poll', url, authorization, body, context)
  const answer = await readAnswer('poll', response, [200])
  const { sets = {}, moreAvailable } = answer
  if (!isObject(sets)) throw refused('poll: malformed sets')
  const tokens = Object.entries(sets).slice(0, most)
  const named = (entry: [string, unknown]): entry is [string, string] =>
    isSubject(entry[0]) && typeof entry[1] === 'string'
  return { sets: new Map(tokens.filter(named)), more: moreAvailable === true }
}

function send(
  asking: string,
  url: string,
  authorization: string,
  body: object,
  context: ProviderContext,
): Promise<Response> {
  const headers = {
    accept: 'application/json',
    'content-type': 'application/json',
    authorization,
  }
  return ask(asking, url, { method: 'POST', headers, body: JSON.stringify(body) }, context)
}

function assertDone(asking: string, { status }: Response): void {
  if (status === 429 || status >= 500) throw unavailable(`${asking}: status ${status}`)
  if (status < 200 || status > 299) throw refused(`${asking}: status ${status}`)
}

async function readAnswer(
  asking: string,
  response: Response,
  good: readonly number[],
): Promise<JsonObject> {
  const { status } = response
  assertDone(asking, response)
  if (!good.includes(status)) throw refused(`${asking}: status ${status}`)
  const body = await readJson(asking, response)
  if (!isObject(body)) throw refused(`${asking}: malformed JSON`)
  return body
}
