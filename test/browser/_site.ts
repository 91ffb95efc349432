import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { openGate } from '../../dev/autosession/gate.ts'
import { autosessionRoutes } from '../../dev/autosession/routes.ts'
import type { Running } from '../../dev/autosession/sign-in.ts'
import { homeRoute } from '../../dev/home.ts'
import { createMailbox, mailboxRoutes } from '../../dev/mailbox.ts'
import { markForDevelopment } from '../../dev/instance.ts'
import { startDevelopmentProvider, type DevelopmentProvider } from '../../dev/provider.ts'
import { seed } from '../../dev/seed.ts'
import { statesRoutes } from '../../dev/states/routes.ts'
import { createSallyport, type Sallyport } from '../../src/app.ts'
import { redirectUriOf } from '../../src/flows/login.ts'
import type { Route } from '../../src/http/exchange.ts'
import { listen, stopServer, toListener } from '../../src/http/server.ts'
import { newSealingKey, readConfig } from '../../src/lib/config.ts'
import { createLog } from '../../src/lib/log.ts'
import type { GuestHooks } from '../../src/sessions/guests.ts'
import { selfSigned } from '../_certificate.ts'
import { createTestDatabase } from '../_database.ts'

/** What `npm start` starts, for a test: Sallyport on `localhost`, the provider on `127.0.0.1`, which is another site. */
export interface Site {
  readonly origin: string
  readonly provider: DevelopmentProvider
  readonly sallyport: Sallyport
  readonly connectionId: string
  /** What `/autosession` works on. */
  readonly running: Running
  /** How far Sallyport's clock is ahead, in milliseconds; the provider's and the browser's stay. */
  readonly clock: { ahead: number }
  close(): Promise<void>
}

/** What a file of stories may choose. */
export interface SiteOptions {
  readonly https?: boolean
  /** Settings over the site's own, by environment variable. */
  readonly env?: Record<string, string>
  readonly guests?: GuestHooks
  /** Pages beside Sallyport's own. */
  readonly routes?: readonly Route[]
}

/** Starts a site on free ports. Its certificate, with `https`, is one that nobody trusts. */
export async function startSite(options: SiteOptions = {}): Promise<Site> {
  const closers: (() => Promise<void>)[] = []
  const close = async () => {
    for (const stop of closers.splice(0).reverse()) await stop()
  }
  try {
    return await start(options, closers, close)
  } catch (error) {
    await close()
    throw error
  }
}

async function start(
  { https = false, env = {}, guests = {}, routes = [] }: SiteOptions,
  closers: (() => Promise<void>)[],
  close: () => Promise<void>,
): Promise<Site> {
  let answer: RequestListener = () => {}
  const server = https ? createTlsServer(selfSigned('localhost')) : createServer()
  server.on('request', (request, response) => answer(request, response))
  const port = await listen(server, { host: '127.0.0.1', port: 0 })
  const config = readConfig({
    NODE_ENV: 'test',
    SALLYPORT_URL: `${https ? 'https' : 'http'}://localhost:${port}`,
    SALLYPORT_KEYS: newSealingKey(),
    SALLYPORT_AUTOSESSION: 'on',
    ...env,
  })
  const { origin } = config.url
  const clock = { ahead: 0, now: () => new Date(Date.now() + clock.ahead) }
  const database = await createTestDatabase()
  closers.push(database.drop)
  const provider = await startDevelopmentProvider({ redirectUris: [] })
  closers.push(provider.close)
  let running: Running | undefined
  const mailbox = createMailbox()
  const sallyport = await createSallyport({
    mailer: mailbox,
    config,
    clock,
    database: database.connection,
    log: createLog('error'),
    guests,
    routes: [
      ...routes,
      homeRoute(() => provider, { buttons: true }),
      ...mailboxRoutes(mailbox),
      ...autosessionRoutes(() => running!),
      ...statesRoutes(() => running!),
    ],
  })
  closers.push(sallyport.close, () => stopServer(server, 100))
  await markForDevelopment(sallyport.services.db, clock.now())
  const permit = await openGate({ nodeEnv: 'test', config })!.pass(sallyport.services.db)
  const connectionId = await seed(sallyport.services, provider)
  provider.addRedirectUri(redirectUriOf(origin, connectionId))
  answer = toListener(sallyport.fetch)
  running = { sallyport, provider, connectionId, permit }
  return { origin, provider, sallyport, connectionId, running, clock, close }
}
