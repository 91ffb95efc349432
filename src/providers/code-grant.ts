import {
  allowInsecureRequests,
  authorizationCodeGrantRequest,
  customFetch,
  skipStateCheck,
  validateAuthResponse,
} from 'oauth4webapi'
import { ask } from './answer.ts'
import { clientAuthentication } from './client-auth.ts'
import type { ClientCredentials } from './oidc-config.ts'
import type { ProviderContext } from './provider.ts'

/** An authorization endpoint with the parameters of one request; what is undefined is left out. */
export function authorizationUrl(
  endpoint: string,
  parameters: Readonly<Record<string, string | undefined>>,
): URL {
  const url = new URL(endpoint)
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) url.searchParams.set(name, value)
  }
  return url
}

/** Where a code is redeemed, and for whom. */
export interface CodeGrant {
  readonly issuer: string
  readonly tokenEndpoint: string
  readonly clientId: string
  readonly credentials: ClientCredentials
  readonly redirectUri: string
  /** The PKCE verifier (RFC 7636 §4.1). */
  readonly verifier: string
}

/**
 * Redeems the code of a return that has been judged, once: no other way of authenticating is tried, and nothing is
 * asked twice. What the token endpoint answers is not judged yet.
 */
export async function redeemCode(
  back: URL,
  grant: CodeGrant,
  context: ProviderContext,
): Promise<Response> {
  const client = { client_id: grant.clientId }
  const server = { issuer: grant.issuer }
  // Whether `iss` was promised and fits was judged before; the state found the flow, so there is nothing left to compare.
  const parameters = validateAuthResponse(server, client, back, skipStateCheck)
  return authorizationCodeGrantRequest(
    { ...server, token_endpoint: grant.tokenEndpoint },
    client,
    await clientAuthentication(grant.credentials, context.clock),
    parameters,
    grant.redirectUri,
    grant.verifier,
    {
      [customFetch]: (url, { headers, body }) =>
        ask('token', url, { method: 'POST', headers, body: String(body) }, context),
      // Which URLs may be asked is the egress client's to say.
      [allowInsecureRequests]: true,
    },
  )
}
