import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { sql } from 'kysely'
import { seconds } from '../../src/lib/clock.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import { refreshOf, type Browser } from '../_browser.ts'
import { startHostileProvider, type HostileProvider, type Json } from '../hostile-provider.ts'

const event = 'http://schemas.openid.net/event/backchannel-logout'

describe('a provider says that sessions are over', () => {
  let app: TestApp
  let hostile: HostileProvider
  let connectionId: string
  let names = 0
  before(async () => {
    app = await startTestApp({ realProviders: true })
    hostile = await startHostileProvider({ now: () => app.clock.now() })
    const { issuer, clientId, clientSecret } = hostile
    const settings = { issuer, clientId, clientSecret, clientAuth: 'client_secret_basic' }
    connectionId = await app.connect({ settings })
  })
  after(async () => {
    await app.close()
    await hostile.close()
  })

  /** Somebody signed in through the provider's session of that name. */
  async function signIn(sid: string, sub = 'ada', connection = connectionId): Promise<Browser> {
    app.clock.advance(1)
    const browser = app.browser()
    const back = await leave(browser, sid, sub, connection)
    assert.equal((await browser.get(`${back.pathname}${back.search}`)).status, 303)
    assert.equal(await statusOf(browser), 200)
    return browser
  }
  async function leave(browser: Browser, sid: string, sub = 'ada', connection = connectionId) {
    const leaving = await browser.post(`/sso/${connection}/start`)
    hostile.twist({ claims: (claims) => ({ ...claims, sid, sub }) })
    return hostile.visit(refreshOf(leaving))
  }
  const statusOf = async (browser: Browser) => (await browser.api('/me')).status

  function logoutToken(claims: Json, header: Json = {}): string {
    const now = Math.floor(app.clock.now().getTime() / 1000)
    return hostile.signer.sign(
      { alg: 'RS256', kid: hostile.signer.kid, typ: 'logout+jwt', ...header },
      {
        iss: hostile.issuer,
        aud: hostile.clientId,
        iat: now,
        exp: now + 120,
        jti: `t${++names}`,
        events: { [event]: {} },
        ...claims,
      },
    )
  }
  async function send(token: string, connection = connectionId): Promise<number> {
    const response = await app.browser().request(`/sso/${connection}/backchannel-logout`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ logout_token: token }).toString(),
    })
    return response.status
  }

  it('VER-16 BCL-04 by sid: that session and no other', async () => {
    const [one, other] = [await signIn('s1'), await signIn('s2')]
    assert.equal(await send(logoutToken({ sub: 'ada', sid: 's1' })), 200)
    assert.deepEqual([await statusOf(one), await statusOf(other)], [401, 200])
    assert.equal(await send(logoutToken({ sid: 's2' })), 200)
    assert.equal(await statusOf(other), 401)
  })

  it('VER-16 BCL-04 by sub alone: all of that person’s at that connection, and nobody else’s', async () => {
    const [one, two, eve] = [await signIn('a1'), await signIn('a2'), await signIn('e1', 'eve')]
    assert.equal(await send(logoutToken({ sub: 'ada' })), 200)
    const statuses = [await statusOf(one), await statusOf(two), await statusOf(eve)]
    assert.deepEqual(statuses, [401, 401, 200])
  })

  it('how long it took from the provider’s word is noted; where nothing ended, nothing is', async () => {
    const observed = async () =>
      (
        await sql<{ found_by: string; milliseconds: number }>`
          select found_by, milliseconds from connection_lockouts order by at desc, id desc`.execute(
          app.sallyport.services.db,
        )
      ).rows
    await signIn('noted')
    const before = await observed()
    const iat = Math.floor(app.clock.now().getTime() / 1000) - 3
    assert.equal(await send(logoutToken({ sid: 'noted', iat })), 200)
    assert.equal(await send(logoutToken({ sid: 'noted', iat })), 200)
    const after = await observed()
    assert.equal(after.length, before.length + 1)
    const { found_by, milliseconds } = after[0]!
    assert.equal(found_by, 'back-channel')
    assert.ok(milliseconds >= 3000 && milliseconds < 5000, String(milliseconds))
  })

  it('BCL-04 unknown names change nothing, and are told nothing', async () => {
    const browser = await signIn('known')
    for (const claims of [{ sub: 'nobody' }, { sid: 'nowhere' }, { sub: 'eve', sid: 'known' }])
      assert.equal(await send(logoutToken(claims)), 200)
    assert.equal(await statusOf(browser), 200)
  })

  it('BCL-04 BCL-05 the same names at another connection are somebody else’s', async () => {
    const browser = await signIn('shared')
    const { issuer, clientId, clientSecret } = hostile
    const settings = { issuer, clientId, clientSecret, clientAuth: 'client_secret_basic' }
    const other = await app.connect({ settings, name: 'Other' })
    assert.equal(await send(logoutToken({ sub: 'ada', sid: 'shared' }), other), 200)
    assert.equal(await statusOf(browser), 200)
  })

  it('VER-16 BCL-03 a token counts once, however often and at the same time it comes', async () => {
    await signIn('once')
    const token = logoutToken({ sid: 'once' })
    const count = async () =>
      (
        await sql<{ n: number }>`
          select count(*)::int as n from audit_events where action = 'sessions.ended'`.execute(
          app.sallyport.services.db,
        )
      ).rows[0]!.n
    const before = await count()
    const statuses = await Promise.all(Array.from({ length: 20 }, () => send(token)))
    assert.ok(statuses.every((status) => status === 200))
    assert.equal((await count()) - before, 1)
  })

  /** What a token may not be. */
  const wrong: Readonly<Record<string, (claims: Json) => string>> = {
    'a nonce': (claims) => logoutToken({ ...claims, nonce: 'n' }),
    'another issuer': (claims) => logoutToken({ ...claims, iss: 'https://elsewhere.example' }),
    'another audience': (claims) => logoutToken({ ...claims, aud: 'somebody-else' }),
    'two audiences': (claims) => logoutToken({ ...claims, aud: [hostile.clientId, 'x'] }),
    'no event': (claims) => logoutToken({ ...claims, events: undefined }),
    'another event': (claims) => logoutToken({ ...claims, events: { x: {} } }),
    'an event that is no object': (claims) => logoutToken({ ...claims, events: { [event]: true } }),
    'no jti': (claims) => logoutToken({ ...claims, jti: undefined }),
    'no iat': (claims) => logoutToken({ ...claims, iat: undefined }),
    'an exp that has passed': (claims) => logoutToken({ ...claims, exp: 1 }),
    'an iat of long ago': (claims) => logoutToken({ ...claims, iat: 1 }),
    'neither sub nor sid': () => logoutToken({}),
    'no signature': (claims) => `${logoutToken(claims).split('.').slice(0, 2).join('.')}.`,
    'a wrong signature': (claims) => `${logoutToken(claims).slice(0, -6)}AAAAAA`,
    'alg none': (claims) => logoutToken(claims, { alg: 'none' }),
    'the type of an access token': (claims) => logoutToken(claims, { typ: 'at+jwt' }),
    'the shape of an ID token': (claims) =>
      logoutToken({ ...claims, nonce: 'n', events: undefined }, { typ: 'JWT' }),
    nothing: () => '',
  }
  for (const [what, token] of Object.entries(wrong)) {
    it(`VER-16 BCL-02 a token with ${what} is refused, and ends nothing`, async () => {
      const name = `w${++names}`
      const browser = await signIn(name)
      assert.equal(await send(token({ sub: 'ada', sid: name })), 400)
      assert.equal(await statusOf(browser), 200)
    })
  }

  it('BCL-06 a sign-in that comes back after its provider ended that session is refused', async () => {
    const browser = app.browser()
    const back = await leave(browser, 'early')
    assert.equal(await send(logoutToken({ sid: 'early' })), 200)
    await browser.get(`${back.pathname}${back.search}`)
    assert.equal(await statusOf(browser), 401)
    await signIn('later')
  })

  it('BCL-06 by sub too, unless the sign-in began after that', async () => {
    const browser = app.browser()
    const back = await leave(browser, 'f1', 'fay')
    app.clock.advance(seconds(30))
    assert.equal(await send(logoutToken({ sub: 'fay' })), 200)
    await browser.get(`${back.pathname}${back.search}`)
    assert.equal(await statusOf(browser), 401)
    await signIn('f2', 'fay')
  })

  it('BCL-05 it takes a form of at most 16 KiB, by POST, and looks at no cookie', async () => {
    const browser = await signIn('cookie')
    const path = `/sso/${connectionId}/backchannel-logout`
    assert.equal((await browser.get(path)).status, 405)
    const json = { 'content-type': 'application/json' }
    const asJson = await browser.request(path, { method: 'POST', headers: json, body: '{}' })
    assert.equal(asJson.status, 415)
    assert.equal(await send('x'.repeat(17 * 1024)), 413)
    assert.equal(await send(logoutToken({ sub: 'ada' }), 'unknown'), 404)
    assert.equal(await statusOf(browser), 200)
  })
})
