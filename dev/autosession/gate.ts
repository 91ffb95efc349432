// Who may press a button and be somebody: nobody, unless each of these says yes. See docs/decisions/0019.

import { isDevelopmentDatabase } from '../../src/db/instance.ts'
import type { Db } from '../../src/db/open.ts'
import { isLoopback, type Config } from '../../src/lib/config.ts'
import { OperatorError } from '../../src/lib/errors.ts'
import { randomToken } from '../../src/lib/secrets.ts'

if (process.env['NODE_ENV'] === 'production')
  throw new OperatorError('security.autosession_refused: This is production.')

/** What is asked before anything listens. */
export interface Place {
  /** `NODE_ENV` as it was given, letter by letter. */
  readonly nodeEnv: string | undefined
  readonly config: Pick<Config, 'autosession' | 'url' | 'host'>
}

/** Leave to sign invented people in. Only {@link Gate.pass} makes one. */
export interface Permit {
  /** What a button sends along: another one at every start. */
  readonly token: string
}

/** A place at which nothing stands against it but perhaps the database. */
export interface Gate {
  /** @throws OperatorError when the database is not marked as one for development */
  pass(db: Db): Promise<Permit>
}

const permits = new WeakSet<Permit>()

const modes: readonly (string | undefined)[] = ['development', 'test']

/** Each alone is enough to refuse. */
const reasons: readonly { refuses(place: Place): boolean; because: string }[] = [
  {
    refuses: ({ nodeEnv }) => !modes.includes(nodeEnv),
    because: 'NODE_ENV must be development or test, spelt exactly so.',
  },
  {
    refuses: ({ config }) => !isLoopback(config.host),
    because: 'HOST must be a loopback address.',
  },
  {
    refuses: ({ config }) => !isLocalName(config.url.hostname),
    because: 'SALLYPORT_URL must be at localhost, or a name under .localhost or .test.',
  },
]

/**
 * Whether autosession may be here: undefined where nobody has asked for it.
 * @throws OperatorError where somebody has, and it may not: there is no going on without it
 */
export function openGate(place: Place): Gate | undefined {
  if (place.config.autosession !== 'on') return undefined
  const found = reasons.filter(({ refuses }) => refuses(place)).map(({ because }) => because)
  if (found.length > 0) throw refusal(found)
  return {
    async pass(db) {
      if (!(await isDevelopmentDatabase(db)))
        throw refusal([
          'The database was not made by npm start, and may hold real people. Set SALLYPORT_DATA to another folder, or start with SALLYPORT_AUTOSESSION=off.',
        ])
      const permit = { token: randomToken(16) }
      permits.add(permit)
      return permit
    },
  }
}

/** @throws TypeError for anything that did not come through a {@link Gate} */
export function assertPermit(permit: Permit): void {
  if (!permits.has(permit)) throw new TypeError('autosession needs a permit')
}

function isLocalName(hostname: string): boolean {
  return isLoopback(hostname) || /\.(localhost|test)$/.test(hostname)
}

function refusal(because: readonly string[]): OperatorError {
  return new OperatorError(
    [
      'security.autosession_refused: SALLYPORT_AUTOSESSION is on, which lets anybody in, and cannot be on here:',
      ...because.map((line) => `  - ${line}`),
    ].join('\n'),
  )
}
