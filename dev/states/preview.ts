import { findIdentity } from '../../src/accounts/identities.ts'
import { isUnavailable } from '../../src/db/open.ts'
import { judgeArrival } from '../../src/flows/admission.ts'
import type { Services } from '../../src/http/exchange.ts'
import { hashToken } from '../../src/lib/secrets.ts'
import { authenticate } from '../../src/sessions/authenticate.ts'
import { decide, type Verdict } from '../../src/sessions/decide.ts'
import { findBrowserHint, findSession, judgeSession } from '../../src/sessions/lookup.ts'
import type { RichState } from '../../src/sessions/state.ts'
import { cookieHeader, type Jar, type Running } from '../autosession/sign-in.ts'
import type { Entered } from './enter.ts'

/** What will be decided of the next request of a browser, and of what; nothing is carried out. */
export interface Preview {
  readonly verdict: Verdict
  /** Of an ordinary request; a return from the provider brings an identity too. */
  readonly state?: RichState
}

const away: RichState = {
  session: 'store-down',
  registration: 'unknown',
  hint: 'absent',
  event: 'request',
}

/** Looks at what the next request will bring, without making it. */
export async function previewOf(running: Running, entered: Entered): Promise<Preview> {
  const { services } = running.sallyport
  try {
    if (entered.person !== undefined)
      return { verdict: await verdictOnReturn(running, entered.jar, entered.person) }
    const state = await stateOf(services, entered.jar)
    return { state, verdict: decide(state) }
  } catch (error) {
    if (!isUnavailable(error)) throw error
    return { state: away, verdict: decide(away) }
  }
}

async function verdictOnReturn(running: Running, jar: Jar, person: string): Promise<Verdict> {
  const { provider, connectionId, sallyport } = running
  const { services } = sallyport
  const key = { connectionId, issuer: provider.issuer, subject: person }
  const asker = await authenticate(services, cookieHeader(services, jar))
  const identity = await findIdentity(services.db, key)
  const visitor = { asker, browser: jar.browser ?? '' }
  return (await judgeArrival(services.db, visitor, identity)).verdict
}

/** What `authenticate` finds, without what it does about it. */
async function stateOf({ db, clock, lifetimes }: Services, jar: Jar): Promise<RichState> {
  const judging = { lifetimes, now: clock.now() }
  const session =
    jar.session === null ? undefined : await findSession(db, hashToken(jar.session), judging)
  const judged =
    jar.session === null
      ? 'absent'
      : session
        ? judgeSession(session, clock.now().getTime())
        : 'unknown'
  const reminds = !['user-current', 'user-lapsed', 'locked'].includes(judged)
  const known =
    reminds && jar.browser !== null ? await findBrowserHint(db, hashToken(jar.browser)) : undefined
  return {
    session: judged,
    registration: session?.account ?? 'unknown',
    hint:
      jar.browser === null
        ? 'absent'
        : !known
          ? 'anonymous'
          : known.gone
            ? 'deleted-user'
            : 'other-user',
    event: 'request',
  }
}
