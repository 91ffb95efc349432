import { X509Certificate } from 'node:crypto'
import { Secret } from '../lib/secrets.ts'
import { printable } from './faults.ts'

/** One setting as people read it. */
export interface ReadableSetting {
  /** Where it stands, such as `claims.email`. */
  readonly name: string
  readonly value: string
}

const longest = 500
const most = 100

/** Settings as lines for people to read, in their own order. A secret is only said to be there. */
export function makeReadable(settings: unknown): readonly ReadableSetting[] {
  return lines('', settings).slice(0, most)
}

function lines(name: string, value: unknown): readonly ReadableSetting[] {
  const text = inWords(value)
  if (text !== undefined) return [{ name, value: printable(text, longest) }]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) =>
    lines(name === '' ? key : `${name}.${key}`, inner),
  )
}

/** A value on one line; undefined: it has parts of its own, or is not there. */
function inWords(value: unknown): string | undefined {
  if (value instanceof Secret) return 'set, and never shown'
  if (value instanceof X509Certificate) return certificateInWords(value)
  if (Array.isArray(value)) {
    const words = value.map(inWords)
    return value.length > 0 && words.every((word) => word !== undefined)
      ? words.join(', ')
      : undefined
  }
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : undefined
}

function certificateInWords({ subject, validTo }: X509Certificate): string {
  return `${subject.replaceAll('\n', ', ')}, valid until ${validTo}`
}
