import { recordEvent } from '../accounts/audit.ts'
import { findConnection, type Connection } from '../accounts/connections.ts'
import { keepGrant } from '../accounts/grants.ts'
import {
  findIdentity,
  hasIdentityAt,
  linkIdentity,
  markVerified,
  type Identity,
} from '../accounts/identities.ts'
import { acceptInvitation } from '../accounts/invitations.ts'
import { followRole, joinThrough, letsIn, standingOf } from '../accounts/joining.ts'
import { holdMember, markLinked } from '../accounts/organizations.ts'
import { withGroups } from '../accounts/roles.ts'
import { assertProvisioned, bindProvisioned } from '../accounts/scim-people.ts'
import { createUser, promoteGuest } from '../accounts/users.ts'
import type { Db } from '../db/open.ts'
import { AppError } from '../lib/errors.ts'
import type { Sealer } from '../lib/seal.ts'
import type { Proof, ProofData } from '../providers/proof.ts'
import { sealIdToken } from '../sessions/id-token-hint.ts'
import type { Joining, Way } from './admission.ts'
import { assertNotEnded } from './backchannel-logout.ts'
import { asksToRegister } from './registration.ts'
import type { Bound } from './store.ts'

/** Refuses a connection that is not in use. */
export function assertUsable({ state }: Connection): void {
  if (state !== 'active') throw new AppError('provider_disabled', { reason: `connection_${state}` })
}

/** What else a sign-in through a connection brings. */
export interface Bringing {
  /** The invitation whose link was opened in this browser. */
  readonly invitationId?: string | undefined
  readonly requestId: string
  readonly begunAt: Date
  /** Seals what the provider has granted. */
  readonly sealer: Sealer
}

type Found = Pick<Identity, 'id' | 'userId' | 'owner'>

/**
 * The way in through an organization's connection: its identity selects the account, and nothing else does.
 * @param bound the connection as it was when the sign-in began
 */
export function throughConnection(
  bound: Bound,
  proof: Proof,
  { invitationId, requestId, begunAt, sealer }: Bringing,
): Way<Found> {
  const { organizationId, connectionId, configVersion } = bound
  const { claims } = proof
  const addresses = claims.email ? [claims.email] : []
  const event = (actorId: string) => ({ actorId, organizationId, requestId })
  const accept = (tx: Db, userId: string, now: Date) =>
    acceptInvitation(tx, { id: invitationId!, userId, addresses, ...event(userId) }, now)
  let found: Connection | undefined
  /** Kept only where signing out leads to the provider: it says who somebody is. */
  const hintFor = (identityId: string): Buffer | undefined =>
    proof.idToken !== undefined && found?.signOutThere
      ? sealIdToken(sealer, identityId, proof.idToken)
      : undefined
  return {
    organizationId,
    told: { connection: connectionId },
    async find(tx) {
      found = await holdConnection(tx, bound)
      const identity = await findIdentity(tx, proof, { hold: true })
      if (identity?.removed && identity.owner === 'active' && !invitationId)
        throw new AppError('not_a_member', {
          reason: identity.deactivated ? 'deactivated' : 'removed',
        })
      return identity
    },
    async register(tx, now, joining) {
      const connection = await holdConnection(tx, bound)
      const provisioned = await assertProvisioned(tx, proof)
      const policy = invitationId ? 'everybody' : await letsIn(tx, connection, proof)
      if (policy === 'nobody')
        throw new AppError('not_a_member', { reason: 'identity_unregistered' })
      if (!joining.registration && asksToRegister(policy, joining.verdict))
        throw new AppError('flow_invalid', { reason: 'not_registered' })
      const userId = await makePerson(tx, proof, joining, now)
      const id = await linkIdentity(tx, { key: proof, userId, claims }, now)
      const known = withGroups(claims, provisioned?.groups ?? [])
      if (!invitationId) await joinThrough(tx, connection, { userId, claims: known }, now)
      const data = joining.registration?.guestId ? { from: 'guest' } : {}
      const registered = { ...event(userId), target: userId, data }
      await recordEvent(tx, { action: 'user.registered', ...registered }, now)
      await recordEvent(tx, { action: 'identity.linked', ...event(userId), target: id }, now)
      return { id, userId, owner: 'active' }
    },
    async link(tx, userId, now) {
      const connection = await holdConnection(tx, bound)
      const provisioned = await assertProvisioned(tx, proof)
      await assertMayLink(tx, connection, { userId, proof, invitationId })
      const known = withGroups(claims, provisioned?.groups ?? [])
      if (!invitationId) await joinThrough(tx, connection, { userId, claims: known }, now)
      const id = await linkIdentity(tx, { key: proof, userId, claims }, now)
      const linked = { ...event(userId), target: id, data: { to: 'account' } }
      await recordEvent(tx, { action: 'identity.linked', ...linked }, now)
      return { id, userId, owner: 'active' }
    },
    async accept(tx, { id, userId }, now) {
      if (invitationId) await accept(tx, userId, now)
      // From here on whoever ends what rests on this identity waits, or has been before and is seen.
      if (!(await markVerified(tx, { id, claims }, now)))
        throw new AppError('account_disabled', { reason: 'signal' })
      await assertNotEnded(tx, proof, begunAt)
      // Held from here on: whoever puts them out waits, and then ends this session too.
      if (!(await holdMember(tx, { organizationId, userId })))
        throw new AppError('not_a_member', { reason: 'removed' })
      const provisioned = await assertProvisioned(tx, proof)
      if (provisioned)
        await bindProvisioned(tx, provisioned, { organizationId, userId, requestId }, now)
      await markLinked(tx, { organizationId, userId }, now)
      await keepGrant(tx, sealer, { identityId: id, configVersion, grant: proof.grant }, now)
      const connection = { id: connectionId, organization: { id: organizationId } }
      const known = withGroups(claims, provisioned?.groups ?? [])
      const role = await followRole(tx, connection, { userId, claims: known })
      const changed = { ...event(userId), target: userId, data: { role, from: 'provider' } }
      if (role) await recordEvent(tx, { action: 'member.role_changed', ...changed }, now)
      return {
        proof,
        organizationId,
        identityId: id,
        configVersion,
        idTokenHint: hintFor(id),
        roleChanged: role !== undefined,
      }
    },
  }
}

/**
 * Whether an account may be linked to an identity of a connection: as a member, or as somebody whom the organization
 * lets in. Asked before the question, and once more in the transaction that links.
 * @throws AppError `not_a_member`, `already_linked`
 */
export async function assertMayLink(
  db: Db,
  connection: Connection,
  {
    userId,
    proof,
    invitationId,
  }: {
    readonly userId: string
    readonly proof: ProofData
    readonly invitationId?: string | undefined
  },
): Promise<void> {
  const standing = await standingOf(db, { organizationId: connection.organization.id, userId })
  if (standing === 'removed' && !invitationId)
    throw new AppError('not_a_member', { reason: 'removed' })
  const joins = invitationId || standing === 'member'
  if (!joins && (await letsIn(db, connection, proof, userId)) === 'nobody')
    throw new AppError('not_a_member', { reason: 'identity_unregistered' })
  if (await hasIdentityAt(db, { userId, connectionId: connection.id }))
    throw new AppError('already_linked', { reason: 'other_subject' })
}

/** A new account; or the guest’s own, who becomes a person under the same id. */
async function makePerson(
  tx: Db,
  { claims: { name, email } }: Proof,
  { registration }: Joining,
  now: Date,
): Promise<string> {
  const person = { name: registration?.name ?? name ?? email ?? 'New member', email }
  if (!registration?.guestId) return createUser(tx, person, now)
  await promoteGuest(tx, { ...person, id: registration.guestId })
  return registration.guestId
}

/** The connection as the sign-in began under it, kept so until the commit. */
async function holdConnection(tx: Db, bound: Bound): Promise<Connection> {
  const connection = await findConnection(tx, bound.connectionId, { hold: true })
  if (!connection || connection.configVersion !== bound.configVersion)
    throw new AppError('flow_invalid', { reason: 'config_changed' })
  assertUsable(connection)
  return connection
}
