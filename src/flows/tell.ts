import type { ProofData } from '../providers/proof.ts'
import type { Remembered } from '../providers/provider.ts'
import type { TraceLine } from './attempts.ts'

/** That the browser was sent to the provider. Of what is remembered only the issuer is no secret. */
export function sentTo({ issuer }: Remembered, again = false): TraceLine {
  const where = typeof issuer === 'string' ? issuer : 'the provider'
  return { step: 'leave', what: `Sent to ${where}${again ? ', to confirm who they are' : ''}.` }
}

/** Whom the provider vouched for: by name of the claims, not by what they say. */
export function vouchedFor({ issuer, claims, authenticatedAt, acr }: ProofData): TraceLine {
  const { raw, ...known } = claims
  const names = [...new Set([...Object.keys(raw ?? {}), ...(raw ? [] : Object.keys(known))])]
  const when = authenticatedAt ? `, signed in there at ${authenticatedAt}` : ''
  const how = acr ? `, as ${acr}` : ''
  const said = names.length > 0 ? ` Claims: ${names.sort().join(', ')}.` : ''
  return { step: 'come-back', what: `${issuer} vouched for the person${when}${how}.${said}` }
}
