import { constants, createDecipheriv, privateDecrypt, type KeyObject } from 'node:crypto'
import { refused } from '../faults.ts'
import { childOf, childrenOf, fromBase64, type XmlElement } from './xml.ts'

/** How the content may be encrypted: only in ways that tell when it was tampered with (XML Encryption 1.1 §5.2.4). */
const contents = new Map([
  ['http://www.w3.org/2009/xmlenc11#aes128-gcm', { cipher: 'aes-128-gcm', keyBytes: 16 }],
  ['http://www.w3.org/2009/xmlenc11#aes192-gcm', { cipher: 'aes-192-gcm', keyBytes: 24 }],
  ['http://www.w3.org/2009/xmlenc11#aes256-gcm', { cipher: 'aes-256-gcm', keyBytes: 32 }],
] as const)

/**
 * How its key may be: RSA-OAEP, both hashes of which are one here (§5.5.2). The digest and the mask that go with it
 * when the message names none are SHA-1, which OAEP does not need to be free of collisions.
 */
const sha1 = 'http://www.w3.org/2000/09/xmldsig#sha1'
const oaepHashes = new Map([
  [sha1, 'sha1'],
  ['http://www.w3.org/2001/04/xmlenc#sha256', 'sha256'],
  ['http://www.w3.org/2001/04/xmlenc#sha512', 'sha512'],
])
const maskHashes = new Map([
  ['http://www.w3.org/2009/xmlenc11#mgf1sha1', 'sha1'],
  ['http://www.w3.org/2009/xmlenc11#mgf1sha256', 'sha256'],
  ['http://www.w3.org/2009/xmlenc11#mgf1sha512', 'sha512'],
])
const oaepWithSha1Mask = 'http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p'
const oaep = 'http://www.w3.org/2009/xmlenc11#rsa-oaep'

/** The initialization vector and the tag around what is encrypted, in bytes. */
const ivBytes = 12
const tagBytes = 16

/**
 * The bytes inside an encrypted assertion. Who wrote them is another question: anybody can encrypt for us.
 * @param keys ours
 * @throws AppError `sso_failed` with the reason `saml_encryption`, whatever went wrong, so that nothing is told of why
 */
export function decrypt(encrypted: XmlElement, keys: readonly KeyObject[]): Buffer {
  const data = childOf(encrypted, 'xenc:EncryptedData')!
  const content = contents.get(methodOf(data) as never)
  if (!content) throw refused('saml_encryption: algorithm')
  const sealed = cipherValue(data)
  if (sealed.length <= ivBytes + tagBytes) throw refused('saml_encryption')
  const inner = childOf(data, 'ds:KeyInfo')
  const wrapped = [encrypted, ...(inner ? [inner] : [])].flatMap((holder) =>
    childrenOf(holder, 'xenc:EncryptedKey'),
  )
  // Each costs a private-key operation for every key of ours, and this is before anything is known of the sender.
  const [only, ...more] = wrapped
  if (!only || more.length > 0) throw refused('saml_encryption: keys')
  const hash = oaepHash(only)
  for (const key of keys) {
    try {
      const secret = unwrap(only, key, hash)
      if (secret.length !== content.keyBytes) continue
      const decipher = createDecipheriv(content.cipher, secret, sealed.subarray(0, ivBytes), {
        authTagLength: tagBytes,
      })
      decipher.setAuthTag(sealed.subarray(-tagBytes))
      return Buffer.concat([decipher.update(sealed.subarray(ivBytes, -tagBytes)), decipher.final()])
    } catch {
      // Another key of ours may fit.
    }
  }
  throw refused('saml_encryption')
}

function unwrap(wrapped: XmlElement, key: KeyObject, oaepHash: string): Buffer {
  const padding = constants.RSA_PKCS1_OAEP_PADDING
  return privateDecrypt({ key, padding, oaepHash }, cipherValue(wrapped))
}

function oaepHash(wrapped: XmlElement): string {
  const method = childOf(wrapped, 'xenc:EncryptionMethod')!
  const digest = childOf(method, 'ds:DigestMethod')?.attributes.get('Algorithm') ?? sha1
  const mask = childOf(method, 'xenc11:MGF')?.attributes.get('Algorithm')
  const hash = oaepHashes.get(digest)
  const ofMask = mask === undefined ? 'sha1' : maskHashes.get(mask)
  const algorithm = methodOf(wrapped)
  const known = algorithm === oaep || (algorithm === oaepWithSha1Mask && mask === undefined)
  // Node has one hash for both.
  if (!known || !hash || hash !== ofMask) throw refused('saml_encryption: algorithm')
  return hash
}

function methodOf(element: XmlElement): string {
  return childOf(element, 'xenc:EncryptionMethod')!.attributes.get('Algorithm') ?? ''
}

function cipherValue(element: XmlElement): Buffer {
  const value = childOf(childOf(element, 'xenc:CipherData')!, 'xenc:CipherValue')!
  return fromBase64(value.text.replace(/[ \t\r]/g, '').trim())
}
