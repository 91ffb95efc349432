import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { fromOwnPages, siteOf } from '../../src/http/csrf.ts'
import { routes } from '../../src/routes.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import { fingerprint } from '../_fingerprint.ts'

/** Where a forged request can come from, and what a browser then says. */
const strangers: Readonly<Record<string, (own: string) => Record<string, string>>> = {
  'another site': () => ({ 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }),
  'a sibling host': () => ({ 'sec-fetch-site': 'same-site', origin: 'https://sub.app.example' }),
  'the address bar': (own) => ({ 'sec-fetch-site': 'none', origin: own }),
  'another site, in an older browser': () => ({ origin: 'https://evil.example' }),
  'nobody says where': () => ({}),
  'a sandboxed frame': () => ({ 'sec-fetch-site': 'same-origin', origin: 'null' }),
  'a sandboxed frame, in an older browser': () => ({ origin: 'null' }),
  'a host that begins with ours': (own) => ({ origin: `${own}.evil.example` }),
  'our host without TLS': (own) => ({ origin: own.replace('https', 'http') }),
  'another port': (own) => ({ origin: `${own}:8443` }),
  'our address with a user': (own) => ({ origin: own.replace('://', '://us@') }),
  'our address with a path': (own) => ({ origin: `${own}/` }),
  'our address in capitals': (own) => ({ origin: own.toUpperCase() }),
  'two origins': (own) => ({ origin: `${own}, ${own}` }),
}

const types = {
  'application/x-www-form-urlencoded': 'choice=switch',
  'multipart/form-data; boundary=x':
    '--x\r\ncontent-disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n',
  'text/plain': '{"choice":"switch"}',
  'application/json': '{"choice":"switch"}',
}

const unsafe = routes.filter(({ method }) => method !== 'GET' && method !== 'ALL')
const own = unsafe.filter(({ crossSite }) => !crossSite)

/** Where other sites have browsers post to, and why that changes nothing for whoever sits at the browser. */
const fromElsewhere: Readonly<Record<string, string>> = {
  '/sso/:connection/acs':
    'a signed answer; it counts in the browser that asked, which is another request',
  '/sso/:connection/backchannel-logout':
    'a signed token, from the provider itself; it ends what it names',
  '/scim/v2/:connection/Users': 'a directory’s token, which no browser has',
  '/scim/v2/:connection/Users/:id': 'the same',
  '/scim/v2/:connection/Groups': 'the same',
  '/scim/v2/:connection/Groups/:id': 'the same',
  '/sso/:connection/slo': 'a signed message; it ends what it names, whoever brings it',
  '/ssf/:connection': 'a signed event, from whoever was told how to authenticate',
}

it('CSR-01 every route that changes something is for our own pages only', () => {
  for (const { path, csrf } of own) assert.equal(csrf, 'same-origin', path)
  const others = new Set(unsafe.filter(({ crossSite }) => crossSite).map(({ path }) => path))
  assert.deepEqual([...others].sort(), Object.keys(fromElsewhere).sort())
})

describe('requests that do not come from our own pages', () => {
  let app: TestApp
  before(async () => {
    app = await startTestApp()
  })
  after(() => app.close())

  for (const [whence, headers] of Object.entries(strangers)) {
    it(`CSR-02 CSR-03 ${whence}: 403 at every route, and nothing changes`, async () => {
      const browser = app.browser()
      await app.signIn(browser)
      const { db, quiet } = app.sallyport.services
      quiet.clear()
      const untouched = await fingerprint(db)
      for (const { method, path } of own)
        for (const [type, body] of Object.entries(types)) {
          const address = path.replace(':connection', app.connectionId).replace(/:\w+/g, 'x')
          const sent = { ...headers(app.origin), 'content-type': type, accept: 'application/json' }
          const answer = await browser.request(address, { method, body, headers: sent })
          assert.equal(answer.status, 403, address)
          assert.equal(((await answer.json()) as { code: string }).code, 'csrf_failed')
          assert.deepEqual(answer.headers.getSetCookie(), [])
          assert.equal(answer.headers.get('access-control-allow-origin'), null)
        }
      assert.deepEqual(await fingerprint(db), untouched)
      const told = await db
        .selectFrom('audit_events')
        .selectAll()
        .where('action', '=', 'security.csrf')
        .execute()
      assert.ok(told.length > 0)
    })
  }

  it('CSR-04 a body of another type than the route takes is refused though it comes from our own pages', async () => {
    const browser = app.browser()
    await app.signIn(browser)
    const untouched = await fingerprint(app.sallyport.services.db)
    const ours = { origin: app.origin, 'sec-fetch-site': 'same-origin', accept: 'application/json' }
    const forms = unsafe.filter(({ body }) => body === 'form')
    for (const { method, path } of forms)
      for (const [type, body] of Object.entries(types).slice(1)) {
        const address = path.replace(':connection', app.connectionId).replace(/:\w+/g, 'x')
        const headers = { ...ours, 'content-type': type }
        assert.equal(
          (await browser.request(address, { method, body, headers })).status,
          415,
          address,
        )
      }
    assert.deepEqual(await fingerprint(app.sallyport.services.db), untouched)
  })
})

it('S3-17d CSR-02 what a browser says of itself is believed over what it says of the origin, and silence is no', () => {
  const own = 'https://app.example'
  const from = (headers: Record<string, string>) => fromOwnPages(new Headers(headers), own)
  assert.ok(from({ 'sec-fetch-site': 'same-origin', origin: own }))
  assert.ok(from({ 'sec-fetch-site': 'same-origin' }))
  assert.ok(from({ origin: own }), 'a browser without Fetch Metadata')
  assert.ok(!from({ 'sec-fetch-site': 'cross-site', origin: own }))
  assert.ok(!from({}))
  assert.equal(siteOf(new Headers({ 'sec-fetch-site': 'drop table' })), 'unknown_site')
})
