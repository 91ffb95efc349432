import { setTimeout as pause } from 'node:timers/promises'
import { openGrant } from '../accounts/grants.ts'
import { isUnavailable, type Db } from '../db/open.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { Sealer } from '../lib/seal.ts'
import { grantOf, type Again, type Answer, type Grant, type Tokens } from '../providers/again.ts'
import type { Provider } from '../providers/provider.ts'
import type { Leased } from './lease.ts'
import {
  countUnrotated,
  enoughUnrotated,
  keepTokens,
  withdrawIntent,
  writeIntent,
} from './refresh.ts'

/** What asking takes. */
export interface CheckServices {
  readonly db: Db
  readonly clock: Clock
  readonly sealer: Sealer
  /** Opens a connection's provider as it was in this version of its settings. */
  provider(connectionId: string, version?: number): Promise<Provider>
  /** Told where a check stands; for tests that end the process there. */
  readonly at?: ((point: CheckPoint) => void) | undefined
}

/** The moments of a check at which everything may end. */
export type CheckPoint = 'leased' | 'intended' | 'answered' | 'kept' | 'judged' | 'settled'

/**
 * Asks about one identity, on the best rung there is. `dropped`: somebody else has it by now, so nothing may come of it.
 * A refresh token is written down before it is presented, and what comes of it is kept before it is judged.
 */
export async function check(services: CheckServices, leased: Leased): Promise<Answer | 'dropped'> {
  const { granted, grantedUnder, configVersion } = leased
  services.at?.('leased')
  if (granted && grantedUnder !== configVersion) return unsupported('granted under other settings')
  const again = await openAgain(services, leased)
  if ('answer' in again) return again
  if (!granted) return unsupported('nothing granted')
  const grant = openGrant(services.sealer, leased.id, granted)
  if (grant.refreshToken && again.refresh) {
    const untold = leased.refreshIntent !== null && leased.unrotated < enoughUnrotated
    return untold
      ? withoutPresenting(services, leased, again, grant)
      : refresh(services, leased, again, grant)
  }
  return askUserinfo(services, leased, again, grant)
}

async function openAgain(
  services: CheckServices,
  { connectionId, configVersion }: Leased,
): Promise<Again | Answer> {
  try {
    const { again } = await services.provider(connectionId, configVersion)
    return again ?? unsupported('the provider cannot be asked again')
  } catch (thrown) {
    if (!(thrown instanceof AppError)) throw thrown
    return { answer: 'could_not_tell', doubt: 'misconfigured', reason: thrown.reason }
  }
}

async function refresh(
  services: CheckServices,
  leased: Leased,
  again: Again,
  grant: Grant,
): Promise<Answer | 'dropped'> {
  const { db, clock, sealer } = services
  const repeated = leased.refreshIntent !== null
  if (!repeated && !(await writeIntent(db, leased, clock.now()))) return 'dropped'
  services.at?.('intended')
  const presented = await again.refresh!(grant.refreshToken!)
  services.at?.('answered')
  if (!('tokens' in presented)) {
    // A provider that keeps its tokens loses none.
    const kept = !presented.spent || leased.unrotated >= enoughUnrotated
    if (kept && presented.answer.answer !== 'no_longer_true') await withdrawIntent(db, leased)
    return presented.answer
  }
  const { tokens } = presented
  const newer = grantOf(tokens, clock.now(), grant)
  const version = await patiently(() => keepTokens(db, sealer, leased, newer))
  if (version === undefined) return 'dropped'
  services.at?.('kept')
  const same = (tokens.refreshToken ?? grant.refreshToken) === grant.refreshToken
  await countUnrotated(db, leased.connectionId, { same, counted: leased.unrotated })
  return judge(again, tokens, leased)
}

/** How long to wait between tries, in milliseconds. */
const pauses: readonly number[] = [100, 400, 1000, 2000, 4000]

/** What came must not be lost to a database that is away for a moment: nobody gives it a second time. */
async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (const wait of pauses) {
    try {
      return await work()
    } catch (error) {
      if (!isUnavailable(error)) throw error
      await pause(wait)
    }
  }
  return work()
}

/** What the tokens say of themselves, and then, where there is somebody to ask, what they are good for. */
async function judge(again: Again, tokens: Tokens, leased: Leased): Promise<Answer> {
  const judged: Answer = (await again.judge?.(tokens, leased)) ?? {
    answer: 'still_true',
    reason: 'refreshed',
  }
  if (judged.answer !== 'still_true' || tokens.idToken !== undefined) return judged
  const told = await again.userinfo?.(tokens.accessToken, leased, true)
  // That it was refreshed stands, whatever else could not be heard.
  return told && told.answer !== 'could_not_tell' ? told : judged
}

/**
 * The refresh token may have been presented, and nobody knows what came of it: presenting it again could be taken for
 * theft. Until the person signs in anew there is only the old access token, as long as that lasts.
 */
async function withoutPresenting(
  services: CheckServices,
  leased: Leased,
  again: Again,
  grant: Grant,
): Promise<Answer> {
  const told = await askUserinfo(services, leased, again, grant)
  if (told.answer !== 'could_not_tell' || told.doubt === 'transient') return told
  return { answer: 'could_not_tell', doubt: 'transient', reason: unanswered }
}

/** The reason where a refresh went unanswered: it says nothing of the connection. */
export const unanswered = 'refresh_unanswered'

async function askUserinfo(
  { clock }: CheckServices,
  leased: Leased,
  again: Again,
  { accessToken, accessEndsAt }: Grant,
): Promise<Answer> {
  const over = accessEndsAt !== undefined && Date.parse(accessEndsAt) <= clock.now().getTime()
  if (!accessToken || over || !again.userinfo) return unsupported('no live access token')
  return again.userinfo(accessToken, leased, false)
}

function unsupported(reason: string): Answer {
  return { answer: 'could_not_tell', doubt: 'unsupported', reason }
}
