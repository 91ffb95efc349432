import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createSallyport } from '../src/app.ts'
import { explain, untilStopped } from '../src/cli.ts'
import { redirectUriOf } from '../src/flows/login.ts'
import { createHttpServer, listen, stopServer } from '../src/http/server.ts'
import { readConfig } from '../src/lib/config.ts'
import { createLog } from '../src/lib/log.ts'
import { randomToken } from '../src/lib/secrets.ts'
import { homeRoute } from './home.ts'
import { startDevelopmentProvider } from './provider.ts'
import { seed } from './seed.ts'

try {
  await start()
} catch (error) {
  console.error(explain(error))
  process.exitCode = 1
}

async function start(): Promise<void> {
  const config = readConfig({ LOG_LEVEL: 'warn', ...process.env, NODE_ENV: 'development' })
  const log = createLog(config.logLevel)
  const provider = await startDevelopmentProvider({
    port: config.port === 0 ? 0 : config.port + 1,
    redirectUris: [],
    clientSecret: keptSecret(config.data),
    log,
  })
  const sallyport = await createSallyport({ config, log, routes: [homeRoute(provider)] })
  const connectionId = await seed(sallyport.services, provider)
  provider.addRedirectUri(redirectUriOf(config.url.origin, connectionId))
  const server = createHttpServer(sallyport.fetch)
  await listen(server, config)

  const people = provider.people.map(
    ({ name, role, suspended }) => `${name} (${suspended ? 'suspended' : role})`,
  )
  console.log(`
  Sallyport is ready.

    Open       ${config.url.origin}
    Sign in as ${people.join(', ')}
    Provider   ${provider.issuer}   where you can suspend and restore them
    Data       ${config.databaseUrl ? 'your DATABASE_URL' : config.data}
    Stop       Ctrl+C
`)
  await untilStopped()
  await stopServer(server)
  await sallyport.close()
  await provider.close()
}

/** The development provider's client secret, the same at every start so that sessions outlive a restart. */
function keptSecret(folder: string): string {
  const file = join(folder, 'development-client-secret')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  try {
    writeFileSync(file, randomToken(), { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return readFileSync(file, 'utf8')
}
