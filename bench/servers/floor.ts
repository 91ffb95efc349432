import { hash } from 'node:crypto'
import { createServer } from 'node:http'
import { listen } from '../../src/http/server.ts'
import { work } from '../process.ts'

/** The least that a check can be: hash the cookie, look it up, answer. Nothing that checks sessions can be faster. */
const known = new Map<string, boolean>()
/** What it says besides, names and values in turn. */
let said: readonly string[] = []

const server = createServer((request, response) => {
  const key = hash('sha256', request.headers.cookie!, 'binary')
  const status = known.has(key) ? 204 : 401
  if (said.length > 0) response.writeHead(status, [...said])
  else response.statusCode = status
  response.end()
})

const port = await listen(server, { host: '127.0.0.1', port: 0 })

const jobs = {
  know(cookies: readonly string[]) {
    for (const cookie of cookies) known.set(hash('sha256', cookie, 'binary'), true)
  },
  say: (headers: readonly string[]) => void (said = headers),
}

work({ port }, jobs, () => server.closeAllConnections())
