import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { describe, it } from 'node:test'
import { fromRedirect } from '../../../src/providers/saml/redirect-binding.ts'
import { readSigned } from '../../../src/providers/saml/signature.ts'
import { signatureGrammar } from '../../../src/providers/saml/grammar.ts'
import { readMessage } from '../../../src/providers/saml/xml.ts'
import { selfSigned } from '../../_certificate.ts'
import {
  acs,
  assertionOf,
  at,
  attribute,
  because,
  begun,
  clock,
  comeBack,
  connectionId,
  entityId,
  idpEntityId,
  keys,
  nameId,
  openSaml,
  redirectUri,
  responseAround,
  said,
  settings,
  sign,
  signedResponse,
  signIn,
  ssoUrl,
  statement,
} from './_provider.ts'

const ours = new X509Certificate(keys.ours.certificate).publicKey
const afterIssuer = { reference: '/*/*[1]', action: 'after' } as const

describe('what a SAML provider is asked', () => {
  it('SSO-128 goes in the address, signed with SHA-256, and with the flow’s handle as its relay state', async () => {
    const { redirect, post } = await openSaml().begin({ redirectUri, handle: 'the-handle' })
    assert.equal(post, undefined)
    assert.ok(redirect.href.startsWith(`${ssoUrl}?SAMLRequest=`))
    assert.match(redirect.searchParams.get('SigAlg') ?? '', /#rsa-sha256$/)
    const { xml, relayState } = fromRedirect(redirect.search, [ours])
    assert.equal(relayState, 'the-handle')
    for (const said of [
      `AssertionConsumerServiceURL="${acs}"`,
      `Destination="${ssoUrl}"`,
      `<saml:Issuer>${entityId}</saml:Issuer>`,
      'Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"',
      `IssueInstant="${clock.now().toISOString()}"`,
    ])
      assert.ok(xml.includes(said), said)
    assert.doesNotMatch(xml, /ForceAuthn|IsPassive/)
  })
  it('goes in a form where the provider wants that, signed inside', async () => {
    const provider = openSaml(settings({}, { ssoBinding: 'post' }))
    const { redirect, post } = await provider.begin({ redirectUri, handle: 'the-handle' })
    assert.equal(redirect.href, ssoUrl)
    assert.equal(post?.['RelayState'], 'the-handle')
    const grammar = {
      ...signatureGrammar,
      'samlp:AuthnRequest': {
        attributes: [
          'ID',
          'Version',
          'IssueInstant',
          'Destination',
          'AssertionConsumerServiceURL',
          'ProtocolBinding',
        ],
        children: /^saml:Issuer ds:Signature samlp:NameIDPolicy $/,
      },
      'saml:Issuer': { text: true },
      'samlp:NameIDPolicy': { attributes: ['Format', 'AllowCreate'] },
    }
    const message = readMessage(Buffer.from(post!['SAMLRequest']!, 'base64'), {
      ...grammar,
      'samlp:AuthnRequest': {
        ...grammar['samlp:AuthnRequest'],
        children: /^saml:Issuer (ds:Signature )?samlp:NameIDPolicy $/,
      },
    })
    const signed = readSigned(message, [ours], {
      ...grammar,
      'samlp:AuthnRequest': {
        ...grammar['samlp:AuthnRequest'],
        children: /^saml:Issuer samlp:NameIDPolicy $/,
      },
    })
    assert.equal(signed.attributes.get('Destination'), ssoUrl)
  })
  it('asks who the person is when they are to confirm it', async () => {
    const to = { redirectUri, handle: 'h', prompt: 'login', maxAge: 0 } as const
    const { redirect } = await openSaml().begin(to)
    assert.match(fromRedirect(redirect.search, [ours]).xml, / ForceAuthn="true"/)
  })
  it('takes no earlier sign-in for a confirmation', async () => {
    const provider = openSaml()
    const to = { redirectUri, handle: 'h', prompt: 'login', maxAge: 0 } as const
    for (const [seconds, fresh] of [
      [-3600, false],
      [-1, true],
    ] as const) {
      const { remember } = await provider.begin(to)
      const when = statement(` AuthnInstant="${at(seconds)}"`)
      const xml = signedResponse(said(String(remember['requestId']), { statement: when }))
      const coming = comeBack(provider, remember, xml)
      if (fresh) assert.equal((await coming).subject, 'alice')
      else await assert.rejects(coming, because('assurance_insufficient'))
    }
  })
  it('is not asked unsigned where requests are to be signed', async () => {
    const provider = openSaml(settings({ keys: [] }))
    await assert.rejects(
      provider.begin({ redirectUri, handle: 'h' }),
      because('saml_no_signing_key'),
    )
    const unsigned = openSaml(settings({ keys: [], signRequests: false }))
    const { redirect } = await unsigned.begin({ redirectUri, handle: 'h' })
    assert.deepEqual([...redirect.searchParams.keys()], ['SAMLRequest', 'RelayState'])
  })
  it('has a name of its own each time', async () => {
    assert.notEqual((await begun()).requestId, (await begun()).requestId)
  })
})

describe('what a SAML provider answers', () => {
  it('proves who the person is', async () => {
    const { claims, ...proof } = await signIn()
    assert.deepEqual(proof, {
      connectionId,
      issuer: idpEntityId,
      subject: 'alice',
      authenticatedAt: at(-3),
      acr: 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport',
      providerSession: 's-1',
      nameId: {
        value: 'alice',
        format: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
      },
    })
    assert.deepEqual(claims, {
      name: 'Alice Adams',
      email: 'alice@acme.example',
      groups: ['staff', 'admins'],
      raw: {
        email: 'alice@acme.example',
        first: 'Alice',
        last: 'Adams',
        groups: ['staff', 'admins'],
      },
    })
  })
  for (const how of ['assertion', 'response', 'both'] as const)
    it(`is taken with a signature of the ${how}`, async () => {
      const provider = openSaml()
      const { remember, requestId } = await begun(provider)
      const it = said(requestId)
      const assertion = how === 'response' ? assertionOf(it) : sign(assertionOf(it), it.assertionId)
      const whole = responseAround(it, assertion)
      const xml = how === 'assertion' ? whole : sign(whole, it.responseId, { at: afterIssuer })
      assert.equal((await comeBack(provider, remember, xml)).subject, 'alice')
    })
  it('has to be signed as a whole where the settings say so', async () => {
    const provider = openSaml(settings({ requireSignedResponse: true }))
    await assert.rejects(signIn({}, provider), because('saml_unsigned: response'))
    const { remember, requestId } = await begun(provider)
    const it = said(requestId)
    const xml = sign(responseAround(it, assertionOf(it)), it.responseId, { at: afterIssuer })
    assert.equal((await comeBack(provider, remember, xml)).subject, 'alice')
  })
  it('says when the provider’s session ends', async () => {
    const ends = statement(` AuthnInstant="${at(-3)}" SessionNotOnOrAfter="${at(3600)}"`)
    assert.equal((await signIn({ statement: ends })).sessionEndsAt, at(3600))
    const over = statement(` AuthnInstant="${at(-3)}" SessionNotOnOrAfter="${at(-61)}"`)
    await assert.rejects(signIn({ statement: over }), because('saml_session_over'))
  })
  const curve = selfSigned('idp')
  const pair = { privateKey: curve.key, certificate: curve.cert }
  for (const [algorithm, key] of [
    ['2001/04/xmldsig-more#rsa-sha256', keys.idp],
    ['2001/04/xmldsig-more#rsa-sha384', keys.idp],
    ['2001/04/xmldsig-more#rsa-sha512', keys.idp],
    ['2007/05/xmldsig-more#sha256-rsa-MGF1', keys.idp],
    ['2001/04/xmldsig-more#ecdsa-sha256', pair],
  ] as const)
    it(`may be signed with ${algorithm}`, async () => {
      const provider = openSaml(settings({}, { certificates: [key.certificate] }))
      const { remember, requestId } = await begun(provider)
      const signatureAlgorithm = `http://www.w3.org/${algorithm}`
      const xml = signedResponse(said(requestId), { signatureAlgorithm, key })
      assert.equal((await comeBack(provider, remember, xml)).subject, 'alice')
    })
  it('is the same however its prefixes are called and its base64 is broken into lines', async () => {
    const provider = openSaml()
    const { remember, requestId } = await begun(provider)
    const it = said(requestId)
    const renamed = assertionOf(it).replaceAll('saml:', 'x:').replace('xmlns:saml', 'xmlns:x')
    const declared = renamed.replace('xmlns:saml=', 'xmlns:x=')
    const xml = responseAround(it, sign(declared, it.assertionId))
    const lines = Buffer.from(xml).toString('base64').replace(/.{76}/g, '$&\r\n')
    const form = { SAMLResponse: lines }
    const received = await provider.receive({ form, redirectUri, remember })
    const proof = await provider.complete(new URL(redirectUri), received.remember)
    assert.equal(proof.subject, 'alice')
  })
  it('proves nothing before the browser has brought a response, nor long after', async () => {
    const provider = openSaml()
    const { remember, requestId } = await begun(provider)
    const back = new URL(redirectUri)
    await assert.rejects(provider.complete(back, remember), because('saml_response_missing'))
    const form = { SAMLResponse: Buffer.from(signedResponse(said(requestId))).toString('base64') }
    const received = await provider.receive({ form, redirectUri, remember })
    clock.advance(361_000)
    await assert.rejects(
      provider.complete(back, received.remember),
      because('saml_not_on_or_after'),
    )
  })
  it('is not taken from a provider whose settings have changed meanwhile', async () => {
    const { remember, requestId } = await begun()
    const other = openSaml(settings({}, { entityId: 'https://other.example' }))
    const coming = comeBack(other, remember, signedResponse(said(requestId)))
    await assert.rejects(coming, because('provider_changed'))
  })
  it('SSO-137 names the person by an attribute where an administrator has said so', async () => {
    const subject = { from: 'attribute', name: 'employee' }
    const provider = openSaml(settings({ subject }))
    const changed = { attributes: attribute('employee', 'e-4711'), nameId: '' }
    assert.equal((await signIn(changed, provider)).subject, 'e-4711')
    for (const attributes of ['', attribute('employee', ''), attribute('employee')])
      await assert.rejects(signIn({ attributes }, provider), because('saml_subject_attribute'))
    await assert.rejects(
      signIn({ attributes: attribute('employee', 'a', 'b') }, provider),
      because('saml_attribute_repeated: employee'),
    )
  })
  it('SML-29 is taken from every certificate that is configured, and from none any more that is not', async () => {
    const { certificate: old } = keys.idp
    const { certificate: next } = keys.next
    for (const [certificates, key, counts] of [
      [[old, next], 'idp', true],
      [[old, next], 'next', true],
      [[next], 'idp', false],
      [[next], 'next', true],
      [[old], 'next', false],
    ] as const) {
      const provider = openSaml(settings({}, { certificates }))
      const { remember, requestId } = await begun(provider)
      const coming = comeBack(
        provider,
        remember,
        signedResponse(said(requestId), { key: keys[key] }),
      )
      if (counts) assert.equal((await coming).subject, 'alice')
      else await assert.rejects(coming, because('saml_signature'))
    }
  })
  it('SML-30 the settings print none of our private keys', () => {
    const printed = JSON.stringify(nameId('alice')) + JSON.stringify(openSaml())
    assert.doesNotMatch(printed, /PRIVATE/)
  })
})
