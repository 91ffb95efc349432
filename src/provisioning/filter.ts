import { refusal } from './refusal.ts'

/** Which attribute: `userName`, `name.givenName`, or one of an extension by its schema. Spelled in lower case. */
export interface AttributePath {
  /** The schema it was named with; undefined: none. */
  readonly schema: string | undefined
  readonly name: string
  readonly part: string | undefined
}

/** How two values are compared (RFC 7644 §3.4.2.2). */
export const comparisons = ['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le'] as const

export type Comparison = (typeof comparisons)[number]

/** What a filter compares with. */
export type Literal = string | number | boolean | null

export type Filter =
  | { readonly kind: 'and' | 'or'; readonly of: readonly Filter[] }
  | { readonly kind: 'not'; readonly of: Filter }
  | { readonly kind: 'has'; readonly path: AttributePath }
  | {
      readonly kind: 'compare'
      readonly path: AttributePath
      readonly by: Comparison
      readonly with: Literal
    }
  /** Of the values of a list, one fits. */
  | { readonly kind: 'any'; readonly path: AttributePath; readonly where: Filter }

/** A place in a resource, as a PATCH names it (RFC 7644 §3.5.2). */
export interface Place {
  readonly path: AttributePath
  /** Which values of a list. @default all of it */
  readonly where?: Filter
}

/** What is read at most: characters, brackets within one another, comparisons. */
const [longest, deepest] = [2000, 10]
const mostTerms = { invalidFilter: 50, invalidPath: 10 } as const

interface Token {
  readonly kind: 'word' | 'string' | 'sign'
  readonly text: string
}

/**
 * Reads a filter. What it names is looked at by whoever carries it out.
 * @throws AppError with `invalidFilter`
 */
export function parseFilter(text: string): Filter {
  const parser = new Parser(text, 'invalidFilter')
  const filter = parser.filter(0)
  parser.end()
  return filter
}

/**
 * Reads the path of a PATCH.
 * @throws AppError with `invalidPath`
 */
export function parsePlace(text: string): Place {
  const parser = new Parser(text, 'invalidPath')
  const place = parser.place()
  parser.end()
  return place
}

/** Reads what is named by itself, as in `attributes`; undefined where it cannot be a name. */
export function readAttributePath(word: string): AttributePath | undefined {
  const lower = word.toLowerCase()
  const colon = lower.startsWith('urn:') ? lower.lastIndexOf(':') : -1
  const schema = colon === -1 ? undefined : lower.slice(0, colon)
  const [name = '', part, ...more] = lower.slice(colon + 1).split('.')
  if (!attributeName.test(name) || more.length > 0) return undefined
  if (part !== undefined && !(part === '$ref' || attributeName.test(part))) return undefined
  return { schema, name, part }
}

const attributeName = /^[a-z][a-z0-9_-]{0,63}$/

class Parser {
  readonly #tokens: readonly Token[]
  readonly #wrong: 'invalidFilter' | 'invalidPath'
  #at = 0
  #terms = 0

  constructor(text: string, wrong: 'invalidFilter' | 'invalidPath') {
    this.#wrong = wrong
    if (text.length > longest) throw this.#refused(`It is longer than ${longest} characters.`)
    this.#tokens = this.#read(text)
  }

  /** `or` binds least, then `and`. */
  filter(depth: number): Filter {
    if (depth > deepest) throw this.#refused(`Brackets are nested more than ${deepest} deep.`)
    const of = [this.#all(depth)]
    while (this.#takesWord('or')) of.push(this.#all(depth))
    return of.length === 1 ? of[0]! : { kind: 'or', of }
  }

  place(): Place {
    const path = this.#path()
    if (!this.#takesSign('[')) return { path }
    if (path.part !== undefined) throw this.#refused('A filter follows the name of a list.')
    const where = this.filter(1)
    this.#expect(']')
    const part = this.#partAfterList()
    return { path: { ...path, part }, where }
  }

  end(): void {
    if (this.#at < this.#tokens.length)
      throw this.#refused('Something follows where it should end.')
  }

  #all(depth: number): Filter {
    const of = [this.#term(depth)]
    while (this.#takesWord('and')) of.push(this.#term(depth))
    return of.length === 1 ? of[0]! : { kind: 'and', of }
  }

  #term(depth: number): Filter {
    const most = mostTerms[this.#wrong]
    if (++this.#terms > most) throw this.#refused(`It has more than ${most} parts.`)
    const negated = this.#peek('sign', '(', 1) && this.#takesWord('not')
    if (negated || this.#peek('sign', '(')) {
      this.#expect('(')
      const inner = this.filter(depth + 1)
      this.#expect(')')
      return negated ? { kind: 'not', of: inner } : inner
    }
    const path = this.#path()
    return this.#takesSign('[') ? this.#any(path, depth) : this.#test(path)
  }

  /** `emails[type eq "work"]`, and also `emails[type eq "work"].value eq "…"`, which some directories ask for. */
  #any(path: AttributePath, depth: number): Filter {
    if (path.part !== undefined) throw this.#refused('A filter follows the name of a list.')
    const where = this.filter(depth + 1)
    this.#expect(']')
    const part = this.#partAfterList()
    if (part === undefined) return { kind: 'any', path, where }
    const also = this.#test({ schema: undefined, name: part, part: undefined })
    return { kind: 'any', path, where: { kind: 'and', of: [where, also] } }
  }

  #test(path: AttributePath): Filter {
    const word = this.#word().toLowerCase()
    if (word === 'pr') return { kind: 'has', path }
    const by = comparisons.find((one) => one === word)
    if (!by) throw this.#refused('There is no such comparison.')
    return { kind: 'compare', path, by, with: this.#literal() }
  }

  #literal(): Literal {
    const { kind, text } = this.#next()
    if (kind === 'string') return text
    const words: Readonly<Record<string, Literal>> = { true: true, false: false, null: null }
    const lower = text.toLowerCase()
    if (kind === 'word' && Object.hasOwn(words, lower)) return words[lower]!
    if (kind === 'word' && /^-?\d{1,15}$/.test(text)) return Number(text)
    throw this.#refused(
      'A comparison ends with a value: text in double quotes, true, false or null.',
    )
  }

  #path(): AttributePath {
    const path = readAttributePath(this.#word())
    if (!path) throw this.#refused('There is no attribute of that name.')
    return path
  }

  /** What follows a filter in square brackets: `.value`, or nothing. */
  #partAfterList(): string | undefined {
    const { kind, text } = this.#tokens[this.#at] ?? {}
    if (kind !== 'word' || !text?.startsWith('.')) return undefined
    this.#at++
    const part = text.slice(1).toLowerCase()
    if (!attributeName.test(part)) throw this.#refused('There is no attribute of that name.')
    return part
  }

  #word(): string {
    const { kind, text } = this.#next()
    if (kind !== 'word') throw this.#refused('The name of an attribute or a comparison is missing.')
    return text
  }

  #next(): Token {
    const token = this.#tokens[this.#at++]
    if (!token) throw this.#refused('It ends too early.')
    return token
  }

  #peek(kind: Token['kind'], text: string, ahead = 0): boolean {
    const token = this.#tokens[this.#at + ahead]
    return token?.kind === kind && token.text === text
  }

  #takesWord(word: string): boolean {
    const token = this.#tokens[this.#at]
    const takes = token?.kind === 'word' && token.text.toLowerCase() === word
    if (takes) this.#at++
    return takes
  }

  #takesSign(sign: string): boolean {
    const takes = this.#peek('sign', sign)
    if (takes) this.#at++
    return takes
  }

  #expect(sign: string): void {
    if (!this.#takesSign(sign)) throw this.#refused(`There is a ${sign} missing.`)
  }

  /** Words, strings as JSON has them, and brackets; each character is looked at once. */
  #read(text: string): Token[] {
    const tokens: Token[] = []
    let at = 0
    while (at < text.length) {
      const start = at
      const character = text.charAt(at)
      if (character === ' ') at++
      else if ('()[]'.includes(character)) {
        tokens.push({ kind: 'sign', text: character })
        at++
      } else if (character === '"') {
        at = endOfString(text, start)
        tokens.push({ kind: 'string', text: this.#unquoted(text.slice(start, at)) })
      } else {
        while (at < text.length && !' ()[]"'.includes(text.charAt(at))) at++
        tokens.push({ kind: 'word', text: text.slice(start, at) })
      }
    }
    return tokens
  }

  #unquoted(quoted: string): string {
    try {
      const text: unknown = JSON.parse(quoted)
      if (typeof text === 'string' && text.isWellFormed() && !text.includes('\u0000')) return text
    } catch {
      // Told below, in words that do not quote it.
    }
    throw this.#refused('Text in it is not quoted as JSON quotes it.')
  }

  #refused(detail: string) {
    const what = this.#wrong === 'invalidFilter' ? 'filter' : 'path'
    return refusal(this.#wrong, `The ${what} cannot be read. ${detail}`)
  }
}

function endOfString(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return Math.min(at + 1, text.length)
}
