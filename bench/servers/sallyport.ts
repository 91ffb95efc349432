import { hash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { sql } from 'kysely'
import { createConnection } from '../../src/accounts/connections.ts'
import { createOrganization } from '../../src/accounts/organizations.ts'
import { createSallyport, type Sallyport } from '../../src/app.ts'
import { createHttpServer, listen, stopServer } from '../../src/http/server.ts'
import { readConfig } from '../../src/lib/config.ts'
import { authenticate } from '../../src/sessions/authenticate.ts'
import { work } from '../process.ts'

/** The real server on an embedded PostgreSQL in a folder that goes with it, knowing one provider. */
const [issuer = '', clientId = ''] = process.argv.slice(2)
const data = await mkdtemp(join(tmpdir(), 'sallyport-bench-'))

// The address must be known before the configuration can be read, so the server listens first.
let sallyport: Sallyport
const server = createHttpServer(
  (request, peer) => sallyport.fetch(request, peer),
  {},
  (request) => sallyport.quick(request),
)
// Before it answers: without a memory every check is a cold one.
let forgetful = false
server.prependListener('request', () => {
  const { memory } = sallyport.services.node
  if (forgetful) memory.clear(memory.position)
})
const port = await listen(server, { host: '127.0.0.1', port: 0 })
const origin = `http://localhost:${port}`
const environment = {
  NODE_ENV: 'development',
  SALLYPORT_URL: origin,
  SALLYPORT_DATA: data,
  // A few people sign in again and again, and what they began with is asked about later.
  SALLYPORT_SESSIONS_PER_PERSON: '100',
}
sallyport = await createSallyport({ config: readConfig(environment) })

const connectionId = await connect(sallyport)
const { rows } = await sql<{ version: string }>`
  select current_setting('server_version') as version`.execute(sallyport.services.db)

async function connect(to: Sallyport): Promise<string> {
  const settings = {
    issuer,
    clientId,
    clientSecret: 'bench',
    clientAuth: 'client_secret_basic',
    signingAlgorithms: ['ES256'],
  }
  return connectOne(to, { kind: 'oidc', slug: 'bench', settings })
}

async function connectOne(
  { services: { db, sealer, clock } }: Sallyport,
  { kind, slug, settings }: { kind: string; slug: string; settings: object },
): Promise<string> {
  const now = clock.now()
  const { id: organizationId } = await createOrganization(db, { slug, name: 'Bench' }, now)
  const connection = { organizationId, kind, name: 'Bench', settings } as const
  return createConnection(db, sealer, { ...connection, provisioning: 'everybody' }, now)
}

/** How a loop in this process is bounded, and what it asks with. */
export interface Loop {
  readonly cookies: readonly string[]
  readonly seconds: number
  /** How many calls are under way at a time. */
  readonly atOnce: number
}

/** Memory answers without ever leaving this turn of the event loop; the node's lease must be renewed all the same. */
const callsPerTurn = 500

/** Calls in turns until the time is up, and answers how often. */
async function repeat(seconds: number, turn: () => Promise<void> | void): Promise<number> {
  const end = performance.now() + seconds * 1000
  let turns = 0
  for (; performance.now() < end; turns++) {
    await turn()
    await setImmediate()
  }
  return turns * callsPerTurn
}

const jobs = {
  /** How a service asks: what memory says will do. */
  warm: ({ cookies, seconds }: Loop) =>
    repeat(seconds, async () => {
      for (let i = 0; i < callsPerTurn; i++) {
        const headers = { cookie: cookies[i % cookies.length]! }
        const { signedIn } = await sallyport.authenticate({ headers })
        if (!signedIn) throw new Error('A session was not accepted.')
      }
    }),

  /** What a check costs that memory cannot answer: one statement. */
  async cold({ cookies, seconds, atOnce }: Loop) {
    const end = performance.now() + seconds * 1000
    let calls = 0
    const caller = async () => {
      while (performance.now() < end) {
        const cookie = cookies[calls++ % cookies.length]!
        const { session } = await authenticate(sallyport.services, cookie, { authoritative: true })
        if (!session) throw new Error('A session was not accepted.')
      }
    }
    await Promise.all(Array.from({ length: atOnce }, caller))
    return calls
  },

  /** Makes an organization with a SAML provider, and answers its connection. */
  connectSaml: (settings: object) =>
    connectOne(sallyport, { kind: 'saml', slug: 'bench-saml', settings }),

  /** Has the server forget what it remembers at every request, or stop doing so. */
  forget: (yes: boolean) => void (forgetful = yes),

  /** Hashes and looks up a Map, the least a call can be, and answers how often. */
  floor({ cookies, seconds }: Loop) {
    const known = new Map(cookies.map((cookie) => [hash('sha256', cookie, 'binary'), cookie]))
    return repeat(seconds, () => {
      for (let i = 0; i < callsPerTurn; i++) {
        const cookie = cookies[i % cookies.length]!
        if (known.get(hash('sha256', cookie, 'binary')) !== cookie)
          throw new Error('A cookie was not found.')
      }
    })
  },
}

work({ port, origin, connectionId, postgres: rows[0]!.version }, jobs, async () => {
  await stopServer(server, 100)
  await sallyport.close()
  await rm(data, { recursive: true, force: true })
})
