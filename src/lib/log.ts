import { pino, type DestinationStream, type Logger, type LevelWithSilent } from 'pino'

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
  const options = { level, redact: { paths, censor: '[redacted]' }, base: undefined }
  return to ? pino(options, to) : pino(options)
}
