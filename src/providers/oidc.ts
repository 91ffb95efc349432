import { calculatePKCECodeChallenge } from 'oauth4webapi'
import { z } from 'zod'
import { randomToken } from '../lib/secrets.ts'
import { grantOf } from './again.ts'
import { ask, readObject, type JsonObject } from './answer.ts'
import { readAuthorizationResponse } from './authorization-response.ts'
import { authorizationUrl, redeemCode } from './code-grant.ts'
import { discover, type ServerMetadata } from './discovery.ts'
import { refused } from './faults.ts'
import { verifyIdToken, type IdTokenClaims } from './id-token.ts'
import { keysOf } from './jwks.ts'
import type { ProviderKind } from './kind.ts'
import { askAgain } from './oidc-again.ts'
import { checkOidc } from './oidc-check.ts'
import { checkGroups, display } from './oidc-claims.ts'
import { oidcConfig, type OidcConfig } from './oidc-config.ts'
import { verifyLogoutToken, type ProviderLogout } from './logout-token.ts'
import { framesOf, logoutUrl } from './oidc-logout.ts'
import { prove, type Proof } from './proof.ts'
import type { Destination, Provider, ProviderContext, Remembered } from './provider.ts'

/** OpenID Connect, authorization code flow with PKCE (OpenID Connect Core 1.0, RFC 7636, RFC 9207, RFC 9700). */
export const oidc: ProviderKind<OidcConfig> = {
  name: 'OpenID Connect',
  config: oidcConfig,
  issuerOf: ({ issuer }) => issuer,
  open,
  check: checkOidc,
}

function open(config: OidcConfig, context: ProviderContext): Provider {
  return {
    begin: (to) => begin(to, config, context),
    complete: (back, remember) => complete(back, remember, config, context),
    readLogout: (token) => readLogout(token, config, context),
    logout: (ended) => logoutUrl(ended, config, context),
    frames: () => framesOf(config, context),
    again: askAgain(config, context),
  }
}

async function readLogout(
  token: string,
  { issuer, clientId, signingAlgorithms: algorithms }: OidcConfig,
  context: ProviderContext,
): Promise<ProviderLogout> {
  const keys = keysOf(await discover(issuer, context), context)
  return verifyLogoutToken(token, keys, { issuer, clientId, algorithms, now: context.clock.now() })
}

async function begin(
  to: Destination,
  config: OidcConfig,
  context: ProviderContext,
): Promise<{ redirect: URL; remember: Remembered }> {
  const metadata = await discover(config.issuer, context)
  const remember = rememberFor(to, config, metadata, secondsOf(context.clock.now()))
  const redirect = authorizationUrl(metadata.authorization_endpoint, {
    ...config.authorizationParameters,
    response_type: 'code',
    client_id: config.clientId,
    redirect_uri: to.redirectUri,
    scope: config.scopes.join(' '),
    state: to.handle,
    nonce: remember.nonce,
    // Sent whatever the metadata says of it: a server that does not know PKCE ignores it, and `plain` never helps.
    code_challenge: await calculatePKCECodeChallenge(remember.verifier),
    code_challenge_method: 'S256',
    max_age: remember.maxAge?.toString(),
    ...(to.prompt && { prompt: to.prompt }),
    acr_values: config.requiredAcr?.join(' '),
    login_hint: to.loginHint,
  })
  return { redirect, remember }
}

const memory = z.object({
  issuer: z.string(),
  redirectUri: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  issPromised: z.boolean(),
  maxAge: z.number().optional(),
  /** When that was asked, in seconds since 1970: an age is counted from there. */
  askedAt: z.number(),
})

/** What one authorization request leaves behind; nonce and verifier are new each time. */
type Memory = z.infer<typeof memory>

function rememberFor(
  to: Destination,
  config: OidcConfig,
  metadata: ServerMetadata,
  askedAt: number,
): Memory {
  const ages = [to.maxAge, config.maxAge].filter((age) => age !== undefined)
  return {
    issuer: metadata.issuer,
    redirectUri: to.redirectUri,
    nonce: randomToken(),
    verifier: randomToken(),
    issPromised: metadata.authorization_response_iss_parameter_supported ?? false,
    maxAge: ages.length > 0 ? Math.min(...ages) : undefined,
    askedAt,
  }
}

async function complete(
  back: URL,
  remember: Remembered,
  config: OidcConfig,
  context: ProviderContext,
): Promise<Proof> {
  const request = memory.parse(remember)
  if (request.issuer !== config.issuer) throw refused('provider_changed')
  const code = readAuthorizationResponse(back, request)
  const metadata = await discover(config.issuer, context)
  const tokens = await redeem(back, request, metadata, config, context)
  const now = context.clock.now()
  const claims = await verifyIdToken(tokens.id_token, keysOf(metadata, context), {
    issuer: config.issuer,
    clientId: config.clientId,
    algorithms: config.signingAlgorithms,
    nonce: request.nonce,
    // The person may have taken their time; what was old then is no fresher now.
    maxAge:
      request.maxAge === undefined ? undefined : request.maxAge + secondsOf(now) - request.askedAt,
    requiredAcr: config.requiredAcr,
    requiredClaims: config.requiredClaims,
    code,
    accessToken: tokens.access_token,
    now,
  })
  const more = config.userinfo ? await askUserinfo(tokens, claims, metadata, context) : {}
  checkGroups(claims, more, config)
  return toProof({ claims, more, tokens }, config, context)
}

const tokenResponse = z.object({
  // RFC 6749 appendix A.12; anything else could not be sent back in a header.
  access_token: z.string().regex(/^[\x20-\x7e]+$/),
  token_type: z.string().regex(/^bearer$/i),
  id_token: z.string(),
  // For asking again only: a sign-in does not fail over them.
  refresh_token: z.string().min(1).optional().catch(undefined),
  expires_in: z.number().positive().optional().catch(undefined),
})

type TokenResponse = z.infer<typeof tokenResponse>

async function redeem(
  back: URL,
  { redirectUri, verifier }: Memory,
  metadata: ServerMetadata,
  config: OidcConfig,
  context: ProviderContext,
): Promise<TokenResponse> {
  const response = await redeemCode(
    back,
    {
      issuer: metadata.issuer,
      tokenEndpoint: metadata.token_endpoint,
      clientId: config.clientId,
      credentials: config,
      redirectUri,
      verifier,
    },
    context,
  )
  const { data, error } = tokenResponse.safeParse(await readObject('token', response))
  if (error) throw refused(`token: ${error.issues[0]?.path.join('.')}`)
  return data
}

/** What the provider says of the person at its UserInfo endpoint, which must be the same person (Core §5.3.2). */
async function askUserinfo(
  { access_token }: TokenResponse,
  { sub }: IdTokenClaims,
  { userinfo_endpoint: url }: ServerMetadata,
  context: ProviderContext,
): Promise<JsonObject> {
  if (url === undefined) throw refused('userinfo: no endpoint')
  const headers = { accept: 'application/json', authorization: `Bearer ${access_token}` }
  const claims = await readObject('userinfo', await ask('userinfo', url, { headers }, context))
  if (claims.sub !== sub) throw refused('userinfo: sub differs')
  return claims
}

/** What a sign-in brought, judged. */
interface Vouched {
  readonly claims: IdTokenClaims
  readonly more: JsonObject
  readonly tokens: TokenResponse
}

function toProof(
  { claims: idToken, more, tokens }: Vouched,
  config: OidcConfig,
  { connectionId, clock }: ProviderContext,
): Proof {
  const { iss, sub, auth_time: authTime, acr, amr, sid, session_expiry: sessionEnd } = idToken
  return prove({
    connectionId,
    issuer: iss,
    subject: sub,
    ...(typeof authTime === 'number' && {
      authenticatedAt: new Date(authTime * 1000).toISOString(),
    }),
    ...(typeof acr === 'string' && { acr }),
    ...(isStrings(amr) && { amr }),
    ...(typeof sid === 'string' && { providerSession: sid }),
    ...(typeof sessionEnd === 'number' && {
      sessionEndsAt: new Date(sessionEnd * 1000).toISOString(),
    }),
    claims: display(idToken, more, config),
    idToken: tokens.id_token,
    grant: grantOf(
      {
        accessToken: tokens.access_token,
        ...(tokens.refresh_token && { refreshToken: tokens.refresh_token }),
        ...(tokens.expires_in && { expiresIn: tokens.expires_in }),
      },
      clock.now(),
    ),
  })
}

function secondsOf(at: Date): number {
  return Math.floor(at.getTime() / 1000)
}

function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}
