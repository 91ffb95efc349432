import {
  errors,
  type Account,
  type Configuration,
  type JWKS,
  type KoaContextWithOIDC,
} from 'oidc-provider'
import { randomToken } from '../../src/lib/secrets.ts'
import type { DevelopmentPerson } from './people.ts'
import type { Store } from './store.ts'
import { messagePage, signOutPage, type Html } from './pages.ts'

/** What the provider is made of; see {@link configuration}. */
export interface ProviderParts {
  readonly organization: string
  readonly people: readonly DevelopmentPerson[]
  readonly store: Store
  /** The private signing keys. */
  readonly jwks: JWKS
}

const days = 24 * 60 * 60

/**
 * The `oidc-provider` configuration: code flow with PKCE, RS256 ID tokens that carry all claims, rotating refresh
 * tokens for every client, introspection (RFC 7662), revocation (RFC 7009) and sign-out started by the client.
 * Every setting whose default prints a notice is set.
 */
export function configuration({ organization, people, store, jwks }: ProviderParts): Configuration {
  return {
    adapter: store.adapter,
    jwks,
    cookies: {
      keys: [randomToken()],
      // Named so that they meet nobody else's on the same host: cookies do not tell ports apart.
      names: {
        session: 'development_provider_session',
        interaction: 'development_provider_interaction',
        resume: 'development_provider_resume',
      },
    },
    pkce: { required: () => true },
    responseTypes: ['code'],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    clientBasedCORS: () => false,
    acrValues: assuranceLevels,
    claims: { acr: null, amr: null, email: ['email', 'email_verified'], profile: ['name'] },
    conformIdTokenClaims: false,
    findAccount: (_ctx, id) => findAccount(people, id),
    loadExistingGrant: grantEverythingAskedFor,
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    expiresWithSession: async () => false,
    ttl: {
      AccessToken: 5 * 60,
      AuthorizationCode: 60,
      Grant: 14 * days,
      IdToken: 60 * 60,
      Interaction: 60 * 60,
      RefreshToken: 14 * days,
      Session: 1 * days,
    },
    features: {
      claimsParameter: { enabled: true },
      // Whoever signs out here is signed out at every application that wants to know.
      backchannelLogout: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: isOwnToken },
      resourceIndicators: { enabled: false },
      revocation: { enabled: true, allowedPolicy: isOwnToken },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) => answer(ctx, signOutPage(organization, form)),
        postLogoutSuccessSource: (ctx) =>
          answer(ctx, messagePage(organization, 'Signed out', 'You are signed out here.')),
      },
    },
    renderError: (ctx, out) =>
      answer(ctx, messagePage(organization, out.error, out.error_description ?? '')),
  }
}

/** The authentication context classes it can claim, weakest first. */
const assuranceLevels = ['urn:development:one-factor', 'urn:development:two-factor']

/** The class to claim when `asked` (the `acr_values` parameter) was asked for. */
export function assuranceFor(asked: unknown): string | undefined {
  const wanted = typeof asked === 'string' ? asked.split(' ') : []
  return wanted.find((level) => assuranceLevels.includes(level)) ?? assuranceLevels[0]
}

function findAccount(people: readonly DevelopmentPerson[], id: string): Account | undefined {
  const person = people.find((each) => each.id === id)
  // The sign-in page refuses too; this refuses who is suspended between that page and the code.
  if (person?.suspended) throw new errors.AccessDenied(`${person.name} is suspended`)
  return (
    person && {
      accountId: id,
      claims: () => ({ sub: id, name: person.name, email: person.email, email_verified: true }),
    }
  )
}

/**
 * Consent without a question, anew for each sign-in: revoking the tokens of one sign-in, or catching the reuse of one,
 * leaves the tokens of the others alone.
 */
async function grantEverythingAskedFor(ctx: KoaContextWithOIDC) {
  const { provider, client, account, requestParamScopes, requestParamClaims } = ctx.oidc
  const grant = new provider.Grant({ clientId: client?.clientId, accountId: account?.accountId })
  grant.addOIDCScope([...requestParamScopes].join(' '))
  grant.addOIDCClaims([...requestParamClaims])
  await grant.save()
  return grant
}

/** A client may look at and revoke only what was issued to it (RFC 7662 §4, RFC 7009 §2.1). */
async function isOwnToken(
  _ctx: KoaContextWithOIDC,
  client: { clientId: string },
  token: { clientId?: string | undefined },
): Promise<boolean> {
  return token.clientId === client.clientId
}

async function answer(ctx: KoaContextWithOIDC, page: Html): Promise<void> {
  ctx.type = 'html'
  ctx.body = String(await page)
}
