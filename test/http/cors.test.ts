import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import type { Route } from '../../src/http/exchange.ts'
import { AppError, type ErrorCode } from '../../src/lib/errors.ts'
import { routes } from '../../src/routes.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import { describeEveryRim } from '../_rims.ts'

const friend = 'https://admin.app.example'
const strangers = [
  'https://evil.example',
  'null',
  `${friend}.evil.example`,
  'http://admin.app.example',
  `${friend}:8443`,
  friend.toUpperCase(),
  `${friend}/`,
  `${friend}, https://evil.example`,
  '*',
]

const read = { method: 'GET', csrf: 'none', body: 'none', cors: true } as const
const failing: Partial<Record<ErrorCode, number>> = {
  forbidden: 403,
  not_found: 404,
  identity_conflict: 409,
  rate_limited: 429,
  internal_error: 500,
  temporarily_unavailable: 503,
}
const faults = Object.keys(failing).map((code): Route => ({
  ...read,
  path: `/fails/${code}`,
  access: 'public',
  endpoint: () => {
    throw new AppError(code as ErrorCode)
  },
}))

/** The CORS headers of an answer. */
function corsOf({ headers }: Response): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => name.startsWith('access-control-')))
}

const varies = ({ headers }: Response) => /\borigin\b/i.test(headers.get('vary') ?? '')
const toRead = {
  'access-control-allow-origin': friend,
  'access-control-allow-credentials': 'true',
  'access-control-expose-headers': 'retry-after, x-request-id',
}

describeEveryRim('CORS', (rim) => {
  let app: TestApp
  before(async () => {
    const env = { SALLYPORT_CORS_ORIGINS: `${friend}, https://other.app.example` }
    app = await startTestApp({ rim, routes: faults, env })
  })
  after(() => app.close())

  const program = (origin: string) => ({ origin, 'sec-fetch-mode': 'cors', accept: '*/*' })

  it('S3-13 SEED-17 SEED-65 a program on an allowed origin may read every answer, whatever its status', async () => {
    const browser = app.browser()
    const anonymous = await browser.get('/me', program(friend))
    assert.equal(anonymous.status, 401)
    assert.match(anonymous.headers.get('content-type')!, /^application\/problem\+json/)
    const body = (await anonymous.json()) as Record<string, string>
    assert.equal(body['code'], 'login_required')
    assert.match(body['login_url']!, /\/login/)
    assert.deepEqual(corsOf(anonymous), toRead)
    assert.ok(varies(anonymous))

    await app.signIn(browser)
    const signedIn = await browser.get('/me', program(friend))
    assert.equal(signedIn.status, 200)
    assert.deepEqual(corsOf(signedIn), toRead)
    for (const [code, status] of Object.entries(failing)) {
      const answer = await browser.get(`/fails/${code}`, program(friend))
      assert.equal(answer.status, status)
      assert.deepEqual(corsOf(answer), toRead, code)
      assert.ok(varies(answer))
    }
    const wrongMethod = await browser.request('/me', { method: 'DELETE', headers: program(friend) })
    assert.equal(wrongMethod.status, 405)
    assert.deepEqual(corsOf(wrongMethod), toRead)
  })

  it('SEED-15 SEED-65 also when the database is away: 503, Retry-After, the cookie kept', async () => {
    const browser = app.browser()
    await app.signIn(browser)
    app.sallyport.services.node.memory.clear(app.sallyport.services.node.memory.position)
    app.line.cut()
    try {
      const away = await browser.get('/me', program(friend))
      assert.equal(away.status, 503)
      assert.ok(Number(away.headers.get('retry-after')) > 0)
      assert.deepEqual(away.headers.getSetCookie(), [])
      assert.deepEqual(corsOf(away), toRead)
      assert.match(app.logged(), /the database did not answer/)
    } finally {
      app.line.mend()
    }
    const { db } = app.sallyport.services
    const guests = await db.selectFrom('sessions').where('kind', '=', 'guest').selectAll().execute()
    assert.deepEqual(guests, [])
  })

  it('SEED-65 CSR-09 any other origin is told nothing, and caches are told that it depends', async () => {
    const browser = app.browser()
    await app.signIn(browser)
    for (const origin of strangers) {
      const answer = await browser.get('/me', program(origin))
      assert.equal(answer.status, 200, origin)
      assert.deepEqual(corsOf(answer), {}, origin)
      assert.ok(varies(answer), origin)
    }
    const none = await browser.get('/me', { accept: '*/*' })
    assert.deepEqual(corsOf(none), {})
    assert.ok(varies(none))
  })

  it('S3-13 SEED-19 a pre-flight from an allowed origin is answered 204, without a session and without looking for one', async () => {
    const ask = (path: string, origin: string) =>
      app.browser().request(path, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'GET', 'sec-fetch-mode': 'cors' },
      })
    const answer = await ask('/me', friend)
    assert.equal(answer.status, 204)
    assert.deepEqual(corsOf(answer), {
      ...toRead,
      'access-control-allow-methods': 'GET',
      'access-control-allow-headers': 'accept, content-type, x-request-id',
      'access-control-max-age': '600',
    })
    assert.match(answer.headers.get('vary')!, /Access-Control-Request-Method/)
    assert.deepEqual(answer.headers.getSetCookie(), [])
    app.line.cut()
    assert.equal((await ask('/me', friend)).status, 204)
    app.line.mend()
    for (const origin of strangers) {
      const refused = await ask('/me', origin)
      assert.equal(refused.status, 204)
      assert.deepEqual(corsOf(refused), {}, origin)
    }
  })

  it('CSR-09 nothing else ever sends a CORS header: not sign-in, callback, logout or a page', async () => {
    const others = routes.filter(({ cors }) => !cors)
    assert.ok(others.length > 10)
    for (const { path, method } of others) {
      const address = path.replace(':connection', app.connectionId).replace(/:\w+|\*/g, 'x')
      for (const asked of [method === 'ALL' ? 'GET' : method, 'OPTIONS']) {
        const browser = app.browser()
        const answer = await browser.request(address, {
          method: asked,
          headers: { ...program(friend), 'access-control-request-method': 'GET' },
        })
        assert.deepEqual(corsOf(answer), {}, `${asked} ${address}`)
      }
    }
  })
})
