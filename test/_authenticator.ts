import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'

/** What an authenticator may do differently than it should. */
export interface Quirks {
  readonly origin?: string
  readonly host?: string
  readonly crossOrigin?: boolean
  readonly verified?: boolean
  readonly counter?: number
  readonly userHandle?: string
  readonly type?: string
  readonly key?: KeyObject
}

interface CreationOptions {
  readonly challenge: string
  readonly user: { readonly id: string }
}

const base64url = (bytes: Buffer) => bytes.toString('base64url')

/** One passkey, in software, that does as it is told (Web Authentication §6). */
export class Authenticator {
  readonly id: Buffer = randomBytes(16)
  counter = 0
  #userHandle = ''
  readonly #site: URL
  readonly #keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })

  constructor(origin: string) {
    this.#site = new URL(origin)
  }

  /** Answers `navigator.credentials.create`, as the page's script sends it. */
  create({ challenge, user }: CreationOptions, quirks: Quirks = {}): string {
    this.#userHandle = user.id
    const { x = '', y = '' } = this.#keys.publicKey.export({ format: 'jwk' })
    // COSE: EC2, ES256, P-256, x, y (RFC 9053 §7.1.1).
    const cose = Buffer.concat([
      Buffer.from('a5010203262001215820', 'hex'),
      Buffer.from(x, 'base64url'),
      Buffer.from('225820', 'hex'),
      Buffer.from(y, 'base64url'),
    ])
    const attested = Buffer.concat([Buffer.alloc(16), Buffer.from([0, 16]), this.id, cose])
    const data = Buffer.concat([this.#data(quirks, 0x40), attested])
    // CBOR: {"fmt": "none", "attStmt": {}, "authData": …}
    const attestationObject = Buffer.concat([
      Buffer.from('a363666d74646e6f6e656761747453746d74a0686175746844617461', 'hex'),
      Buffer.from([0x58, data.length]),
      data,
    ])
    const clientData = this.#clientData('webauthn.create', challenge, quirks)
    return this.#answer({
      clientDataJSON: base64url(clientData),
      attestationObject: base64url(attestationObject),
      transports: ['internal'],
    })
  }

  /** Answers `navigator.credentials.get`, as the page's script sends it. */
  get({ challenge }: { readonly challenge: string }, quirks: Quirks = {}): string {
    this.counter++
    const data = this.#data(quirks)
    const clientData = this.#clientData('webauthn.get', challenge, quirks)
    const signed = Buffer.concat([data, createHash('sha256').update(clientData).digest()])
    return this.#answer({
      clientDataJSON: base64url(clientData),
      authenticatorData: base64url(data),
      signature: base64url(sign('sha256', signed, quirks.key ?? this.#keys.privateKey)),
      userHandle: quirks.userHandle ?? this.#userHandle,
    })
  }

  #answer(response: object): string {
    return JSON.stringify({ id: base64url(this.id), type: 'public-key', response })
  }

  #data({ host, verified = true, counter }: Quirks, more = 0): Buffer {
    const count = Buffer.alloc(4)
    count.writeUInt32BE(counter ?? this.counter)
    const rp = createHash('sha256')
      .update(host ?? this.#site.hostname)
      .digest()
    return Buffer.concat([rp, Buffer.from([0x01 | (verified ? 0x04 : 0) | more]), count])
  }

  #clientData(type: string, challenge: string, quirks: Quirks): Buffer {
    const { origin = this.#site.origin, crossOrigin = false } = quirks
    return Buffer.from(
      JSON.stringify({ type: quirks.type ?? type, challenge, origin, crossOrigin }),
    )
  }
}
