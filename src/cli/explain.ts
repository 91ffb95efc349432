import { isUnavailable } from '../db/open.ts'
import { AppError, OperatorError } from '../lib/errors.ts'

/** A fault in words for the operator: a sentence where it is one they can mend, with its stack where it is ours. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const sentence = sentences.find(([fits]) => fits(error))?.[1](error)
  return sentence ?? error.stack ?? error.message
}

type Fault = Error & { code?: unknown; syscall?: unknown }

/** The first that fits speaks. */
const sentences: readonly [fits: (error: Fault) => boolean, sentence: (error: Fault) => string][] =
  [
    [(error) => error instanceof OperatorError, (error) => error.message],
    [isRejected, rejection],
    [
      ({ syscall, code }) => syscall === 'listen' && code === 'EADDRINUSE',
      (error) => `${error.message}. Something else listens there: stop it, or set PORT.`,
    ],
    [
      ({ syscall }) => syscall === 'listen' || syscall === 'getaddrinfo listen',
      (error) =>
        `Sallyport cannot listen: ${error.message}. Set HOST and PORT to what this machine has.`,
    ],
    [
      isUnavailable,
      (error) =>
        `The database does not answer (${inside(error)}). Is DATABASE_URL right, and is it running?`,
    ],
    [isFromDatabase, (error) => `The database refuses: ${error.message}. Is DATABASE_URL right?`],
  ]

function isRejected(error: Error): error is AppError {
  return error instanceof AppError && error.code === 'config_rejected'
}

/** Whoever runs this program may know more than a page would tell: the true reason is here too. */
function rejection(error: Error): string {
  if (!isRejected(error)) return error.message
  const problems = (error.members['problems'] as string[] | undefined) ?? []
  const reasons = causesOf(error.cause).map((cause) =>
    cause instanceof AppError ? cause.reason : cause.message,
  )
  return [
    'These settings cannot be used:',
    ...problems.map((line) => `  - ${line}`),
    ...(reasons.length > 0 ? [`Because: ${[...new Set(reasons)].join(': ')}`] : []),
  ].join('\n')
}

function causesOf(cause: unknown): Error[] {
  return cause instanceof Error ? [cause, ...causesOf(cause.cause)] : []
}

/** What the database itself complained of carries an SQLSTATE. */
function isFromDatabase({ code }: Fault): boolean {
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code)
}

/** A host with several addresses fails once for each, and the error around them has no message. */
function inside(error: Error): string {
  return error instanceof AggregateError
    ? error.errors.map((each: Error) => each.message).join('; ')
    : error.message
}
