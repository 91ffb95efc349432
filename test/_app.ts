import { Writable } from 'node:stream'
import { sql } from 'kysely'
import { createConnection, type NewConnection } from '../src/accounts/connections.ts'
import { createOrganization, type Organization } from '../src/accounts/organizations.ts'
import { createSallyport, type Sallyport } from '../src/app.ts'
import type { Route } from '../src/http/exchange.ts'
import type { GuestHooks } from '../src/sessions/guests.ts'
import { queueSchema } from '../src/db/queue.ts'
import type { Db } from '../src/db/open.ts'
import { readConfig } from '../src/lib/config.ts'
import type { TxtAnswer } from '../src/lib/dns.ts'
import type { Mailer } from '../src/lib/mail.ts'
import { createLog } from '../src/lib/log.ts'
import { Browser, refreshOf } from './_browser.ts'
import { TestClock } from './_clock.ts'
import { keepPrinted, plant } from './_canaries.ts'
import { cuttable, type CuttableConnection } from './_cut.ts'
import { createTestDatabase } from './_database.ts'
import { createScriptedProvider, type ScriptedProvider } from './_provider.ts'
import { rims, type Rim, type RimName } from './_rims.ts'

/** A mail in the queue, opened. */
export interface QueuedMail {
  readonly mail: string
  readonly to: string
  readonly data: Readonly<Record<string, string>>
}

/** What a test may choose. */
export interface TestAppOptions {
  /** How requests reach the application. @default 'memory' */
  readonly rim?: RimName
  /** Settings over the test's defaults, by environment variable. */
  readonly env?: Record<string, string>
  readonly routes?: readonly Route[]
  /** Who carries mail; null: nobody. @default somebody who throws it away; it is put into the queue all the same */
  readonly mailer?: Mailer | null
  /** Whether background work is done, on the clock of the machine. @default false */
  readonly jobs?: boolean
  readonly guests?: GuestHooks
  /** Uses the real table of providers instead of the scripted one. @default false */
  readonly realProviders?: boolean
  /** Opens providers instead of the scripted one. */
  readonly openProvider?: ScriptedProvider['open']
}

/** An application on a database of its own, with one organization, `acme`, that lets everybody in. */
export interface TestApp extends AsyncDisposable {
  readonly sallyport: Sallyport
  readonly origin: string
  readonly clock: TestClock
  readonly provider: ScriptedProvider
  readonly acme: Organization
  /** Acme's connection, active, provisioning `everybody`. */
  readonly connectionId: string
  readonly rim: Rim
  /** What name servers say, by name; whatever is not here has no records. */
  readonly dns: Map<string, TxtAnswer>
  /** The line to the database. */
  readonly line: CuttableConnection
  /** Everything logged so far. */
  logged(): string
  browser(): Browser
  /** Every mail put into the queue so far, oldest first. */
  mails(): Promise<readonly QueuedMail[]>
  /** Makes a connection. @default of acme, scripted, active, provisioning `everybody` */
  connect(connection?: Partial<NewConnection>): Promise<string>
  /** Signs somebody in through the scripted provider, all the way to the cookie. Answers the last response. */
  signIn(
    browser: Browser,
    subject?: string,
    options?: { connectionId?: string; returnTo?: string },
  ): Promise<Response>
  /** Begins a sign-in and answers its handle (`state`). */
  begin(browser: Browser, options?: { connectionId?: string; returnTo?: string }): Promise<string>
  /** Comes back from the scripted provider. */
  comeBack(
    browser: Browser,
    state: string,
    subject?: string,
    connectionId?: string,
  ): Promise<Response>
  close(): Promise<void>
}

const key = `t:${Buffer.from(Array.from({ length: 32 }, (_, i) => i * 7 + 1)).toString('base64')}`

/** The settings every test application has, as the environment would give them. */
export function testSettings(origin: string): Record<string, string> {
  plant(key.slice(2))
  return { NODE_ENV: 'test', SALLYPORT_URL: origin, SALLYPORT_KEYS: key }
}

/** Everything in the audit that is not an id or a time. */
async function auditOf(db: Db): Promise<string> {
  const { rows } = await sql<{ text: string | null }>`
    select string_agg(concat_ws(' ', action, target, data, request_id), chr(10)) as text
    from audit_events`.execute(db)
  return rows[0]?.text ?? ''
}

/** Starts an application for a test. `close` it, or take it with `await using`. */
export async function startTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const database = await createTestDatabase()
  const line = await cuttable(database.connection)
  const clock = new TestClock()
  const provider = createScriptedProvider()
  const rim = await rims[options.rim ?? 'memory']()
  const lines: string[] = []
  const dns = new Map<string, TxtAnswer>()
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  const config = readConfig({ ...testSettings(rim.origin), ...options.env })
  const sallyport = await createSallyport({
    config,
    clock,
    database: line.connection,
    log: createLog('debug', sink),
    jobs: options.jobs ?? false,
    ...(options.mailer !== null && { mailer: options.mailer ?? { send: async () => {} } }),
    routes: options.routes ?? [],
    resolver: { txt: async (name) => dns.get(name) ?? 'none' },
    guests: options.guests ?? {},
    ...(options.realProviders ? {} : { openProvider: options.openProvider ?? provider.open }),
  })
  await rim.serve(sallyport)
  const { db, sealer } = sallyport.services
  const acme = await createOrganization(db, { slug: 'acme', name: 'Acme' }, clock.now())
  const origin = config.url.origin

  async function connect(connection: Partial<NewConnection> = {}): Promise<string> {
    const defaults = {
      organizationId: acme.id,
      kind: 'oidc',
      name: 'Acme SSO',
      settings: {},
      provisioning: 'everybody',
    } as const
    return createConnection(db, sealer, { ...defaults, ...connection }, clock.now())
  }
  const connectionId = await connect()

  const app: TestApp = {
    sallyport,
    origin,
    clock,
    provider,
    acme,
    connectionId,
    rim,
    dns,
    line,
    logged: () => lines.join(''),
    browser: () => new Browser(origin, rim.send),
    connect,
    async mails() {
      const { rows } = await sql<{ data: { id: string; mail: string; sealed: string } }>`
        select data from ${sql.table(`${queueSchema}.job`)} where name = 'mail'
        order by data->>'id'`.execute(db)
      return rows.map(({ data: { id, mail, sealed } }) => {
        const place = { table: 'mails', column: 'data', row: id }
        const opened = sealer.open<Omit<QueuedMail, 'mail'>>(Buffer.from(sealed, 'base64'), place)
        return { mail, ...opened }
      })
    },
    async begin(browser, { connectionId: through = connectionId, returnTo = '/account' } = {}) {
      const left = await browser.post(`/sso/${through}/start`, { return_to: returnTo })
      const state = refreshOf(left).searchParams.get('state')
      plant(state ?? '')
      if (!state) throw new Error(`The sign-in did not begin: ${left.status} ${await left.text()}`)
      return state
    },
    comeBack: (browser, state, subject = 'alice', through = connectionId) =>
      browser.get(`/sso/${through}/callback?code=${encodeURIComponent(subject)}&state=${state}`, {
        'sec-fetch-site': 'cross-site',
      }),
    async signIn(
      browser,
      subject = 'alice',
      { connectionId: through = connectionId, returnTo = '/account' } = {},
    ) {
      const state = await app.begin(browser, { connectionId: through, returnTo })
      return app.comeBack(browser, state, subject, through)
    },
    async close() {
      await rim.close()
      await sallyport.close()
      keepPrinted(lines.join(''))
      keepPrinted(await auditOf(database.db))
      await line.close()
      await database.drop()
    },
    [Symbol.asyncDispose]: () => app.close(),
  }
  return app
}
