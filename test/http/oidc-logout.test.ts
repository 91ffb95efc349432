import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { sql } from 'kysely'
import { changeRole } from '../../src/sessions/revoke.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import { plant } from '../_canaries.ts'
import { refreshOf, type Browser } from '../_browser.ts'
import { startHostileProvider, type HostileProvider, type Json } from '../hostile-provider.ts'

describe('signing out at an OpenID provider, and here', () => {
  let app: TestApp
  let hostile: HostileProvider
  let connectionId: string
  let path: string
  let boss: Browser
  let withPage: (metadata: Json) => Json

  before(async () => {
    app = await startTestApp({ realProviders: true })
    hostile = await startHostileProvider({ now: () => app.clock.now() })
    withPage = (metadata) => ({ ...metadata, end_session_endpoint: `${hostile.issuer}/end` })
    hostile.twist({ discovery: withPage })
    const { issuer, clientId, clientSecret } = hostile
    const settings = { issuer, clientId, clientSecret, clientAuth: 'client_secret_basic' }
    connectionId = await app.connect({ settings })
    path = `/organizations/acme/connections/${connectionId}/signals`
    boss = await signIn('boss', 'boss')
    const { user } = (await (await boss.api('/me')).json()) as { user: { id: string } }
    const owner = { organizationId: app.acme.id, userId: user.id, role: 'owner' } as const
    await changeRole(app.sallyport.services, owner, {}, app.clock.now())
  })
  after(async () => {
    plant(...hostile.canaries)
    await app.close()
    await hostile.close()
  })
  beforeEach(() => app.sallyport.services.quiet.clear())

  async function signIn(sid: string, sub = 'ada'): Promise<Browser> {
    app.clock.advance(1)
    const browser = app.browser()
    const leaving = await browser.post(`/sso/${connectionId}/start`)
    const claims = (before: Json) => ({ ...before, sid, sub })
    hostile.twist({ discovery: withPage, claims })
    const back = hostile.visit(refreshOf(leaving))
    assert.equal((await browser.get(`${back.pathname}${back.search}`)).status, 303)
    assert.equal(await statusOf(browser), 200)
    return browser
  }
  const statusOf = async (browser: Browser) => (await browser.api('/me')).status
  const act = async (name: string) => {
    assert.equal((await boss.get(`${path}/${name}`)).status, 200)
    assert.equal((await boss.post(`${path}/${name}`)).status, 303)
  }
  const framed = (browser: Browser, query: Record<string, string> | string) =>
    browser.request(
      `/sso/${connectionId}/frontchannel-logout?${new URLSearchParams(query).toString()}`,
      {
        headers: { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
      },
    )

  it('BCL-08 front-channel logout is off until an administrator switches it on', async () => {
    const browser = await signIn('f0')
    assert.equal((await framed(browser, { iss: hostile.issuer, sid: 'f0' })).status, 404)
    assert.equal(await statusOf(browser), 200)
  })

  it('BCL-08 the provider’s page ends this browser’s session where issuer and session match, and may frame that answer alone', async () => {
    await act('framed')
    const [browser, other] = [await signIn('f1'), await signIn('f2')]
    const answer = await framed(browser, { iss: hostile.issuer, sid: 'f1' })
    assert.equal(answer.status, 200, await answer.clone().text())
    const policy = answer.headers.get('content-security-policy') ?? ''
    assert.match(policy, new RegExp(`frame-ancestors ${hostile.issuer}(;|$)`))
    assert.equal(answer.headers.get('x-frame-options'), null)
    assert.equal(answer.headers.get('cache-control'), 'no-store')
    assert.ok(answer.headers.getSetCookie().some((line) => /Max-Age=0/.test(line)))
    assert.deepEqual([await statusOf(browser), await statusOf(other)], [401, 200])
    const page = await other.get('/account')
    assert.match(page.headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/)
    assert.equal(page.headers.get('x-frame-options'), 'DENY')
  })

  it('BCL-08 a name that is missing, wrong, doubled or another browser’s ends nothing', async () => {
    const browser = await signIn('f3')
    const other = await signIn('f4')
    const iss = hostile.issuer
    const wrong: readonly (Record<string, string> | string)[] = [
      {},
      { iss },
      { sid: 'f3' },
      { iss: 'https://elsewhere.example', sid: 'f3' },
      { iss: `${iss}/`, sid: 'f3' },
      { iss, sid: 'f4' },
      { iss, sid: '' },
      `iss=${iss}&iss=${iss}&sid=f3`,
      `iss=${iss}&sid=f3&sid=f4`,
    ]
    for (const query of wrong) {
      const answer = await framed(browser, query)
      assert.equal(answer.status, 400, JSON.stringify(query))
      assert.match(answer.headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/)
    }
    assert.deepEqual([await statusOf(browser), await statusOf(other)], [200, 200])
  })

  it('BCL-08 without our cookie, as in a frame of another site, there is nothing to end', async () => {
    const browser = await signIn('f5')
    const answer = await framed(app.browser(), { iss: hostile.issuer, sid: 'f5' })
    assert.equal(answer.status, 400)
    assert.equal(await statusOf(browser), 200)
    const { rows } = await sql<{ reason: string }>`
      select data->>'reason' as reason from audit_events where action = 'frontchannel.logout_refused'
      order by id desc limit 1`.execute(app.sallyport.services.db)
    assert.equal(rows[0]?.reason, 'no session')
    await act('unframed')
    assert.equal((await framed(browser, { iss: hostile.issuer, sid: 'f5' })).status, 404)
  })

  it('signing out here stays here unless the organization wants it otherwise', async () => {
    const browser = await signIn('o1')
    const left = await browser.post('/logout')
    assert.equal(left.headers.get('location'), '/logout/done')
    const { rows } = await sql`select from session_proofs where id_token_hint is not null`.execute(
      app.sallyport.services.db,
    )
    assert.equal(rows.length, 0, 'and no ID token is kept')
  })

  it('where it does, the session here is over first, and the provider is handed its own ID token as a hint', async () => {
    await act('there')
    const browser = await signIn('o2')
    const { rows } = await sql<{ text: string }>`
      select encode(id_token_hint, 'escape') as text from session_proofs where id_token_hint is not null`.execute(
      app.sallyport.services.db,
    )
    assert.equal(rows.length, 1)
    assert.doesNotMatch(rows[0]!.text, /eyJ/, 'sealed')
    const left = await browser.post('/logout')
    assert.equal(await statusOf(browser), 401)
    const to = refreshOf(left)
    assert.equal(`${to.origin}${to.pathname}`, `${hostile.issuer}/end`)
    const asked = Object.fromEntries(to.searchParams)
    assert.equal(asked['client_id'], hostile.clientId)
    assert.equal(asked['post_logout_redirect_uri'], `${app.origin}/logout/done`)
    assert.equal(asked['logout_hint'], 'o2')
    const claims = JSON.parse(
      Buffer.from(asked['id_token_hint']!.split('.')[1]!, 'base64url').toString(),
    ) as Json
    assert.deepEqual([claims['sub'], claims['sid']], ['ada', 'o2'])
    assert.match(await (await boss.get(path)).text(), /\/logout\/done/)
  })

  it('a provider without such a page, or with one that nobody should be sent to, changes nothing about signing out', async () => {
    const pages: readonly unknown[] = [
      undefined,
      'javascript:alert(1)',
      'http://elsewhere.example/',
    ]
    for (const end_session_endpoint of pages) {
      const browser = await signIn('o3')
      withPage = (metadata) => ({ ...metadata, end_session_endpoint })
      hostile.twist({ discovery: withPage })
      app.clock.advance(11 * 60_000)
      const left = await browser.post('/logout')
      assert.equal(left.headers.get('location'), '/logout/done')
      assert.equal(await statusOf(browser), 401)
    }
  })
})
