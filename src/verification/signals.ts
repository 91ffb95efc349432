import { recordEvent, type AuditEvent } from '../accounts/audit.ts'
import { readSettings, type Connection } from '../accounts/connections.ts'
import { recordLockout } from '../accounts/lockouts.ts'
import {
  noteEvent,
  noteStatus,
  takeVerification,
  type SignalStream,
} from '../accounts/signal-streams.ts'
import { holdSignalled, markDisabled, markEnabled, type Signalled } from '../accounts/signalled.ts'
import type { Db } from '../db/open.ts'
import { useOnce } from '../db/used-once.ts'
import { rememberEnded } from '../flows/backchannel-logout.ts'
import { later } from '../lib/clock.ts'
import { metrics } from '../lib/metrics.ts'
import type { Sealer } from '../lib/seal.ts'
import { knowSettings } from '../providers/index.ts'
import { keysOf } from '../providers/jwks.ts'
import type { ProviderServices } from '../providers/provider.ts'
import {
  isAboutStream,
  readSignalSubject,
  signalSkew,
  verifySecurityEvent,
  type RefusedSet,
  type SecurityEvent,
  type SignalSubject,
} from '../providers/security-event.ts'
import {
  signalEffect,
  signalName,
  streamUpdatedEvent,
  verificationEvent,
  type SignalEffect,
} from '../providers/signal-events.ts'
import { discoverTransmitter, readStreamStatus } from '../providers/transmitter.ts'
import type { Quiet } from '../sessions/authenticate.ts'
import { takeProofs } from '../sessions/ending.ts'
import { revoke } from '../sessions/revoke.ts'
import type { Target } from '../sessions/revocations.ts'
import { noteStreamTrouble } from './signal-trouble.ts'
import { carryOut, type VerdictServices } from './verdict.ts'

/** What hearing shared signals takes. */
export interface SignalServices extends VerdictServices, ProviderServices {
  readonly sealer: Sealer
  readonly quiet: Quiet
}

/**
 * Judges a security event token that came for a connection's stream, and carries out what it says. When this returns
 * nothing, that holds on every node; the same token a second time changes nothing.
 * @returns why it was not taken
 * @throws AppError `sso_unavailable` when the transmitter's keys cannot be had now
 */
export async function receiveSignal(
  services: SignalServices,
  connection: Connection,
  stream: SignalStream,
  token: string,
  requestId?: string,
): Promise<RefusedSet | undefined> {
  const heard = await judge(services, connection, stream, token)
  const refused = 'refused' in heard ? heard.refused : await take(services, heard, requestId)
  if (!refused) return undefined
  metrics.signals.add(1, 'event' in heard ? signalName(heard.event.type) : 'unknown', 'refused')
  await tellRefused(services, connection, refused, requestId)
  return refused
}

/** An event that has been judged, and whose it is. */
interface Heard {
  readonly event: SecurityEvent
  readonly connection: Connection
  readonly stream: SignalStream
  /** Undefined: it is about the stream itself. */
  readonly subject: SignalSubject | undefined
}

async function judge(
  services: SignalServices,
  connection: Connection,
  stream: SignalStream,
  token: string,
): Promise<Heard | { readonly refused: RefusedSet }> {
  const context = { ...services, connectionId: connection.id }
  const transmitter = await discoverTransmitter(stream.issuer, context)
  const { issuer, audience } = stream
  const now = services.clock.now()
  const event = await verifySecurityEvent(token, keysOf(transmitter, context), {
    issuer,
    audience,
    now,
  })
  if ('refused' in event) return event
  if (event.type === verificationEvent || event.type === streamUpdatedEvent)
    return isAboutStream(event.subject, stream.streamId)
      ? { event, connection, stream, subject: undefined }
      : { refused: { err: 'invalid_request', reason: 'subject: another stream' } }
  if (signalName(event.type) === 'unknown') return { event, connection, stream, subject: {} }
  const subject = readSignalSubject(event.subject, transmitter.critical_subject_members ?? [])
  return 'refused' in subject ? subject : { event, connection, stream, subject }
}

/** Undoes the transaction of an event that is not taken after all: sent again it is refused again. */
class NotTaken extends Error {
  readonly refused: RefusedSet
  constructor(refused: RefusedSet) {
    super(refused.reason)
    this.refused = refused
  }
}

async function take(
  services: SignalServices,
  heard: Heard,
  requestId: string | undefined,
): Promise<RefusedSet | undefined> {
  const { event, connection } = heard
  const now = services.clock.now()
  try {
    await revoke(services, async (tx) => {
      const { id, until } = event
      const first = await useOnce(tx, { kind: 'signal', scope: connection.id, id, until })
      if (!first) return { result: undefined, targets: [] }
      if (heard.subject)
        return {
          result: undefined,
          targets: await takeAboutPerson(tx, services, heard, requestId, now),
        }
      const refused = await takeAboutStream(tx, services, heard, now)
      if (refused) throw new NotTaken(refused)
      return { result: undefined, targets: [] }
    })
    return undefined
  } catch (thrown) {
    if (thrown instanceof NotTaken) return thrown.refused
    throw thrown
  }
}

async function takeAboutStream(
  tx: Db,
  services: SignalServices,
  { event, connection }: Heard,
  now: Date,
): Promise<RefusedSet | undefined> {
  const { type, payload } = event
  const about = { organizationId: connection.organization.id, target: connection.id }
  if (type === verificationEvent) {
    // One that nobody asked for shows that events arrive, and answers nothing.
    if (payload['state'] !== undefined) {
      if (!(await takeVerification(tx, connection.id, String(payload['state']), now)))
        return { err: 'invalid_state', reason: 'verification: another state' }
      await recordEvent(tx, { action: 'signals.verified', ...about }, now)
    }
  } else {
    const said = readStreamStatus(payload)
    if (!said) return { err: 'invalid_request', reason: 'stream-updated: no status' }
    await changeStatus(tx, services, connection, said, now)
  }
  metrics.signals.add(1, signalName(type), 'none')
  await noteEvent(tx, connection.id, signalName(type), now)
  return undefined
}

/** Notes what a transmitter says of a stream, and tells administrators when it stops and when it goes on. */
export async function changeStatus(
  tx: Db,
  services: Pick<SignalServices, 'sendMail' | 'origin'>,
  connection: Connection,
  said: NonNullable<ReturnType<typeof readStreamStatus>>,
  now: Date,
): Promise<void> {
  const before = await noteStatus(tx, connection.id, said)
  if (before === undefined || before === said.status) return
  const event = { organizationId: connection.organization.id, target: connection.id }
  const data = { from: before, to: said.status }
  await recordEvent(tx, { action: 'signals.status_changed', ...event, data }, now)
  const reason = said.status === 'enabled' ? null : said.status
  await noteStreamTrouble(tx, services, connection, { reason, patience: 0 }, now)
}

/** What one event is carried out with. */
interface Act {
  readonly tx: Db
  readonly services: SignalServices
  readonly connection: Connection
  readonly event: SecurityEvent
  readonly subject: SignalSubject
  readonly identity: Signalled | undefined
  readonly now: Date
}

/** What became of it, in one word for the audit, and what has to be read anew. */
interface Done {
  readonly came: string
  readonly targets: readonly Target[]
}

const nothing = (came: string): Done => ({ came, targets: [] })

/** What each effect does. Everything that ends anything goes through the same doors as a verdict. */
const effects: Readonly<Record<SignalEffect, (act: Act) => Promise<Done>>> = {
  none: async () => nothing('nothing'),
  end: endProven,
  check: checkOrEnd,
  disable: (act) => disable(act, false),
  purge: (act) => disable(act, true),
  enable,
}

/** Effects on an account, which a session's name alone does not name. */
const onAccounts: readonly SignalEffect[] = ['check', 'disable', 'purge', 'enable']

async function takeAboutPerson(
  tx: Db,
  services: SignalServices,
  { event, connection, subject }: Heard,
  requestId: string | undefined,
  now: Date,
): Promise<readonly Target[]> {
  const effect = signalEffect(event.type, event.payload)
  const identity = await whoIs(tx, services, connection, subject!)
  const act = { tx, services, connection, event, subject: subject!, identity, now }
  const unknown =
    (subject!.person !== undefined || onAccounts.includes(effect)) && identity === undefined
  const done =
    effect !== 'none' && unknown ? await rememberUnknown(act, effect) : await effects[effect](act)
  const ignored = done.came === 'nothing' || done.came.startsWith('ignored: ')
  metrics.signals.add(1, signalName(event.type), ignored ? 'none' : effect)
  await noteEvent(tx, connection.id, signalName(event.type), now)
  await tell(tx, services, act, done.came, ignored, requestId)
  return done.targets
}

/** Whom an event means: only what the connection's provider calls somebody names them. */
async function whoIs(
  tx: Db,
  { sealer }: SignalServices,
  { id: connectionId, kind }: Connection,
  { person }: SignalSubject,
): Promise<Signalled | undefined> {
  if (!person) return undefined
  const issuer =
    person.issuer ?? knowSettings(kind, await readSettings(tx, sealer, connectionId))?.issuer
  if (issuer === undefined) return undefined
  return holdSignalled(tx, { connectionId, issuer, subject: person.subject })
}

/** Nobody here is called that; a first sign-in that is under way must not slip past what ends it. */
async function rememberUnknown(act: Act, effect: SignalEffect): Promise<Done> {
  if (effect !== 'enable') await rememberOver(act)
  return nothing('ignored: unknown subject')
}

async function rememberOver({ tx, connection, event, subject }: Act): Promise<void> {
  const { person, session } = subject
  if (session === undefined && person === undefined) return
  const over = session === undefined ? { subject: person!.subject } : { session }
  await rememberEnded(tx, connection.id, over, event.at)
}

/** Ends what was proven before the event happened; whoever has signed in since goes on. */
async function endProven(act: Act): Promise<Done> {
  const { tx, connection, event, subject, identity, now } = act
  await rememberOver(act)
  const which = {
    organizationId: connection.organization.id,
    connectionId: connection.id,
    identityId: identity?.id,
    providerSession: subject.session,
    until: later(event.at, signalSkew),
    reason: 'provider_logout',
  } as const
  const { targets } = await takeProofs(tx, which, {}, now)
  if (targets.length > 0)
    await recordLockout(
      tx,
      { connectionId: connection.id, by: 'caep', seconds: sinceEvent(act) },
      now,
    )
  return { came: 'ended', targets }
}

function sinceEvent({ event, now }: Act): number {
  return (now.getTime() - event.at.getTime()) / 1000
}

/** Asks about the person at once; where there is no asking, they have to sign in again. */
async function checkOrEnd(act: Act): Promise<Done> {
  const { tx, identity, now } = act
  const { id, checkAt } = identity!
  if (checkAt === null) return endProven(act)
  await tx
    .updateTable('identities')
    .set({ check_at: now })
    .where('id', '=', id)
    .where('check_at', '>', now)
    .where('lease', 'is', null)
    .execute()
  return nothing('asked about')
}

/** The event of an account that is gone for good. */
export const purgedBy = 'account-purged'

async function disable(act: Act, purged: boolean): Promise<Done> {
  const { tx, services, connection, event, now } = act
  const identity = act.identity!
  const { id, userId, saidAt, lastVerifiedAt, disabledAt, disabledBy } = identity
  if (saidAt !== null && saidAt > event.at) return nothing('ignored: outdated')
  // The provider itself has vouched for them since: what is late is looked into, and ends nobody by itself.
  if (!purged && lastVerifiedAt > later(event.at, signalSkew)) return checkOrEnd(act)
  await rememberEnded(tx, connection.id, { subject: act.subject.person!.subject }, event.at)
  const by = disabledBy === purgedBy ? purgedBy : signalName(event.type)
  await markDisabled(tx, id, { by, at: event.at, purged }, now)
  const gone = identity.verdict === 'no_longer_true' && !identity.held
  if (disabledAt !== null || gone) {
    const organizationId = connection.organization.id
    const which = { organizationId, identityId: id, reason: 'identity_revoked' } as const
    const { targets } = await takeProofs(tx, which, {}, now)
    return { came: 'disabled', targets: [...targets, { kind: 'identity', id }] }
  }
  const judged = {
    id,
    userId,
    organizationId: connection.organization.id,
    connectionId: connection.id,
  }
  await recordLockout(
    tx,
    { connectionId: connection.id, by: 'caep', seconds: sinceEvent(act) },
    now,
  )
  const reason = `signal: ${signalName(event.type)}`
  return { came: 'disabled', targets: await carryOut(tx, services, judged, reason, now) }
}

async function enable({ tx, event, identity }: Act): Promise<Done> {
  const { id, saidAt, disabledAt, disabledBy } = identity!
  if (saidAt !== null && saidAt > event.at) return nothing('ignored: outdated')
  if (disabledBy === purgedBy) return nothing('ignored: purged')
  await markEnabled(tx, id, event.at)
  return nothing(disabledAt === null ? 'ignored: not disabled' : 'enabled')
}

async function tell(
  tx: Db,
  { quiet }: SignalServices,
  { connection, event, identity, now }: Act,
  came: string,
  ignored: boolean,
  requestId: string | undefined,
): Promise<void> {
  const name = signalName(event.type)
  const target = identity?.id ?? connection.id
  const about = { organizationId: connection.organization.id, target, requestId }
  const data = { event: name, came: ignored ? undefined : came, connection: connection.id }
  if (!ignored) return recordEvent(tx, { action: 'signal.received', ...about, data }, now)
  // A transmitter tells of many things that nobody here has to know of.
  const key = `signal.ignored ${connection.id} ${name}`
  if (came === 'nothing' && quiet.has(key)) return
  if (came === 'nothing') quiet.set(key, true)
  const reason = came.replace('ignored: ', '')
  await recordEvent(tx, { action: 'signal.ignored', ...about, data: { ...data, reason } }, now)
}

/** The same refusal is told once in a while; the log has it every time. */
export async function tellRefused(
  { db, quiet, log, clock }: SignalServices,
  { id, organization }: Connection,
  { err, reason }: RefusedSet,
  requestId: string | undefined,
): Promise<void> {
  log.info({ connectionId: id, err, reason, requestId }, 'a shared signal was refused')
  const key = `signal.refused ${id} ${reason}`
  if (quiet.has(key)) return
  quiet.set(key, true)
  const about = { organizationId: organization.id, target: id, requestId }
  const event: AuditEvent = { action: 'signal.refused', outcome: 'deny', ...about }
  await recordEvent(db, { ...event, data: { err, reason } }, clock.now())
}
