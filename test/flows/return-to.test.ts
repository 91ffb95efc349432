import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { safeReturnTo } from '../../src/flows/return-to.ts'
import { startTestApp } from '../_app.ts'

const origin = 'https://app.example.com'

const refused = [
  'https://evil',
  'https://evil/',
  '//evil',
  '///evil',
  '/\\evil',
  '\\\\evil',
  '\\/evil',
  '/%2f/evil',
  '/%2Fevil',
  '/%5cevil',
  '/%5Cevil',
  '\t//evil',
  '/\t/evil',
  '/\n/evil',
  ' //evil',
  '/.//evil',
  '/..//evil',
  '/a/..//evil',
  '/./\\evil',
  'https:evil',
  'http:evil',
  'javascript:alert(1)',
  'JaVaScRiPt:alert(1)',
  'data:text/html,x',
  'vbscript:x',
  'http://app@evil',
  'https://app.example.com@evil',
  'https://app.example.com.evil',
  'app.example.com.evil',
  `/${'a'.repeat(8192)}`,
  '/a\r\nSet-Cookie: x=1',
  '/a\0b',
  '/a%00b',
  '/a%0d%0ab',
  '',
  'account',
  '?x',
  '#x',
  '/login',
  '/login/acme',
  '/login?return_to=/x',
  '/logout',
  '/logout/done',
  '/sso/x/callback',
  '/verify',
  '/./login',
  '/x/../logout',
  '/\u0085/x',
]

const kept = [
  '/',
  '/account',
  '/account?tab=2&x=%20y',
  '/path?x=https://evil',
  '/a/b/c#top',
  '/search?q=a%2Fb',
  '/loginhelp',
  '/%E2%82%AC',
  '/a;b=c',
  '/?q=//x',
]

describe('the return address', () => {
  for (const value of refused)
    it(`RDR-01 SEED-46 does not lead to ${JSON.stringify(value.slice(0, 40))}`, () =>
      assert.equal(safeReturnTo(value, origin), '/'))

  for (const value of kept)
    it(`RDR-01 SEED-46 keeps ${value} as it is`, () =>
      assert.equal(safeReturnTo(value, origin), value))

  it('RDR-01 whatever it is, what comes out stays on our origin', () => {
    for (const value of [
      ...refused,
      ...kept,
      'https://app.example.com/x',
      '/。。/evil',
      '/@evil',
      '/:80',
      '/%',
      '/%zz',
      '/\u202eevil',
    ])
      assert.equal(new URL(safeReturnTo(value, origin), origin).origin, origin, value)
  })

  it('RDR-02 SEED-47 none means the start page; leading back into a sign-in is refused', () => {
    for (const value of [null, undefined, '/login', '/sso/c/start', '/logout'])
      assert.equal(safeReturnTo(value, origin), '/')
  })

  it('RDR-01 RDR-02 RDR-04 is judged on the way in, on the way out, and by nobody else’s parameters', async () => {
    await using app = await startTestApp()
    for (const value of ['https://evil.example', '//evil.example', '/\\evil.example', '/logout']) {
      const browser = app.browser()
      const arrived = await app.signIn(browser, 'alice', { returnTo: value })
      assert.equal(arrived.headers.get('location'), '/')
      const page = await app.browser().get(`/login?return_to=${encodeURIComponent(value)}`)
      assert.ok(!(await page.text()).includes('evil'))
      const already = await browser.get(`/login?return_to=${encodeURIComponent(value)}`)
      assert.equal(already.headers.get('location'), '/')
      const out = await browser.post('/logout', {
        post_logout_redirect_uri: value,
        rd: value,
        redirect: value,
        return_to: value,
      })
      assert.equal(out.headers.get('location'), '/logout/done')
      const error = await app
        .browser()
        .get(`/sso/${app.connectionId}/callback?rd=${encodeURIComponent(value)}`)
      assert.ok(!(await error.text()).includes('evil'))
    }
  })

  it('RDR-01 a value altered in storage is judged again when it is used', async () => {
    await using app = await startTestApp()
    const browser = app.browser()
    const state = await app.begin(browser)
    const { db, sealer } = app.sallyport.services
    const row = await db.selectFrom('flows').selectAll().executeTakeFirstOrThrow()
    const place = { table: 'flows', column: 'data', row: row.id }
    const data = sealer.open<object>(row.data, place)
    await db
      .updateTable('flows')
      .set({ data: sealer.seal({ ...data, returnTo: 'https://evil.example' }, place) })
      .execute()
    assert.equal((await app.comeBack(browser, state)).headers.get('location'), '/')
  })
})
