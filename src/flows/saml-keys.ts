import { recordEvent } from '../accounts/audit.ts'
import type { Connection } from '../accounts/connections.ts'
import type { Sealer } from '../lib/seal.ts'
import { newKey, stepKeys, type KeyStep } from '../providers/saml/keys.ts'
import { amendConnection, type Actor, type Revoking } from '../sessions/revoke.ts'

/**
 * Takes a step in the rotation of a SAML connection's own keys. Sign-ins under way and sessions go on. Answers whether it
 * changed anything.
 */
export async function stepSamlKeys(
  revoking: Revoking & { readonly sealer: Sealer },
  { id, organization }: Connection,
  step: KeyStep,
  actor: Actor,
  now: Date,
): Promise<boolean> {
  const made = step === 'prepare' ? await newKey(organization.name, 'next', now) : undefined
  return amendConnection(revoking, id, (settings) => stepKeys(settings, step, made), {
    after: async (tx, changed) => {
      if (!changed) return
      const by = { actorId: actor.userId, requestId: actor.requestId }
      const event = { organizationId: organization.id, target: id, ...by, data: { step } }
      await recordEvent(tx, { action: 'saml.keys_changed', ...event }, now)
    },
  })
}
