import { decodeUtf8, parseJson } from '../lib/json.ts'
import type { EgressRequest } from '../lib/egress.ts'
import type { ProviderContext } from './provider.ts'
import { fromEgress, printable, refused, unavailable } from './faults.ts'

/** A JSON object nobody has judged yet. */
export type JsonObject = Readonly<Record<string, unknown>>

/**
 * Asks a provider something, on its connection's share of the egress client.
 * @param asking names the question in the reason of a fault: `discovery`, `jwks`, `token`, `userinfo`
 * @throws AppError `sso_unavailable` when there was no answer, `sso_failed` when it must not be read
 */
export async function ask(
  asking: string,
  url: string,
  request: Omit<EgressRequest, 'share'>,
  context: ProviderContext,
): Promise<Response> {
  try {
    return await context.egress.fetch(url, { ...request, share: context.connectionId })
  } catch (thrown) {
    throw fromEgress(asking, thrown)
  }
}

/**
 * The JSON object a provider answered with: status 200, a JSON media type, no name twice.
 * @throws AppError `sso_unavailable` for 429 and 5xx, otherwise `sso_failed`
 */
export async function readObject(asking: string, response: Response): Promise<JsonObject> {
  const { status } = response
  if (status === 429 || status >= 500) throw unavailable(`${asking}: status ${status}`)
  const body = await parseObject(asking, response)
  if (status !== 200 || body.error !== undefined) {
    const error = typeof body.error === 'string' ? printable(body.error, 64) : `status ${status}`
    throw refused(`${asking}: ${error}`)
  }
  return body
}

const mediaTypes = ['application/json', 'application/jwk-set+json']

async function parseObject(asking: string, response: Response): Promise<JsonObject> {
  const mediaType = response.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() ?? ''
  if (!mediaTypes.includes(mediaType))
    throw refused(`${asking}: status ${response.status}, not JSON`)
  // Not `bytes()`: the Response that Hono's Node adapter puts in the place of the global one has none.
  const body = parse(new Uint8Array(await response.arrayBuffer()))
  if (!isObject(body)) throw refused(`${asking}: malformed JSON`)
  return body
}

/** What a JSON text says, read strictly; undefined when it is not one. */
export function parse(bytes: Uint8Array): unknown {
  try {
    return parseJson(decodeUtf8(bytes))
  } catch {
    return undefined
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
