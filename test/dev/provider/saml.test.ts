import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { startDevelopmentProvider, type DevelopmentProvider } from '../../../dev/provider.ts'
import { samlAnswers } from '../../../dev/seed.ts'
import { makeKeyPair } from '../../../src/providers/saml/certificate.ts'
import { readMetadata } from '../../../src/providers/saml/metadata.ts'
import { startTestApp, type TestApp } from '../../_app.ts'
import { refreshOf, type Browser as AppBrowser } from '../../_browser.ts'
import { createBrowser, type Browser } from '../_browser.ts'

interface Form {
  readonly action: string
  readonly fields: Record<string, string>
}

type Binding = 'redirect' | 'post'

const ours = await makeKeyPair('ours', new Date())

/** Another implementation of SAML than ours, at the other end of a connection. */
describe('the development provider by SAML', () => {
  let provider: DevelopmentProvider
  let app: TestApp
  const connections = { redirect: '', post: '' }

  before(async () => {
    const metadataOf = async (entityId: string) =>
      (await app.browser().get(new URL(entityId).pathname)).text()
    provider = await startDevelopmentProvider({ redirectUris: [], metadataOf })
    app = await startTestApp({ realProviders: true })
    // The provider's clock is the machine's.
    app.clock.advance(Date.now() - app.clock.now().getTime())
    const { saml } = provider
    for (const ssoBinding of ['redirect', 'post'] as const)
      connections[ssoBinding] = await app.connect({
        kind: 'saml',
        name: ssoBinding,
        provisioning: 'everybody',
        settings: {
          idp: {
            entityId: saml.entityId,
            ssoUrl: saml.ssoUrl,
            ssoBinding,
            certificates: [await saml.certificate()],
          },
          claims: { name: 'name', email: 'email', groups: 'role' },
          keys: [{ id: '1', state: 'current', ...ours }],
        },
      })
  })
  after(async () => {
    await app?.close()
    await provider?.close()
  })

  function formIn(text: string): Form {
    const fields = [...text.matchAll(/name="(\w+)" value="([^"]*)"/g)].map(
      ([, name = '', value = '']) => [name, value] as const,
    )
    const action = /action="([^"]+)"/.exec(text)?.[1] ?? assert.fail(text)
    return { action, fields: Object.fromEntries(fields) }
  }

  /** Presses a button there; answers the form that goes back. */
  async function choose(idp: Browser, page: Response, press: string): Promise<Form> {
    return formIn(await (await idp.post(`${page.url}/${press}`)).text())
  }

  /** Begins at the application; answers the provider's page where one chooses. */
  async function arrive(browser: AppBrowser, idp: Browser, binding: Binding): Promise<Response> {
    const start = `/sso/${connections[binding]}/start`
    const left = await browser.post(start, { return_to: '/account' })
    if (binding === 'redirect') return idp.follow(await idp.get(refreshOf(left)), provider.issuer)
    const { action, fields } = formIn(await left.text())
    const asked = await idp.post(action, { fields, headers: { origin: app.origin } })
    return idp.follow(asked, provider.issuer)
  }

  async function goBack(browser: AppBrowser, { action, fields }: Form): Promise<Response> {
    const posted = await browser.post(new URL(action).pathname, fields, {
      cookie: '',
      origin: provider.issuer,
      'sec-fetch-site': 'cross-site',
    })
    if (posted.status !== 303) return posted
    return browser.get(posted.headers.get('location')!, { 'sec-fetch-site': 'cross-site' })
  }

  async function signIn(person: string, binding: Binding = 'redirect'): Promise<Response> {
    const [browser, idp] = [app.browser(), createBrowser()]
    const page = await arrive(browser, idp, binding)
    return goBack(browser, await choose(idp, page, `sign-in/${person}`))
  }

  for (const binding of ['redirect', 'post'] as const)
    test(`SSO-128 SSO-130 signs somebody in who was asked for by ${binding}`, async () => {
      const [browser, idp] = [app.browser(), createBrowser()]
      const page = await arrive(browser, idp, binding)
      const arrived = await goBack(browser, await choose(idp, page, 'sign-in/alice'))
      assert.equal(arrived.headers.get('location'), '/account', await arrived.text())
      const account = await (await browser.get('/account')).text()
      assert.match(account, /Alice Archer/)
      assert.match(account, /alice@acme\.example/)
    })

  test('SML-20 whoever is suspended there, or cancels, is told so, at both halves alike', async () => {
    const cancelled = async (press: string) => {
      const [browser, idp] = [app.browser(), createBrowser()]
      const page = await arrive(browser, idp, 'redirect')
      const answer = await goBack(browser, await choose(idp, page, press))
      assert.equal(answer.status, 403)
      assert.match(await answer.text(), /The sign-in was cancelled/)
    }
    await cancelled('cancel')
    await cancelled('sign-in/carol')
    provider.suspend('bob')
    await cancelled('sign-in/bob')
    provider.restore('bob')
    assert.equal((await signIn('bob')).headers.get('location'), '/account')
  })

  test('SML-18 its response counts once, and for one browser', async () => {
    const [browser, other, idp] = [app.browser(), app.browser(), createBrowser()]
    const back = await choose(idp, await arrive(browser, idp, 'redirect'), 'sign-in/dave')
    assert.equal((await goBack(other, back)).status, 400)
    assert.equal((await goBack(browser, back)).headers.get('location'), '/account')
    assert.equal((await goBack(other, back)).status, 400)
  })

  test('SML-21 SSO-131 what it sends unasked leads to a question, where the connection allows it', async () => {
    const through = connections.redirect
    const application = `${app.origin}/sso/${through}/metadata`
    const dave = provider.people.find(({ id }) => id === 'dave')!
    const send = async (): Promise<Response> => {
      const fields = { SAMLResponse: await provider.saml.volunteer(dave, application) }
      return app.browser().post(`/sso/${through}/acs`, fields, { cookie: '' })
    }
    assert.equal((await send()).status, 400)
    await app.sallyport.services.db
      .updateTable('connections')
      .set({ idp_initiated: true })
      .where('id', '=', through)
      .execute()
    assert.match((await send()).headers.get('location') ?? '', /\/start\?return_to=%2F$/)
  })

  test('refuses a request that its application has not signed', async () => {
    const [browser, idp] = [app.browser(), createBrowser()]
    const left = await browser.post(`/sso/${connections.redirect}/start`, { return_to: '/' })
    const to = refreshOf(left)
    to.searchParams.set('RelayState', 'changed')
    assert.equal((await idp.get(to)).status, 400)
    assert.equal((await idp.get(`${provider.saml.ssoUrl}?SAMLRequest=x`)).status, 400)
  })

  test('of what it is asked to read about an application, it reads only what is on this machine', async () => {
    const own = await startDevelopmentProvider({ redirectUris: [] })
    for (const application of ['https://elsewhere.example/sso/1/metadata', `${own.issuer}/jwks`])
      await assert.rejects(own.saml.volunteer(own.people[0]!, application), /not on this machine/)
    await own.close()
  })

  test('publishes metadata that the wizard takes, by the address on its page', async () => {
    const shown = await (await fetch(`${provider.issuer}/applications`)).text()
    const address = samlAnswers(provider).metadataUrl
    assert.ok(shown.includes(address))
    const bytes = new Uint8Array(await (await fetch(address)).arrayBuffer())
    const { idp, problems } = readMetadata(bytes, { now: new Date() })
    assert.deepEqual(problems, [])
    assert.equal(idp?.entityId, address)
    assert.equal(idp?.ssoUrl, provider.saml.ssoUrl)
  })
})

describe('its page of applications', () => {
  test('registers an application on this machine, and no other', async (t) => {
    const provider = await startDevelopmentProvider({ redirectUris: [] })
    t.after(provider.close)
    const register = (redirect_uri: string, origin = provider.issuer) =>
      fetch(`${provider.issuer}/applications`, {
        method: 'POST',
        headers: { origin },
        body: new URLSearchParams({ redirect_uri }),
      })
    assert.equal((await register('https://app.example/callback')).status, 422)
    assert.equal((await register('javascript:alert(1)')).status, 422)
    assert.equal((await register('http://localhost:3000/x', 'https://evil.example')).status, 403)
    const uri = 'http://localhost:3000/sso/1/callback'
    const page = await (await register(uri)).text()
    const clientId = /<code>(application-[\w-]+)<\/code>/.exec(page)?.[1] ?? assert.fail(page)
    const to = new URL(`${provider.issuer}/auth`)
    to.search = new URLSearchParams({
      client_id: clientId,
      redirect_uri: uri,
      response_type: 'code',
      scope: 'openid',
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
    }).toString()
    assert.equal((await fetch(to, { redirect: 'manual' })).status, 303)
    to.searchParams.set('redirect_uri', `${uri}/other`)
    assert.equal((await fetch(to, { redirect: 'manual' })).status, 400)
  })
})
