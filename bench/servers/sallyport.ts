import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { createConnection } from '../../src/accounts/connections.ts'
import { createOrganization } from '../../src/accounts/organizations.ts'
import { createSallyport, type Sallyport } from '../../src/app.ts'
import { createHttpServer, listen, stopServer } from '../../src/http/server.ts'
import { readConfig } from '../../src/lib/config.ts'
import { work } from '../process.ts'

/** The real server on an embedded PostgreSQL in a folder that goes with it, knowing one provider. */
const [issuer = '', clientId = ''] = process.argv.slice(2)
const data = await mkdtemp(join(tmpdir(), 'sallyport-bench-'))

// The address must be known before the configuration can be read, so the server listens first.
let sallyport: Sallyport
const server = createHttpServer((request, peer) => sallyport.fetch(request, peer))
const port = await listen(server, { host: '127.0.0.1', port: 0 })
const origin = `http://localhost:${port}`
const environment = { NODE_ENV: 'development', SALLYPORT_URL: origin, SALLYPORT_DATA: data }
sallyport = await createSallyport({ config: readConfig(environment) })

const connectionId = await connect(sallyport)
const { rows } = await sql<{ version: string }>`
  select current_setting('server_version') as version`.execute(sallyport.services.db)

async function connect({ services: { db, sealer, clock } }: Sallyport): Promise<string> {
  const now = clock.now()
  const { id } = await createOrganization(db, { slug: 'bench', name: 'Bench' }, now)
  const settings = {
    issuer,
    clientId,
    clientSecret: 'bench',
    clientAuth: 'client_secret_basic',
    signingAlgorithms: ['ES256'],
  }
  const connection = { organizationId: id, kind: 'oidc', name: 'Bench', settings } as const
  return createConnection(db, sealer, { ...connection, provisioning: 'everybody' }, now)
}

/** How a loop in this process is bounded, and what it asks with. */
export interface Loop {
  readonly cookies: readonly string[]
  readonly seconds: number
  /** How many calls are under way at a time. */
  readonly atOnce: number
}

const jobs = {
  /** Calls `authenticate()` and answers how often. */
  async authenticate({ cookies, seconds, atOnce }: Loop) {
    const end = performance.now() + seconds * 1000
    let calls = 0
    const caller = async () => {
      while (performance.now() < end) {
        const cookie = cookies[calls++ % cookies.length]
        const { signedIn } = await sallyport.authenticate({ headers: { cookie } })
        if (!signedIn) throw new Error('A session was not accepted.')
      }
    }
    await Promise.all(Array.from({ length: atOnce }, caller))
    return calls
  },

  /** Hashes and looks up a Map, the least a call can be, and answers how often. */
  floor({ cookies, seconds }: Loop) {
    const hash = (cookie: string) => createHash('sha256').update(cookie).digest('base64url')
    const known = new Map(cookies.map((cookie) => [hash(cookie), cookie]))
    const end = performance.now() + seconds * 1000
    let calls = 0
    while (performance.now() < end) {
      const cookie = cookies[calls++ % cookies.length]!
      if (known.get(hash(cookie)) !== cookie) throw new Error('A cookie was not found.')
    }
    return calls
  },
}

work({ port, origin, connectionId, postgres: rows[0]!.version }, jobs, async () => {
  await stopServer(server, 100)
  await sallyport.close()
  await rm(data, { recursive: true, force: true })
})
