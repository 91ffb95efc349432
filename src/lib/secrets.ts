import { hash, randomBytes, timingSafeEqual } from 'node:crypto'
import { AppError } from './errors.ts'

/** Replaceable source of random bytes, so that a failing generator can be shown to refuse. */
export type RandomBytes = (size: number) => Buffer

/**
 * A fresh unguessable string in base64url: 32 bytes give 43 characters.
 * There is no fallback: a generator that throws or answers short means no token.
 * @throws AppError `temporarily_unavailable`
 */
export function randomToken(bytes = 32, random: RandomBytes = randomBytes): string {
  let value: Buffer
  try {
    value = random(bytes)
  } catch (cause) {
    throw new AppError('temporarily_unavailable', { reason: 'rng_failure', cause })
  }
  if (value.length !== bytes)
    throw new AppError('temporarily_unavailable', { reason: 'rng_failure' })
  return value.toString('base64url')
}

/** SHA-256 of a token: what is stored in its place. Enough for values of 112 bits or more (ASVS 6.5.2). */
export function hashToken(token: string): Buffer {
  return Buffer.from(tokenKey(token), 'binary')
}

/** The same hash as a string of 32 characters, one a byte: the key under which memory knows a token. */
export function tokenKey(token: string): string {
  return hash('sha256', token, 'binary')
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** What a character code stands for in base64url; 64 and above where it stands for nothing. */
const digits: Uint8Array = new Uint8Array(128).fill(64)
for (let i = 0; i < alphabet.length; i++) digits[alphabet.charCodeAt(i)] = i

/** Of a token of that many bytes: its length, and which bits of the last character must be zero. */
const shapes = { 32: { length: 43, stray: 0b11 }, 16: { length: 22, stray: 0b1111 } } as const

/**
 * Whether `value` is exactly what {@link randomToken} makes for that many bytes: right length, right alphabet,
 * and no stray bits in the last character, so that one token has one spelling.
 */
export function isToken(value: string, bytes: keyof typeof shapes = 32): boolean {
  const { length, stray } = shapes[bytes]
  if (value.length !== length) return false
  let digit = 0
  for (let i = 0; i < length; i++) {
    digit = digits[value.charCodeAt(i)] ?? 64
    if (digit === 64) return false
  }
  return (digit & stray) === 0
}

/** Compares two byte strings without telling by its time where they differ. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

/** Compares two strings without telling by its time where they differ, or how long the secret is. */
export function sameSecret(a: string, b: string): boolean {
  return timingSafeEqual(hashToken(a), hashToken(b))
}

/** A value that prints as `[redacted]` wherever it ends up: logs, JSON, template strings, inspection. */
export class Secret<T = string> {
  readonly #value: T

  constructor(value: T) {
    this.#value = value
  }

  /** The value itself. Call it only where it is used. */
  reveal(): T {
    return this.#value
  }

  toString(): string {
    return '[redacted]'
  }

  toJSON(): string {
    return '[redacted]'
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[redacted]'
  }
}
