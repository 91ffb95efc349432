import { findIdentity } from '../../src/accounts/identities.ts'
import { isUnavailable } from '../../src/db/open.ts'
import type { Services } from '../../src/http/exchange.ts'
import { hashToken } from '../../src/lib/secrets.ts'
import { decide, type Verdict } from '../../src/sessions/decide.ts'
import { findBrowserHint, findSession, judgeSession } from '../../src/sessions/lookup.ts'
import type { RichState } from '../../src/sessions/state.ts'
import type { Running } from '../autosession/sign-in.ts'
import type { Entered } from './enter.ts'

/** What will be decided of the next request of a browser, and of what; nothing is carried out. */
export interface Preview {
  readonly state: RichState
  readonly verdict: Verdict
}

/** Looks at what the next request will bring, without making it. */
export async function previewOf(running: Running, entered: Entered): Promise<Preview> {
  const { services } = running.sallyport
  try {
    const state = await stateOf(services, running, entered)
    return { state, verdict: decide(state) }
  } catch (error) {
    if (!isUnavailable(error)) throw error
    const state: RichState = {
      session: 'store-down',
      registration: 'unknown',
      hint: 'absent',
      event: 'request',
    }
    return { state, verdict: decide(state) }
  }
}

async function stateOf(
  { db, clock, lifetimes }: Services,
  running: Running,
  { jar, person }: Entered,
): Promise<RichState> {
  const judging = { lifetimes, now: clock.now() }
  const session =
    jar.session === null ? undefined : await findSession(db, hashToken(jar.session), judging)
  const judged =
    jar.session === null ? 'absent' : session ? judgeSession(session, clock.now()) : 'unknown'
  const hint = jar.browser === null ? 'absent' : 'anonymous'
  if (person !== undefined) {
    const { provider, connectionId } = running
    const identity = await findIdentity(db, {
      connectionId,
      issuer: provider.issuer,
      subject: person,
    })
    const registration = { active: 'active', suspended: 'disabled', gone: 'deleted' } as const
    return {
      session: judged,
      registration: identity ? registration[identity.owner] : 'unregistered',
      hint,
      event:
        !session || !identity
          ? 'login'
          : session.person.id === identity.userId
            ? 'reauth'
            : 'switch',
    }
  }
  const stranger = ['absent', 'unknown', 'expired', 'revoked'].includes(judged)
  const known =
    stranger && jar.browser !== null ? await findBrowserHint(db, hashToken(jar.browser)) : undefined
  return {
    session: judged,
    registration: session?.account ?? 'unknown',
    hint: known ? (known.gone ? 'deleted-user' : 'other-user') : hint,
    event: 'request',
  }
}
