import { betterAuth } from 'better-auth'
import { getMigrations } from 'better-auth/db/migration'
import { toNodeHandler } from 'better-auth/node'
import { createServer } from 'node:http'
import pg from 'pg'
import { createClient } from 'redis'
import { work } from '../../process.ts'
import { barrier, callInLoop, cookiesOf, listening, versionOf } from './common.js'

// As its documentation has it: https://www.better-auth.com/docs/concepts/session-management
const { database, redisPort, cookieCacheSeconds, updateAge } = JSON.parse(process.argv[2])
const pool = new pg.Pool({ ...database, max: 10 })
const redis = redisPort && (await createClient({ url: `redis://127.0.0.1:${redisPort}` }).connect())
const gate = barrier()

/** https://www.better-auth.com/docs/concepts/database#secondary-storage, with a way to hold one write up. */
const secondaryStorage = redis && {
  get: (key) => redis.get(key),
  getAndDelete: (key) => redis.getDel(key),
  async increment(key, ttl) {
    const count = await redis.incr(key)
    if (count === 1) await redis.expire(key, ttl)
    return count
  },
  async set(key, value, ttl) {
    if (gate.isFor(key)) await gate.pass()
    if (ttl) await redis.set(key, value, { EX: ttl })
    else await redis.set(key, value)
  },
  async delete(key) {
    await redis.del(key)
  },
}

const server = createServer()
const port = await listening(server)
const auth = betterAuth({
  baseURL: `http://127.0.0.1:${port}`,
  secret: 'a secret that is long enough for a benchmark',
  database: pool,
  ...(secondaryStorage && { secondaryStorage }),
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  session: {
    ...(updateAge !== undefined && { updateAge }),
    ...(cookieCacheSeconds && { cookieCache: { enabled: true, maxAge: cookieCacheSeconds } }),
  },
})
await (await getMigrations(auth.options)).runMigrations()
server.on('request', toNodeHandler(auth))

let people = 0
async function signUp() {
  const email = `person-${people++}@example.com`
  const body = { email, password: 'correct horse battery staple', name: email }
  return { body, cookie: cookiesOf(await auth.api.signUpEmail({ body, asResponse: true })) }
}
const signIn = async (body) => cookiesOf(await auth.api.signInEmail({ body, asResponse: true }))
const find = (cookie) => auth.api.getSession({ headers: new Headers({ cookie }) })
const accepts = async (cookie) => (await find(cookie)) !== null

const jobs = {
  async open(count) {
    const cookies = []
    while (cookies.length < count) cookies.push((await signUp()).cookie)
    return cookies
  },

  /** What the cookie cache signs lasts for minutes: a browser gets it anew. */
  renew: (cookies) =>
    Promise.all(
      cookies.map(async (cookie) => {
        const token = cookie.split('; ').filter((one) => !one.includes('session_data'))
        const headers = new Headers({ cookie: token.join('; ') })
        const more = cookiesOf(await auth.api.getSession({ headers, asResponse: true }))
        return [...token, ...more.split('; ').filter((one) => one.includes('session_data'))].join(
          '; ',
        )
      }),
    ),

  call: (loop) =>
    callInLoop(
      loop,
      (cookie) => new Headers({ cookie }),
      async (headers) => {
        if (!(await auth.api.getSession({ headers })))
          throw new Error('A session was not accepted.')
      },
    ),

  /** Ends sessions from another device, and answers how many still answer. */
  async stale(tries) {
    let stale = 0
    for (let i = 0; i < tries; i++) stale += await accepts(await revokedElsewhere())
    return stale
  },

  /** How long one goes on answering, in milliseconds; no longer than the patience. */
  async lasts(patience) {
    const cookie = await revokedElsewhere()
    const began = performance.now()
    while ((await accepts(cookie)) && performance.now() - began < patience)
      await new Promise((resolve) => setTimeout(resolve, 50))
    return performance.now() - began
  },

  /** Holds the sliding write of a request up until the sign-out is over, and answers how many sessions live again. */
  async race(tries) {
    let alive = 0
    for (let i = 0; i < tries; i++) {
      const { cookie } = await signUp()
      const { session } = await find(cookie)
      gate.hold(session.token)
      const sliding = find(cookie)
      await gate.reached
      await auth.api.signOut({ headers: new Headers({ cookie }) })
      gate.release()
      await sliding
      alive += await accepts(cookie)
    }
    return alive
  },
}

async function revokedElsewhere() {
  const { body, cookie } = await signUp()
  const other = await signIn(body)
  await auth.api.revokeOtherSessions({ headers: new Headers({ cookie: other }) })
  return cookie
}

work({ port, version: versionOf('better-auth') }, jobs, async () => {
  server.closeAllConnections()
  await pool.end()
  await redis?.close()
})
