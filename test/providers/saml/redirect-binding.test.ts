import assert from 'node:assert/strict'
import { createHmac, generateKeyPairSync, sign, constants } from 'node:crypto'
import { suite, test } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import { fromRedirect, toRedirect } from '../../../src/providers/saml/redirect-binding.ts'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const to = 'https://idp.example.com/slo'
const more = 'http://www.w3.org/2001/04/xmldsig-more#'

function signed(relayState?: string): URL {
  return toRedirect(to, { name: 'SAMLRequest', xml: '<a/>', relayState }, rsa.privateKey)
}

/** A query signed by hand over whatever spelling it has. */
function byHand(query: string, algorithm: string, signature: (bytes: Buffer) => Buffer): string {
  const all = `${query}&SigAlg=${encodeURIComponent(algorithm)}`
  return `${all}&Signature=${encodeURIComponent(signature(Buffer.from(all)).toString('base64'))}`
}

const message = encodeURIComponent(deflateRawSync('<a/>').toString('base64'))
const refuses = (search: string, reason: string, keys = [rsa.publicKey]) =>
  assert.throws(() => fromRedirect(search, keys), { code: 'sso_failed', reason })

suite('messages in the query of an address', () => {
  test('what one side signs, the other reads, whatever the RelayState holds', () => {
    for (const relayState of [undefined, '', "it's (a) *test*!", 'ä &=+%/?#'])
      assert.deepEqual(fromRedirect(signed(relayState).search, [other.publicKey, rsa.publicKey]), {
        name: 'SAMLRequest',
        xml: '<a/>',
        relayState,
      })
  })

  test('an address that has a query keeps it', () => {
    const url = toRedirect(
      `${to}?tenant=1#top`,
      { name: 'SAMLResponse', xml: '<b/>' },
      rsa.privateKey,
    )
    assert.ok(url.href.startsWith(`${to}?tenant=1&SAMLResponse=`))
    assert.equal(fromRedirect(url.search, [rsa.publicKey]).xml, '<b/>')
  })

  test('without a key it goes unsigned, and is refused where it arrives', () => {
    const { search } = toRedirect(to, { name: 'SAMLRequest', xml: '<a/>' })
    assert.doesNotMatch(search, /Sig/)
    refuses(search, 'saml_unsigned')
  })

  test('SML-27 a message whose signature was left out, or is for other octets, is not read', () => {
    const { search } = signed('r')
    refuses(search.replace(/&Signature=.*/, ''), 'saml_unsigned')
    refuses(search.replace(/&SigAlg=[^&]*/, ''), 'saml_unsigned')
    refuses(search.replace('RelayState=r', 'RelayState=s'), 'saml_signature')
    refuses(search.replace('&RelayState=r', ''), 'saml_signature')
    refuses(search.replace('SAMLRequest', 'SAMLResponse'), 'saml_signature')
    refuses(search, 'saml_signature', [other.publicKey])
    refuses(search, 'saml_signature', [])
  })

  test('a parameter that comes twice is refused, and so is asking and answering at once', () => {
    const { search } = signed('r')
    refuses(`${search}&SAMLRequest=${message}`, 'saml_parameter_repeated')
    refuses(`${search}&RelayState=evil`, 'saml_parameter_repeated')
    refuses(`${search}&SAMLResponse=${message}`, 'saml_message_missing')
    refuses('', 'saml_message_missing')
  })

  test('the signature is over the octets as they were spelled', () => {
    const spelled = `SAMLRequest=${message.replaceAll('%2B', '%2b').replaceAll('%3D', '%3d')}`
    const query = byHand(spelled, `${more}rsa-sha256`, (bytes) =>
      sign('sha256', bytes, rsa.privateKey),
    )
    assert.equal(fromRedirect(query, [rsa.publicKey]).xml, '<a/>')
  })

  test('elliptic curves and PSS are read too', () => {
    const ecdsa = byHand(`SAMLRequest=${message}`, `${more}ecdsa-sha256`, (bytes) =>
      sign('sha256', bytes, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' }),
    )
    assert.equal(fromRedirect(ecdsa, [rsa.publicKey, ec.publicKey]).xml, '<a/>')
    const mgf1 = 'http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1'
    const pss = byHand(`SAMLRequest=${message}`, mgf1, (bytes) =>
      sign('sha256', bytes, {
        key: rsa.privateKey,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
      }),
    )
    assert.equal(fromRedirect(pss, [rsa.publicKey]).xml, '<a/>')
    refuses(pss.replace('sha256-rsa-MGF1', 'sha384-rsa-MGF1'), 'saml_signature')
  })

  test('SML-06 SHA-1, shared secrets and unknown algorithms are refused', () => {
    const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' })
    const base = 'http://www.w3.org/2000/09/xmldsig#'
    const made = (algorithm: string, make: (bytes: Buffer) => Buffer) =>
      refuses(byHand(`SAMLRequest=${message}`, algorithm, make), 'saml_signature_algorithm')
    made(`${base}rsa-sha1`, (bytes) => sign('sha1', bytes, rsa.privateKey))
    made(`${base}hmac-sha1`, (bytes) => createHmac('sha1', pem).update(bytes).digest())
    made(`${more}hmac-sha256`, (bytes) => createHmac('sha256', pem).update(bytes).digest())
    made('none', () => Buffer.alloc(0))
  })

  test('SML-11 what inflates beyond its size, is not base64 or not UTF-8 is refused', () => {
    const by = (value: string) =>
      refuses(
        byHand(`SAMLRequest=${value}`, `${more}rsa-sha256`, (bytes) =>
          sign('sha256', bytes, rsa.privateKey),
        ),
        'saml_encoding',
      )
    const base64 = (bytes: Buffer) => encodeURIComponent(bytes.toString('base64'))
    by(base64(deflateRawSync(Buffer.alloc(50_000_000))))
    by(base64(deflateRawSync(Buffer.from([0xff, 0xfe]))))
    by('%%%')
    by('a+b=')
    by('***')
  })
})
