import { recordEvent, recordEvents, type AuditAction, type AuditEvent } from '../accounts/audit.ts'
import { holdGuest } from '../accounts/users.ts'
import { isDuplicate, type Db } from '../db/open.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError, type ErrorCode } from '../lib/errors.ts'
import { hashToken, tokenKey } from '../lib/secrets.ts'
import type { Outbox } from '../mails/outbox.ts'
import type { Asker } from '../sessions/authenticate.ts'
import { decide, type Verdict } from '../sessions/decide.ts'
import type { BrowserHint } from '../sessions/lookup.ts'
import type { Node } from '../sessions/node.ts'
import { announce } from '../sessions/revocations.ts'
import { isRecent, type Lifetimes } from '../sessions/lifetimes.ts'
import { openSession, type Grounds, type Opened } from '../sessions/sessions.ts'
import { settle } from '../sessions/settle.ts'
import type { RichState } from '../sessions/state.ts'
import { sendNotices } from './notices.ts'
import { hintAtArrival, type Registration } from './registration.ts'
import { safeReturnTo } from './return-to.ts'
import { consumeFlow } from './store.ts'

/** What letting somebody in takes. */
export interface AdmissionServices {
  readonly db: Db
  readonly clock: Clock
  readonly node: Node
  readonly lifetimes: Lifetimes
  readonly sendMail: Outbox
  /** Our own origin, such as `https://app.example.com`. */
  readonly origin: string
}

/** The browser at the door. */
export interface Visitor {
  /** The browser cookie's value; the flow is bound to it. */
  readonly browser: string
  /** Who this browser is signed in as now. */
  readonly asker: Asker
  readonly device?: string | undefined
  readonly address?: string | undefined
  readonly requestId: string
}

/** Whose account a proof leads to. `gone`: the account was deleted. */
export interface Owner {
  readonly userId: string
  readonly owner: 'active' | 'suspended' | 'gone'
}

/**
 * How a proof leads to an account: through an organization's connection, or without one. All of it happens in the
 * transaction that admits.
 */
export interface Way<Found extends Owner = Owner> {
  /** For the audit. @default none: no organization is involved */
  readonly organizationId?: string
  /** What `login.succeeded` says of this way. */
  readonly told: Readonly<Record<string, string>>
  /**
   * Looks once more: is this way still open, and whose account is it? What it finds is held until the commit.
   * @throws AppError
   */
  find(tx: Db): Promise<Found | undefined>
  /**
   * Makes an account for somebody unknown.
   * @throws AppError where strangers are not let in
   */
  register(tx: Db, now: Date, joining: Joining): Promise<Found>
  /**
   * Links what was proven to an account whose person has agreed to it and has just proven themself. Absent where there
   * is nothing to link.
   * @throws AppError `not_a_member`, `already_linked`
   */
  link?(tx: Db, userId: string, now: Date): Promise<Found>
  /** Writes down that the proof was given, and answers what the session rests on. */
  accept(tx: Db, found: Found, now: Date): Promise<Accepted>
}

/** What a session rests on, and whether the person has another role now, which their other sessions have to read. */
export type Accepted = Grounds & { readonly roleChanged?: boolean }

/** How somebody unknown comes to join. */
export interface Joining {
  readonly verdict: Verdict
  /** What they said on the form; undefined where there was none. Its guest is held. */
  readonly registration: Registration | undefined
}

/** Somebody at the door with a proof, and what else the sign-in found out. */
export interface Arrival {
  readonly flowId: string
  readonly way: Way
  readonly visitor: Visitor
  readonly returnTo: string
  /** Whether the person agreed to end the session of somebody else in this browser. */
  readonly agreedToSwitch: boolean
  /** @default none: there was no form */
  readonly registration?: Registration | undefined
  /** The account that is to have the identity from now on; it is the one signed in here. @default none */
  readonly linkTo?: string | undefined
  /** Whether the person asks to be kept signed in. @default as in the session it replaces */
  readonly keep?: boolean | undefined
}

/** Somebody let in: their new session, and where they go. */
export interface Admitted {
  readonly opened: Opened
  readonly returnTo: string
}

/**
 * Lets somebody in, or says why not: the one place where a session can begin.
 * When it returns, the session that went is dead on every node.
 * @throws AppError `account_disabled`, `identity_conflict`, `identity_in_use`, `already_linked`, `not_a_member`, `provider_disabled`, `flow_invalid`
 */
export async function admitArrival(
  services: AdmissionServices,
  arrival: Arrival,
): Promise<Admitted> {
  const { admitted, position } = await commit(services, arrival)
    .catch((error) => {
      // Two first sign-ins of one person at once: the other made the account, and now it is found.
      if (!firstKeys.some((key) => isDuplicate(error, key))) throw error
      return commit(services, arrival)
    })
    .catch((error) => tellRefusedLink(services, arrival, error))
  await settle(services.db, services.node, position)
  return admitted
}

/** What says that somebody has just been given an account. */
const firstKeys = [
  'identities_connection_id_issuer_subject_key',
  'identities_connection_id_user_id_key',
  'user_emails_verified',
]

/** Flow consumed, account found or made, session opened, audit written; or none of it. */
function commit(
  services: AdmissionServices,
  { flowId, way, visitor, returnTo: wanted, agreedToSwitch, registration, linkTo, keep }: Arrival,
): Promise<{ admitted: Admitted; position: number }> {
  const { asker, requestId } = visitor
  const now = services.clock.now()
  return services.db.transaction().execute(async (tx) => {
    const known = await way.find(tx)
    const found =
      linkTo === undefined ? known : await link(tx, services, { way, visitor, known, linkTo }, now)
    if (found?.owner === 'gone') throw new AppError('not_a_member', { reason: 'account_deleted' })
    const { verdict } = await judgeArrival(tx, visitor, found)
    if (verdict.refuse)
      throw new AppError(verdict.refuse, { reason: verdict.audit ?? verdict.refuse })
    if (verdict.session === 'switch' && !agreedToSwitch)
      throw new AppError('flow_invalid', { reason: 'switched_meanwhile' })
    if (!found) await holdPromoted(tx, asker, registration)
    const owner = found ?? (await way.register(tx, now, { verdict, registration }))
    const guest = asker.session?.kind === 'guest' ? asker.session.person.id : undefined
    const declinesGuest = guest !== undefined && registration?.guestId === null
    const grounds = await way.accept(tx, owner, now)

    const opening = {
      userId: owner.userId,
      browserHash: hashToken(visitor.browser),
      flowId,
      replaces: asker.session
        ? { id: asker.session.id, userId: asker.session.person.id, late: asker.late }
        : undefined,
      declinesGuest,
      keep,
      device: visitor.device,
      address: visitor.address,
      requestId,
    }
    const opened = await openSession(tx, grounds, opening, services.lifetimes, now)
    await sendNotices(tx, services, { ...opening, crowdedOut: opened.crowdedOut }, now)
    const returnTo = onTheWay(opened, safeReturnTo(wanted, services.origin))
    const outcome = { kind: 'signed-in', sessionId: opened.id, returnTo } as const
    if (!(await consumeFlow(tx, flowId, outcome, now)))
      throw new AppError('flow_invalid', { reason: 'consumed' })
    const { organizationId } = way
    const event = { actorId: owner.userId, organizationId, target: opened.id, requestId }
    const data = { row: verdict.row, ...way.told }
    const told: AuditEvent[] = [...opened.told, { action: 'login.succeeded', ...event, data }]
    if (guest && (declinesGuest || opened.offeredGuest === guest)) {
      const action = declinesGuest ? 'guest.declined' : 'guest.claim_offered'
      told.push({ action, ...event, target: guest })
    }
    await recordEvents(tx, told, now)
    // A guest promoted has no session as a guest any more, on any node.
    const promoted = guest === owner.userId ? [{ kind: 'user', id: guest } as const] : []
    const changed = grounds.roleChanged ? [{ kind: 'user', id: owner.userId } as const] : []
    const position = await announce(tx, [...opened.changed, ...promoted, ...changed])
    return { admitted: { opened, returnTo }, position }
  })
}

/**
 * The identity as the account's that is to have it: linked now, or before. Nobody but the person signed in here links
 * anything, and not on an old sign-in or in a browser that their session does not know.
 */
async function link(
  tx: Db,
  { lifetimes }: Pick<AdmissionServices, 'lifetimes'>,
  {
    way,
    visitor,
    known,
    linkTo,
  }: Pick<Arrival, 'way' | 'visitor'> & {
    readonly known: Owner | undefined
    readonly linkTo: string
  },
  now: Date,
): Promise<Owner> {
  const { session } = visitor.asker
  if (!way.link || session?.kind !== 'user' || session.person.id !== linkTo)
    throw new AppError('flow_invalid', { reason: 'user_mismatch' })
  if (known && known.userId !== linkTo) throw new AppError('identity_in_use')
  if (known) return known
  if (!mayDecide(visitor, lifetimes, now)) throw new AppError('reauth_required')
  return way.link(tx, linkTo, now)
}

/**
 * Whether the person signed in here may decide on what leads to their account: they have signed in lately, and in this
 * very browser. A session that came here from elsewhere may have been put here by somebody else.
 */
export function mayDecide(
  { asker: { session }, browser }: Pick<Visitor, 'asker' | 'browser'>,
  lifetimes: Lifetimes,
  now: Date,
): boolean {
  if (session?.kind !== 'user') return false
  const bound = session.browserKey === tokenKey(browser)
  return bound && isRecent(session.authenticatedAt, lifetimes, now)
}

/** Tells both whom a refused link concerns: who asked for it, and whose the identity is. Neither hears of the other. */
async function tellRefusedLink(
  { db, clock }: AdmissionServices,
  { way, visitor: { requestId }, linkTo }: Arrival,
  error: unknown,
): Promise<never> {
  const code = linkTo !== undefined && error instanceof AppError ? error.code : undefined
  const action = code && refusedLinks[code]
  if (!action) throw error
  const event = { action, outcome: 'deny', organizationId: way.organizationId, requestId } as const
  await recordEvent(db, { ...event, actorId: linkTo, target: linkTo, data: way.told }, clock.now())
  const owner = code === 'identity_in_use' ? await way.find(db) : undefined
  if (owner) await recordEvent(db, { ...event, target: owner.userId, data: way.told }, clock.now())
  throw error
}

const refusedLinks: Partial<Record<ErrorCode, AuditAction>> = {
  identity_in_use: 'identity.in_use',
  already_linked: 'identity.subject_changed',
}

/** Holds the guest who is to become the person: the one at work in this browser and none else, still a guest. */
async function holdPromoted(
  tx: Db,
  { session }: Asker,
  registration: Registration | undefined,
): Promise<void> {
  const guestId = registration?.guestId
  if (!guestId) return
  const here = session?.kind === 'guest' && session.person.id === guestId
  if (!here || !(await holdGuest(tx, guestId)))
    throw new AppError('flow_invalid', { reason: 'guest_gone' })
}

/** Whoever was a guest until now is asked about their work before they go on. */
function onTheWay({ offeredGuest }: Opened, returnTo: string): string {
  return offeredGuest ? `/claim?return_to=${encodeURIComponent(returnTo)}` : returnTo
}

/** What is decided about somebody who has just been proven, in a browser that may be somebody's already. */
export async function judgeArrival(
  db: Db,
  visitor: Pick<Visitor, 'asker' | 'browser'>,
  found: Owner | undefined,
): Promise<{ verdict: Verdict; last: BrowserHint | undefined }> {
  const { session, state } = visitor.asker
  const hint = await hintAtArrival(db, visitor)
  const registration = { active: 'active', suspended: 'disabled', gone: 'deleted' } as const
  const arrived: RichState = {
    ...state,
    session: session || !living.includes(state.session) ? state.session : 'revoked',
    hint: hint.state,
    event: eventOf(session, found),
    registration: found ? registration[found.owner] : 'unregistered',
  }
  return { verdict: decide(arrived), last: hint.last }
}

/** Of a session that nobody may act with, such as one whose account is gone, nothing is left to be in conflict with. */
const living: readonly RichState['session'][] = ['guest', 'user-lapsed', 'user-current', 'locked']

function eventOf(session: Asker['session'], found: Owner | undefined): RichState['event'] {
  if (session?.kind !== 'user' || !found) return 'login'
  return session.person.id === found.userId ? 'reauth' : 'switch'
}
