import { AppError } from '../lib/errors.ts'
import { JsonError, parseJson } from '../lib/json.ts'

/** The largest form, in bytes. */
export const formLimit: number = 16 * 1024

/**
 * Reads an `application/x-www-form-urlencoded` body of at most `limit` bytes.
 * @throws AppError `unsupported_media_type` for any other type or a compressed body, `payload_too_large`, and
 * `invalid_request` for broken UTF-8 or a field that comes twice
 */
export async function readForm(
  request: Pick<Request, 'headers' | 'body'>,
  limit: number = formLimit,
): Promise<Record<string, string>> {
  if (sendsNothing(request.headers)) return Object.create(null)
  const fields = new URLSearchParams(
    await readBody(request, ['application/x-www-form-urlencoded'], limit),
  )
  const form: Record<string, string> = Object.create(null)
  for (const [name, value] of fields) {
    if (name in form) throw new AppError('invalid_request', { reason: 'duplicate_field' })
    form[name] = value
  }
  return form
}

/**
 * Reads the text of a body of one of these types, of at most `limit` bytes.
 * @throws AppError `unsupported_media_type` for any other type or a compressed body, `payload_too_large`, and
 * `invalid_request` for broken UTF-8
 */
export function readBody(
  request: Pick<Request, 'headers' | 'body'>,
  types: readonly string[],
  limit: number,
): Promise<string> {
  assertType(request.headers, types)
  return readText(request, limit)
}

/** What JSON a route takes. */
export interface JsonBody {
  readonly types: readonly string[]
  /** The largest body, in bytes. */
  readonly limit: number
  /** Keys of all objects together. @default 10_000 */
  readonly maxKeys?: number
}

/**
 * Reads a JSON body that can be read in one way only.
 * @throws AppError as {@link readForm} does
 */
export async function readJson(
  request: Pick<Request, 'headers' | 'body'>,
  { types, limit, maxKeys }: JsonBody,
): Promise<unknown> {
  const text = await readBody(request, types, limit)
  try {
    return parseJson(text, maxKeys === undefined ? {} : { maxKeys })
  } catch (thrown) {
    if (!(thrown instanceof JsonError)) throw thrown
    throw new AppError('invalid_request', { reason: `json: ${thrown.reason}` })
  }
}

/** A request that says nothing of a body has none (RFC 9112 §6.3), and so an empty form. */
function sendsNothing(headers: Headers): boolean {
  const length = headers.get('content-length') ?? '0'
  return length === '0' && !headers.has('transfer-encoding') && !headers.has('content-type')
}

function assertType(headers: Headers, wanted: readonly string[]): void {
  const [type = '', ...parameters] = (headers.get('content-type') ?? '').toLowerCase().split(';')
  const charsetOnly = parameters.every((parameter) => /^\s*charset="?utf-8"?\s*$/.test(parameter))
  const encoding = headers.get('content-encoding')
  if (!wanted.includes(type.trim()) || !charsetOnly)
    throw new AppError('unsupported_media_type', { reason: 'content_type' })
  if (encoding && encoding !== 'identity')
    throw new AppError('unsupported_media_type', { reason: 'content_encoding' })
}

async function readText(
  request: Pick<Request, 'headers' | 'body'>,
  limit: number,
): Promise<string> {
  const tooLarge = new AppError('payload_too_large', {
    reason: 'body_limit',
    headers: { connection: 'close' },
  })
  if (Number(request.headers.get('content-length') ?? 0) > limit) throw tooLarge
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body ?? []) {
    size += chunk.length
    if (size > limit) throw tooLarge
    chunks.push(chunk)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch (cause) {
    throw new AppError('invalid_request', { reason: 'not_utf8', cause })
  }
}
