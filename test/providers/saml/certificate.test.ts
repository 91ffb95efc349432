import assert from 'node:assert/strict'
import { X509Certificate, createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { suite, test } from 'node:test'
import {
  makeKeyPair,
  readCertificate,
  weaknessOf,
} from '../../../src/providers/saml/certificate.ts'
import { selfSigned } from '../../_certificate.ts'

const now = new Date('2026-06-01T12:00:00.123Z')

suite('certificates', () => {
  test('a key pair of ours stands in a certificate that other software reads', async () => {
    const { privateKey, certificate } = await makeKeyPair('Acme · Sallyport', now)
    const x509 = new X509Certificate(certificate)
    assert.equal(x509.subject, 'CN=Acme · Sallyport')
    assert.equal(x509.issuer, x509.subject)
    assert.equal(x509.ca, false)
    assert.ok(x509.verify(x509.publicKey), 'signed by its own key')
    assert.ok(x509.checkPrivateKey(createPrivateKey(privateKey)))
    assert.equal(x509.publicKey.asymmetricKeyDetails?.modulusLength, 3072)
    const read = readCertificate(certificate)!
    assert.equal(read.notBefore.toISOString(), '2026-05-31T12:00:00.000Z')
    assert.equal(read.notAfter.toISOString(), '2036-05-29T12:00:00.000Z')
    assert.equal(weaknessOf(read), undefined)
  })

  test('no two certificates have the same number, whatever the bytes of it', async () => {
    const pairs = await Promise.all([makeKeyPair('a', now), makeKeyPair('a', now)])
    const [first, second] = pairs.map(({ certificate }) => new X509Certificate(certificate))
    assert.match(first!.serialNumber, /^01[0-9A-F]{30}$/)
    assert.notEqual(first!.serialNumber, second!.serialNumber)
  })

  test('dates beyond 2049 are written as their rule says', async () => {
    const { certificate } = await makeKeyPair('late', new Date('2045-01-01T00:00:00Z'))
    assert.equal(readCertificate(certificate)!.notAfter.getUTCFullYear(), 2054)
  })

  test('PEM and the bare base64 of metadata are the same certificate', () => {
    const { cert } = selfSigned('idp.example.com')
    const read = readCertificate(cert)!
    const broken = read.base64.replace(/(.{40})/g, '$1\n   ')
    assert.equal(readCertificate(broken)!.fingerprint, read.fingerprint)
    assert.equal(read.pem, cert)
    assert.equal(read.fingerprint.length, 64)
  })

  test('what is no certificate is not one', () => {
    const { key, cert } = selfSigned('idp.example.com')
    for (const text of ['', 'AAAA', key, `${cert}${cert}`, 'x'.repeat(20_000), cert.slice(0, 200)])
      assert.equal(readCertificate(text), undefined)
  })

  test('keys that are too weak, or of a kind that signs nothing here, are named', () => {
    const weak = (key: ReturnType<typeof generateKeyPairSync>['publicKey']) =>
      weaknessOf({ publicKey: key })
    assert.match(weak(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey)!, /2048/)
    assert.match(weak(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey)!, /curve/)
    assert.match(weak(generateKeyPairSync('ed25519').publicKey)!, /kind/)
    assert.equal(weak(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey), undefined)
  })
})
