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
 * @param form whether a form will do too, as some OAuth 2 providers answer at the token endpoint
 * @throws AppError `sso_unavailable` for 429 and 5xx, otherwise `sso_failed`
 */
export async function readObject(
  asking: string,
  response: Response,
  { form = false } = {},
): Promise<JsonObject> {
  const { status } = response
  if (status === 429 || status >= 500) throw unavailable(`${asking}: status ${status}`)
  const body =
    form && isForm(response) ? await parseForm(response) : await readJson(asking, response)
  if (!isObject(body))
    throw refused(`${asking}: malformed ${form && isForm(response) ? 'form' : 'JSON'}`)
  if (status !== 200 || body.error !== undefined) {
    const error = typeof body.error === 'string' ? printable(body.error, 64) : `status ${status}`
    throw refused(`${asking}: ${error}`)
  }
  return body
}

const jsonTypes = ['application/json', 'application/jwk-set+json']

/**
 * What a provider answered in JSON, whatever its status; undefined where the text is malformed.
 * @throws AppError `sso_failed` for another media type
 */
export async function readJson(asking: string, response: Response): Promise<unknown> {
  if (!jsonTypes.includes(mediaTypeOf(response)))
    throw refused(`${asking}: status ${response.status}, not JSON`)
  // Not `bytes()`: the Response that Hono's Node adapter puts in the place of the global one has none.
  return parse(new Uint8Array(await response.arrayBuffer()))
}

function isForm(response: Response): boolean {
  return mediaTypeOf(response) === 'application/x-www-form-urlencoded'
}

/** A form as an object; undefined when a name is there twice. */
async function parseForm(response: Response): Promise<JsonObject | undefined> {
  const fields = [...new URLSearchParams(await response.text())]
  const form = Object.fromEntries(fields)
  return Object.keys(form).length === fields.length ? form : undefined
}

function mediaTypeOf({ headers }: Response): string {
  return headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() ?? ''
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
