import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createSallyport } from '../../src/app.ts'
import { readConfig } from '../../src/lib/config.ts'
import { createLog } from '../../src/lib/log.ts'
import { authenticate } from '../../src/sessions/authenticate.ts'

// A node as a process of its own: answers whether a request with these cookies is let in, and how often it had to ask.
const config = readConfig(JSON.parse(process.env['SETTINGS']!) as Record<string, string>)
const database = JSON.parse(process.env['DATABASE']!) as {
  host: string
  port: number
  user: string
  database: string
}
const { services } = await createSallyport({
  config,
  database,
  log: createLog('silent'),
  clock: { now: () => new Date(process.env['NOW']!) },
})
const server = createServer((request, response) => {
  const answer = (body: object) => response.end(JSON.stringify(body))
  authenticate(services, request.headers.cookie ?? null).then(
    ({ session }) => answer({ accepted: session !== null, misses: services.node.memory.misses }),
    () => answer({ accepted: false, misses: -1 }),
  )
})
server.listen(0, '127.0.0.1', () => console.log(`port ${(server.address() as AddressInfo).port}.`))
