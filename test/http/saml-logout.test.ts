import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { sql } from 'kysely'
import { minutes } from '../../src/lib/clock.ts'
import {
  fromRedirect,
  toRedirect,
  type MessageName,
} from '../../src/providers/saml/redirect-binding.ts'
import { refreshOf, type Browser } from '../_browser.ts'
import { startSamlApp, type SamlApp } from '../flows/_saml.ts'
import {
  encoded,
  idpEntityId,
  keys,
  nameId,
  settings,
  sign,
  statement,
} from '../providers/saml/_provider.ts'

const sloUrl = 'https://idp.example/slo'
const ours = createPublicKey(keys.ours.certificate)
let count = 0

describe('signing out through SAML', () => {
  let world: SamlApp
  let slo: string
  before(async () => {
    world = await startSamlApp({}, settings({}, { sloUrl }))
    slo = world.acs.replace('/acs', '/slo')
  })
  after(() => world.app.close())

  async function signedIn(name: string, session = 's-1', app = world): Promise<Browser> {
    const browser = app.app.browser()
    const instant = new Date(app.app.clock.now().getTime() - 3000).toISOString()
    const said = {
      nameId: nameId(name),
      statement: statement(` AuthnInstant="${instant}" SessionIndex="${session}"`),
    }
    const answer = await app.signIn(browser, said)
    assert.equal(answer.status, 303, await answer.text())
    assert.ok(await isIn(browser))
    return browser
  }
  const isIn = async (browser: Browser) => (await browser.api('/me')).status === 200
  const now = () => world.app.clock.now().toISOString()
  const head = (name: string, more = '') =>
    `<samlp:${name} xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_q${count++}" Version="2.0" IssueInstant="${now()}" Destination="${slo}"${more}><saml:Issuer>${idpEntityId}</saml:Issuer>`
  const request = (name: string, ...sessions: string[]) =>
    `${head('LogoutRequest')}${nameId(name)}${sessions.map((one) => `<samlp:SessionIndex>${one}</samlp:SessionIndex>`).join('')}</samlp:LogoutRequest>`
  const answer = (to: string) =>
    `${head('LogoutResponse', ` InResponseTo="${to}"`)}<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status></samlp:LogoutResponse>`

  /** The browser arrives from the provider's page, with whatever cookies browsers send along. */
  function byRedirect(
    xml: string,
    name: MessageName = 'SAMLRequest',
    key = keys.idp,
    relayState?: string,
  ) {
    const { href } = toRedirect(slo, { name, xml, relayState }, createPrivateKey(key.privateKey))
    return world.app.browser().get(href, { 'sec-fetch-site': 'cross-site' })
  }
  const byPost = (form: Record<string, string>) =>
    world.app.browser().post(slo, form, {
      cookie: '',
      origin: 'https://idp.example',
      'sec-fetch-site': 'cross-site',
    })
  const idOf = (xml: string) => /ID="([^"]+)"/.exec(xml)![1]!

  async function told(action: string): Promise<readonly (string | null)[]> {
    const { rows } = await sql<{ what: string | null }>`
      select coalesce(data->>'reason', data->>'of') as what from audit_events where action = ${action} order by id`.execute(
      world.app.sallyport.services.db,
    )
    return rows.map(({ what }) => what)
  }

  it('SML-27 SSO-135 the provider ends the one session it names, and gets a signed answer', async () => {
    const first = await signedIn('ann', 's-1')
    const second = await signedIn('ann', 's-2')
    const other = await signedIn('ben', 's-1')
    const xml = request('ann', 's-1')
    const left = await byRedirect(xml, 'SAMLRequest', keys.idp, 'back')
    assert.equal(left.status, 303)
    assert.deepEqual(left.headers.getSetCookie(), [])
    assert.deepEqual(
      [await isIn(first), await isIn(second), await isIn(other)],
      [false, true, true],
    )
    const to = new URL(left.headers.get('location')!)
    assert.equal(to.origin + to.pathname, sloUrl)
    const sent = fromRedirect(to.search, [ours])
    assert.equal(sent.relayState, 'back')
    assert.ok(sent.xml.includes(`InResponseTo="${idOf(xml)}"`))
    assert.equal((await told('sessions.ended')).at(-1), 'provider')
  })

  it('BCL-06 a sign-in that began before its provider ended the person’s sessions is refused, and a new one is not', async () => {
    const browser = world.app.browser()
    const begun = await world.begin(browser)
    world.app.clock.advance(1000)
    assert.equal((await byRedirect(request('late', 's-1'))).status, 303)
    assert.equal((await world.answer(browser, begun, { nameId: nameId('late') })).status, 400)
    assert.equal(await isIn(browser), false)
    world.app.clock.advance(1000)
    await signedIn('late')
  })

  it('without a session named, all of the person’s end; by a form too', async () => {
    const first = await signedIn('cat', 's-1')
    const second = await signedIn('cat', 's-2')
    const xml = request('cat')
    const left = await byPost({ SAMLRequest: encoded(sign(xml, idOf(xml))) })
    assert.equal(left.status, 303)
    assert.deepEqual([await isIn(first), await isIn(second)], [false, false])
  })

  it('SML-27 unsigned, forged, replayed or late, it ends nothing; the reason is in the audit', async () => {
    const browser = await signedIn('dan')
    const good = request('dan')
    const refused = async (response: Response): Promise<void> => {
      assert.equal(response.status, 400)
      assert.doesNotMatch(await response.text(), /saml_/)
      assert.ok(await isIn(browser))
    }
    await refused(
      await world.app.browser().get(toRedirect(slo, { name: 'SAMLRequest', xml: good }).href),
    )
    await refused(await byRedirect(good, 'SAMLRequest', keys.evil))
    await refused(await byPost({ SAMLRequest: encoded(good) }))
    await refused(await byRedirect(good.replace(idpEntityId, 'https://evil.example')))
    await refused(
      await byRedirect(
        good.replace(`Destination="${slo}"`, 'Destination="https://app.example/slo"'),
      ),
    )
    const used = request('nobody')
    assert.equal((await byRedirect(used)).status, 303)
    await refused(await byRedirect(used))
    assert.deepEqual(await told('saml.logout_refused'), [
      'saml_unsigned',
      'saml_signature',
      'saml_issuer_mismatch',
      'saml_destination',
      'saml_replay',
    ])
    await byPost({ SAMLRequest: encoded(good) })
    assert.equal((await told('saml.logout_refused')).length, 5, 'the same is told once in a while')
  })

  it('SML-27 one replayed fifty times at once counts once', async () => {
    await signedIn('eve')
    const xml = request('eve')
    const all = await Promise.all(Array.from({ length: 50 }, () => byRedirect(xml)))
    assert.equal(all.filter(({ status }) => status === 303).length, 1)
  })

  it('SML-27 another organization’s provider ends nobody here', async () => {
    const browser = await signedIn('fay')
    const stored = settings({}, { sloUrl, entityId: 'https://other.example' })
    const elsewhere = await world.app.connect({ kind: 'saml', name: 'Other', settings: stored })
    const xml = request('fay').replaceAll(slo, slo.replace(world.connectionId, elsewhere))
    const theirs = xml.replace(idpEntityId, 'https://other.example')
    const key = createPrivateKey(keys.idp.privateKey)
    const { href } = toRedirect(
      slo.replace(world.connectionId, elsewhere),
      { name: 'SAMLRequest', xml: theirs },
      key,
    )
    assert.equal((await world.app.browser().get(href)).status, 303)
    assert.ok(await isIn(browser))
  })

  it('signing out here ends our session first, and then goes to the provider with a signed request', async () => {
    const browser = await signedIn('gus', 's-9')
    const left = await browser.post('/logout')
    assert.equal(left.status, 200)
    assert.equal(left.headers.get('clear-site-data'), '"cache", "storage"')
    assert.equal(await isIn(browser), false)
    const to = refreshOf(left)
    const { name, xml } = fromRedirect(to.search, [ours])
    assert.equal(name, 'SAMLRequest')
    assert.match(
      xml,
      /<saml:NameID Format="[^"]*persistent">gus<\/saml:NameID><samlp:SessionIndex>s-9</,
    )
    const back = answer(idOf(xml))
    const returned = await byRedirect(back, 'SAMLResponse')
    assert.equal(returned.headers.get('location'), '/logout/done')
    assert.equal((await byRedirect(back, 'SAMLResponse')).status, 400, 'an answer counts once')
  })

  it('SML-27 an answer to nothing, or too late, is refused', async () => {
    assert.equal((await byRedirect(answer('_abc'), 'SAMLResponse')).status, 400)
    const browser = await signedIn('hal')
    const { xml } = fromRedirect(refreshOf(await browser.post('/logout')).search, [ours])
    world.app.clock.advance(minutes(10))
    assert.equal((await byRedirect(answer(idOf(xml)), 'SAMLResponse')).status, 400)
    assert.deepEqual((await told('saml.logout_refused')).slice(-2), [
      'saml_unsolicited',
      'saml_not_on_or_after',
    ])
  })

  it('a provider that nobody can send to does not keep anybody from signing out', async () => {
    const browser = await signedIn('ivy')
    const { db } = world.app.sallyport.services
    await sql`update session_proofs set name_id = 'broken' where connection_id = ${world.connectionId}`.execute(
      db,
    )
    const left = await browser.post('/logout')
    assert.equal(left.headers.get('location'), '/logout/done')
    assert.equal(await isIn(browser), false)
  })

  it('SSO-134 our metadata is there for anybody, for drafts too, and for connections that read none there is nothing', async () => {
    const read = async (id: string) => world.app.browser().get(`/sso/${id}/metadata`)
    const own = await read(world.connectionId)
    assert.equal(own.headers.get('content-type'), 'application/samlmetadata+xml')
    const xml = await own.text()
    assert.ok(xml.includes(`entityID="${world.app.origin}/sso/${world.connectionId}/metadata"`))
    assert.ok(xml.includes(keys.ours.certificate.split('\n')[1]!))
    assert.doesNotMatch(xml, /PRIVATE/)
    const draft = await world.app.connect({ kind: 'saml', settings: {}, state: 'draft' })
    assert.match(
      await (await read(draft)).text(),
      /AuthnRequestsSigned="true" WantAssertionsSigned="true"/,
    )
    assert.equal((await read(await world.app.connect({ kind: 'oidc' }))).status, 404)
    assert.equal((await read('0199c0de-0000-7000-8000-00000000000f')).status, 404)
  })
})
