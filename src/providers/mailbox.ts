import { provePersonally, type PersonalProof } from './proof.ts'

/**
 * Proof that somebody reads the mail of an address. For a flow whose handle went nowhere but into a mail to it, and came
 * back from the browser the flow is bound to: that is the whole protocol, and it says nothing of whose account it is.
 */
export function proveMailbox(address: string): PersonalProof {
  return provePersonally({ method: 'mail', address })
}
