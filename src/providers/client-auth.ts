import {
  ClientSecretBasic,
  ClientSecretPost,
  PrivateKeyJwt,
  modifyAssertion,
  type ClientAuth,
} from 'oauth4webapi'
import type { Clock } from '../lib/clock.ts'
import type { Secret } from '../lib/secrets.ts'
import type { ClientCredentials, ClientKey } from './oidc-config.ts'

/**
 * The one way in which a connection proves itself to its token endpoint: the secret form-encoded in a Basic header
 * (RFC 6749 §2.3.1), the secret in the body, or an assertion signed with the connection's own key (RFC 7523).
 */
export async function clientAuthentication(
  credentials: ClientCredentials,
  clock: Clock,
): Promise<ClientAuth> {
  switch (credentials.clientAuth) {
    case 'client_secret_basic':
      return ClientSecretBasic(credentials.clientSecret.reveal())
    case 'client_secret_post':
      return ClientSecretPost(credentials.clientSecret.reveal())
    case 'private_key_jwt':
      return assertion(credentials.privateKey, clock)
  }
}

/** How long an assertion can be used, in seconds. */
const assertionLifetime = 60

/** An assertion whose audience is the issuer and nothing its metadata says, so no other server accepts it. */
async function assertion(privateKey: Secret<ClientKey>, clock: Clock): Promise<ClientAuth> {
  const { key, kid, algorithm } = privateKey.reveal()
  const pem = key.export({ type: 'pkcs8', format: 'pem' }) as string
  const { importPKCS8 } = await import('jose/key/import')
  const signing = { key: await importPKCS8(pem, algorithm), ...(kid !== undefined && { kid }) }
  return PrivateKeyJwt(signing, {
    [modifyAssertion](_header, payload) {
      const now = Math.floor(clock.now().getTime() / 1000)
      Object.assign(payload, { iat: now, nbf: now, exp: now + assertionLifetime })
    },
  })
}
