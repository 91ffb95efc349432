import { calculatePKCECodeChallenge } from 'oauth4webapi'
import { z } from 'zod'
import { EgressError } from '../lib/egress.ts'
import { randomToken } from '../lib/secrets.ts'
import { grantOf, type Tokens } from './again.ts'
import { readObject, type JsonObject } from './answer.ts'
import { readAuthorizationResponse } from './authorization-response.ts'
import { authorizationUrl, redeemCode } from './code-grant.ts'
import { printable, refused } from './faults.ts'
import type { Checked, ProviderKind } from './kind.ts'
import { askAgain } from './oauth2-again.ts'
import { oauth2Config, type OAuth2Config } from './oauth2-config.ts'
import {
  checkMembership,
  personApi,
  subjectIn,
  valueAt,
  verifiedAddress,
  type PersonApi,
} from './person-api.ts'
import { prove, type Claims, type Proof } from './proof.ts'
import type { Destination, Provider, ProviderContext, Remembered } from './provider.ts'
import { groupsIn, rawClaims } from './raw-claims.ts'

/**
 * OAuth 2, authorization code flow with PKCE (RFC 6749, RFC 7636, RFC 9207, RFC 9700), for providers that do not speak
 * OpenID Connect: who somebody is, the provider's own interface says to the bearer of the access token.
 */
export const oauth2: ProviderKind<OAuth2Config> = {
  name: 'OAuth 2.0',
  config: oauth2Config,
  issuerOf: ({ issuer }) => issuer,
  open,
  check,
}

function open(config: OAuth2Config, context: ProviderContext): Provider {
  return {
    begin: (to) => begin(to, config),
    complete: (back, remember) => complete(back, remember, config, context),
    again: askAgain(config, context),
  }
}

const memory = z.object({ issuer: z.string(), redirectUri: z.string(), verifier: z.string() })

async function begin(
  to: Destination,
  config: OAuth2Config,
): Promise<{ redirect: URL; remember: Remembered }> {
  const verifier = randomToken()
  const redirect = authorizationUrl(config.authorizationEndpoint, {
    ...config.authorizationParameters,
    response_type: 'code',
    client_id: config.clientId,
    redirect_uri: to.redirectUri,
    scope: config.scopes.join(' ') || undefined,
    state: to.handle,
    // A server that does not know PKCE ignores it; `plain` never helps.
    code_challenge: await calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  })
  return { redirect, remember: { issuer: config.issuer, redirectUri: to.redirectUri, verifier } }
}

async function complete(
  back: URL,
  remember: Remembered,
  config: OAuth2Config,
  context: ProviderContext,
): Promise<Proof> {
  const request = memory.parse(remember)
  if (request.issuer !== config.issuer) throw refused('provider_changed')
  readAuthorizationResponse(back, { ...request, issPromised: false })
  const response = await redeemCode(back, { ...config, ...request, credentials: config }, context)
  const tokens = await readTokens(response)
  const api = personApi(tokens.accessToken, context)
  const user = await readObject('user', await api.ask('user', config.userEndpoint))
  const subject = subjectIn(user, config.subject)
  const membership = config.membership && (await checkMembership(api, config.membership))
  return prove({
    connectionId: context.connectionId,
    issuer: config.issuer,
    subject,
    claims: {
      ...display(user, config.claims),
      ...(await addressOf(user, api, config, context)),
      raw: rawClaims({ ...membership, ...user }),
    },
    grant: grantOf(tokens, context.clock.now()),
  })
}

const tokenResponse = z.object({
  // RFC 6750 §2.1; anything else could not be sent back in a header.
  access_token: z.string().regex(/^[\x21-\x7e]+$/),
  token_type: z.string().regex(/^bearer$/i),
  // For asking again only: a sign-in does not fail over it. In a form it is text.
  expires_in: z.coerce.number().positive().optional().catch(undefined),
})

async function readTokens(response: Response): Promise<Tokens> {
  const body = await readObject('token', response, { form: true })
  const { data, error } = tokenResponse.safeParse(body)
  if (error) throw refused(`token: ${error.issues[0]?.path.join('.')}`)
  const { access_token: accessToken, expires_in: expiresIn } = data
  return { accessToken, ...(expiresIn && { expiresIn }) }
}

function display(user: JsonObject, { name: paths, groups: path }: OAuth2Config['claims']): Claims {
  const name = firstText(user, paths)
  const groups = path === undefined ? undefined : groupsIn(valueAt(user, path))
  return { ...(name && { name: printable(name, 255) }), ...(groups && { groups }) }
}

/** An address, and whether it was verified: both from the same mouth. */
async function addressOf(
  user: JsonObject,
  api: PersonApi,
  { claims, emailsEndpoint }: OAuth2Config,
  context: ProviderContext,
): Promise<Claims> {
  const verified = emailsEndpoint && (await verifiedAddress(api, emailsEndpoint, context))
  if (verified) return verified
  const email = firstText(user, claims.email)
  const emailVerified =
    claims.emailVerified !== undefined && valueAt(user, claims.emailVerified) === true
  return email ? { email: printable(email, 255), emailVerified } : {}
}

/** The first text that is not empty, at any of the paths. */
function firstText(user: JsonObject, paths: readonly string[]): string | undefined {
  return paths
    .map((path) => valueAt(user, path))
    .find((value): value is string => typeof value === 'string' && value.trim() !== '')
}

const addresses: readonly [setting: string, of: (config: OAuth2Config) => string | undefined][] = [
  ['authorizationEndpoint', ({ authorizationEndpoint }) => authorizationEndpoint],
  ['tokenEndpoint', ({ tokenEndpoint }) => tokenEndpoint],
  ['userEndpoint', ({ userEndpoint }) => userEndpoint],
  ['emailsEndpoint', ({ emailsEndpoint }) => emailsEndpoint],
  ['membership.url', ({ membership }) => membership?.url],
]

/** OAuth 2 providers publish nothing to compare the settings with, so only the addresses are looked at. */
async function check(config: OAuth2Config, { egress }: ProviderContext): Promise<Checked> {
  const given = addresses.flatMap(([setting, of]) => {
    const url = of(config)
    return url === undefined ? [] : [{ setting, url }]
  })
  const problems = await Promise.all(
    given.map(({ setting, url }) =>
      egress.check(url).then(
        () => [],
        (thrown: unknown) => {
          if (!(thrown instanceof EgressError)) throw thrown
          return [`${setting}: This address cannot be asked.`]
        },
      ),
    ),
  )
  return {
    problems: problems.flat(),
    published: Object.fromEntries(given.map(({ setting, url }) => [setting, url])),
  }
}
