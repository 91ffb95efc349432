import { rediscover, type ServerMetadata } from './discovery.ts'
import type { Checked } from './kind.ts'
import type { OidcConfig } from './oidc-config.ts'
import type { ProviderContext } from './provider.ts'

/** Compares the settings with what the provider publishes about itself. */
export async function checkOidc(config: OidcConfig, context: ProviderContext): Promise<Checked> {
  const published = await rediscover(config.issuer, context)
  const problems = complaints.filter(({ when }) => when(config, published))
  return { published: { ...published }, problems: problems.map(({ problem }) => problem) }
}

const complaints: readonly {
  when: (config: OidcConfig, published: ServerMetadata) => boolean
  problem: string
}[] = [
  {
    when: (config, { id_token_signing_alg_values_supported: offered }) =>
      offered !== undefined && !config.signingAlgorithms.some((name) => offered.includes(name)),
    problem: 'signingAlgorithms: The provider signs with none of these.',
  },
  {
    when: (config, { token_endpoint_auth_methods_supported: offered }) =>
      offered !== undefined && !offered.includes(config.clientAuth),
    problem: 'clientAuth: The provider does not accept this way of authenticating.',
  },
  {
    when: (config, { userinfo_endpoint }) => config.userinfo && userinfo_endpoint === undefined,
    problem: 'userinfo: The provider has no UserInfo endpoint.',
  },
]
