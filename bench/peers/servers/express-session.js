import connectPg from 'connect-pg-simple'
import { RedisStore } from 'connect-redis'
import express from 'express'
import session from 'express-session'
import { createServer } from 'node:http'
import pg from 'pg'
import { createClient } from 'redis'
import { work } from '../../process.ts'
import { barrier, cookiesOf, listening, versionOf } from './common.js'

// As its documentation has it: https://github.com/expressjs/session#readme
const { database, redisPort, resave } = JSON.parse(process.argv[2])
const pool = database && new pg.Pool({ ...database, max: 10 })
const redis = redisPort && (await createClient({ url: `redis://127.0.0.1:${redisPort}` }).connect())
const store = redis
  ? new RedisStore({ client: redis })
  : new (connectPg(session))({ pool, createTableIfMissing: true })
const gate = barrier()

const app = express()
app.use(
  session({
    store,
    secret: 'a secret',
    resave,
    saveUninitialized: false,
    cookie: { maxAge: 3_600_000 },
  }),
)
app.post('/sign-in', (request, response) => {
  request.session.userId = 'a person'
  response.status(204).end()
})
app.post('/sign-out', (request, response) => {
  request.session.destroy((error) => response.status(error ? 500 : 204).end())
})
app.get('/', (request, response) => {
  response.status(request.session.userId ? 204 : 401).end()
})
// A request that takes its time: its session was read before the sign-out and is written after it.
app.get('/slow', async (request, response) => {
  if (request.query.writes) request.session.seen = Date.now()
  if (gate.isFor('slow')) await gate.pass()
  response.status(204).end()
})

const server = createServer(app)
const port = await listening(server)
const ask = (path, cookie = '', method = 'GET') =>
  fetch(`http://127.0.0.1:${port}${path}`, { method, headers: { cookie } })
const accepts = async (cookie) => (await ask('/', cookie)).status === 204
const signIn = async () => cookiesOf(await ask('/sign-in', '', 'POST'))

async function race(tries, path) {
  let alive = 0
  for (let i = 0; i < tries; i++) {
    const cookie = await signIn()
    gate.hold('slow')
    const slow = ask(path, cookie)
    await gate.reached
    await ask('/sign-out', cookie, 'POST')
    gate.release()
    await slow
    // The answer may leave before the store has written.
    await new Promise((resolve) => setTimeout(resolve, 20))
    alive += await accepts(cookie)
  }
  return alive
}

const jobs = {
  async open(count) {
    const cookies = []
    while (cookies.length < count) cookies.push(await signIn())
    return cookies
  },
  async stale(tries) {
    let stale = 0
    for (let i = 0; i < tries; i++) {
      const cookie = await signIn()
      await ask('/sign-out', cookie, 'POST')
      stale += await accepts(cookie)
    }
    return stale
  },
  race: (tries) => race(tries, '/slow'),
  raceWriting: (tries) => race(tries, '/slow?writes=1'),
}

const stores = redis ? 'connect-redis' : 'connect-pg-simple'
const version = `${versionOf('express-session')}, ${stores} ${versionOf(stores)}, Express ${versionOf('express')}`
work({ port, version }, jobs, async () => {
  server.closeAllConnections()
  store.close?.()
  await pool?.end()
  await redis?.close()
})
