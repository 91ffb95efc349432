import { recordEvent } from '../accounts/audit.ts'
import { findConnection, type Connection } from '../accounts/connections.ts'
import { findIdentity, linkIdentity, markVerified, type Identity } from '../accounts/identities.ts'
import { addMember, markLinked } from '../accounts/organizations.ts'
import { createUser } from '../accounts/users.ts'
import type { Db } from '../db/open.ts'
import { AppError } from '../lib/errors.ts'
import type { Proof } from '../providers/proof.ts'
import type { Way } from './admission.ts'
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
    async register(tx, now) {
      const { provisioning } = await holdConnection(tx, bound)
      if (provisioning === 'off')
        throw new AppError('not_a_member', { reason: 'identity_unregistered' })
      const { name, email } = proof.claims
      const userId = await createUser(tx, { name: name ?? email ?? 'New member', email }, now)
      const id = await linkIdentity(tx, { key: proof, userId, claims: proof.claims }, now)
      await addMember(tx, { organizationId, userId, role: 'member' }, now)
      const event = { actorId: userId, organizationId, requestId }
      await recordEvent(tx, { action: 'user.registered', ...event, target: userId }, now)
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

/** The connection as the sign-in began under it, kept so until the commit. */
async function holdConnection(tx: Db, bound: Bound): Promise<Connection> {
  const connection = await findConnection(tx, bound.connectionId, { hold: true })
  if (!connection || connection.configVersion !== bound.configVersion)
    throw new AppError('flow_invalid', { reason: 'config_changed' })
  assertUsable(connection)
  return connection
}
