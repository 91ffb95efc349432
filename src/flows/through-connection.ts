import { recordEvent } from '../accounts/audit.ts'
import { findConnection, type Connection } from '../accounts/connections.ts'
import { findIdentity, linkIdentity, markVerified, type Identity } from '../accounts/identities.ts'
import { addMember, markLinked } from '../accounts/organizations.ts'
import { createUser, promoteGuest } from '../accounts/users.ts'
import type { Db } from '../db/open.ts'
import { AppError } from '../lib/errors.ts'
import type { Proof } from '../providers/proof.ts'
import type { Joining, Way } from './admission.ts'
import { asksToRegister } from './registration.ts'
import type { Bound } from './store.ts'

/** Refuses a connection that is not in use. */
export function assertUsable({ state }: Connection): void {
  if (state !== 'active') throw new AppError('provider_disabled', { reason: `connection_${state}` })
}

/**
 * The way in through an organization's connection: its identity selects the account, and nothing else does.
 * @param bound the connection as it was when the sign-in began
 */
export function throughConnection(
  bound: Bound,
  proof: Proof,
  requestId: string,
): Way<Pick<Identity, 'id' | 'userId' | 'owner'>> {
  const { organizationId, connectionId, configVersion } = bound
  return {
    organizationId,
    told: { connection: connectionId },
    async find(tx) {
      await holdConnection(tx, bound)
      const identity = await findIdentity(tx, proof, { hold: true })
      if (identity?.removed && identity.owner === 'active')
        throw new AppError('not_a_member', { reason: 'removed' })
      return identity
    },
    async register(tx, now, joining) {
      const { provisioning } = await holdConnection(tx, bound)
      if (provisioning === 'off')
        throw new AppError('not_a_member', { reason: 'identity_unregistered' })
      if (!joining.registration && asksToRegister(provisioning, joining.verdict))
        throw new AppError('flow_invalid', { reason: 'not_registered' })
      const userId = await makePerson(tx, proof, joining, now)
      const id = await linkIdentity(tx, { key: proof, userId, claims: proof.claims }, now)
      await addMember(tx, { organizationId, userId, role: 'member' }, now)
      const event = { actorId: userId, organizationId, requestId }
      const data = joining.registration?.guestId ? { from: 'guest' } : {}
      await recordEvent(tx, { action: 'user.registered', ...event, target: userId, data }, now)
      await recordEvent(tx, { action: 'identity.linked', ...event, target: id }, now)
      return { id, userId, owner: 'active' }
    },
    async accept(tx, { id, userId }, now) {
      await markVerified(tx, { id, claims: proof.claims }, now)
      await markLinked(tx, { organizationId, userId }, now)
      return { proof, organizationId, identityId: id, configVersion }
    },
  }
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
