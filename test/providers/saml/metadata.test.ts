import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { suite, test } from 'node:test'
import samlify from 'samlify'
import { makeKeyPair, readCertificate } from '../../../src/providers/saml/certificate.ts'
import { readMetadata, type ReadingMetadata } from '../../../src/providers/saml/metadata.ts'
import { writeMetadata } from '../../../src/providers/saml/own-metadata.ts'
import { ownAddresses } from '../../../src/providers/saml/saml.ts'
import { nameIdFormats } from '../../../src/providers/saml/config.ts'
import { selfSigned } from '../../_certificate.ts'
import { bare, idpKey, idpMetadata, postBinding, redirectBinding, signXml } from './_metadata.ts'

const now = new Date('2026-06-01T12:00:00Z')
const read = (xml: string | Uint8Array, more: Partial<ReadingMetadata> = {}) =>
  readMetadata(typeof xml === 'string' ? Buffer.from(xml) : xml, { now, ...more })
const pair = await makeKeyPair('idp', now)
const rsa = { key: pair.privateKey, cert: pair.certificate }

function aggregate(...ids: string[]): string {
  const all = ids.map((entityId, i) => idpMetadata({ entityId }).replace('_m1', `_m${i}`))
  return `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" validUntil="2026-07-01T00:00:00Z" cacheDuration="PT2H">${all.join('')}</md:EntitiesDescriptor>`
}

suite('the metadata of identity providers', () => {
  test('become the settings of a connection', () => {
    const { idp, problems, notes, validUntil, signed } = read(idpMetadata())
    assert.deepEqual(problems, [])
    assert.deepEqual(notes, [])
    assert.equal(validUntil, undefined)
    assert.equal(signed, false)
    assert.deepEqual(idp, {
      entityId: 'https://idp.example.com/saml',
      ssoUrl: 'https://idp.example.com/sso',
      ssoBinding: 'redirect',
      sloUrl: 'https://idp.example.com/slo',
      certificates: [bare(idpKey.cert)],
    })
  })

  test('as large products write them: a mark, a declaration, comments, extensions, other roles, other languages', () => {
    const role =
      '<md:RoleDescriptor xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:fed="http://docs.oasis-open.org/wsfed/federation/200706" xsi:type="fed:SecurityTokenServiceType" protocolSupportEnumeration="http://docs.oasis-open.org/wsfed/federation/200706"><fed:ClaimTypesOffered><auth:ClaimType xmlns:auth="urn:x" Uri="a"><auth:DisplayName>Name</auth:DisplayName></auth:ClaimType></fed:ClaimTypesOffered></md:RoleDescriptor>'
    const scope =
      '<md:Extensions><shibmd:Scope xmlns:shibmd="urn:mace:shibboleth:metadata:1.0" regexp="false">example.com</shibmd:Scope></md:Extensions>'
    const encryption = `<md:KeyDescriptor use="encryption"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>${bare(selfSigned('other').cert)}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`
    const xml = idpMetadata({ before: `<!-- - old - -->${role}`, inside: encryption })
    const whole = `\ufeff<?xml version="1.0" encoding="UTF-8"?>\n<!-- This is\n example metadata only. -->\n${xml.replace(/(<md:IDPSSODescriptor[^>]*>)/, `$1${scope}`)}`
    const { idp, problems } = read(whole)
    assert.deepEqual(problems, [])
    assert.deepEqual(idp?.certificates, [bare(idpKey.cert)])
  })

  test('a provider that takes only posts is posted to, and its other address is left alone', () => {
    const { idp, notes } = read(
      idpMetadata({
        sso: `<md:SingleSignOnService Binding="${postBinding}" Location="https://idp.example.com/post"/>`,
        slo: `<md:SingleLogoutService Binding="${postBinding}" Location="https://idp.example.com/out"/>`,
      }),
    )
    assert.deepEqual([idp?.ssoBinding, idp?.ssoUrl], ['post', 'https://idp.example.com/post'])
    assert.equal(idp?.sloUrl, undefined)
    assert.match(notes.join(), /signing out/)
  })

  test('answers about signing out go where the provider wants them', () => {
    const slo = (answers: string) =>
      read(
        idpMetadata({
          slo: `<md:SingleLogoutService Binding="${redirectBinding}" Location="https://idp.example.com/slo" ResponseLocation="${answers}"/>`,
        }),
      ).idp?.sloResponseUrl
    assert.equal(slo('https://idp.example.com/slo/answer'), 'https://idp.example.com/slo/answer')
    assert.equal(slo('javascript:alert(1)'), undefined)
  })

  test('SML-26 only https addresses are taken; javascript: and http are not', () => {
    for (const bad of [
      'javascript:alert(1)',
      'http://idp.example.com/sso',
      'data:,x',
      '/sso',
      'https://a:b@idp.example.com/',
      'https://idp.example.com/#x',
      '',
    ]) {
      const sso = `<md:SingleSignOnService Binding="${redirectBinding}" Location="${bad}"/>`
      const { idp, problems } = read(idpMetadata({ sso }))
      assert.equal(idp, undefined, bad)
      assert.match(problems.join(), /address to sign in/)
      const slo = sso.replace('SignOn', 'Logout')
      assert.equal(read(idpMetadata({ slo })).idp?.sloUrl, undefined, bad)
    }
    const local = `<md:SingleSignOnService Binding="${redirectBinding}" Location="http://127.0.0.1:8080/sso"/>`
    assert.equal(read(idpMetadata({ sso: local })).idp?.ssoUrl, 'http://127.0.0.1:8080/sso')
  })

  test('SML-26 of several identity providers one is chosen by name, and none without', () => {
    const several = aggregate('https://a.example', 'https://b.example')
    const undecided = read(several)
    assert.equal(undecided.idp, undefined)
    assert.deepEqual(undecided.choices, ['https://a.example', 'https://b.example'])
    const chosen = read(several, { entityId: 'https://b.example' })
    assert.equal(chosen.idp?.entityId, 'https://b.example')
    assert.equal(chosen.validUntil?.toISOString(), '2026-07-01T00:00:00.000Z')
    assert.equal(chosen.cacheFor, 7_200_000)
    for (const entityId of ['https://B.example', 'https://b.example/', ''])
      assert.equal(read(several, { entityId }).idp, undefined, entityId)
    const twice = read(aggregate('https://a.example', 'https://a.example'), {
      entityId: 'https://a.example',
    })
    assert.match(twice.problems.join(), /more than once/)
    assert.equal(read(aggregate()).problems.length, 1)
  })

  test('SML-26 what has run out is refused, wherever it says so', () => {
    const old = 'validUntil="2026-06-01T12:00:00Z"'
    assert.match(read(idpMetadata({ root: old })).problems.join(), /valid until 2026-06-01/)
    const inner = idpMetadata({ root: 'validUntil="2027-01-01T00:00:00Z"' })
    const descriptor = inner.replace('<md:IDPSSODescriptor', `<md:IDPSSODescriptor ${old}`)
    assert.equal(read(descriptor).idp, undefined)
    assert.equal(read(inner).idp?.entityId, 'https://idp.example.com/saml')
  })

  test('SML-26 a document type, an entity, a foreign encoding or too much of anything is refused', () => {
    const xml = idpMetadata()
    const bad = {
      doctype: `<!DOCTYPE a [<!ENTITY b "c">]>${xml}`,
      entity: xml.replace('/sso"', '/&b;"'),
      instruction: `<?xml-stylesheet href="a"?>${xml}`,
      cdata: xml.replace('</md:NameIDFormat>', '<![CDATA[a]]></md:NameIDFormat>'),
      'broken comment': xml.replace('<md:NameIDFormat>', '<!-- a -- b --><md:NameIDFormat>'),
      'a comment that does not end': `${xml}<!-- a`,
      large: idpMetadata({ root: `Name="${'a'.repeat(300_000)}"` }),
      'five megabytes': `<!--${'a'.repeat(5_000_000)}`,
      many: aggregate(...Array.from({ length: 3000 }, (_, i) => `https://${i}.example`)),
      'no XML': 'https://idp.example.com/metadata',
      nothing: '',
      response: '<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"/>',
      twice: xml.replace('<md:IDPSSODescriptor', '<md:IDPSSODescriptor ID="_m1"'),
    }
    for (const [what, text] of Object.entries(bad)) {
      const { idp, problems } = read(text)
      assert.equal(idp, undefined, what)
      assert.equal(problems.length, 1, what)
    }
    assert.equal(read(Buffer.from(xml, 'utf16le')).idp, undefined)
    assert.equal(
      read(Buffer.concat([Buffer.from(`<!-- `), Buffer.from([0xff]), Buffer.from(`-->${xml}`)]))
        .idp,
      undefined,
    )
  })

  test('certificates that are weak or cannot be read are left out, and one has to remain', () => {
    const { idp, notes } = read(
      idpMetadata({ certificates: ['AAAA', bare(idpKey.cert), bare(idpKey.cert)] }),
    )
    assert.deepEqual(idp?.certificates, [bare(idpKey.cert)])
    assert.match(notes.join(), /cannot be read/)
    assert.match(read(idpMetadata({ certificates: ['AAAA'] })).problems.join(), /no certificate/)
    const many = Array.from({ length: 11 }, (_, i) => bare(selfSigned(`idp${i}`).cert))
    assert.match(read(idpMetadata({ certificates: many })).problems.join(), /more than 10/)
  })

  test('SML-26 a signature counts when a key that is known already made it, over what is read', () => {
    const signed = signXml(idpMetadata(), rsa)
    const trusted = [readCertificate(rsa.cert)!.publicKey]
    assert.equal(read(signed, { trusted }).signed, true)
    assert.equal(read(signed, { trusted }).problems.length, 0)
    assert.equal(read(signed).signed, false, 'no key is known')
    assert.equal(
      read(signed, { trusted: [new X509Certificate(idpKey.cert).publicKey] }).signed,
      false,
    )
    assert.equal(read(idpMetadata(), { trusted }).signed, false)
    const changed = signed.replace('https://idp.example.com/sso', 'https://evil.example.com/sso')
    assert.equal(read(changed, { trusted }).signed, false)
    const wrapped = aggregate('https://evil.example').replace(
      '</md:EntitiesDescriptor>',
      `${signed}</md:EntitiesDescriptor>`,
    )
    assert.equal(read(wrapped, { trusted, entityId: 'https://evil.example' }).signed, false)
    const commented = signed.replace('<md:IDPSSODescriptor', '<!-- nothing --><md:IDPSSODescriptor')
    assert.equal(read(commented, { trusted }).signed, true)
  })

  test('SML-26 a connection that trusts a weak algorithm does not exist', () => {
    const sha1 = signXml(idpMetadata(), rsa, 'http://www.w3.org/2000/09/xmldsig#rsa-sha1')
    assert.equal(read(sha1, { trusted: [readCertificate(rsa.cert)!.publicKey] }).signed, false)
  })
})

suite('our own metadata', () => {
  const addresses = ownAddresses('https://app.example/sso/c1/callback')
  const next = bare(selfSigned('next').cert)
  const xml = writeMetadata({
    addresses,
    certificates: [bare(rsa.cert), next],
    signsRequests: true,
    nameIdFormats: [nameIdFormats.persistent],
  })

  test('another implementation reads from it who we are, where we are and what we want', () => {
    const { entityMeta } = samlify.ServiceProvider({ metadata: xml })
    assert.equal(entityMeta.getEntityID(), 'https://app.example/sso/c1/metadata')
    assert.equal(entityMeta.getAssertionConsumerService('post'), 'https://app.example/sso/c1/acs')
    assert.equal(entityMeta.getSingleLogoutService('redirect'), 'https://app.example/sso/c1/slo')
    assert.equal(entityMeta.isAuthnRequestSigned(), true)
    assert.equal(entityMeta.isWantAssertionsSigned(), true)
    assert.match(String(entityMeta.getNameIDFormat()), /persistent$/)
  })

  test('it holds the key in use and the next one, and nothing that is not public', () => {
    const certificates = [...xml.matchAll(/<ds:X509Certificate>(.*)<\/ds:X509Certificate>/g)]
    assert.deepEqual(
      certificates.map(([, one]) => one),
      [bare(rsa.cert), next],
    )
    assert.doesNotMatch(xml, /PRIVATE/)
  })
})
