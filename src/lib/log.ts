import { pino, type DestinationStream, type Logger, type LevelWithSilent } from 'pino'
import { errors } from './errors.ts'

export type Log = Logger

/** Names under which something secret could be logged by mistake; their values are never printed. */
const secretNames = [
  'authorization',
  'cookie',
  'set-cookie',
  'code',
  'code_verifier',
  'state',
  'nonce',
  'token',
  'access_token',
  'refresh_token',
  'id_token',
  'client_secret',
  'client_assertion',
  'client_assertion_type',
  'clientSecret',
  'verifier',
  'secret',
  'password',
]

/**
 * Structured log lines on standard output (or `to`). Values under {@link secretNames} are redacted wherever they
 * sit at the first three levels.
 */
export function createLog(level: LevelWithSilent = 'info', to?: DestinationStream): Log {
  const quoted = secretNames.map((name) => `["${name}"]`)
  const paths = quoted.flatMap((name) => [name, `*${name}`, `*.*${name}`])
  const options = { level, redact: { paths, censor }, base: undefined }
  return to ? pino(options, to) : pino(options)
}

/** What Node.js (`ECONNRESET`, `ERR_…`) and PostgreSQL (`57014`) call their errors; no provider's code is so short. */
const errorName = /^(E[A-Z]{2,19}|ERR_[A-Z0-9_]{1,60}|[0-9A-Z]{5})$/

/** A `code` that names an error is none that could be redeemed. */
function censor(value: unknown, path: readonly string[]): unknown {
  if (path.at(-1) !== 'code' || typeof value !== 'string') return '[redacted]'
  return Object.hasOwn(errors, value) || errorName.test(value) ? value : '[redacted]'
}
