import { X509Certificate, createPublicKey, generateKeyPair, randomBytes, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { days, later } from '../../lib/clock.ts'

/** A certificate as far as it matters here: a public key with a name for it and an end. */
export interface Certificate {
  readonly pem: string
  /** Base64 of its DER, as metadata hold it. */
  readonly base64: string
  /** SHA-256 of its DER in hexadecimal. */
  readonly fingerprint: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly publicKey: KeyObject
}

/** Bounds of what is taken as a signing key. */
const curves: readonly (string | undefined)[] = ['prime256v1', 'secp384r1', 'secp521r1']
const rsaBits = { least: 2048, most: 8192 }

/** Reads a certificate, PEM or the bare base64 of its DER; undefined when it is none. */
export function readCertificate(text: string): Certificate | undefined {
  const inner = /^\s*-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----\s*$/.exec(text)
  const base64 = (inner?.[1] ?? text).replace(/\s+/g, '')
  if (base64.length > 16_384 || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined
  try {
    const x509 = new X509Certificate(Buffer.from(base64, 'base64'))
    return {
      pem: pemOf('CERTIFICATE', x509.raw),
      base64: x509.raw.toString('base64'),
      fingerprint: x509.fingerprint256.replaceAll(':', '').toLowerCase(),
      notBefore: new Date(x509.validFrom),
      notAfter: new Date(x509.validTo),
      publicKey: x509.publicKey,
    }
  } catch {
    return undefined
  }
}

/** What is wrong with a key for verifying signatures, in words; undefined: nothing. */
export function weaknessOf({ publicKey: key }: Pick<Certificate, 'publicKey'>): string | undefined {
  const { modulusLength = 0, namedCurve, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
  switch (key.asymmetricKeyType) {
    case 'rsa':
      if (modulusLength < rsaBits.least) return `its RSA key has less than ${rsaBits.least} bits`
      if (modulusLength > rsaBits.most) return `its RSA key has more than ${rsaBits.most} bits`
      return publicExponent < 3n ? 'its RSA exponent is too small' : undefined
    case 'ec':
      return curves.includes(namedCurve) ? undefined : 'its elliptic curve is not supported'
    default:
      return 'its kind of key is not supported'
  }
}

/** A private key and the certificate that it signed for itself, both PEM. */
export interface KeyPair {
  readonly privateKey: string
  readonly certificate: string
}

/** How long a certificate of ours is valid, in milliseconds: what ends it is its replacement, not its date. */
const validity = days(3650)

const generate = promisify(generateKeyPair)

/**
 * Makes a key pair for signing: RSA of 3072 bits, in a certificate of its own (RFC 5280 §4.1) that nobody vouches for,
 * because in SAML it is the metadata that do.
 */
export async function makeKeyPair(commonName: string, now: Date): Promise<KeyPair> {
  const { privateKey } = await generate('rsa', { modulusLength: 3072 })
  const publicKey = createPublicKey(privateKey)
  const name = sequence(set(sequence(oid.commonName, utf8(commonName.slice(0, 64)))))
  const toBeSigned = sequence(
    explicit(0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    sha256WithRsa,
    name,
    sequence(time(later(now, -days(1))), time(later(now, validity))),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, sequence(notAnAuthority, signsAndDecrypts)),
  )
  const signature = bits(sign('sha256', toBeSigned, privateKey))
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    certificate: pemOf('CERTIFICATE', sequence(toBeSigned, sha256WithRsa, signature)),
  }
}

function pemOf(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}

// DER (X.690 §8 and §10), as much of it as a certificate needs.

function element(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([tag, ...lengthOf(content.length)]), content])
}

/** Below 128 the length itself, otherwise how many bytes hold it and those bytes. */
function lengthOf(length: number): number[] {
  if (length < 0x80) return [length]
  const bytes: number[] = []
  for (let rest = length; rest > 0; rest >>>= 8) bytes.unshift(rest & 0xff)
  return [0x80 | bytes.length, ...bytes]
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return element(0x30, ...parts)
}

function set(part: Uint8Array): Buffer {
  return element(0x31, part)
}

/** @param bytes positive: the first is below 0x80 */
function integer(bytes: Uint8Array): Buffer {
  return element(0x02, bytes)
}

function utf8(text: string): Buffer {
  return element(0x0c, Buffer.from(text))
}

function octets(bytes: Uint8Array): Buffer {
  return element(0x04, bytes)
}

/** @param unused how many bits at the end mean nothing */
function bits(bytes: Uint8Array, unused = 0): Buffer {
  return element(0x03, Buffer.from([unused]), bytes)
}

function explicit(number: number, part: Uint8Array): Buffer {
  return element(0xa0 | number, part)
}

/** UTCTime until 2049, GeneralizedTime from then on (RFC 5280 §4.1.2.5). */
function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/\D/g, '').slice(0, 14)
  const short = date.getUTCFullYear() < 2050
  return element(short ? 0x17 : 0x18, Buffer.from(`${short ? digits.slice(2) : digits}Z`))
}

/** An object identifier that is encoded already. */
function identifier(hex: string): Buffer {
  return element(0x06, Buffer.from(hex, 'hex'))
}

const oid = {
  commonName: identifier('550403'),
  sha256WithRsa: identifier('2a864886f70d01010b'),
  basicConstraints: identifier('551d13'),
  keyUsage: identifier('551d0f'),
} as const

const critical = element(0x01, Buffer.from([0xff]))
const sha256WithRsa = sequence(oid.sha256WithRsa, element(0x05))
const notAnAuthority = sequence(oid.basicConstraints, critical, octets(sequence()))
/** digitalSignature and keyEncipherment: the first and the third bit of eight. */
const signsAndDecrypts = sequence(oid.keyUsage, critical, octets(bits(Buffer.from([0xa0]), 5)))
