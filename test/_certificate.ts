import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'

/** A key and the certificate it signed for itself, both PEM; what `https.createServer` takes. */
export interface SelfSigned {
  readonly key: string
  readonly cert: string
}

/**
 * Makes a P-256 certificate for one DNS name (RFC 5280 §4.1).
 * @param until when it runs out @default at the end of this century
 */
export function selfSigned(
  name: string,
  until: Date = new Date('2099-12-31T23:59:59Z'),
): SelfSigned {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    ecdsaWithSha256,
    nameOf(name),
    sequence(der(0x18, Buffer.from('20200101000000Z')), der(0x18, Buffer.from(generalized(until)))),
    nameOf(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(
      0xa3,
      sequence(sequence(subjectAltName, der(0x04, sequence(der(0x82, Buffer.from(name)))))),
    ),
  )
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', body, privateKey)])
  const certificate = sequence(body, ecdsaWithSha256, der(0x03, signature))
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: pem(certificate),
  }
}

/** One DER element (X.690 §8.1). */
function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const length = content.length
  const long = length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...(length < 128 ? [length] : long)]), content])
}

function sequence(...parts: Uint8Array[]): Buffer {
  return der(0x30, ...parts)
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'))
}

function nameOf(commonName: string): Buffer {
  return sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(commonName)))))
}

function generalized(date: Date): string {
  return `${date.toISOString().replace(/\D/g, '').slice(0, 14)}Z`
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}

const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'))
const subjectAltName = oid('551d11')
