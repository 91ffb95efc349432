import { recordEvent } from '../accounts/audit.ts'
import { addVerifiedEmail, findEmailOwner } from '../accounts/emails.ts'
import { findPasskeyOwner, markPasskeyUsed } from '../accounts/passkeys.ts'
import { createUser, promoteGuest } from '../accounts/users.ts'
import { AppError } from '../lib/errors.ts'
import type { PersonalProof } from '../providers/proof.ts'
import type { Way } from './admission.ts'

/** Who may sign in without an organization: nobody, people with an account, or everybody. */
export type PersonalSignIn = 'off' | 'members' | 'everybody'

/** Refuses where nobody may sign in without an organization. */
export function assertSwitchedOn(personalSignIn: PersonalSignIn): void {
  if (personalSignIn === 'off')
    throw new AppError('provider_disabled', { reason: 'personal_sign_in_off' })
}

/** The way in by a mailed link: an address selects the account that has verified it, and no other. */
export function byMail(
  proof: PersonalProof & { readonly method: 'mail' },
  personalSignIn: PersonalSignIn,
  requestId: string,
): Way {
  return {
    told: { method: proof.method },
    async find(tx) {
      assertSwitchedOn(personalSignIn)
      return findEmailOwner(tx, proof.address, { hold: true })
    },
    async register(tx, now, { registration }) {
      if (personalSignIn !== 'everybody' || !registration)
        throw new AppError('not_a_member', { reason: 'address_unknown' })
      const { name, guestId } = registration
      const userId = guestId ?? (await createUser(tx, { name }, now))
      if (guestId) await promoteGuest(tx, { id: guestId, name })
      await addVerifiedEmail(tx, { userId, address: proof.address, primary: true }, now)
      const event = { actorId: userId, target: userId, requestId }
      const data = guestId ? { from: 'guest' } : {}
      await recordEvent(tx, { action: 'user.registered', ...event, data }, now)
      await recordEvent(tx, { action: 'email.verified', ...event }, now)
      return { userId, owner: 'active' }
    },
    accept: async () => ({ proof }),
  }
}

/** The way in by a passkey: it selects the account it was made for, and nobody new comes in with one. */
export function byPasskey(
  proof: PersonalProof & { readonly method: 'passkey' },
  personalSignIn: PersonalSignIn,
): Way {
  const { passkeyId: id, counter, method } = proof
  return {
    told: { method, passkey: id },
    async find(tx) {
      assertSwitchedOn(personalSignIn)
      return findPasskeyOwner(tx, id, { hold: true })
    },
    register: async () => {
      throw new AppError('passkey_refused', { reason: 'removed' })
    },
    async accept(tx, _found, now) {
      await markPasskeyUsed(tx, { id, counter }, now)
      return { proof }
    },
  }
}
