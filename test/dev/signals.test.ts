import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { sql } from 'kysely'
import { chooseAt } from '../../dev/provider/choose.ts'
import { messages, type MessageName } from '../../dev/provider/signals.ts'
import { startDevelopmentProvider, type DevelopmentProvider } from '../../dev/provider.ts'
import { connectDirectory, connectSignals } from '../../dev/signals.ts'
import { findConnection, setSigningOut } from '../../src/accounts/connections.ts'
import { redirectUriOf } from '../../src/flows/login.ts'
import { changeRole } from '../../src/sessions/revoke.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import { refreshOf, type Browser } from '../_browser.ts'
import { createBrowser } from './_browser.ts'

describe('the development provider tells applications what happens', () => {
  let app: TestApp
  let provider: DevelopmentProvider
  let connectionId: string

  before(async () => {
    provider = await startDevelopmentProvider({ redirectUris: [] })
    app = await startTestApp({ rim: 'node', realProviders: true })
    inStep()
    const { issuer, clientId, clientSecret } = provider
    const settings = { issuer, clientId, clientSecret, clientAuth: 'client_secret_basic' }
    connectionId = await app.connect({ settings })
    provider.addRedirectUri(redirectUriOf(app.origin, connectionId))
    await connectSignals(app.sallyport.services, connectionId, provider)
  })
  after(async () => {
    await app.close()
    await provider.close()
  })

  /** The provider's clock is the machine's. */
  const inStep = () => app.clock.advance(Date.now() - app.clock.now().getTime())
  const db = () => app.sallyport.services.db
  const statusOf = async (browser: Browser) => (await browser.api('/me')).status
  const arrive = async (person: string): Promise<[Browser, Response]> => {
    inStep()
    const browser = app.browser()
    const leaving = await browser.post(`/sso/${connectionId}/start`)
    const { pathname, search } = await chooseAt(refreshOf(leaving), person)
    return [browser, await browser.get(`${pathname}${search}`)]
  }
  const signIn = async (person: string): Promise<Browser> => {
    const [browser] = await arrive(person)
    assert.equal(await statusOf(browser), 200)
    return browser
  }
  /** Presses a button on the provider's page, and reads what it says was answered. */
  const press = async (person: string, what: MessageName): Promise<string> => {
    inStep()
    const window = createBrowser()
    const sent = await window.post(`${provider.issuer}/people/${person}/send/${what}`)
    assert.equal(sent.status, 303)
    const page = await (await window.get(provider.issuer)).text()
    assert.ok(page.includes(messages[what].label))
    return /answered\s*<code>(\d+)/.exec(page)?.[1] ?? assert.fail(page)
  }

  it('the stream is set up, and shown to work', async () => {
    for (let i = 0; i < 100; i++) {
      const { rows } = await sql<{ at: Date | null }>`
        select verified_at as at from signal_streams where connection_id = ${connectionId}`.execute(
        db(),
      )
      if (rows[0]?.at) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    assert.fail('no verification event came')
  })

  it('each button does what it says', async () => {
    const bob = await signIn('bob')
    assert.equal(await press('bob', 'claims-changed'), '202')
    assert.equal(await statusOf(bob), 200)
    assert.equal(await press('bob', 'session-revoked'), '202')
    assert.equal(await statusOf(bob), 401)
    const again = await signIn('bob')
    assert.equal(await press('bob', 'back-channel'), '200')
    assert.equal(await statusOf(again), 401)
    await new Promise((resolve) => setTimeout(resolve, 1100))
    const [third, other] = [await signIn('bob'), await signIn('alice')]
    assert.equal(await press('bob', 'account-disabled'), '202')
    assert.deepEqual([await statusOf(third), await statusOf(other)], [401, 200])
    const [, refused] = await arrive('bob')
    assert.equal(refused.status, 403, 'the provider would let them, its signal does not')
    assert.equal(await press('bob', 'account-enabled'), '202')
    await signIn('bob')
  })

  it('its directory deactivates and reactivates somebody by SCIM', async () => {
    const alice = await signIn('alice')
    const { user } = (await (await alice.api('/me')).json()) as { user: { id: string } }
    const owner = { organizationId: app.acme.id, userId: user.id, role: 'owner' } as const
    await changeRole(app.sallyport.services, owner, {}, app.clock.now())
    connectDirectory(app.sallyport.services, connectionId, provider)
    const bob = await signIn('bob')
    assert.match(await press('bob', 'deactivate'), /^20[01]$/)
    assert.equal(await statusOf(bob), 401)
    const [again] = await arrive('bob')
    assert.equal(await statusOf(again), 401, 'nobody who was deactivated comes back by signing in')
    assert.equal(await press('bob', 'reactivate'), '200')
    await signIn('bob')
  })

  it('front-channel logout shows the application in a frame, by the name of the session there', async () => {
    const bob = await signIn('bob')
    const connection = (await findConnection(db(), connectionId))!
    const by = { actorId: undefined, requestId: undefined }
    await setSigningOut(db(), connection, { frontchannelLogout: true }, by, app.clock.now())
    const shown = await createBrowser().post(`${provider.issuer}/people/bob/front-channel`)
    assert.match(shown.headers.get('content-security-policy') ?? '', /frame-src http/)
    const frames = [...(await shown.text()).matchAll(/<iframe[^>]*src="([^"]+)"/g)]
    assert.ok(frames.length > 0)
    for (const [, src = ''] of frames) {
      const { pathname, search } = new URL(src.replaceAll('&amp;', '&'))
      await bob.get(`${pathname}${search}`)
    }
    assert.equal(await statusOf(bob), 401)
  })

  it('signing out here leads to the provider’s page for it, which takes our hint', async () => {
    await sql`update connections set sign_out_there = true where id = ${connectionId}`.execute(db())
    const bob = await signIn('bob')
    const left = refreshOf(await bob.post('/logout'))
    assert.equal(left.origin, provider.issuer)
    assert.equal(left.searchParams.get('post_logout_redirect_uri'), `${app.origin}/logout/done`)
    const page = await fetch(left)
    assert.equal(page.status, 200, await page.clone().text())
    assert.match(await page.text(), /session\/end\/confirm/)
  })

  it('whoever is not known, and whatever cannot be sent, is not found; another site’s form is refused', async () => {
    const window = createBrowser()
    const post = async (path: string, headers?: Record<string, string>) =>
      (await window.post(`${provider.issuer}${path}`, headers ? { headers } : {})).status
    assert.equal(await post('/people/nobody/send/session-revoked'), 404)
    assert.equal(await post('/people/bob/send/everything'), 404)
    const evil = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
    assert.equal(await post('/people/bob/send/session-revoked', evil), 403)
    const stream = await fetch(`${provider.issuer}/ssf/stream`, { method: 'POST', body: '{}' })
    assert.equal(stream.status, 401)
  })
})
