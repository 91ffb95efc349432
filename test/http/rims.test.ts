import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, test } from 'node:test'
import express from 'express'
import { pages } from '../../src/http/adapters/express.ts'
import { listen, stopServer } from '../../src/http/server.ts'
import { AppError } from '../../src/lib/errors.ts'
import type { Route } from '../../src/http/exchange.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import { describeEveryRim } from '../_rims.ts'
import { sendOverHttp } from '../_send.ts'

const read = { method: 'GET', access: 'public', csrf: 'none', body: 'none' } as const

/** Endpoints beside Sallyport's own, to see what a rim carries. */
const routes: readonly Route[] = [
  {
    ...read,
    path: '/login/two-cookies',
    endpoint: () =>
      new Response('two', {
        headers: [
          ['set-cookie', 'one=1; Path=/'],
          ['set-cookie', 'two=2; Path=/; Expires=Wed, 21 Oct 2037 07:28:00 GMT'],
        ],
      }),
  },
  {
    ...read,
    path: '/login/peer',
    endpoint: ({ client }) => Response.json({ address: client.address ?? null }),
  },
  {
    ...read,
    path: '/login/refuses',
    endpoint: () => {
      throw new AppError('forbidden', { reason: 'as told' })
    },
  },
]

describeEveryRim('the rim', (rim) => {
  let app: TestApp
  before(async () => (app = await startTestApp({ rim, routes })))
  after(() => app.close())

  test('S2-16 S2-17 S3-19 S3-23 S3-26 a person signs in, is known, and signs out', async () => {
    const browser = app.browser()
    const welcome = await app.signIn(browser, 'alice')
    assert.equal(welcome.status, 303)
    assert.equal(new URL(welcome.headers.get('location')!, app.origin).pathname, '/account')
    assert.deepEqual([...browser.cookies.keys()].length, 2)
    const { user } = (await (await browser.api('/me')).json()) as { user: { name: string } }
    assert.equal(user.name, 'alice')

    const left = await browser.post('/logout')
    assert.equal(left.status, 303)
    assert.equal((await browser.api('/me')).status, 401)
  })

  test('a sign-in sets both cookies in one answer, each whole', async () => {
    const browser = app.browser()
    const welcome = await app.signIn(browser)
    const names = welcome.headers.getSetCookie().map((line) => line.split('=')[0])
    const { session, browser: key } = app.sallyport.services.cookies
    assert.deepEqual(names, [session, key])
  })

  test('several Set-Cookie lines survive, commas and all', async () => {
    const answer = await app.browser().api('/login/two-cookies')
    assert.deepEqual(answer.headers.getSetCookie(), [
      'one=1; Path=/',
      'two=2; Path=/; Expires=Wed, 21 Oct 2037 07:28:00 GMT',
    ])
  })

  test('a form reaches the endpoint', async () => {
    const browser = app.browser()
    const state = await app.begin(browser, { returnTo: '/account?from=form&plus=a+b' })
    const welcome = await app.comeBack(browser, state)
    assert.equal(
      new URL(welcome.headers.get('location')!, app.origin).search,
      '?from=form&plus=a+b',
    )
  })

  test('a guarded page leads a person to the sign-in page and back with 303', async () => {
    const answer = await app.browser().get('/account?tab=sessions')
    assert.equal(answer.status, 303)
    const to = new URL(answer.headers.get('location')!)
    assert.equal(to.origin, app.origin)
    assert.equal(to.pathname, '/login')
    assert.equal(to.searchParams.get('return_to'), '/account?tab=sessions')
  })

  test('an unknown method on a known path is 405 and names those that are known', async () => {
    const answer = await app.browser().api('/login', { method: 'DELETE' })
    assert.equal(answer.status, 405)
    assert.equal(answer.headers.get('allow'), 'GET')
    assert.equal(answer.headers.get('content-type'), 'application/problem+json')
  })

  test('HEAD answers with the headers of GET and no body', async () => {
    const browser = app.browser()
    const get = await browser.get('/login')
    const head = await browser.request('/login', {
      method: 'HEAD',
      headers: { accept: 'text/html', 'sec-fetch-mode': 'navigate' },
    })
    assert.equal(head.status, get.status)
    assert.equal(head.headers.get('content-type'), get.headers.get('content-type'))
    assert.equal(
      head.headers.get('content-security-policy'),
      get.headers.get('content-security-policy'),
    )
    assert.equal(await head.text(), '')
  })

  test('S3-14 a program is told of an error in a problem document', async () => {
    const answer = await app.browser().api('/login/refuses')
    assert.equal(answer.status, 403)
    assert.equal(answer.headers.get('content-type'), 'application/problem+json')
    const problem = (await answer.json()) as Record<string, unknown>
    assert.equal(problem['code'], 'forbidden')
    assert.equal(problem['requestId'], answer.headers.get('x-request-id'))
  })

  test('a request id is taken over where it is one', async () => {
    const answer = await app.browser().api('/login', { headers: { 'x-request-id': 'abc-1_2.3' } })
    assert.equal(answer.headers.get('x-request-id'), 'abc-1_2.3')
  })

  for (const bad of ['two words', 'x'.repeat(65), '<script>']) {
    test(`a request id such as ${JSON.stringify(bad.slice(0, 12))} is replaced`, async () => {
      const answer = await app.browser().api('/login', { headers: { 'x-request-id': bad } })
      assert.match(answer.headers.get('x-request-id')!, /^[0-9a-f-]{36}$/)
    })
  }

  test('the address at the other end of the connection is known', async () => {
    const { address } = (await (await app.browser().api('/login/peer')).json()) as {
      address: string
    }
    assert.match(address, rim === 'memory' ? /^192\.0\.2\.7$/ : /^(::ffff:)?127\.0\.0\.1$/)
  })

  test('authenticate and challenge, as an application uses them', async () => {
    const { sallyport } = app
    const browser = app.browser()
    await app.signIn(browser, 'alice')
    const who = await sallyport.authenticate({ headers: { cookie: browser.cookieHeader() } })
    assert.equal(who.signedIn && who.user.name, 'alice')
    const request = new Request(`${app.origin}/reports?page=2`, {
      headers: { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'x-request-id': 'mine' },
    })
    const stranger = await sallyport.authenticate(request)
    assert.equal(stranger.signedIn, false)
    const led = await sallyport.challenge(request, stranger)
    assert.equal(led.status, 303)
    assert.equal(
      led.headers.get('location'),
      `${app.origin}/login?return_to=${encodeURIComponent('/reports?page=2')}`,
    )
    assert.equal(led.headers.get('x-request-id'), 'mine')
    assert.equal((await sallyport.challenge(request, who)).status, 403)
  })

  test('what is not there is 404', async () => {
    const answer = await app.browser().api('/nothing/here')
    assert.equal(answer.status, 404)
    if (rim !== 'memory')
      assert.equal(await answer.text(), 'the application has no such page', 'the application’s own')
  })

  // In memory nothing stands around Sallyport.
  if (rim === 'memory') return

  test('the front page is the application’s', async () => {
    const answer = await app.browser().get('/')
    assert.equal(await answer.text(), 'the application has no such page')
  })

  test('the application still reads its own forms', async () => {
    const answer = await app.browser().post('/app/open', { word: 'a b&c' })
    assert.deepEqual(await answer.json(), { word: 'a b&c' })
  })

  test('S3-10 S3-30 requireUser lets a signed-in person pass and tells the handler who it is', async () => {
    const browser = app.browser()
    await app.signIn(browser, 'alice')
    const answer = await browser.api('/app/private')
    assert.equal(answer.status, 200)
    assert.deepEqual(await answer.json(), { name: 'alice' })
  })

  test('requireUser leads a person to the sign-in page and back', async () => {
    const answer = await app.browser().get('/app/private?q=1')
    assert.equal(answer.status, 303)
    const to = new URL(answer.headers.get('location')!)
    assert.equal(to.origin, app.origin)
    assert.equal(to.searchParams.get('return_to'), '/app/private?q=1')
    const { session } = app.sallyport.services.cookies
    assert.equal(to.pathname, '/login')
    assert.deepEqual(answer.headers.getSetCookie(), [], `${session} is not touched`)
  })

  test('requireUser tells a program, and a form, with a problem document', async () => {
    const api = await app.browser().api('/app/private')
    const form = await app.browser().post('/app/private', { a: 'b' })
    for (const answer of [api, form]) {
      assert.equal(answer.status, 401)
      assert.equal(answer.headers.get('content-type'), 'application/problem+json')
      const problem = (await answer.json()) as Record<string, string>
      assert.equal(problem['code'], 'login_required')
      assert.match(problem['login_url']!, /\/login\?return_to=/)
    }
  })

  test('S3-24c requireUser answers 503 while the database is away, and signs nobody out', async () => {
    const browser = app.browser()
    await app.signIn(browser, 'alice')
    app.line.cut()
    try {
      const answer = await browser.api('/app/private')
      assert.equal(answer.status, 503)
      assert.equal(answer.headers.get('retry-after'), '5')
      assert.deepEqual(answer.headers.getSetCookie(), [])
    } finally {
      app.line.mend()
    }
  })
})

test('pages used after a body parser say so, instead of taking an eaten form for an empty one', async (t) => {
  const app = express()
  app.use(express.urlencoded())
  app.use(
    pages({
      owns: () => true,
      quick: () => undefined,
      fetch: async () => new Response('not reached'),
    }),
  )
  let told = ''
  app.use((error: Error, _request: unknown, response: express.Response, _next: unknown) => {
    told = error.message
    response.sendStatus(500)
  })
  const server = createServer(app)
  t.after(() => stopServer(server, 0))
  const url = `http://127.0.0.1:${await listen(server, { host: '127.0.0.1', port: 0 })}/logout`
  const form = new Request(url, { method: 'POST', body: new URLSearchParams({ a: 'b' }) })
  assert.equal((await sendOverHttp(form)).status, 500)
  assert.match(told, /before any body parser/)
  assert.equal(await (await sendOverHttp(new Request(url))).text(), 'not reached')
})
