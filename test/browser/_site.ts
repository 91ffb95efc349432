import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { homeRoute } from '../../dev/home.ts'
import { startDevelopmentProvider, type DevelopmentProvider } from '../../dev/provider.ts'
import { seed } from '../../dev/seed.ts'
import { createSallyport } from '../../src/app.ts'
import { redirectUriOf } from '../../src/flows/login.ts'
import { listen, stopServer, toListener } from '../../src/http/server.ts'
import { newSealingKey, readConfig } from '../../src/lib/config.ts'
import { createLog } from '../../src/lib/log.ts'
import { selfSigned } from '../_certificate.ts'
import { createTestDatabase } from '../_database.ts'

/** What `npm start` starts, for a test: Sallyport on `localhost`, the provider on `127.0.0.1`, which is another site. */
export interface Site {
  readonly origin: string
  readonly provider: DevelopmentProvider
  readonly connectionId: string
  /** How far Sallyport's clock is ahead, in milliseconds. The provider's and the browser's are not. */
  ahead: number
  close(): Promise<void>
}

/** Starts a site on free ports. Its certificate, with `https`, is one that nobody trusts. */
export async function startSite({ https = false } = {}): Promise<Site> {
  let answer: RequestListener = () => {}
  const server = https ? createTlsServer(selfSigned('localhost')) : createServer()
  server.on('request', (request, response) => answer(request, response))
  const port = await listen(server as Server, { host: '127.0.0.1', port: 0 })
  const config = readConfig({
    NODE_ENV: 'test',
    SALLYPORT_URL: `${https ? 'https' : 'http'}://localhost:${port}`,
    SALLYPORT_KEYS: newSealingKey(),
  })
  const { origin } = config.url
  const database = await createTestDatabase()
  const provider = await startDevelopmentProvider({ redirectUris: [] })
  const sallyport = await createSallyport({
    config,
    clock: { now: () => new Date(Date.now() + site.ahead) },
    database: database.connection,
    log: createLog('error'),
    routes: [homeRoute(provider)],
  })
  const connectionId = await seed(sallyport.services, provider)
  provider.addRedirectUri(redirectUriOf(origin, connectionId))
  answer = toListener(sallyport.fetch)
  const site: Site = {
    origin,
    provider,
    connectionId,
    ahead: 0,
    async close() {
      await stopServer(server as Server, 100)
      await sallyport.close()
      await provider.close()
      await database.drop()
    },
  }
  return site
}
