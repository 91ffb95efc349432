import { authorizationUrl } from './code-grant.ts'
import { discover } from './discovery.ts'
import { isEndpoint } from './endpoint.ts'
import type { OidcConfig } from './oidc-config.ts'
import type { EndedSession, Frames, ProviderContext } from './provider.ts'

/**
 * Where a browser signs out at an OpenID provider (RP-Initiated Logout 1.0 §2); undefined where that is not wanted, or
 * the provider has no page for it.
 */
export async function logoutUrl(
  { wanted, returnTo, idToken, providerSession }: EndedSession,
  { issuer, clientId }: OidcConfig,
  context: ProviderContext,
): Promise<URL | undefined> {
  if (!wanted) return undefined
  const { end_session_endpoint: endpoint } = await discover(issuer, context)
  if (endpoint === undefined || !isEndpoint(endpoint)) return undefined
  return authorizationUrl(endpoint, {
    client_id: clientId,
    post_logout_redirect_uri: returnTo,
    id_token_hint: idToken,
    logout_hint: providerSession,
  })
}

/** Whose pages may be around ours in a frame: the provider's own, as its metadata names them. */
export async function framesOf({ issuer }: OidcConfig, context: ProviderContext): Promise<Frames> {
  const { authorization_endpoint, end_session_endpoint = issuer } = await discover(issuer, context)
  const pages = [issuer, authorization_endpoint, end_session_endpoint].filter(isEndpoint)
  return { issuer, origins: [...new Set(pages.map((page) => new URL(page).origin))] }
}
