import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { suite, test } from 'node:test'
import samlify from 'samlify'
import type { HeardLogout } from '../../../src/providers/provider.ts'
import type { KeyPair } from '../../../src/providers/saml/certificate.ts'
import { fromRedirect, toRedirect } from '../../../src/providers/saml/redirect-binding.ts'
import {
  at,
  entityId,
  idpEntityId,
  keys,
  openSaml,
  redirectUri,
  settings,
  sign,
} from './_provider.ts'
import { bare, idpMetadata } from './_metadata.ts'

const slo = redirectUri.replace('/callback', '/slo')
const sloUrl = 'https://idp.example/slo'
const stored = settings({}, { sloUrl })
const provider = openSaml(stored)

/** What a test may want otherwise in a provider's request to sign out. */
interface Parts {
  readonly attributes?: string
  readonly destination?: string
  readonly issuer?: string
  readonly issuedAt?: string
  readonly name?: string
  readonly sessions?: readonly string[]
  readonly version?: string
}

function request(parts: Parts = {}): string {
  const { attributes = '', destination = slo, issuer = idpEntityId, issuedAt = at(-1) } = parts
  const { name = '<saml:NameID>alice</saml:NameID>', sessions = ['s-1'], version = '2.0' } = parts
  return `<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_q1" Version="${version}" IssueInstant="${issuedAt}" Destination="${destination}"${attributes}><saml:Issuer>${issuer}</saml:Issuer>${name}${sessions.map((one) => `<samlp:SessionIndex>${one}</samlp:SessionIndex>`).join('')}</samlp:LogoutRequest>`
}

function byRedirect(
  xml: string,
  key: KeyPair = keys.idp,
  relayState?: string,
): Promise<HeardLogout> {
  const message = { name: 'SAMLRequest', xml, relayState } as const
  const { search } = toRedirect(slo, message, createPrivateKey(key.privateKey))
  return provider.hearLogout({ redirectUri, search })
}

function byPost(xml: string, key: KeyPair = keys.idp): Promise<HeardLogout> {
  return post(sign(xml, '_q1', { key }))
}

const post = (xml: string, name = 'SAMLRequest') =>
  provider.hearLogout({ redirectUri, form: { [name]: Buffer.from(xml).toString('base64') } })

const refuses = (heard: Promise<HeardLogout>, reason: string | RegExp) =>
  assert.rejects(heard, (thrown: { code: string; reason: string }) => {
    assert.equal(thrown.code, 'sso_failed')
    if (typeof reason === 'string') assert.equal(thrown.reason, reason)
    else assert.match(thrown.reason, reason)
    return true
  })

suite('a provider’s request to sign out', () => {
  test('names whom it is about, on either binding', async () => {
    for (const heard of [await byRedirect(request()), await byPost(request())]) {
      assert.ok(heard.kind === 'request')
      assert.equal(heard.once.id, '_q1')
      assert.deepEqual(heard.provided, {
        nameId: { value: 'alice' },
        qualifiers: { provider: idpEntityId, own: entityId },
        sessions: ['s-1'],
      })
    }
  })

  test('is answered with a signed response that gives back its RelayState', async () => {
    const heard = await byRedirect(request(), keys.idp, 'state-7')
    assert.ok(heard.kind === 'request' && heard.answer)
    assert.equal(heard.answer.origin + heard.answer.pathname, sloUrl)
    const ours = createPublicKey(keys.ours.certificate)
    const { name, xml, relayState } = fromRedirect(heard.answer.search, [ours])
    assert.deepEqual([name, relayState], ['SAMLResponse', 'state-7'])
    assert.match(xml, /InResponseTo="_q1"/)
    assert.match(xml, /status:Success/)
  })

  test('is answered where the metadata wants answers', async () => {
    const sloResponseUrl = 'https://idp.example/slo/answer?a=1'
    const there = openSaml(settings({}, { sloUrl, sloResponseUrl }))
    const message = { name: 'SAMLRequest', xml: request() } as const
    const { search } = toRedirect(slo, message, createPrivateKey(keys.idp.privateKey))
    const heard = await there.hearLogout({ redirectUri, search })
    assert.ok(heard.kind === 'request')
    assert.ok(heard.answer?.href.startsWith(`${sloResponseUrl}&SAMLResponse=`))
  })

  test('gets no answer where its metadata has no address for one', async () => {
    const { search } = toRedirect(
      slo,
      { name: 'SAMLRequest', xml: request() },
      createPrivateKey(keys.idp.privateKey),
    )
    const heard = await openSaml().hearLogout({ redirectUri, search })
    assert.ok(heard.kind === 'request')
    assert.equal(heard.answer, undefined)
  })

  test('SML-27 unsigned, or signed by somebody else, it is refused on both bindings', async () => {
    const { search } = toRedirect(slo, { name: 'SAMLRequest', xml: request() })
    await refuses(provider.hearLogout({ redirectUri, search }), 'saml_unsigned')
    await refuses(byRedirect(request(), keys.evil), 'saml_signature')
    await refuses(post(request()), 'saml_unsigned')
    await refuses(byPost(request(), keys.evil), 'saml_signature')
    const { search: signed } = toRedirect(
      slo,
      { name: 'SAMLRequest', xml: request() },
      createPrivateKey(keys.idp.privateKey),
    )
    const inQuery = Object.fromEntries(new URLSearchParams(signed))
    await refuses(provider.hearLogout({ redirectUri, form: inQuery }), /^saml_/)
  })

  test('SML-27 another issuer, address, version or time is refused', async () => {
    await refuses(byRedirect(request({ issuer: 'https://evil.example' })), 'saml_issuer_mismatch')
    await refuses(byRedirect(request({ destination: `${slo}/` })), 'saml_destination')
    await refuses(
      byRedirect(request({ destination: slo.replace('/sso/', '/other/') })),
      'saml_destination',
    )
    await refuses(byRedirect(request({ version: '1.1' })), 'saml_version')
    await refuses(byRedirect(request({ issuedAt: at(-361) })), 'saml_issue_instant')
    await refuses(byRedirect(request({ issuedAt: at(62) })), 'saml_issue_instant')
    await refuses(byRedirect(request({ issuedAt: 'yesterday' })), 'saml_instant')
    await refuses(
      byRedirect(request({ attributes: ` NotOnOrAfter="${at(-61)}"` })),
      'saml_not_on_or_after',
    )
    assert.equal(
      (await byRedirect(request({ attributes: ` NotOnOrAfter="${at(60)}"` }))).kind,
      'request',
    )
  })

  test('SML-27 a name that is encrypted, missing or there twice is refused', async () => {
    for (const name of [
      '',
      '<saml:NameID>a</saml:NameID><saml:NameID>b</saml:NameID>',
      '<saml:EncryptedID/>',
    ])
      await refuses(byRedirect(request({ name })), /^saml_structure/)
    await refuses(
      byRedirect(request({ name: '<saml:NameID>ali<!---->ce</saml:NameID>' })),
      /^saml_xml/,
    )
  })

  test('SML-27 what was signed is what is read', async () => {
    const signed = sign(request(), '_q1')
    await refuses(post(signed.replace('alice', 'victim')), /^saml_signature/)
    const [signature] = /<ds:Signature .*<\/ds:Signature>/s.exec(signed)!
    const evil = request({ name: '<saml:NameID>victim</saml:NameID>' }).replace('_q1', '_q2')
    await refuses(
      post(evil.replace('</saml:Issuer>', `</saml:Issuer>${signature}`)),
      'saml_reference',
    )
    const wrapped = `<samlp:Extensions>${signed}</samlp:Extensions>`
    await refuses(post(evil.replace('</saml:Issuer>', `</saml:Issuer>${wrapped}`)), 'saml_unsigned')
  })

  test('a response to a sign-in is no message about signing out', async () => {
    const xml = request().replaceAll('LogoutRequest', 'AuthnRequest')
    await refuses(byRedirect(xml), /^saml_structure/)
    await refuses(post(request(), 'SAMLResponse'), /^saml_(structure|unsigned)/)
    await refuses(provider.hearLogout({ redirectUri, form: {} }), 'saml_message_missing')
  })

  test('as another implementation writes it, it is understood', async () => {
    const idp = samlify.IdentityProvider({
      metadata: idpMetadata({ entityId: idpEntityId, certificates: [bare(keys.idp.certificate)] }),
      privateKey: keys.idp.privateKey,
      requestSignatureAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    })
    const sp = samlify.ServiceProvider({
      metadata: `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="${entityId}"><md:SPSSODescriptor AuthnRequestsSigned="true" WantAssertionsSigned="true" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="${slo}"/><md:AssertionConsumerService index="0" Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="${slo}"/></md:SPSSODescriptor></md:EntityDescriptor>`,
      wantLogoutRequestSigned: true,
    })
    const { context } = idp.createLogoutRequest(sp, 'redirect', {
      logoutNameID: 'alice',
      sessionIndex: 's-1',
    }) as { context: string }
    const { search } = new URL(context)
    const xml = fromRedirect(search, [createPublicKey(keys.idp.certificate)]).xml
    // Its clock is the machine's; all else is as it comes.
    const now = xml.replace(/IssueInstant="[^"]*"/, `IssueInstant="${at(-1)}"`)
    const heard = await byRedirect(now)
    assert.ok(heard.kind === 'request')
    assert.equal(heard.provided.nameId.value, 'alice')
  })
})

suite('signing out at the provider', () => {
  const ended = {
    redirectUri,
    handle: 'abc',
    providerSession: 's<1>',
    nameId: { value: 'a&b', format: 'f', spNameQualifier: entityId },
  }

  test('the browser is sent with a signed request that names the person and the session', async () => {
    const to = await provider.logout(ended)
    assert.ok(to)
    const { name, xml } = fromRedirect(to.search, [createPublicKey(keys.ours.certificate)])
    assert.equal(name, 'SAMLRequest')
    assert.equal(to.origin + to.pathname, sloUrl)
    assert.match(xml, /ID="_abc"/)
    assert.match(xml, /<saml:NameID Format="f" SPNameQualifier="[^"]+">a&amp;b<\/saml:NameID>/)
    assert.match(xml, /<samlp:SessionIndex>s&lt;1&gt;<\/samlp:SessionIndex>/)
    assert.match(xml, new RegExp(`Destination="${sloUrl}"`))
  })

  test('nowhere, without an address, a key or a name', async () => {
    assert.equal(await openSaml().logout(ended), undefined)
    assert.equal(await provider.logout({ ...ended, nameId: undefined }), undefined)
    assert.equal(
      await openSaml(settings({ keys: [], signRequests: false }, { sloUrl })).logout(ended),
      undefined,
    )
  })

  test('the answer names the request it is for, and has to be signed', async () => {
    const answer = request()
      .replaceAll('LogoutRequest', 'LogoutResponse')
      .replace('Version=', 'InResponseTo="_abc" Version=')
      .replace(
        /<saml:NameID>.*<\/samlp:SessionIndex>/,
        '<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>',
      )
    const key = createPrivateKey(keys.idp.privateKey)
    const { search } = toRedirect(slo, { name: 'SAMLResponse', xml: answer }, key)
    assert.deepEqual(await provider.hearLogout({ redirectUri, search }), {
      kind: 'answer',
      handle: 'abc',
    })
    const unsigned = toRedirect(slo, { name: 'SAMLResponse', xml: answer })
    await refuses(provider.hearLogout({ redirectUri, search: unsigned.search }), 'saml_unsigned')
    const nothing = toRedirect(
      slo,
      { name: 'SAMLResponse', xml: answer.replace('InResponseTo="_abc" ', '') },
      key,
    )
    await refuses(
      provider.hearLogout({ redirectUri, search: nothing.search }),
      'saml_in_response_to',
    )
  })
})
