import { z } from 'zod'
import type { ProviderContext } from './provider.ts'
import { ask, readObject } from './answer.ts'
import { fromEgress, refused } from './faults.ts'
import { createMemory, keep, type Kept } from './kept.ts'

/** What is read of a provider's published metadata (OpenID Connect Discovery 1.0 §3, RFC 8414 §2). */
export interface ServerMetadata {
  /** Equal to the configured issuer, character for character. */
  readonly issuer: string
  readonly authorization_endpoint: string
  readonly token_endpoint: string
  readonly jwks_uri: string
  readonly userinfo_endpoint?: string | undefined
  /** Where people sign out (OpenID Connect RP-Initiated Logout 1.0 §2). */
  readonly end_session_endpoint?: string | undefined
  /** Whether every authorization response carries `iss` (RFC 9207 §3). */
  readonly authorization_response_iss_parameter_supported?: boolean | undefined
  readonly token_endpoint_auth_methods_supported?: readonly string[] | undefined
  readonly id_token_signing_alg_values_supported?: readonly string[] | undefined
}

const metadata = z.object({
  issuer: z.string(),
  authorization_endpoint: z.string(),
  token_endpoint: z.string(),
  jwks_uri: z.string(),
  userinfo_endpoint: z.string().optional(),
  end_session_endpoint: z.string().optional(),
  authorization_response_iss_parameter_supported: z.boolean().optional(),
  token_endpoint_auth_methods_supported: z.array(z.string()).optional(),
  id_token_signing_alg_values_supported: z.array(z.string()).optional(),
})

const endpoints = [
  'authorization_endpoint',
  'token_endpoint',
  'jwks_uri',
  'userinfo_endpoint',
] as const

const recall = createMemory<Kept<ServerMetadata>>()

/**
 * The provider's metadata, at most ten minutes old: endpoints are only ever used together as one document named them.
 * @throws AppError `sso_unavailable` or `sso_failed`; the reason begins with `discovery`
 */
export async function discover(issuer: string, context: ProviderContext): Promise<ServerMetadata> {
  return (await published(issuer, context).get()).value
}

/** Like {@link discover}, but asks now; for checking settings. */
export async function rediscover(
  issuer: string,
  context: ProviderContext,
): Promise<ServerMetadata> {
  return (await published(issuer, context).renew()).value
}

function published(issuer: string, context: ProviderContext): Kept<ServerMetadata> {
  const key = `${context.connectionId} ${issuer}`
  return recall(context.egress, key, () => keep(context.clock, () => load(issuer, context)))
}

async function load(issuer: string, context: ProviderContext): Promise<ServerMetadata> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const response = await ask('discovery', url, { headers: { accept: 'application/json' } }, context)
  const { success, data } = metadata.safeParse(await readObject('discovery', response))
  if (!success) throw refused('discovery: incomplete')
  // Plain string comparison (OpenID Connect Discovery 1.0 §4.3): no normalising, so no two spellings of one issuer.
  if (data.issuer !== issuer) throw refused('discovery: issuer differs')
  await Promise.all(endpoints.map((name) => checkEndpoint(name, data[name], context)))
  return data
}

async function checkEndpoint(
  name: string,
  url: string | undefined,
  { egress }: ProviderContext,
): Promise<void> {
  if (url === undefined) return
  if (!URL.canParse(url)) throw refused(`discovery: ${name} is not an absolute URL`)
  try {
    await egress.check(url)
  } catch (thrown) {
    throw fromEgress(`discovery: ${name}`, thrown)
  }
}
