import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { encoded } from '../providers/saml/_provider.ts'
import { startSamlApp, type SamlApp } from './_saml.ts'

describe('signing in through SAML', () => {
  let world: SamlApp
  before(async () => {
    world = await startSamlApp()
  })
  after(() => world.app.close())

  it('SSO-128 SSO-130 leads to the provider, and back into the organization', async () => {
    const browser = world.app.browser()
    const arrived = await world.signIn(browser)
    assert.equal(arrived.status, 303, await arrived.text())
    assert.equal(arrived.headers.get('location'), '/account')
    assert.ok(browser.cookies.has('sallyport_session') || browser.cookies.size > 1)
    const account = await browser.get('/account')
    assert.match(await account.text(), /Alice Adams/)
  })
  it('CKI-02 the post brings no cookie, needs none and sets none', async () => {
    const browser = world.app.browser()
    const { handle, requestId } = await world.begin(browser)
    const before = new Map(browser.cookies)
    const form = { SAMLResponse: encoded(world.respond(requestId)), RelayState: handle }
    const posted = await world.post(browser, form)
    assert.equal(posted.status, 303)
    assert.deepEqual(posted.headers.getSetCookie(), [])
    assert.deepEqual(browser.cookies, before)
  })
})
