import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import type { IncomingMessage } from 'node:http'
import { sql } from 'kysely'
import { identityHeaders } from '../../src/api/verify.ts'
import { toListener } from '../../src/http/server.ts'
import { randomToken } from '../../src/lib/secrets.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'
import { serve } from '../_servers.ts'

const secret = 'a-shared-secret-of-32-characters-or-more'
const names = Object.keys(identityHeaders)

let app: TestApp
before(async () => {
  app = await startTestApp({
    env: {
      SALLYPORT_PROXIES: '192.0.2.0/24',
      SALLYPORT_PROXY_SECRET: secret,
      SALLYPORT_GUESTS: 'on',
    },
  })
})
after(() => app.close())
beforeEach(() => app.sallyport.services.quiet.clear())

/** What every proxy says of a request for `/reports?page=2`. */
const described = {
  'x-sallyport-proxy': secret,
  'x-forwarded-for': '198.51.100.9',
  'x-forwarded-host': 'app.example',
  'x-forwarded-method': 'GET',
  'x-forwarded-proto': 'https',
  'x-forwarded-uri': '/reports?page=2',
}
const person = { accept: 'text/html', 'sec-fetch-mode': 'navigate' }

function ask(
  headers: Record<string, string> = {},
  { browser = app.browser(), path = '/verify' }: { browser?: Browser; path?: string } = {},
): Promise<Response> {
  return browser.request(path, { headers: { ...described, ...headers } })
}

async function signedIn(subject = 'alice'): Promise<Browser> {
  const browser = app.browser()
  await app.signIn(browser, subject)
  return browser
}

/** Never a 2xx, and no word of anybody. */
async function assertDenied(answer: Response, status: number): Promise<Response> {
  assert.equal(answer.status, status)
  for (const name of names) assert.equal(answer.headers.get(name), '', name)
  assert.equal(answer.headers.get('cache-control'), 'no-store')
  assert.equal(answer.headers.get('vary'), 'Cookie, Authorization')
  return answer
}

async function countAudit(action: string): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from audit_events where action = ${action}`.execute(
    app.sallyport.services.db,
  )
  return rows[0]!.n
}

describe('who may describe a request', () => {
  const stranger = { ...described, 'x-sallyport-proxy': '' }
  const claims: Readonly<Record<string, string>> = {
    'x-forwarded-uri': '/public',
    'x-forwarded-host': 'app.example',
    'x-forwarded-method': 'GET',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-proto': 'https',
    'x-original-url': '/public',
    forwarded: 'for=127.0.0.1;host=app.example',
  }
  for (const [name, value] of Object.entries(claims)) {
    test(`FWD-01 ${name} from a stranger is 403, even for somebody signed in`, async () => {
      const browser = await signedIn()
      await assertDenied(await browser.request('/verify', { headers: { [name]: value } }), 403)
    })
  }

  test('FWD-01 a listed address without the secret, or with a wrong one, is a stranger', async () => {
    const browser = await signedIn()
    for (const wrong of ['', 'x', `${secret}x`, secret.toUpperCase()])
      await assertDenied(await ask({ 'x-sallyport-proxy': wrong }, { browser }), 403)
    assert.equal((await ask({}, { browser })).status, 204)
  })

  test('FWD-01 the secret from an address that is not listed is a stranger’s', async () => {
    const browser = await signedIn()
    const request = new Request('https://app.example/verify', {
      headers: { ...described, cookie: browser.cookieHeader() },
    })
    await assertDenied(await app.sallyport.fetch(request.clone(), '203.0.113.5'), 403)
    await assertDenied(await app.sallyport.fetch(request.clone(), undefined), 403)
    assert.equal((await app.sallyport.fetch(request, '192.0.2.200')).status, 204)
  })

  test('FWD-01 a stranger is written down once, however often they come', async () => {
    const before = await countAudit('forward_auth.untrusted_proxy')
    for (let i = 0; i < 20; i++) await ask(stranger)
    assert.equal(await countAudit('forward_auth.untrusted_proxy'), before + 1)
  })

  test('FWD-01 a direct question without any description is answered for its own cookie', async () => {
    assert.equal((await (await signedIn()).request('/verify', {})).status, 204)
    await assertDenied(await app.browser().request('/verify', {}), 401)
  })
})

describe('what is said about whom', () => {
  test('FWD-02 every identity header is set every time', async () => {
    const answer = await ask({}, { browser: await signedIn('alice') })
    assert.equal(answer.status, 204)
    assert.equal(await answer.text(), '')
    for (const name of names) assert.ok(answer.headers.has(name), name)
    const says = (name: string) => answer.headers.get(`x-auth-${name}`)
    assert.match(says('user')!, /^[0-9a-f-]{36}$/)
    assert.match(says('session')!, /^[0-9a-f-]{36}$/)
    assert.equal(says('name'), 'alice')
    assert.equal(says('email'), 'alice@acme.example')
    assert.equal(says('organization'), 'acme')
    assert.equal(says('role'), 'member')
  })

  test('ANO-02 a guest passes only where the proxy asks for it, and is told apart from a user', async () => {
    const guest = app.browser()
    await guest.post('/guest')
    const { guest: me } = (await (await guest.api('/me')).json()) as { guest: { id: string } }
    for (const path of ['/verify', '/verify?access=user', '/verify?access=', '/verify?access=all'])
      await assertDenied(await ask({}, { browser: guest, path }), 401)
    const answer = await ask({}, { browser: guest, path: '/verify?access=guest' })
    assert.equal(answer.status, 204)
    const said = names.map((name) => answer.headers.get(name))
    const session = answer.headers.get('x-auth-session')
    assert.deepEqual(said, [me.id, 'guest', '', '', '', '', session])
    await assertDenied(await ask({}, { path: '/verify?access=guest' }), 401)

    const person = await ask({}, { browser: await signedIn(), path: '/verify?access=guest' })
    assert.equal(person.headers.get('x-auth-kind'), 'user')
  })

  test('FWD-02 what a client says of itself is not repeated', async () => {
    const forged = { 'x-auth-user': 'root', 'x-auth-role': 'owner', x_auth_user: 'root' }
    const answer = await ask(forged, { browser: await signedIn() })
    assert.doesNotMatch(JSON.stringify([...answer.headers]), /root|owner/)
    await assertDenied(await ask(forged), 401)
  })

  test('FWD-02 a value that is missing is an empty header, not a missing one', async () => {
    app.provider.people.set('nomail', { claims: { name: 'No Mail' } })
    const answer = await ask({}, { browser: await signedIn('nomail') })
    assert.equal(answer.status, 204)
    assert.equal(answer.headers.get('x-auth-email'), '')
  })

  const odd: Readonly<Record<string, readonly [name: string, header: string]>> = {
    'non-ASCII': ['Zoë Ångström 李', "UTF-8''Zo%C3%AB%20%C3%85ngstr%C3%B6m%20%E6%9D%8E"],
    'CR and LF': ['a\r\nX-Auth-Role: owner', "UTF-8''a%0D%0AX-Auth-Role%3A%20owner"],
    'a comma and a colon': ['admin,owner: x', 'admin,owner: x'],
    'a percent sign': ['100%', "UTF-8''100%25"],
    'the look of an encoded value': ["UTF-8''abc", "UTF-8''UTF-8''abc"],
    'a name of 10 000 characters': ['x'.repeat(10_000), ''],
    'a name of 10 000 characters that need encoding': ['é'.repeat(10_000), ''],
  }
  for (const [what, [name, header]] of Object.entries(odd)) {
    test(`FWD-11 ${what} in a name is carried unambiguously or not at all`, async () => {
      const browser = await signedIn('odd')
      await sql`update users set name = ${name} where id = (
        select user_id from identities where subject = 'odd')`.execute(app.sallyport.services.db)
      const answer = await ask({}, { browser })
      assert.equal(answer.status, 204)
      assert.equal(answer.headers.get('x-auth-name'), header)
      assert.equal(answer.headers.get('x-auth-role'), 'member')
      const size = [...answer.headers].reduce((sum, [k, v]) => sum + k.length + v.length + 4, 0)
      assert.ok(size < 4096, 'all headers fit a proxy’s buffer')
    })
  }

  test('FWD-08 no answer may be kept, and each depends on the cookie', async () => {
    const browser = await signedIn()
    for (const answer of [await ask({}, { browser }), await ask(), await ask(person)]) {
      assert.equal(answer.headers.get('cache-control'), 'no-store')
      assert.equal(answer.headers.get('vary'), 'Cookie, Authorization')
    }
  })
})

describe('who does not pass', () => {
  const cookies: Readonly<Record<string, string>> = {
    malformed: '%%%',
    'of the wrong length': 'abc',
    empty: '',
    oversized: 'x'.repeat(12_000),
    unknown: Buffer.alloc(32, 7).toString('base64url'),
  }
  for (const [what, value] of Object.entries(cookies)) {
    test(`FWD-06 a session cookie that is ${what} is never 2xx`, async () => {
      const { session } = app.sallyport.services.cookies
      await assertDenied(await ask({ cookie: `${session}=${value}` }), 401)
    })
  }

  test('FWD-06 two session cookies are never 2xx', async () => {
    const browser = await signedIn()
    const { session } = app.sallyport.services.cookies
    const good = `${session}=${browser.cookies.get(session)}`
    await assertDenied(await ask({ cookie: `${good}; ${good}` }), 401)
  })

  test('FWD-06 a database that is away is 503, and nobody is signed out', async () => {
    const browser = await signedIn()
    app.line.cut()
    try {
      const answer = await assertDenied(await ask({}, { browser }), 503)
      assert.equal(answer.headers.get('retry-after'), '5')
      assert.deepEqual(answer.headers.getSetCookie(), [])
    } finally {
      app.line.mend()
    }
    assert.equal((await ask({}, { browser })).status, 204)
  })

  test('FWD-06 a fault in the middle is 500, never 2xx', async () => {
    const browser = await signedIn()
    const { db } = app.sallyport.services
    await sql`alter table memberships rename to memberships_away`.execute(db)
    try {
      const answer = await ask({}, { browser })
      assert.equal(answer.status, 500)
      assert.doesNotMatch(await answer.text(), /memberships/)
    } finally {
      await sql`alter table memberships_away rename to memberships`.execute(db)
    }
  })

  const undone: Readonly<Record<string, string>> = {
    'an ended session': `update sessions set revoked_at = now(), revoked_reason = 'logout'`,
    'a session past its time': `update sessions set idle_ends_at = '2000-01-01', last_seen_at = '1999-12-31', absolute_ends_at = '2000-01-01'`,
    'a guest': `update sessions set kind = 'guest'`,
    'a session whose proof is gone': 'delete from session_proofs',
    'a person who is suspended': 'update users set suspended_at = now()',
    'a member who was removed': `update memberships set removed_at = now()`,
    'a member whose link was revoked': `update memberships set link_state = 'revoked'`,
    'an organization that is gone': 'update organizations set deleted_at = now()',
    'a connection that was changed since':
      'update connections set config_version = config_version + 1',
  }
  for (const [what, statement] of Object.entries(undone)) {
    test(`FWD-07 ${what} does not pass`, async () => {
      await using own = await startTestApp({
        env: { SALLYPORT_PROXIES: '192.0.2.7', SALLYPORT_PROXY_SECRET: secret },
      })
      const browser = own.browser()
      await own.signIn(browser)
      // Before the first question: what is written here by hand, nobody tells the node's memory.
      await sql.raw(statement).execute(own.sallyport.services.db)
      const answer = await browser.request('/verify', { headers: described })
      assert.equal(answer.status, 401, await answer.text())
      for (const name of names) assert.equal(answer.headers.get(name), '')
    })
  }
})

describe('where a person is led', () => {
  const login = `https://app.example/login?return_to=${encodeURIComponent('/reports?page=2')}`

  test('FWD-10 a person’s navigation is led to the sign-in page and back', async () => {
    const answer = await assertDenied(await ask(person), 303)
    assert.equal(answer.headers.get('location'), login)
  })

  test('FWD-10 with deny=status the same place comes with 401', async () => {
    const answer = await assertDenied(await ask(person, { path: '/verify?deny=status' }), 401)
    assert.equal(answer.headers.get('location'), login)
  })

  const programs: Readonly<Record<string, Record<string, string>>> = {
    'a script': { accept: 'text/html', 'sec-fetch-mode': 'cors' },
    'a program': { accept: 'application/json' },
    'a form': { ...person, 'x-forwarded-method': 'POST' },
    'a request whose method nobody names': { ...person, 'x-forwarded-method': '' },
  }
  for (const [what, headers] of Object.entries(programs)) {
    for (const path of ['/verify', '/verify?deny=status']) {
      test(`FWD-10 ${what} gets 401 and no redirect from ${path}`, async () => {
        const answer = await assertDenied(await ask(headers, { path }), 401)
        assert.equal(answer.headers.get('location'), null)
      })
    }
  }

  for (const uri of [
    '//evil.example/',
    'https://evil.example/',
    '\\evil.example',
    'javascript:alert(1)',
    '',
  ]) {
    test(`FWD-10 nobody is led to ${JSON.stringify(uri)}`, async () => {
      const answer = await assertDenied(await ask({ ...person, 'x-forwarded-uri': uri }), 403)
      assert.equal(answer.headers.get('location'), null)
    })
  }

  const ambiguous = [
    '/a//b',
    '/a%2fb',
    '/a%5Cb',
    '/a/../b',
    '/a/..',
    '/./a',
    '/a/%2e%2e/b',
    '/a;b',
    '/a/..;/b',
    '/a%00',
    '/a\\b',
    '/a%0d%0ab',
  ]
  for (const uri of ambiguous) {
    test(`the path ${uri} is refused, signed in or not`, async () => {
      await assertDenied(await ask({ 'x-forwarded-uri': uri }, { browser: await signedIn() }), 403)
    })
  }

  test('a query may hold what a path may not', async () => {
    const browser = await signedIn()
    const uri = '/a?to=https://b.example//c;d%2f../..'
    assert.equal((await ask({ 'x-forwarded-uri': uri }, { browser })).status, 204)
  })

  for (const host of [
    'app.example',
    'APP.Example',
    'app.example:443',
    'app.example.',
    'App.Example.:443',
  ]) {
    test(`FWD-05 ${host} is our host`, async () => {
      const browser = await signedIn()
      assert.equal((await ask({ 'x-forwarded-host': host }, { browser })).status, 204)
    })
  }

  for (const host of [
    '',
    'evil.example',
    'app.example.evil.example',
    'sub.app.example',
    'app.example:8443',
    'x@app.example',
    'app.example, evil.example',
    'аpp.example'.normalize(),
  ]) {
    test(`FWD-05 ${JSON.stringify(host)} is nobody we know`, async () => {
      const raw = Buffer.from(host).toString('latin1')
      await assertDenied(await ask({ 'x-forwarded-host': raw }, { browser: await signedIn() }), 403)
    })
  }
})

describe('what a proxy sends along', () => {
  test('FWD-14 a body, an expectation and an upgrade change nothing', async () => {
    const browser = await signedIn()
    const extra = { upgrade: 'websocket', 'content-length': '1000000' }
    assert.equal((await ask(extra, { browser })).status, 204)
    await assertDenied(await ask(extra), 401)
    const posted = await browser.request('/verify', {
      method: 'POST',
      body: 'x=1',
      headers: described,
    })
    assert.equal(posted.status, 405)
  })

  /** The subrequest each proxy makes for the same navigation, as its documentation has it. */
  const contracts: Readonly<
    Record<
      string,
      { method?: string; path: string; headers: Record<string, string>; denied: number }
    >
  > = {
    nginx: { path: '/verify?deny=status', headers: described, denied: 401 },
    Caddy: { path: '/verify', headers: described, denied: 303 },
    Traefik: {
      path: '/verify',
      headers: { ...described, 'x-forwarded-port': '443', 'x-forwarded-server': 'edge-1' },
      denied: 303,
    },
    HAProxy: { path: '/verify', headers: described, denied: 303 },
    Envoy: {
      path: '/verify/envoy/reports?page=2',
      headers: {
        host: 'app.example',
        'x-sallyport-proxy': secret,
        'x-forwarded-for': '198.51.100.9',
        'x-forwarded-proto': 'https',
        'content-length': '0',
      },
      denied: 303,
    },
  }
  for (const [proxy, { path, headers, denied }] of Object.entries(contracts)) {
    test(`what ${proxy} asks is understood`, async () => {
      const stranger = await app.browser().request(path, { headers: { ...headers, ...person } })
      assert.equal(stranger.status, denied)
      assert.equal(
        stranger.headers.get('location'),
        `https://app.example/login?return_to=${encodeURIComponent('/reports?page=2')}`,
      )
      const known = await (await signedIn()).request(path, { headers })
      assert.equal(known.status, 204)
      assert.equal(known.headers.get('x-auth-name'), 'alice')
    })
  }

  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    test(`Envoy asks with the method it was asked with: ${method}`, async () => {
      const { path, headers } = contracts['Envoy']!
      const known = await (await signedIn()).request(path, { method, headers })
      assert.equal(known.status, 204)
      const stranger = await app
        .browser()
        .request(path, { method, headers: { ...headers, ...person } })
      await assertDenied(stranger, 401)
      assert.equal(stranger.headers.get('location'), null)
    })
  }

  test('FWD-01 the path of Envoy’s question counts only from a believed proxy', async () => {
    const { path } = contracts['Envoy']!
    await assertDenied(
      await (await signedIn()).request(path, { headers: { host: 'app.example' } }),
      403,
    )
  })
})

describe('the quick way', () => {
  const at = (headers: Record<string, string>, url = '/verify', method = 'GET') =>
    ({ method, url, headers, socket: { remoteAddress: '192.0.2.1' } }) as unknown as IncomingMessage
  const cookieOf = (browser: Browser) => ({ cookie: browser.cookieHeader() })

  /** Somebody whom memory knows. */
  async function known(): Promise<Browser> {
    const browser = await signedIn()
    await browser.api('/me')
    return browser
  }

  test('answers just what the other way answers, and takes no other request', async () => {
    const browser = await known()
    const { quick, fetch } = app.sallyport
    const cookie = cookieOf(browser)
    const proxied = { ...cookie, ...described }
    const taken = [
      cookie,
      proxied,
      { ...cookie, 'x-request-id': 'mine' },
      { ...cookie, accept: 'text/html' },
    ]
    for (const headers of taken)
      for (const url of ['/verify', '/verify?deny=status']) {
        const theirs = await fetch(new Request(`${app.origin}${url}`, { headers }), '192.0.2.1')
        const quickly = pairs(quick(at(headers, url)) ?? [])
        assert.equal(theirs.status, 204)
        if (!('x-request-id' in headers))
          theirs.headers.set('x-request-id', quickly['x-request-id']!)
        assert.deepEqual(quickly, Object.fromEntries(theirs.headers))
      }
    const others: [Record<string, string>, string?, string?][] = [
      [{}],
      [{ cookie: cookie.cookie.replace(/.$/, '') }],
      [{ cookie: `${cookie.cookie}; ${cookie.cookie}` }],
      [{ ...cookie, authorization: `Bearer ${randomToken()}` }],
      [{ ...proxied, 'x-sallyport-proxy': 'x' }],
      [{ ...proxied, 'x-forwarded-uri': '/a//b' }],
      [{ ...proxied, 'x-forwarded-host': 'evil.example' }],
      [{ ...cookie, 'x-original-url': '/' }],
      [cookie, '/verify?access=guest'],
      [cookie, '/verify/'],
      [cookie, '//verify'],
      [cookie, '/me'],
      [cookie, '/verify', 'POST'],
      [cookie, '/verify', 'HEAD'],
    ]
    for (const [headers, url, method] of others)
      assert.equal(
        quick(at(headers, url, method)),
        undefined,
        JSON.stringify([headers, url, method]),
      )
  })

  test('REV-01 leaves to the other way what is over, what is to be written, and whom no lease vouches for', async () => {
    const browser = await known()
    const { quick, services } = app.sallyport
    const { hits } = services.node.memory
    assert.ok(quick(at(cookieOf(browser))))
    assert.equal(services.node.memory.hits, hits + 1)
    app.clock.advance(60_000)
    assert.equal(quick(at(cookieOf(browser))), undefined, 'a sliding write is due')
    await browser.api('/me')
    await browser.api('/me')
    assert.ok(quick(at(cookieOf(browser))))
    services.node.lease.end()
    assert.equal(quick(at(cookieOf(browser))), undefined, 'no lease')
    await services.node.renew()
    assert.ok(quick(at(cookieOf(browser))))
    await browser.post('/logout')
    assert.equal(quick(at(cookieOf(browser))), undefined, 'signed out')
  })

  test('a fault on it is a fault for nobody', async (t) => {
    const browser = await known()
    const broken = toListener(app.sallyport.fetch, () => {
      throw new Error('broken')
    })
    const port = await serve(t, broken)
    const answer = await fetch(`http://127.0.0.1:${port}/verify`, { headers: cookieOf(browser) })
    assert.equal(answer.status, 204)
  })
})

function pairs(flat: readonly string[]): Record<string, string> {
  return Object.fromEntries(flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1]!]] : [])))
}
