// A real identity provider for development and tests, by OpenID Connect and by SAML: an organization with five people and
// no passwords.

import { getRequestListener } from '@hono/node-server'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Provider, type ClientMetadata, type JWKS } from 'oidc-provider'
import type { Log } from '../src/lib/log.ts'
import { randomToken } from '../src/lib/secrets.ts'
import { makeKeyPair, type KeyPair } from '../src/providers/saml/certificate.ts'
import { configuration } from './provider/configuration.ts'
import { startingPeople, type DevelopmentPerson } from './provider/people.ts'
import { routes, securityHeaders } from './provider/routes.ts'
import { createMessenger, type LogoutUris, type Messenger } from './provider/signals.ts'
import { createSamlProvider, type SamlProvider } from './provider/saml.ts'
import { createStore } from './provider/store.ts'

export type { DevelopmentPerson } from './provider/people.ts'

/** How to start a {@link DevelopmentProvider}. */
export interface DevelopmentProviderOptions {
  /** The port to listen on. @default 0: any free one */
  readonly port?: number
  /**
   * The name in the issuer. It listens on 127.0.0.1 either way; `localhost` makes it the same site as an application
   * on `localhost`. @default '127.0.0.1'
   */
  readonly host?: '127.0.0.1' | 'localhost'
  /** Where the first client may be sent back to; more with {@link DevelopmentProvider.addRedirectUri}. */
  readonly redirectUris: readonly string[]
  /** @default 'Acme' */
  readonly organization?: string
  /** @default 'sallyport' */
  readonly clientId?: string
  /** @default a fresh one at every start */
  readonly clientSecret?: string
  /** What it signs SAML with. @default a fresh one at every start, made when it is first needed */
  readonly samlKey?: () => Promise<KeyPair>
  /** The metadata of an application, which is named by their address. @default what is at that address on this machine */
  readonly metadataOf?: (entityId: string) => Promise<string>
  /** Faults and changes of people. @default none: it prints nothing */
  readonly log?: Log
}

/** A client of the provider, authenticating with the method named (OpenID Connect Core §9). */
export type DevelopmentClient = {
  readonly clientId: string
  readonly redirectUris: readonly string[]
  /** Where browsers may be sent after signing out here. @default nowhere */
  readonly postLogoutRedirectUris?: readonly string[]
  /** Where to say that a session here is over. @default nowhere, and then ID tokens do not name sessions */
  readonly backchannelLogoutUri?: string
} & (
  | {
      readonly tokenEndpointAuthMethod: 'client_secret_basic' | 'client_secret_post'
      readonly clientSecret: string
    }
  | { readonly tokenEndpointAuthMethod: 'private_key_jwt'; readonly jwks: JWKS }
)

/** A running provider. All it knows is in memory. */
export interface DevelopmentProvider {
  readonly issuer: string
  /** The first client. It authenticates with `client_secret_basic`. */
  readonly clientId: string
  readonly clientSecret: string
  /** Its other half, for the same people. */
  readonly saml: SamlProvider
  /** A live view. */
  readonly people: readonly DevelopmentPerson[]
  /** Refuses a person from now on, and destroys their sessions and grants: refreshing answers `invalid_grant`. */
  suspend(id: string): void
  /** Lets a suspended person sign in again. What was destroyed stays so. */
  restore(id: string): void
  /** Allows the first client one more redirect URI. */
  addRedirectUri(uri: string): void
  /** Notes where the first client wants to be told of signing out, and where browsers go after it. */
  registerLogout(uris: LogoutUris & { readonly after: string }): void
  /** Tells applications what happens here. */
  readonly messenger: Messenger
  /** Registers a client, or replaces its registration. */
  addClient(client: DevelopmentClient): void
  /** Stops listening and cuts off who is connected. */
  close(): Promise<void>
}

/**
 * Starts the development provider on loopback.
 * @throws Error with code `EADDRINUSE` when the port is taken
 */
export async function startDevelopmentProvider({
  port = 0,
  host = '127.0.0.1',
  redirectUris,
  organization = 'Acme',
  clientId = 'sallyport',
  clientSecret = randomToken(),
  samlKey = () => makeKeyPair(`${organization} (development)`, new Date()),
  metadataOf = fetchMetadata,
  log,
}: DevelopmentProviderOptions): Promise<DevelopmentProvider> {
  const people = startingPeople(organization)
  const store = createStore()
  const [server, jwks] = await Promise.all([listen(port), signingKeys()])
  const issuer = `http://${host}:${(server.address() as AddressInfo).port}`

  const oidc = new Provider(issuer, configuration({ organization, people, store, jwks }))
  // Koa's own prints.
  oidc.onerror = (err) => log?.error({ err }, 'development provider: a request failed')
  oidc.on('server_error', (_ctx, err) => log?.error({ err }, 'development provider: a fault'))

  function setSuspended(id: string, suspended: boolean): void {
    const person = people.find((each) => each.id === id)
    if (!person) throw new Error(`the development provider has no person "${id}"`)
    person.suspended = suspended
    if (suspended) store.forgetPerson(id)
    log?.info({ person: id, suspended }, 'development provider: a person changed')
  }
  const suspend = (id: string): void => setSuspended(id, true)
  const restore = (id: string): void => setSuspended(id, false)

  const messenger = createMessenger({ issuer, clientId, key: jwks.keys[0] as JWK })
  const firstRedirectUris = [...redirectUris]
  let logout: (LogoutUris & { readonly after: string }) | undefined
  function addClient(client: DevelopmentClient): void {
    store.saveClient(clientMetadata(client))
  }
  function addRedirectUri(uri: string): void {
    firstRedirectUris.push(uri)
    saveFirstClient()
  }
  function saveFirstClient(): void {
    const tokenEndpointAuthMethod = 'client_secret_basic'
    addClient({
      clientId,
      clientSecret,
      tokenEndpointAuthMethod,
      redirectUris: firstRedirectUris,
      ...(logout && {
        postLogoutRedirectUris: [logout.after],
        backchannelLogoutUri: logout.backchannel,
      }),
    })
  }
  saveFirstClient()
  function registerLogout(uris: NonNullable<typeof logout>): void {
    logout = uris
    messenger.register(uris)
    saveFirstClient()
  }

  const sessionsOf = (id: string) => store.sessionsOf(id, clientId)
  function register(redirectUri: string): { clientId: string; clientSecret: string } {
    const fresh = { clientId: `application-${randomToken(6)}`, clientSecret: randomToken() }
    const tokenEndpointAuthMethod = 'client_secret_basic'
    addClient({ ...fresh, tokenEndpointAuthMethod, redirectUris: [redirectUri] })
    return fresh
  }

  const saml = createSamlProvider({
    origin: issuer,
    organization,
    people,
    key: samlKey,
    metadataOf,
  })
  const parts = { oidc, organization, people, saml, register, suspend, restore, messenger }
  const site = routes({ ...parts, sessionsOf, log })
  // It may share its process with an application, whose `Response` must stay Node's own.
  const listener = getRequestListener(site.fetch, { overrideGlobalObjects: false })
  server.on('request', (request, response) => {
    for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value)
    void listener(request, response)
  })

  return {
    issuer,
    clientId,
    clientSecret,
    saml,
    people,
    suspend,
    restore,
    addRedirectUri,
    registerLogout,
    messenger,
    addClient,
    async close() {
      messenger.close()
      await close(server)
    },
  }
}

/** The address comes out of a request that anybody can send: only Sallyport's own kind, on this machine, is asked. */
async function fetchMetadata(entityId: string): Promise<string> {
  const url = URL.parse(entityId)
  const isOurs =
    url && loopback.includes(url.hostname) && /^\/sso\/[^/]+\/metadata$/.test(url.pathname)
  if (!isOurs) throw new Error('its metadata are not on this machine')
  const answer = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(5000) })
  if (!answer.ok) throw new Error(`its metadata are not to be had: status ${answer.status}`)
  return answer.text()
}

const loopback = ['localhost', '127.0.0.1', '[::1]']

async function signingKeys(): Promise<JWKS> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  const key = { ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig', kid: randomToken(16) }
  return { keys: [key] as JWKS['keys'] }
}

function clientMetadata(client: DevelopmentClient): ClientMetadata {
  return {
    client_id: client.clientId,
    redirect_uris: [...client.redirectUris],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    require_auth_time: true,
    post_logout_redirect_uris: [...(client.postLogoutRedirectUris ?? [])],
    ...(client.backchannelLogoutUri && {
      backchannel_logout_uri: client.backchannelLogoutUri,
      backchannel_logout_session_required: true,
    }),
    token_endpoint_auth_method: client.tokenEndpointAuthMethod,
    ...('jwks' in client ? { jwks: client.jwks } : { client_secret: client.clientSecret }),
  }
}

async function listen(port: number): Promise<Server> {
  const server = createServer().listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}
