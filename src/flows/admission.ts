import { recordEvent } from '../accounts/audit.ts'
import { findConnection, type Connection } from '../accounts/connections.ts'
import { findIdentity, linkIdentity, markVerified, type Identity } from '../accounts/identities.ts'
import { addMember, markLinked } from '../accounts/organizations.ts'
import { createUser } from '../accounts/users.ts'
import { isDuplicate, type Db } from '../db/open.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { hashToken } from '../lib/secrets.ts'
import type { Proof } from '../providers/proof.ts'
import type { Asker } from '../sessions/authenticate.ts'
import { decide, type Verdict } from '../sessions/decide.ts'
import type { Node } from '../sessions/node.ts'
import { announce } from '../sessions/revocations.ts'
import { openSession, type Lifetimes, type Opened } from '../sessions/sessions.ts'
import { settle } from '../sessions/settle.ts'
import type { RichState } from '../sessions/state.ts'
import { safeReturnTo } from './return-to.ts'
import { consumeFlow, type Bound } from './store.ts'

/** What letting somebody in takes. */
export interface AdmissionServices {
  readonly db: Db
  readonly clock: Clock
  readonly node: Node
  readonly lifetimes: Lifetimes
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

/** A proof, and what else the sign-in found out. */
export interface Arrival {
  readonly flow: { readonly id: string } & Bound
  readonly proof: Proof
  readonly visitor: Visitor
  readonly returnTo: string
  /** Whether the person agreed to end the session of somebody else in this browser. */
  readonly agreedToSwitch: boolean
}

/** Somebody let in: their new session, and where they go. */
export interface Admitted {
  readonly opened: Opened
  readonly returnTo: string
}

/**
 * Lets somebody in, or says why not: the one place where a session can begin.
 * When it returns, the session that went is dead on every node.
 * @throws AppError `account_disabled`, `identity_conflict`, `not_a_member`, `provider_disabled`, `flow_invalid`
 */
export async function admitArrival(
  services: AdmissionServices,
  arrival: Arrival,
): Promise<Admitted> {
  const { admitted, position } = await commit(services, arrival).catch((error) => {
    // Two first sign-ins of one person at once: the other made the account, and now it is found.
    if (!isDuplicate(error, 'identities_connection_id_issuer_subject_key')) throw error
    return commit(services, arrival)
  })
  await settle(services.db, services.node, position)
  return admitted
}

/** Refuses a connection that is not in use. */
export function assertUsable({ state }: Connection): void {
  if (state !== 'active') throw new AppError('provider_disabled', { reason: `connection_${state}` })
}

/** Flow consumed, account found or made, session opened, audit written; or none of it. */
function commit(
  services: AdmissionServices,
  { flow, proof, visitor, returnTo: wanted, agreedToSwitch }: Arrival,
): Promise<{ admitted: Admitted; position: number }> {
  const { asker, requestId } = visitor
  const now = services.clock.now()
  return services.db.transaction().execute(async (tx) => {
    const connection = await findConnection(tx, flow.connectionId, { hold: true })
    if (!connection || connection.configVersion !== flow.configVersion)
      throw new AppError('flow_invalid', { reason: 'config_changed' })
    assertUsable(connection)
    const organizationId = connection.organization.id

    const identity = await findIdentity(tx, proof, { hold: true })
    const verdict = decide(stateAt(asker, identity))
    const member = await memberFor(tx, { identity, verdict, connection, proof, requestId }, now)
    if (verdict.session === 'switch' && !agreedToSwitch)
      throw new AppError('flow_invalid', { reason: 'switched_meanwhile' })
    await markVerified(tx, { id: member.identityId, claims: proof.claims }, now)
    await markLinked(tx, { organizationId, userId: member.userId }, now)

    const opening = {
      ...member,
      organizationId,
      configVersion: connection.configVersion,
      browserHash: hashToken(visitor.browser),
      flowId: flow.id,
      replaces: asker.session
        ? { id: asker.session.id, userId: asker.session.person.id, late: asker.late }
        : undefined,
      device: visitor.device,
      address: visitor.address,
      requestId,
    }
    const opened = await openSession(tx, proof, opening, services.lifetimes, now)
    const returnTo = safeReturnTo(wanted, services.origin)
    const outcome = { kind: 'signed-in', sessionId: opened.id, returnTo } as const
    if (!(await consumeFlow(tx, flow.id, outcome, now)))
      throw new AppError('flow_invalid', { reason: 'consumed' })
    const event = { actorId: member.userId, organizationId, target: opened.id, requestId }
    const data = { row: verdict.row, connection: connection.id }
    await recordEvent(tx, { action: 'login.succeeded', ...event, data }, now)
    return { admitted: { opened, returnTo }, position: await announce(tx, opened.changed) }
  })
}

/** The rich state of somebody a provider has just vouched for, in a browser that may be somebody's already. */
function stateAt(asker: Asker, identity: Identity | undefined): RichState {
  const owner = asker.session?.person.id
  const event = !owner || !identity ? 'login' : owner === identity.userId ? 'reauth' : 'switch'
  const registration = { active: 'active', suspended: 'disabled', gone: 'deleted' } as const
  return {
    ...asker.state,
    event,
    registration: identity ? registration[identity.owner] : 'unregistered',
  }
}

/** Whose session this will be: the identity's owner, or a new member where the connection lets everybody in. */
async function memberFor(
  tx: Db,
  {
    identity,
    verdict,
    connection,
    proof,
    requestId,
  }: {
    identity: Identity | undefined
    verdict: Verdict
    connection: Connection
    proof: Proof
    requestId: string
  },
  now: Date,
): Promise<{ userId: string; identityId: string }> {
  if (verdict.refuse)
    throw new AppError(verdict.refuse, { reason: verdict.audit ?? verdict.refuse })
  if (identity?.removed) throw new AppError('not_a_member', { reason: 'removed' })
  if (identity) return { userId: identity.userId, identityId: identity.id }
  if (connection.provisioning === 'off')
    throw new AppError('not_a_member', { reason: 'identity_unregistered' })

  const { name, email } = proof.claims
  const organizationId = connection.organization.id
  const userId = await createUser(tx, { name: name ?? email ?? 'New member', email }, now)
  const identityId = await linkIdentity(tx, { key: proof, userId, claims: proof.claims }, now)
  await addMember(tx, { organizationId, userId, role: 'member' }, now)
  const event = { actorId: userId, organizationId, requestId }
  await recordEvent(tx, { action: 'user.registered', ...event, target: userId }, now)
  await recordEvent(tx, { action: 'identity.linked', ...event, target: identityId }, now)
  return { userId, identityId }
}
