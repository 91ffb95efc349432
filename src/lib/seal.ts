import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto'
import type { Secret } from './secrets.ts'

/** One sealing key: an id that is written beside what it sealed, and 32 bytes. */
export interface SealingKey {
  readonly id: string
  readonly key: Secret<Buffer>
}

/** Where a sealed value lives. A value moved to another table, column or row does not open. */
export interface Place {
  readonly table: string
  readonly column: string
  readonly row: string
}

/** Seals secrets for storage and opens them again. */
export interface Sealer {
  /** Seals JSON under the newest key. */
  seal(value: unknown, place: Place): Buffer
  /** Opens what {@link Sealer.seal} made. Throws when it was altered, moved, or its key is gone. */
  open<T = unknown>(sealed: Uint8Array, place: Place): T
  /** What everything begins with that is sealed under the newest key. */
  readonly header: Buffer
}

const format = 1
const ivBytes = 12
const tagBytes = 16

/**
 * AES-256-GCM with a ring of keys: the first seals, all open.
 * Layout: format (1 byte), length of the key id (1 byte), key id, IV (12), tag (16), ciphertext.
 */
export function createSealer(keys: readonly SealingKey[]): Sealer {
  const [newest] = keys
  if (!newest) throw new Error('A sealer needs at least one key')
  // Imported once: handed bytes, Node imports them at every call, which takes longer than all the rest.
  const ring = new Map(keys.map(({ id, key }) => [id, createSecretKey(key.reveal())]))
  const sealing = ring.get(newest.id)!
  const header = Buffer.concat([
    Buffer.from([format, Buffer.byteLength(newest.id)]),
    Buffer.from(newest.id),
  ])

  return {
    header,

    seal(value, place) {
      const iv = randomBytes(ivBytes)
      const cipher = createCipheriv('aes-256-gcm', sealing, iv)
      cipher.setAAD(aad(place))
      const text = Buffer.concat([cipher.update(JSON.stringify(value), 'utf8'), cipher.final()])
      return Buffer.concat([header, iv, cipher.getAuthTag(), text])
    },

    open(sealed, place) {
      const bytes = Buffer.from(sealed)
      if (bytes[0] !== format) throw new Error('Not a sealed value of a known format')
      const idEnd = 2 + (bytes[1] ?? 0)
      const id = bytes.subarray(2, idEnd).toString()
      const key = ring.get(id)
      if (!key) throw new Error(`Sealed with key "${id}", which is not in SALLYPORT_KEYS`)
      const iv = bytes.subarray(idEnd, idEnd + ivBytes)
      const tag = bytes.subarray(idEnd + ivBytes, idEnd + ivBytes + tagBytes)
      const decipher = createDecipheriv('aes-256-gcm', key, iv, {
        authTagLength: tagBytes,
      })
      decipher.setAAD(aad(place))
      decipher.setAuthTag(tag)
      const text = bytes.subarray(idEnd + ivBytes + tagBytes)
      return JSON.parse(Buffer.concat([decipher.update(text), decipher.final()]).toString('utf8'))
    },
  }
}

function aad({ table, column, row }: Place): Buffer {
  return Buffer.from(JSON.stringify([table, column, row]))
}
