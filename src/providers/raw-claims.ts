import type { JsonObject } from './answer.ts'
import { printable } from './faults.ts'
import type { Claims } from './proof.ts'

const mostClaims = 50
const mostValues = 100
const longest = 255

/**
 * Everything a provider said of a person, in words: at most 50 claims, 100 values each, 255 characters a value.
 * A value that would have to be cut or cleaned is left out, because a rule could take what is left for another.
 */
export function rawClaims(said: JsonObject): NonNullable<Claims['raw']> {
  const entries = Object.entries(said)
    .filter(([name]) => name !== '__proto__' && inFull(name))
    .map(([name, value]) => [name, inWords(value)] as const)
    .filter((entry): entry is [string, string | readonly string[]] => entry[1] !== undefined)
  return Object.fromEntries(entries.slice(0, mostClaims))
}

/** The names of groups in one claim; a single name stands for itself. */
export function groupsIn(claim: unknown): readonly string[] | undefined {
  const words = inWords(claim)
  return typeof words === 'string' ? [words] : words
}

function inWords(value: unknown): string | readonly string[] | undefined {
  if (!Array.isArray(value)) return word(value)
  return value
    .map(word)
    .filter((each) => each !== undefined)
    .slice(0, mostValues)
}

function word(value: unknown): string | undefined {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return typeof value === 'string' && inFull(value) ? value : undefined
}

function inFull(text: string): boolean {
  return text === printable(text, longest)
}
