import { describeSaml } from '../flows/saml-overview.ts'
import { administeredOrganization } from '../http/administered.ts'
import type { Endpoint } from '../http/exchange.ts'
import { connectionWithKeys } from '../http/own-connection.ts'

/**
 * `GET /api/organizations/:org/connections/:connection/saml`: the certificates of a connection, ours and the provider's,
 * by fingerprint and dates. Private keys are never told.
 */
export const readSaml: Endpoint = async (exchange) => {
  const organization = await administeredOrganization(exchange, 'saml')
  const connection = await connectionWithKeys(exchange, organization)
  const { keys, certificates, metadata } = await describeSaml(exchange.services, connection)
  const own = keys.map(({ id, state, fingerprint, notAfter, certificate }) => {
    return { id, state, fingerprint, notAfter, certificate }
  })
  return Response.json({ keys: own, certificates, metadata })
}
