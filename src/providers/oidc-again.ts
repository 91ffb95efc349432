import {
  allowInsecureRequests,
  customFetch,
  refreshTokenGrantRequest,
  type AuthorizationServer,
} from 'oauth4webapi'
import { z } from 'zod'
import { EgressError } from '../lib/egress.ts'
import { AppError } from '../lib/errors.ts'
import type { Again, Answer, Presented, Subject, Tokens } from './again.ts'
import { ask, isObject, parse, type JsonObject } from './answer.ts'
import { clientAuthentication } from './client-auth.ts'
import { discover } from './discovery.ts'
import { printable } from './faults.ts'
import { verifyIdToken } from './id-token.ts'
import { keysOf } from './jwks.ts'
import { checkGroups, display } from './oidc-claims.ts'
import type { OidcConfig } from './oidc-config.ts'
import type { ProviderContext } from './provider.ts'

/** How an OpenID provider is asked again (OpenID Connect Core 1.0 §12 and §5.3, RFC 6749 §6). */
export function askAgain(config: OidcConfig, context: ProviderContext): Again {
  return {
    refresh: (refreshToken) => refresh(refreshToken, config, context),
    judge: (tokens, subject) => judge(tokens, subject, config, context),
    userinfo: (accessToken, subject, fresh) =>
      userinfo(accessToken, subject, fresh, config, context),
  }
}

async function refresh(
  refreshToken: string,
  config: OidcConfig,
  context: ProviderContext,
): Promise<Presented> {
  let server: AuthorizationServer
  try {
    const { issuer, token_endpoint } = await discover(config.issuer, context)
    server = { issuer, token_endpoint }
  } catch (thrown) {
    return { answer: doubtOf(thrown), spent: false }
  }
  try {
    const response = await refreshTokenGrantRequest(
      server,
      { client_id: config.clientId },
      await clientAuthentication(config, context.clock),
      refreshToken,
      {
        [customFetch]: (url, { headers, body }) =>
          ask('token', url, { method: 'POST', headers, body: String(body) }, context),
        [allowInsecureRequests]: true,
      },
    )
    return await readTokens(response)
  } catch (thrown) {
    return { answer: doubtOf(thrown), spent: mayHaveArrived(thrown) }
  }
}

// Members that nobody needs are not looked at: a token must not be lost over the type of its lifetime.
const tokenResponse = z.object({
  access_token: z.string().regex(/^[\x20-\x7e]+$/),
  refresh_token: z.unknown().optional(),
  id_token: z.unknown().optional(),
  expires_in: z.unknown().optional(),
})

async function readTokens(response: Response): Promise<Presented> {
  const body = parse(new Uint8Array(await response.arrayBuffer()))
  const object = isObject(body) ? body : undefined
  if (response.status !== 200) return refusal(response, object)
  const { data } = tokenResponse.safeParse(object)
  // It answered, so it has had the token; what it said is lost.
  if (!data) return { answer: transient('token: unreadable answer'), spent: true }
  const { access_token, refresh_token, id_token, expires_in } = data
  const tokens: Tokens = {
    accessToken: access_token,
    ...(typeof refresh_token === 'string' && refresh_token && { refreshToken: refresh_token }),
    ...(typeof id_token === 'string' && { idToken: id_token }),
    ...(typeof expires_in === 'number' && expires_in > 0 && { expiresIn: expires_in }),
  }
  return { tokens }
}

/** Answers that a gateway gives when the provider behind it may have done the work all the same. */
const lostOnTheWay: readonly number[] = [502, 504]

/** What a token endpoint's error means (RFC 6749 §5.2). Only the provider's own word ends anything. */
const meanings: Readonly<Record<string, 'gone' | 'misconfigured'>> = {
  invalid_grant: 'gone',
  invalid_client: 'misconfigured',
  unauthorized_client: 'misconfigured',
  invalid_request: 'misconfigured',
  invalid_scope: 'misconfigured',
  unsupported_grant_type: 'misconfigured',
}

function refusal(response: Response, body: JsonObject | undefined): Presented {
  const { status } = response
  if (status === 429 || status >= 500) {
    const answer = transient(`token: status ${status}`, pauseOf(response))
    return { answer, spent: lostOnTheWay.includes(status) }
  }
  const error = typeof body?.error === 'string' ? printable(body.error, 64) : undefined
  const reason = `token: ${error ?? `status ${status}`}`
  const meaning = Object.hasOwn(meanings, error ?? '') ? meanings[error!] : undefined
  if (meaning === 'misconfigured') return { answer: misconfigured(reason), spent: false }
  // A 401 that does not blame the client says that the token is refused.
  if (meaning === 'gone' || (status === 401 && body))
    return { answer: { answer: 'no_longer_true', reason }, spent: true }
  return {
    answer: status === 400 && body ? misconfigured(reason) : transient(reason),
    spent: false,
  }
}

/** What the ID token says that came with a refresh: the same person, or it is over (Core §12.2). */
async function judge(
  { idToken, accessToken }: Tokens,
  { issuer, subject }: Subject,
  config: OidcConfig,
  context: ProviderContext,
): Promise<Answer> {
  if (idToken === undefined) return { answer: 'still_true', reason: 'refreshed' }
  try {
    const metadata = await discover(config.issuer, context)
    const claims = await verifyIdToken(idToken, keysOf(metadata, context), {
      issuer,
      clientId: config.clientId,
      algorithms: config.signingAlgorithms,
      requiredClaims: config.requiredClaims,
      accessToken,
      now: context.clock.now(),
    })
    if (claims.sub !== subject) return changed
    // Where groups are told at the UserInfo endpoint, the ID token says nothing of them.
    if (config.requiredGroups && config.userinfo)
      return await userinfo(accessToken, { issuer, subject }, true, config, context)
    checkGroups(claims, {}, config)
    return { answer: 'still_true', reason: 'refreshed', claims: display(claims, {}, config) }
  } catch (thrown) {
    const reason = thrown instanceof AppError ? thrown.reason : ''
    if (otherPerson.includes(reason)) return changed
    return doubtOf(thrown)
  }
}

const changed: Answer = { answer: 'no_longer_true', reason: 'subject_changed' }

/** What is wrong with a token that is properly signed and about somebody or for somebody else. */
const otherPerson: readonly string[] = [
  'id_token_invalid: iss',
  'id_token_invalid: aud',
  'id_token_invalid: azp',
  'required_claim_differs',
]

async function userinfo(
  accessToken: string,
  { subject }: Subject,
  fresh: boolean,
  config: OidcConfig,
  context: ProviderContext,
): Promise<Answer> {
  try {
    const { userinfo_endpoint: url } = await discover(config.issuer, context)
    if (!url) return unsupported('userinfo: no endpoint')
    const headers = { accept: 'application/json', authorization: `Bearer ${accessToken}` }
    const response = await ask('userinfo', url, { headers }, context)
    const { status } = response
    if (status === 401)
      return fresh
        ? { answer: 'no_longer_true', reason: 'userinfo: status 401' }
        : unsupported('userinfo: the access token is over')
    if (status !== 200) return transient(`userinfo: status ${status}`, pauseOf(response))
    const claims = parse(new Uint8Array(await response.arrayBuffer()))
    if (!isObject(claims)) return transient('userinfo: unreadable answer')
    if (claims['sub'] !== subject) return changed
    checkGroups({}, claims, config)
    return { answer: 'still_true', reason: 'userinfo', claims: display({}, claims, config) }
  } catch (thrown) {
    return doubtOf(thrown)
  }
}

function transient(reason: string, pause?: number): Answer {
  return { answer: 'could_not_tell', doubt: 'transient', reason, ...(pause && { pause }) }
}

function misconfigured(reason: string): Answer {
  return { answer: 'could_not_tell', doubt: 'misconfigured', reason }
}

function unsupported(reason: string): Answer {
  return { answer: 'could_not_tell', doubt: 'unsupported', reason }
}

/** Longest time a provider may ask to be left alone, in seconds: an hour. */
const longestPause = 3600

/** `Retry-After` in seconds (RFC 9110 §10.2.3); a date would need the provider's clock. */
function pauseOf({ headers }: Response): number | undefined {
  const asked = headers.get('retry-after') ?? ''
  return /^\d{1,9}$/.test(asked) ? Math.min(Number(asked), longestPause) * 1000 : undefined
}

/** What a fault on the way means: that nothing is known, and whether somebody has to mend something. */
function doubtOf(thrown: unknown): Answer {
  if (!(thrown instanceof AppError)) throw thrown
  if (thrown.code === 'sso_denied') return { answer: 'no_longer_true', reason: thrown.reason }
  return lasting.test(thrown.reason) ? misconfigured(thrown.reason) : transient(thrown.reason)
}

/** Faults that do not go away by waiting. */
const lasting = /^discovery: (issuer differs|incomplete|.* is not an absolute URL)|egress_blocked/

/** Whether a request that failed may have reached the provider. */
function mayHaveArrived(thrown: unknown): boolean {
  const cause = thrown instanceof AppError ? thrown.cause : thrown
  return !(cause instanceof EgressError) || cause.sent
}
