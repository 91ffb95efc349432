import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { findConnection, readSettings } from '../src/accounts/connections.ts'
import { createSallyport, type Sallyport } from '../src/app.ts'
import { redirectUriOf } from '../src/flows/login.ts'
import type { Route, Services } from '../src/http/exchange.ts'
import { ConfigError, readConfig, type Config } from '../src/lib/config.ts'
import { keepSecret } from '../src/lib/development-secret.ts'
import { OperatorError } from '../src/lib/errors.ts'
import type { Mailer } from '../src/lib/mail.ts'
import { createLog, type Log } from '../src/lib/log.ts'
import { randomToken } from '../src/lib/secrets.ts'
import { makeKeyPair, type KeyPair } from '../src/providers/saml/certificate.ts'
import type { GuestHooks } from '../src/sessions/guests.ts'
import type { Gate } from './autosession/gate.ts'
import type { Running } from './autosession/sign-in.ts'
import { dummyRoute, openWithDummy, seedDummy } from './dummy.ts'
import { markForDevelopment } from './instance.ts'
import type { DevelopmentProvider } from './provider.ts'
import { seed, seedSaml } from './seed.ts'
import { connectDirectory, connectSignals } from './signals.ts'

/** A Sallyport with an organization, Acme, whose people one can sign in as. Nothing listens yet. */
export interface Development {
  readonly config: Config
  readonly sallyport: Sallyport
  /** Says on the terminal where to go, as whom one can sign in, and how to stop. */
  announce(): void
  close(): Promise<void>
}

/** What may differ from `npm start`. */
export interface DevelopmentOptions {
  /** Settings over those of the environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Who carries mail. @default the server of `SMTP_URL`, or nobody */
  readonly mailer?: Mailer
  /**
   * Whether the organization has two more ways in: its provider by SAML too, and one that says what it is told to.
   * @default false
   */
  readonly dummy?: boolean
  /** What becomes of the work of guests. */
  readonly guests?: GuestHooks
  /**
   * Endpoints beside Sallyport's own; the provider is there by the time a request is. `buttons`: whether there is
   * `/autosession`.
   */
  readonly routes?: (provider: () => DevelopmentProvider, buttons: boolean) => readonly Route[]
}

/**
 * Starts the development provider, on the port after Sallyport's, and a Sallyport connected to it.
 * @throws ConfigError, OperatorError
 */
export async function startDevelopment({
  env = {},
  guests = {},
  mailer,
  dummy = false,
  routes = () => [],
}: DevelopmentOptions = {}): Promise<Development> {
  const config = readConfig({
    LOG_LEVEL: 'warn',
    ...process.env,
    ...env,
    NODE_ENV: 'development',
  })
  if (config.port < 1 || config.port > 65_534)
    throw new ConfigError(['PORT must be from 1 to 65534: the provider takes the port after it.'])
  const gate = await openAutosession(config)
  const log = createLog(config.logLevel)
  let provider: DevelopmentProvider | undefined
  let sallyport: Sallyport | undefined
  let running: Running | undefined
  const close = async (): Promise<void> => {
    await sallyport?.close()
    await provider?.close()
  }
  // Side by side: the database's first start takes longer than all the rest.
  const results = await Promise.allSettled([
    createSallyport({
      config,
      log,
      guests,
      ...(mailer && { mailer }),
      ...(dummy && { openProvider: openWithDummy }),
      routes: [
        ...(dummy ? [dummyRoute] : []),
        ...routes(() => provider!, gate !== undefined),
        ...(gate ? await buttons(() => running!) : []),
      ],
    }).then((started) => (sallyport = started)),
    startProvider(config, log).then((started) => (provider = started)),
  ])
  try {
    const failed = results.find((result) => result.status === 'rejected')
    if (failed) throw failed.reason
    const parts = { sallyport: sallyport!, provider: provider! }
    const connectionId = await connect(config, parts)
    if (dummy) await seedMore(parts, connectionId)
    const permit = await gate?.pass(sallyport!.services.db)
    if (permit) running = { ...parts, connectionId, permit }
    const announce = () => console.log(screen(config, provider!, running))
    return { config, sallyport: sallyport!, close, announce }
  } catch (error) {
    await close()
    throw error
  }
}

async function startProvider(config: Config, log: Log): Promise<DevelopmentProvider> {
  const { startDevelopmentProvider } = await import('./provider.ts')
  return startDevelopmentProvider({
    port: config.port + 1,
    redirectUris: [],
    // The same at every start, so that a connection outlives a restart.
    clientSecret: keepSecret(config.data, 'development-client-secret', randomToken).text,
    samlKey: () => keepSamlKey(config.data),
    log,
  })
}

/** The same at every start too. */
async function keepSamlKey(folder: string): Promise<KeyPair> {
  const name = 'development-saml-key'
  const fresh = existsSync(join(folder, name))
    ? undefined
    : await makeKeyPair('Acme (development)', new Date())
  const { text } = keepSecret(folder, name, () => JSON.stringify(fresh))
  return JSON.parse(text) as KeyPair
}

/** Asks whether people may be signed in at the press of a button here, before anything listens. */
async function openAutosession(config: Config): Promise<Gate | undefined> {
  if (config.autosession === 'off') return undefined
  const { openGate } = await import('./autosession/gate.ts')
  return openGate({ nodeEnv: process.env['NODE_ENV'], config })
}

async function buttons(running: () => Running): Promise<readonly Route[]> {
  const { autosessionRoutes } = await import('./autosession/routes.ts')
  const { statesRoutes } = await import('./states/routes.ts')
  return [...autosessionRoutes(running), ...statesRoutes(running)]
}

/** Makes the organization and its connection, unless they are there. Answers the connection's id. */
async function connect(
  config: Config,
  { sallyport, provider }: Pick<Running, 'sallyport' | 'provider'>,
): Promise<string> {
  const { services } = sallyport
  await markForDevelopment(services.db, services.clock.now())
  const connectionId = await seed(services, provider)
  await refuseOtherPort(services, connectionId, provider)
  provider.addRedirectUri(redirectUriOf(config.url.origin, connectionId))
  await connectSignals(services, connectionId, provider)
  connectDirectory(services, connectionId, provider)
  await registerAgain(services, provider)
  return connectionId
}

/** The provider forgets its applications when it stops: those of connections that somebody has made are told to it anew. */
async function registerAgain(
  { db, sealer, origin }: Services,
  provider: DevelopmentProvider,
): Promise<void> {
  const made = await db
    .selectFrom('connections')
    .select('id')
    .where('kind', '=', 'oidc')
    .where('deleted_at', 'is', null)
    .execute()
  for (const { id } of made) {
    const settings = (await readSettings(db, sealer, id)) as Partial<OpenIdSettings>
    const { issuer, clientId, clientSecret } = settings
    if (issuer !== provider.issuer || clientId === provider.clientId) continue
    if (!clientId || !clientSecret) continue
    provider.addClient({
      clientId,
      clientSecret,
      tokenEndpointAuthMethod: settings.clientAuth ?? 'client_secret_basic',
      redirectUris: [redirectUriOf(origin, id)],
    })
  }
}

interface OpenIdSettings {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
  readonly clientAuth: 'client_secret_basic' | 'client_secret_post'
}

async function seedMore(
  parts: Pick<Running, 'sallyport' | 'provider'>,
  connectionId: string,
): Promise<void> {
  const organizationId = await organizationOf(parts, connectionId)
  const { services } = parts.sallyport
  await seedSaml(services, parts.provider, { connectionId, organizationId })
  await seedDummy(services, organizationId)
}

async function organizationOf(
  { sallyport: { services } }: Pick<Running, 'sallyport'>,
  connectionId: string,
): Promise<string> {
  return (await findConnection(services.db, connectionId))!.organization.id
}

/** {@link startDevelopment} for a program that serves by itself: SIGINT and SIGTERM close it and end the process. */
export async function startExample(options?: DevelopmentOptions): Promise<Development> {
  const development = await startDevelopment(options)
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void development.close().finally(() => process.exit()))
  return development
}

/** The connection and the people's identities name the provider by its address, which holds the port. */
async function refuseOtherPort(
  { db, sealer }: Services,
  connectionId: string,
  provider: DevelopmentProvider,
): Promise<void> {
  const { issuer } = (await readSettings(db, sealer, connectionId)) as { issuer: string }
  if (issuer === provider.issuer) return
  throw new OperatorError(
    `The people in this data folder belong to the provider ${issuer}. Start with PORT=${Number(new URL(issuer).port) - 1}, or set SALLYPORT_DATA to another folder.`,
  )
}

function screen(
  config: Config,
  { people, issuer }: DevelopmentProvider,
  running: Running | undefined,
): string {
  const names = people.map(
    ({ name, role, suspended }) => `${name} (${suspended ? 'suspended' : role})`,
  )
  const press = running
    ? `\n    Or press   ${config.url.origin}/autosession   token ${running.permit.token}`
    : ''
  return `
  Sallyport is ready.

    Open       ${config.url.origin}
    Sign in as ${names.join(', ')}${press}
    Provider   ${issuer}   where you can suspend and restore them
    Data       ${config.databaseUrl ? 'your DATABASE_URL' : config.data}
    Stop       Ctrl+C
`
}
