import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { sql } from 'kysely'
import type { Endpoint, Route } from '../../src/http/exchange.ts'
import { AppError } from '../../src/lib/errors.ts'
import { startTestApp, type TestApp } from '../_app.ts'

const canary = 'canary-5f2a9c'

/** Ways in which an endpoint can fail that nobody expects. */
const faults: Readonly<Record<string, Endpoint>> = {
  'throws-an-error': () => {
    throw new Error(canary)
  },
  'throws-text': () => {
    throw canary
  },
  'throws-nothing': () => {
    throw undefined
  },
  'throws-an-error-with-a-status': () => {
    throw Object.assign(new Error(canary), {
      status: 200,
      statusCode: 200,
      headers: { [canary]: '1' },
    })
  },
  rejects: () => Promise.reject(new Error(canary, { cause: new Error(canary) })),
  'asks-sql-that-is-wrong': async ({ services }) => {
    await sql`select ${canary} from ${sql.table(canary)}`.execute(services.db)
    return new Response('')
  },
  'breaks-a-constraint': async ({ services }) => {
    await sql`insert into organizations (id, slug, name, created_at)
      values (gen_random_uuid(), 'acme', ${canary}, now())`.execute(services.db)
    return new Response('')
  },
  'calls-a-url-that-is-none': () => {
    new URL(`http://${canary}:port`)
    return new Response('')
  },
  'refuses-with-a-reason': () => {
    throw new AppError('forbidden', { reason: canary, cause: new Error(canary) })
  },
}

const routes = Object.entries(faults).map(([name, endpoint]): Route => ({
  method: 'GET',
  path: `/fault/${name}`,
  access: 'public',
  csrf: 'none',
  body: 'none',
  endpoint,
}))

const person = { accept: 'text/html', 'sec-fetch-mode': 'navigate' }

let app: TestApp
before(async () => (app = await startTestApp({ routes })))
after(() => app.close())
beforeEach(() => app.sallyport.services.quiet.clear())

/** Nothing that tells how we are made: neither the canary, nor code, files or SQL. */
async function assertSilent(answer: Response): Promise<string> {
  const text = `${JSON.stringify([...answer.headers])}\n${await answer.text()}`
  const inside = [
    canary,
    process.cwd(),
    /\bat (async )?[\w.<>]+ \(/,
    /file:\/\/|node_modules|node:internal|\.ts\b|\.js\b/,
    /\bselect\b.*\bfrom\b|\binsert into\b|relation "|violates|organizations_/i,
    /Error:|TypeError|stack/,
  ]
  for (const sign of inside)
    assert.ok(
      typeof sign === 'string' ? !text.includes(sign) : !sign.test(text),
      `${sign}\n${text}`,
    )
  assert.equal(answer.headers.get('cache-control'), 'no-store')
  assert.match(answer.headers.get('content-security-policy')!, /default-src 'none'/)
  assert.equal(answer.headers.get('access-control-allow-origin'), null)
  return text
}

async function countUnhandled(): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from audit_events where action = 'error.unhandled'`.execute(
    app.sallyport.services.db,
  )
  return rows[0]!.n
}

describe('an endpoint that fails', () => {
  for (const name of Object.keys(faults)) {
    const status = name === 'refuses-with-a-reason' ? 403 : 500
    for (const [caller, headers] of [
      ['a program', { accept: 'application/json' }],
      ['a person', person],
    ] as const) {
      test(`SEC-09 DOS-07 ${name}: ${caller} gets ${status} and learns nothing`, async () => {
        const before = await countUnhandled()
        const answer = await app.browser().request(`/fault/${name}`, { headers })
        assert.equal(answer.status, status)
        const type = caller === 'a person' ? 'text/html; charset=utf-8' : 'application/problem+json'
        assert.equal(answer.headers.get('content-type'), type)
        await assertSilent(answer)
        assert.equal(await countUnhandled(), before + (status === 500 ? 1 : 0))
        assert.equal((await app.browser().api('/healthz')).status, 200, 'and life goes on')
      })
    }
  }

  test('S3-51b DOS-07 the log tells what the answer does not', async () => {
    const answer = await app.browser().api('/fault/throws-an-error')
    const { requestId } = (await answer.json()) as { requestId: string }
    const line = app
      .logged()
      .split('\n')
      .find((each) => each.includes(requestId) && each.includes(canary))
    assert.ok(line)
  })

  test('DOS-07 a session goes on as it was', async () => {
    const browser = app.browser()
    await app.signIn(browser)
    const before = browser.cookieHeader()
    for (const name of Object.keys(faults)) {
      const answer = await browser.get(`/fault/${name}`)
      assert.deepEqual(answer.headers.getSetCookie(), [], name)
    }
    assert.equal(browser.cookieHeader(), before)
    assert.equal((await browser.api('/me')).status, 200)
  })
})

describe('what stands around the endpoints fails', () => {
  test('DOS-07 an error page that throws becomes a problem document', async () => {
    const { services } = app.sallyport
    const { errorPage } = services
    Object.assign(services, {
      errorPage: () => {
        throw new Error(canary)
      },
    })
    try {
      const answer = await app.browser().get('/fault/throws-an-error', { 'x-request-id': 'mine' })
      assert.equal(answer.status, 500)
      assert.equal(answer.headers.get('content-type'), 'application/problem+json')
      assert.equal(answer.headers.get('x-request-id'), 'mine')
      await assertSilent(answer)
    } finally {
      Object.assign(services, { errorPage })
    }
  })

  test('DOS-07 a fault after the endpoint has answered is no answer', async () => {
    const { cookies } = app.sallyport.services
    const { session } = cookies
    Object.defineProperty(cookies, 'session', {
      configurable: true,
      get() {
        if (new Error().stack?.includes('applyCookies')) throw new Error(canary)
        return session
      },
    })
    try {
      const headers = { ...person, cookie: `${session}=nonsense` }
      const answer = await app.browser().request('/login', { headers })
      assert.equal(answer.status, 500)
      await assertSilent(answer)
      assert.match(app.logged(), /failed outside its handler/)
    } finally {
      Object.defineProperty(cookies, 'session', { configurable: true, value: session })
    }
  })

  test('DOS-07 a fault while deciding who asks is a deny, everywhere', async () => {
    await using own = await startTestApp()
    const { db, cookies } = own.sallyport.services
    await sql`alter table session_proofs rename to ${sql.id(canary)}`.execute(db)
    const cookie = `${cookies.session}=${Buffer.alloc(32, 9).toString('base64url')}`
    for (const path of ['/me', '/account', '/verify']) {
      const answer = await own.browser().request(path, { headers: { cookie, ...person } })
      assert.equal(answer.status, 500, path)
      await assertSilent(answer)
    }
    await assert.rejects(async () => own.sallyport.authenticate({ headers: { cookie } }))
  })

  test('DOS-07 a provider that throws is told of without its words', async () => {
    for (const fail of ['throws', 'refuses'] as const) {
      const browser = app.browser()
      const state = await app.begin(browser)
      if (fail === 'refuses') app.provider.refuseNext('sso_failed', canary)
      else
        app.provider.hold = async () => {
          throw new Error(canary)
        }
      const answer = await app.comeBack(browser, state)
      app.provider.hold = undefined
      assert.equal(answer.status, fail === 'refuses' ? 400 : 500)
      await assertSilent(answer)
    }
  })

  test('DOS-07 what a provider says in the address is not repeated', async () => {
    const browser = app.browser()
    const state = await app.begin(browser)
    const words = `error=${canary}&error_description=${canary}&error_uri=https://${canary}.example`
    const answer = await browser.get(`/sso/${app.connectionId}/callback?${words}&state=${state}`)
    await assertSilent(answer)
  })
})

describe('what a proxy may claim', () => {
  const claims = {
    'x-forwarded-proto': 'http',
    'x-forwarded-host': 'evil.example',
    'x-forwarded-port': '80',
    'x-forwarded-ssl': 'off',
    forwarded: 'proto=http;host=evil.example',
    'front-end-https': 'off',
  }

  test('CKI-09 forwarded headers change neither cookies nor addresses', async () => {
    const honest = app.browser()
    const claimed = app.browser()
    const attributes = (response: Response) =>
      response.headers.getSetCookie().map((line) => line.replace(/=[^;]*/, ''))
    const left = await honest.post(`/sso/${app.connectionId}/start`, { return_to: '/' })
    const leftClaimed = await claimed.post(
      `/sso/${app.connectionId}/start`,
      { return_to: '/' },
      claims,
    )
    assert.deepEqual(attributes(leftClaimed), attributes(left))
    assert.match(attributes(leftClaimed).join(), /; Secure/)
    assert.doesNotMatch(leftClaimed.headers.get('refresh')!, /evil/)
    assert.match(
      leftClaimed.headers.get('refresh')!,
      new RegExp(encodeURIComponent(`${app.origin}/sso/`)),
    )
    assert.equal(
      leftClaimed.headers.get('strict-transport-security'),
      left.headers.get('strict-transport-security'),
    )
    const led = await app.browser().get('/account', claims)
    assert.equal(new URL(led.headers.get('location')!).origin, app.origin)
  })

  test('CKI-09 nor on plain http, where they claim https', async () => {
    await using own = await startTestApp({ rim: 'node' })
    const answer = await own
      .browser()
      .post(
        `/sso/${own.connectionId}/start`,
        { return_to: '/' },
        { 'x-forwarded-proto': 'https', 'x-forwarded-ssl': 'on', host: 'evil.example' },
      )
    assert.doesNotMatch(answer.headers.getSetCookie().join(), /Secure|__Host/)
    assert.equal(answer.headers.get('strict-transport-security'), null)
    assert.doesNotMatch(JSON.stringify([...answer.headers]) + (await answer.text()), /evil/)
  })
})
