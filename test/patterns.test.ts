import assert from 'node:assert/strict'
import { test } from 'node:test'
import { safeReturnTo } from '../src/flows/return-to.ts'
import { JsonError, parseJson } from '../src/lib/json.ts'
import { isToken } from '../src/lib/secrets.ts'
import { cookieNames, findCookies, readCookie } from '../src/sessions/cookies.ts'
import { describeDevice } from '../src/sessions/device.ts'
import { readSource } from './_source.ts'

const size = 100 * 1024
/** Milliseconds; what a pattern that looks again for every character would take is minutes. */
const bound = 250

/** A regular expression literal: after something that begins an expression, and not a comment. */
const literal =
  /(?<=(?:[=(,:!&|?[{;]|=>|return)\s*)\/(?![*/])((?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+)\/([dgimsuvy]*)/g

const files = await readSource()
const patterns = files.flatMap(({ path, code }) =>
  [...code.matchAll(literal)].map(([, source = '', flags]) => ({ path, source, flags })),
)

/** What patterns repeat, or might. */
const repeated = [
  'a',
  'A',
  '0',
  ' ',
  '\t',
  '\n',
  '/',
  '//',
  '.',
  '..',
  '-',
  ';',
  ',',
  ':',
  '=',
  '%2f',
  '%',
  'a ',
  ' a',
  'a.',
  'a-',
  '=a;',
  '/a',
  '\\',
  '"',
  '\u0000',
  'é',
]
const endings = ['', '!', '\n', '\u0000', ' x']

/** The plain text that a pattern begins with, so that its inside is reached. */
function beginning(source: string): string {
  const plain = source.replace(/^\^/, '').replaceAll(/\\([/.])/g, '$1')
  return /^[^\\[(.*+?{|$^]*/.exec(plain)?.[0] ?? ''
}

/** Milliseconds; the least of three where the first was slow, because something else may have been going on. */
function took(work: () => void): number {
  const once = (): number => {
    const started = performance.now()
    work()
    return performance.now() - started
  }
  const first = once()
  return first < bound ? first : Math.min(first, once(), once())
}

test('DOS-03 the patterns in the source are found, and none is made at run time', () => {
  const sources = patterns.map(({ source }) => source)
  assert.ok(sources.length > 30, `${sources.length}`)
  for (const known of ['^Bearer (\\S+)$', '^[A-Za-z0-9._-]{1,64}$', '^127(\\.\\d{1,3}){3}$'])
    assert.ok(sources.includes(known), known)
  assert.deepEqual(
    files.filter(({ code }) => /\bRegExp\(/.test(code)).map(({ path }) => path),
    [],
  )
})

for (const { path, source, flags } of patterns) {
  test(`DOS-03 /${source}/ of ${path} looks at each character of a long text a few times at most`, () => {
    const pattern = new RegExp(source, flags)
    for (const piece of repeated) {
      for (const ending of endings) {
        const text = beginning(source) + piece.repeat(size / piece.length) + ending
        const time = took(() => void text.replace(pattern, ''))
        assert.ok(
          time < bound,
          `${time} ms for ${JSON.stringify(piece)} and ${JSON.stringify(ending)}`,
        )
      }
    }
  })
}

/** Functions that read what strangers send, whatever they do it with. */
const readers: Readonly<Record<string, (text: string) => unknown>> = {
  safeReturnTo: (text) => safeReturnTo(`/${text}`, 'https://app.example'),
  isToken: (text) => isToken(text),
  describeDevice: (text) => describeDevice(text),
  findCookies: (text) => findCookies(`sallyport=${text}`, cookieNames(new URL('http://localhost'))),
  readCookie: (text) => readCookie(text, 'session'),
  'parseJson of a string': (text) => refused(() => parseJson(JSON.stringify(text))),
  parseJson: (text) => refused(() => parseJson(text)),
  'parseJson of brackets': (text) => refused(() => parseJson(`[${text}`)),
}
for (const [name, read] of Object.entries(readers)) {
  test(`DOS-03 ${name} reads a long text in little time`, () => {
    for (const piece of [...repeated, '[', '{"a":', '1,', '"a",', ' ;', 'sallyport=a; ']) {
      const time = took(() => void read(piece.repeat(size / piece.length)))
      assert.ok(time < bound, `${time} ms for ${JSON.stringify(piece)}`)
    }
  })
}

function refused(work: () => unknown): void {
  try {
    work()
  } catch (error) {
    assert.ok(error instanceof JsonError)
  }
}
