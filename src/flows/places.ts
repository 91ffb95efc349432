import type { Place } from '../providers/presets.ts'
import { redirectUriOf } from './login.ts'

/** Every address of a connection that an administrator may have to register at the provider. */
export function placesOf(origin: string, connectionId: string): Readonly<Record<Place, string>> {
  const base = `${origin}/sso/${connectionId}`
  return {
    redirectUri: redirectUriOf(origin, connectionId),
    acsUrl: `${base}/acs`,
    // A SAML party is named by the address of its metadata.
    entityId: `${base}/metadata`,
    metadataUrl: `${base}/metadata`,
    sloUrl: `${base}/slo`,
  }
}
