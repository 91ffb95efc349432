/** What {@link parseJson} and {@link decodeUtf8} refuse. */
export type JsonReason =
  | 'invalid_utf8'
  | 'invalid_json'
  | 'duplicate_key'
  | 'forbidden_key'
  | 'lone_surrogate'
  | 'number_too_large'
  | 'too_deep'
  | 'too_many_keys'

/** A text that is not the JSON we accept. Carries nothing of the text itself, which may hold secrets. */
export class JsonError extends Error {
  readonly reason: JsonReason
  constructor(reason: JsonReason) {
    super(reason)
    this.name = 'JsonError'
    this.reason = reason
  }
}

/** How much structure one text may have. */
export interface JsonLimits {
  /** Objects and arrays inside one another. @default 64 */
  readonly maxDepth?: number
  /** Keys of all objects together. @default 10_000 */
  readonly maxKeys?: number
}

// A byte order mark is kept, so that the parser sees it and refuses it (RFC 8259 §8.1).
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const forbiddenKeys: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

/**
 * Decodes UTF-8 and replaces nothing.
 * @throws JsonError `invalid_utf8`
 */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new JsonError('invalid_utf8')
  }
}

/**
 * Parses JSON that can be read in one way only (RFC 8259, and I-JSON, RFC 7493 §2.1 and §2.3): no key twice in one
 * object, no byte order mark, no half of a surrogate pair, no number beyond the range of a double, none of the keys
 * that reach prototypes. Linear in the length of the text; that length is the caller's to limit.
 * @throws JsonError
 */
export function parseJson(text: string, limits: JsonLimits = {}): unknown {
  const value = parse(text)
  checkStructure(text, limits)
  return value
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own error quotes the text.
    throw new JsonError('invalid_json')
  }
}

/** Looks for what `JSON.parse` lets pass. The text is known to be valid JSON. */
function checkStructure(text: string, { maxDepth = 64, maxKeys = 10_000 }: JsonLimits): void {
  const open: Set<string>[] = []
  let keys = 0

  const checkKey = (key: string): void => {
    const siblings = open.at(-1)
    if (siblings?.has(key)) throw new JsonError('duplicate_key')
    if (forbiddenKeys.has(key)) throw new JsonError('forbidden_key')
    if (++keys > maxKeys) throw new JsonError('too_many_keys')
    siblings?.add(key)
  }

  for (let at = 0; at < text.length; at++) {
    const start = text.charAt(at)
    if (start === '{' || start === '[') {
      open.push(new Set())
      if (open.length > maxDepth) throw new JsonError('too_deep')
    } else if (start === '}' || start === ']') {
      open.pop()
    } else if (start === '"') {
      const end = endOfString(text, at)
      const string: string = JSON.parse(text.slice(at, end))
      if (!string.isWellFormed()) throw new JsonError('lone_surrogate')
      if (isKey(text, end)) checkKey(string)
      at = end - 1
    } else if (start === '-' || isDigit(start)) {
      const end = endOfNumber(text, at)
      if (!Number.isFinite(Number(text.slice(at, end)))) throw new JsonError('number_too_large')
      at = end - 1
    }
  }
}

function endOfString(text: string, start: number): number {
  let at = start + 1
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

function endOfNumber(text: string, start: number): number {
  let at = start + 1
  while (isDigit(text.charAt(at)) || '+-.eE'.includes(text[at] ?? ',')) at++
  return at
}

function isKey(text: string, end: number): boolean {
  let at = end
  while (' \t\n\r'.includes(text[at] ?? ',')) at++
  return text[at] === ':'
}

function isDigit(character: string): boolean {
  return character >= '0' && character <= '9'
}
