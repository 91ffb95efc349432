import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { describe, it } from 'node:test'
import { SignedXml } from 'xml-crypto'
import { samlConfig } from '../../../src/providers/saml/config.ts'
import { selfSigned } from '../../_certificate.ts'
import {
  assertionOf,
  because,
  begun,
  comeBack,
  keys,
  openSaml,
  responseAround,
  said,
  sendForged,
  settings,
  sign,
  signedResponse,
  type Signing,
} from './_provider.ts'

const exclusive = 'http://www.w3.org/2001/10/xml-exc-c14n#'
const inclusive = 'http://www.w3.org/TR/2001/REC-xml-c14n-20010315'
const enveloped = 'http://www.w3.org/2000/09/xmldsig#enveloped-signature'

/** Signatures that are right, made in ways that are not. */
const ways: Readonly<Record<string, [id: string, Signing]>> = {
  'with SHA-1': ['SML-06', { signatureAlgorithm: 'http://www.w3.org/2000/09/xmldsig#rsa-sha1' }],
  'over a SHA-1 digest': ['SML-06', { digestAlgorithm: 'http://www.w3.org/2000/09/xmldsig#sha1' }],
  'over the inclusive canonical form': [
    'SML-05',
    { canonicalizationAlgorithm: inclusive, transforms: [enveloped, inclusive] },
  ],
  'over the inclusive canonical form of the assertion': [
    'SML-05',
    { transforms: [enveloped, inclusive] },
  ],
  'over the canonical form with comments': [
    'SML-05',
    { transforms: [enveloped, `${exclusive}WithComments`] },
  ],
  'with its transforms the other way round': ['SML-05', { transforms: [exclusive, enveloped] }],
  'with one transform': ['SML-05', { transforms: [enveloped] }],
}

describe('a signature that is right, but', () => {
  for (const [name, [id, how]] of Object.entries(ways))
    it(`${id} made ${name} is refused`, async () => {
      const provider = openSaml()
      const { remember, requestId } = await begun(provider)
      const coming = comeBack(provider, remember, signedResponse(said(requestId), how))
      await assert.rejects(coming, because(/^saml_(algorithm|structure)/))
    })
  it('FET-13 SML-06 made by somebody else is refused, whatever key it brings along', async () => {
    const provider = openSaml()
    const { remember, requestId } = await begun(provider)
    const xml = signedResponse(said(requestId), { key: keys.evil })
    assert.match(xml, /X509Certificate/)
    await assert.rejects(comeBack(provider, remember, xml), because('saml_signature'))
  })
  it('FET-13 where it says that its key is elsewhere, nobody looks there', async () => {
    const forged = sendForged(({ it, assertion }) =>
      responseAround(
        it,
        assertion.replace(
          /<ds:KeyInfo>[^]*<\/ds:KeyInfo>/,
          '<ds:KeyInfo><ds:RetrievalMethod URI="https://evil.example/key"/></ds:KeyInfo>',
        ),
      ),
    )
    // The provider of these tests has no way out at all.
    assert.equal((await forged).subject, 'alice')
  })
  it('SML-06 made with the public key as a shared secret is refused', async () => {
    const provider = openSaml()
    const { remember, requestId } = await begun(provider)
    const it = said(requestId)
    const pem = new X509Certificate(keys.idp.certificate).publicKey.export({
      type: 'spki',
      format: 'pem',
    }) as string
    const signer = new SignedXml({
      privateKey: pem,
      signatureAlgorithm: 'http://www.w3.org/2000/09/xmldsig#hmac-sha1',
      canonicalizationAlgorithm: exclusive,
    })
    signer.enableHMAC()
    signer.addReference({
      xpath: '/*',
      transforms: [enveloped, exclusive],
      digestAlgorithm: 'http://www.w3.org/2001/04/xmlenc#sha256',
    })
    signer.computeSignature(assertionOf(it), {
      prefix: 'ds',
      location: { reference: '/*/*[1]', action: 'after' },
    })
    const xml = responseAround(it, signer.getSignedXml())
    await assert.rejects(comeBack(provider, remember, xml), because('saml_algorithm'))
  })
  it('SML-06 whose method is for another kind of key is refused', async () => {
    const ec = selfSigned('idp')
    const provider = openSaml(settings({}, { certificates: [ec.cert] }))
    const { remember, requestId } = await begun(provider)
    const coming = comeBack(provider, remember, signedResponse(said(requestId)))
    await assert.rejects(coming, because('saml_signature'))
  })
  it('any one byte of what is signed is changed', async () => {
    for (const [from, to] of [
      ['>alice<', '>alicE<'],
      ['AuthnInstant="2', 'AuthnInstant="1'],
      ['s-1', 's-2'],
    ] as const)
      await assert.rejects(
        sendForged(({ it, assertion }) => responseAround(it, assertion.replace(from, to))),
        because(/^saml_signature/),
      )
  })
  it('one of two is wrong: a wrong one is never passed over', async () => {
    const provider = openSaml()
    const { remember, requestId } = await begun(provider)
    const it = said(requestId)
    const inner = sign(assertionOf(it), it.assertionId, { key: keys.evil })
    const xml = sign(responseAround(it, inner), it.responseId, {
      at: { reference: '/*/*[1]', action: 'after' },
    })
    await assert.rejects(comeBack(provider, remember, xml), because('saml_signature'))
  })
})

describe('the certificates of a provider', () => {
  // Both are right and good for a hundred years.
  const rsa1024 =
    'MIIB/DCCAWWgAwIBAgIUbxeIyBN9sJ08jRaCX2GHNerN23YwDQYJKoZIhvcNAQELBQAwDzENMAsGA1UEAwwEd2VhazAgFw0yNjExMjQwMDEzMzJaGA8yMTI2MTAzMTAwMTMzMlowDzENMAsGA1UEAwwEd2VhazCBnzANBgkqhkiG9w0BAQEFAAOBjQAwgYkCgYEAv2evjMIJog/qcsJi0bwCSiP76Rd5zJaQ5I1EqOBNJKys9AU98hDUznW3LKgMeVUTt5XHHgCoG97mw3lRgyyj+XwJC9nL9rgGcrCmGNTN9rQvEWUezvjkpwO0sUQnEaLN5NyJr1Gvwa0taE78Rg28SyyRsTZq1dPtYCZu70CQGukCAwEAAaNTMFEwHQYDVR0OBBYEFNE0igZmjsYYR+NZEW4TCBOxjg8RMB8GA1UdIwQYMBaAFNE0igZmjsYYR+NZEW4TCBOxjg8RMA8GA1UdEwEB/wQFMAMBAf8wDQYJKoZIhvcNAQELBQADgYEAkz6/qUAv+2dXNKS618b/h8c8MIrBRV2igCw/cNLl+DIcsOYKMMmhKv0rhwFPnQiBmaW38/muhxjcjQadb6otf4qTDU3dEGj3L/i00ASwyfMx21KS625w+M2a5By0NLys4sSB9oku8SVyx9lOdg0aBh+Oppgb40Q/X4m/W2lU2j0='
  const ed25519 =
    'MIIBMDCB46ADAgECAhRrSHeIUcg5RoS+Yrheg6T0ezai/jAFBgMrZXAwDTELMAkGA1UEAwwCZWQwIBcNMjYxMTI0MDAxMzMyWhgPMjEyNjEwMzEwMDEzMzJaMA0xCzAJBgNVBAMMAmVkMCowBQYDK2VwAyEA4Jz+cgd2IIqJIDJDU+RMTvu18KxUOOlLtxyngmzEkuGjUzBRMB0GA1UdDgQWBBR4cpswd6zst70HAhfXzHeU+EWWijAfBgNVHSMEGDAWgBR4cpswd6zst70HAhfXzHeU+EWWijAPBgNVHRMBAf8EBTADAQH/MAUGAytlcANBABr4vBwVZtZpTfLaHj8TwbjyBihMZco7tfYTwxIPn29uCX2R3uhss48LO2q3nqsSY5n42m27sA1RaHrm1tQLOwc='
  it('SML-06 are strong ones, or are not taken', () => {
    for (const certificate of [rsa1024, ed25519, 'x', '', 'https://idp.example/cert.pem'])
      assert.equal(
        samlConfig.safeParse(settings({}, { certificates: [certificate] })).success,
        false,
      )
    assert.equal(samlConfig.safeParse(settings({}, { certificates: [] })).success, false)
    assert.ok(new X509Certificate(Buffer.from(rsa1024, 'base64')).publicKey)
    assert.ok(new X509Certificate(Buffer.from(ed25519, 'base64')).publicKey)
  })
})
