import { OperatorError } from '../../lib/errors.ts'

/** Why the embedded PostgreSQL cannot run; the message is a sentence for the operator. */
export class EmbeddedPostgresError extends OperatorError {}

const remedies: readonly [symptom: RegExp, sentence: (folder: string) => string][] = [
  [
    /shared memory.*no space left/i,
    () =>
      'There is no space left in /dev/shm for PostgreSQL. Give the machine or container more shared memory.',
  ],
  [
    /no space left|ENOSPC/i,
    (folder) =>
      `There is no space left on the disk that holds ${folder}. Make room and start again; what was committed is safe.`,
  ],
  [
    /could not look up effective user ID/,
    () =>
      'PostgreSQL needs an account, and this machine has none for the user id that Sallyport runs as. ' +
      'Add one to /etc/passwd, start Sallyport as a user that has one, or set DATABASE_URL to a PostgreSQL 15 or later.',
  ],
  [
    /^setpriv:|spawn setpriv/m,
    (folder) =>
      `PostgreSQL may not run as root, and the account it runs as instead cannot reach ${folder} or its programs. ` +
      'Move the project to a folder that other accounts may enter, start Sallyport as another user, ' +
      'or set DATABASE_URL to a PostgreSQL 15 or later.',
  ],
]

/**
 * The sentence for a failure, from what the programs printed.
 *
 * @param said - the last lines of PostgreSQL's log, or the message of a system error
 * @param logFile - the file that holds the rest, when there is one
 */
export function explain(said: string, folder: string, logFile?: string): EmbeddedPostgresError {
  const remedy = remedies.find(([symptom]) => symptom.test(said))?.[1]
  const sentence =
    remedy?.(folder) ?? `PostgreSQL in ${folder} could not be started: ${said.trim()}`
  return new EmbeddedPostgresError(logFile ? `${sentence} (Its log: ${logFile})` : sentence)
}
