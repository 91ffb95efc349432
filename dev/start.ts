import { readSettings } from '../src/accounts/connections.ts'
import { createSallyport } from '../src/app.ts'
import { explain } from '../src/cli/explain.ts'
import { serveUntilStopped } from '../src/cli/serve.ts'
import { redirectUriOf } from '../src/flows/login.ts'
import { ConfigError, readConfig, type Config } from '../src/lib/config.ts'
import { keepSecret } from '../src/lib/development-secret.ts'
import { OperatorError } from '../src/lib/errors.ts'
import type { Services } from '../src/http/exchange.ts'
import { createLog, type Log } from '../src/lib/log.ts'
import { randomToken } from '../src/lib/secrets.ts'
import { homeRoute } from './home.ts'
import { startDevelopmentProvider, type DevelopmentProvider } from './provider.ts'
import { seed } from './seed.ts'

try {
  await start()
} catch (error) {
  console.error(explain(error))
  process.exitCode = 1
}

async function start(): Promise<void> {
  const config = readConfig({ LOG_LEVEL: 'warn', ...process.env, NODE_ENV: 'development' })
  if (config.port < 1 || config.port > 65_534)
    throw new ConfigError(['PORT must be from 1 to 65534: the provider takes the port after it.'])
  const log = createLog(config.logLevel)
  const provider = await startDevelopmentProvider({
    port: config.port + 1,
    redirectUris: [],
    // The same at every start, so that a connection outlives a restart.
    clientSecret: keepSecret(config.data, 'development-client-secret', randomToken).text,
    log,
  })
  try {
    await serve(config, log, provider)
  } finally {
    await provider.close()
  }
}

async function serve(config: Config, log: Log, provider: DevelopmentProvider): Promise<void> {
  const sallyport = await createSallyport({ config, log, routes: [homeRoute(provider)] })
  try {
    const connectionId = await seed(sallyport.services, provider)
    await refuseOtherPort(sallyport.services, connectionId, provider)
    provider.addRedirectUri(redirectUriOf(config.url.origin, connectionId))
    await serveUntilStopped(sallyport, config, () => console.log(screen(config, provider)))
  } finally {
    await sallyport.close()
  }
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

function screen(config: Config, { people, issuer }: DevelopmentProvider): string {
  const names = people.map(
    ({ name, role, suspended }) => `${name} (${suspended ? 'suspended' : role})`,
  )
  return `
  Sallyport is ready.

    Open       ${config.url.origin}
    Sign in as ${names.join(', ')}
    Provider   ${issuer}   where you can suspend and restore them
    Data       ${config.databaseUrl ? 'your DATABASE_URL' : config.data}
    Stop       Ctrl+C
`
}
