import { recordEvent } from '../accounts/audit.ts'
import { findIdentity, hasIdentityAt } from '../accounts/identities.ts'
import { letsIn } from '../accounts/joining.ts'
import { later, minutes } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { hashToken, randomToken } from '../lib/secrets.ts'
import type { Verdict } from '../sessions/decide.ts'
import { describeGuest } from '../sessions/guests.ts'
import type { Person } from '../sessions/lookup.ts'
import { judgeArrival } from './admission.ts'
import type { LoginData, LoginStep, LoginTurn } from './login.ts'
import { asksToRegister, readName, type ArrivalHint } from './registration.ts'
import { restrictFlow } from './store.ts'
import { assertMayLink } from './through-connection.ts'

/** What somebody signed in is asked before one more sign-in leads to their account. */
export interface LinkQuestion {
  readonly kind: 'ask-link'
  /** What the person signed in here is called. */
  readonly account: string
  /** What the provider says of whom it vouches for. */
  readonly name: string | undefined
  readonly email: string | undefined
  /** Whether the person began this in order to link; else they have merely signed in. */
  readonly wanted: boolean
}

type Turned = Awaited<ReturnType<LoginStep['run']>>

/** How long somebody may take to answer, in milliseconds. */
const timeToAnswer = minutes(10)

/** An identity that nobody here knows: whoever is signed in may link it, and anybody else may register. */
export const join: LoginStep = {
  name: 'join',
  version: 1,
  done: ({ registration, linkTo }) => registration !== undefined || linkTo !== undefined,
  async run(data, turn) {
    const identity = await findIdentity(turn.services.db, data.proof!)
    if (identity) return nothingToAsk(data)
    const judged = await judgeArrival(turn.services.db, turn, undefined)
    const { refuse } = judged.verdict
    if (refuse === 'identity_conflict') return offerLink(data, turn, judged.verdict)
    return refuse ? nothingToAsk(data) : askToRegister(data, turn, judged)
  },
}

/** Whoever began this in order to link is shown what they are about to link, and to what. */
export const agreeToLink: LoginStep = {
  name: 'agree-to-link',
  version: 1,
  done: ({ linkTo }) => linkTo !== undefined,
  async run(data, turn) {
    const { services, connection } = turn
    const { id: userId } = personOf(turn)
    const identity = await findIdentity(services.db, data.proof!)
    const other = await hasIdentityAt(services.db, { userId, connectionId: connection.id })
    // Nothing to ask: it is linked already, or cannot be. Admission says which.
    if (identity || other) return { data: { ...data, linkTo: userId } }
    return askToLink(data, turn, true)
  },
}

function nothingToAsk(data: LoginData): Turned {
  return { data: { ...data, registration: 'none' } }
}

async function offerLink(data: LoginData, turn: LoginTurn, { row }: Verdict): Promise<Turned> {
  const { services, connection } = turn
  const { id: userId } = personOf(turn)
  // Whoever has a sign-in here already is most likely somebody else at the same keyboard.
  if (await hasIdentityAt(services.db, { userId, connectionId: connection.id }))
    return nothingToAsk(data)
  if (!data.askedToLink) await firstAsked(turn, 'identity.conflict', { row })
  return askToLink(data, turn, false)
}

async function askToLink(data: LoginData, turn: LoginTurn, wanted: boolean): Promise<Turned> {
  const { services, connection, links } = turn
  const { id: userId, name: account } = personOf(turn)
  const { claims } = data.proof!
  const { invitationId } = data
  await assertMayLink(services.db, connection, { userId, proof: data.proof!, invitationId })
  if (links && data.askedToLink === userId) return { data: { ...data, linkTo: userId } }
  const { name, email } = claims
  return {
    data: { ...data, askedToLink: userId },
    answer: { kind: 'ask-link', account, name, email, wanted },
  }
}

function personOf({ asker: { session } }: LoginTurn): Person {
  if (session?.kind !== 'user') throw new AppError('flow_invalid', { reason: 'user_mismatch' })
  return session.person
}

async function askToRegister(
  data: LoginData,
  turn: LoginTurn,
  { verdict, last }: { readonly verdict: Verdict; readonly last: ArrivalHint['last'] | undefined },
): Promise<Turned> {
  const { services, connection, asker, form } = turn
  const { claims } = data.proof!
  const policy = data.invitationId
    ? 'everybody'
    : await letsIn(services.db, connection, data.proof!)
  if (policy === 'nobody' && !data.asked) await tellUnknown(turn, verdict)
  // Whoever has seen the form is not let in without it, even if nothing speaks for it any more.
  if (!asksToRegister(policy, data.asked ? { row: 7 } : verdict)) return nothingToAsk(data)

  const guest = asker.session?.kind === 'guest' ? asker.session : undefined
  const work = guest ? await describeGuest(services, guest.person.id) : null
  const guestId = guest && work !== null ? guest.person.id : null
  const name = readName(form?.name)
  // Only what the form has shown is kept: another guest may have come to this browser since.
  if (form && name && data.asked && (!form.keep || data.asked.guestId === guestId))
    return { data: { ...data, registration: { name, guestId: form.keep ? guestId : null } } }

  const clears = !data.asked && verdict.cookies.includes('clear_browser')
  const browser = clears ? randomToken(16) : undefined
  if (!data.asked)
    await firstAsked(turn, 'login.identity_unregistered', { row: verdict.row, browser })
  return {
    data: { ...data, asked: { guestId } },
    answer: {
      kind: 'register',
      name: form?.name ?? claims.name ?? '',
      email: claims.email,
      wrongName: form !== undefined && name === undefined,
      work,
      sameBrowser: verdict.row !== 6,
      last: last?.gone ? undefined : last,
      browser,
    },
  }
}

/**
 * Tells of a stranger, and sets the time for an answer.
 * @param options `browser`: a new key for a browser that reminds of somebody gone
 */
async function firstAsked(
  turn: LoginTurn,
  action: 'identity.conflict' | 'login.identity_unregistered',
  { row, browser }: { readonly row: number; readonly browser?: string | undefined },
): Promise<void> {
  const { services, handle } = turn
  await restrictFlow(services.db, handle, {
    endsAt: later(services.clock.now(), timeToAnswer),
    browserHash: browser ? hashToken(browser) : undefined,
  })
  await tellUnknown(turn, { row }, action)
}

async function tellUnknown(
  { services, connection, requestId }: LoginTurn,
  { row }: Pick<Verdict, 'row'>,
  action: 'identity.conflict' | 'login.identity_unregistered' = 'login.identity_unregistered',
): Promise<void> {
  const data = { row, connection: connection.id }
  const event = { organizationId: connection.organization.id, data, requestId }
  await recordEvent(services.db, { action, ...event }, services.clock.now())
}
