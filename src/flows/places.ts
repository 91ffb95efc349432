import type { Place } from '../providers/presets.ts'
import { ownAddresses } from '../providers/saml/saml.ts'
import { redirectUriOf } from './login.ts'

/** Every address of a connection that an administrator may have to register at the provider. */
export function placesOf(origin: string, connectionId: string): Readonly<Record<Place, string>> {
  const redirectUri = redirectUriOf(origin, connectionId)
  const { entityId, acs, slo } = ownAddresses(redirectUri)
  // A SAML party is named by the address of its metadata.
  return { redirectUri, acsUrl: acs, entityId, metadataUrl: entityId, sloUrl: slo }
}
