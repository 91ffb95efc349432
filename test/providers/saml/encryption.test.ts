import assert from 'node:assert/strict'
import {
  constants,
  createCipheriv,
  publicEncrypt,
  randomBytes,
  X509Certificate,
  type CipherGCMTypes,
} from 'node:crypto'
import { describe, it } from 'node:test'
import {
  assertionOf,
  because,
  begun,
  comeBack,
  keys,
  nameId,
  openSaml,
  responseAround,
  said,
  settings,
  sign,
  type Said,
} from './_provider.ts'

/** How an assertion is encrypted. */
interface Encryption {
  content?: string
  transport?: string
  digest?: string
  mask?: string
  key?: string
  /** Changes what was encrypted. */
  spoil?: (sealed: Buffer) => Buffer
  /** Where the key stands. */
  beside?: boolean
  keys?: number
}

const xmlenc = 'http://www.w3.org/2001/04/xmlenc#'
const xmlenc11 = 'http://www.w3.org/2009/xmlenc11#'

/** Encrypts to our certificate as a provider does. */
function encrypt(assertion: string, how: Encryption = {}): string {
  const {
    content = `${xmlenc11}aes256-gcm`,
    transport = `${xmlenc}rsa-oaep-mgf1p`,
    digest,
    mask,
    key = keys.ours.certificate,
    spoil = (sealed) => sealed,
    beside = false,
    keys: copies = 1,
  } = how
  const bits = /aes(\d+)/.exec(content)?.[1] ?? '256'
  const secret = randomBytes(Number(bits) / 8)
  const mode = content.endsWith('cbc') ? 'cbc' : 'gcm'
  const iv = randomBytes(mode === 'cbc' ? 16 : 12)
  const cipher = createCipheriv(`aes-${bits}-${mode}` as CipherGCMTypes, secret, iv)
  const parts = [iv, cipher.update(assertion), cipher.final()]
  const sealed = spoil(Buffer.concat(mode === 'gcm' ? [...parts, cipher.getAuthTag()] : parts))
  const oaepHash = digest?.endsWith('sha256') ? 'sha256' : 'sha1'
  const padding = transport.endsWith('rsa-1_5')
    ? constants.RSA_PKCS1_PADDING
    : constants.RSA_PKCS1_OAEP_PADDING
  const publicKey = new X509Certificate(key).publicKey
  const wrapped = publicEncrypt({ key: publicKey, padding, oaepHash }, secret).toString('base64')
  const encryptedKey = [
    `<xenc:EncryptedKey><xenc:EncryptionMethod Algorithm="${transport}">`,
    digest
      ? `<ds:DigestMethod xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Algorithm="${digest}"/>`
      : '',
    mask ? `<xenc11:MGF xmlns:xenc11="${xmlenc11}" Algorithm="${mask}"/>` : '',
    `</xenc:EncryptionMethod><xenc:CipherData><xenc:CipherValue>${wrapped}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>`,
  ]
    .join('')
    .repeat(copies)
  return [
    `<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:xenc="${xmlenc}">`,
    `<xenc:EncryptedData Type="${xmlenc}Element"><xenc:EncryptionMethod Algorithm="${content}"/>`,
    `<ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">${beside ? '' : encryptedKey}</ds:KeyInfo>`,
    `<xenc:CipherData><xenc:CipherValue>${sealed.toString('base64')}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>`,
    `${beside ? encryptedKey : ''}</saml:EncryptedAssertion>`,
  ].join('')
}

const whole = (xml: string, it: Said): string =>
  sign(xml, it.responseId, { at: { reference: '/*/*[1]', action: 'after' } })

/** Sends a response made of an honest, signed assertion. */
async function send(
  make: (it: Said, assertion: string) => string,
  provider = openSaml(),
): Promise<string> {
  const { remember, requestId } = await begun(provider)
  const it = said(requestId)
  const assertion = sign(assertionOf(it), it.assertionId)
  return (await comeBack(provider, remember, make(it, assertion))).subject
}

describe('an encrypted assertion', () => {
  const taken: Readonly<Record<string, Encryption>> = {
    'AES-256-GCM and RSA-OAEP': {},
    'AES-128-GCM': { content: `${xmlenc11}aes128-gcm` },
    'its key beside the data': { beside: true },
    'RSA-OAEP with SHA-256 throughout': {
      transport: `${xmlenc11}rsa-oaep`,
      digest: `${xmlenc}sha256`,
      mask: `${xmlenc11}mgf1sha256`,
    },
  }
  for (const [name, how] of Object.entries(taken))
    it(`is read where it is signed inside: ${name}`, async () => {
      assert.equal(await send((it, inner) => responseAround(it, encrypt(inner, how))), 'alice')
      assert.equal(
        await send((it, inner) => whole(responseAround(it, encrypt(inner, how)), it)),
        'alice',
      )
    })
  it('is read with a key of ours that is on its way in or out', async () => {
    const both = [
      { id: '1', state: 'retired', ...keys.ours },
      { id: '2', state: 'current', ...keys.next },
    ]
    const provider = openSaml(settings({ keys: both }))
    assert.equal(await send((it, inner) => responseAround(it, encrypt(inner)), provider), 'alice')
    const gone = openSaml(settings({ keys: both.slice(1) }))
    await assert.rejects(
      send((it, inner) => responseAround(it, encrypt(inner)), gone),
      because('saml_encryption'),
    )
  })

  const refused: Readonly<
    Record<string, [make: (it: Said, assertion: string) => string, reason: RegExp | string]>
  > = {
    'in CBC mode': [
      (it, inner) => responseAround(it, encrypt(inner, { content: `${xmlenc}aes256-cbc` })),
      'saml_encryption: algorithm',
    ],
    'with its key in PKCS #1 v1.5': [
      (it, inner) => responseAround(it, encrypt(inner, { transport: `${xmlenc}rsa-1_5` })),
      'saml_encryption: algorithm',
    ],
    'with two hashes': [
      (it, inner) => responseAround(it, encrypt(inner, { digest: `${xmlenc}sha256` })),
      'saml_encryption: algorithm',
    ],
    'without its whole tag': [
      (it, inner) =>
        responseAround(it, encrypt(inner, { spoil: (sealed) => sealed.subarray(0, -4) })),
      'saml_encryption',
    ],
    'with a bit changed': [
      (it, inner) =>
        responseAround(
          it,
          encrypt(inner, {
            spoil: (sealed) => {
              sealed[40]! ^= 1
              return sealed
            },
          }),
        ),
      'saml_encryption',
    ],
    'with nothing in it': [
      (it, inner) =>
        responseAround(it, encrypt(inner, { spoil: (sealed) => sealed.subarray(0, 28) })),
      'saml_encryption',
    ],
    'for somebody else': [
      (it, inner) => responseAround(it, encrypt(inner, { key: keys.evil.certificate })),
      'saml_encryption',
    ],
    'with two keys': [
      (it, inner) => responseAround(it, encrypt(inner, { keys: 2 })),
      'saml_encryption: keys',
    ],
    'unsigned inside': [(it) => responseAround(it, encrypt(assertionOf(it))), 'saml_unsigned'],
    'unsigned inside, in a response that is signed': [
      (it) => whole(responseAround(it, encrypt(assertionOf(it))), it),
      'saml_unsigned',
    ],
    'for a victim, before a signed one for the attacker': [
      (it, inner) =>
        responseAround(
          it,
          encrypt(assertionOf({ ...it, assertionId: '_v', nameId: nameId('victim') })) + inner,
        ),
      'saml_assertion_count',
    ],
    'for a victim, after a signed one for the attacker': [
      (it, inner) =>
        responseAround(
          it,
          inner + encrypt(assertionOf({ ...it, assertionId: '_v', nameId: nameId('victim') })),
        ),
      'saml_assertion_count',
    ],
    'that is twice there': [
      (it, inner) => responseAround(it, encrypt(inner) + encrypt(inner)),
      'saml_assertion_count',
    ],
    'that holds a whole response': [
      (it, inner) => responseAround(it, encrypt(responseAround(it, inner))),
      'saml_structure: encrypted',
    ],
    'that holds another document': [
      (it) => responseAround(it, encrypt('<!DOCTYPE x><x/>')),
      /^saml_xml/,
    ],
  }
  for (const [name, [make, reason]] of Object.entries(refused))
    it(`SML-03 is refused ${name}`, async () => {
      await assert.rejects(send(make), because(reason))
    })
})
