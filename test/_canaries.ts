import { appendFileSync, mkdirSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/*
 * Everything secret that any test's harness ever sees is planted here, and everything that any application under test
 * logs or audits is kept, at debug. When the run is over one is looked for in the other: see `_global.ts`.
 */

const variable = 'TEST_CANARIES'
const planted = new Set<string>()
const kept: string[] = []

/** Begins to keep what is printed, for the whole run. */
export function beginKeeping(folder: string): void {
  mkdirSync(folder, { recursive: true })
  process.env[variable] = folder
}

/** Notes values that must never be logged: cookies, handles, codes, tokens, keys. Short ones would be found by chance. */
export function plant(...values: readonly string[]): void {
  if (planted.size + kept.length === 0) process.once('exit', write)
  for (const value of values) if (value.length >= leastLength) planted.add(value)
}

/** Keeps what was printed. */
export function keepPrinted(text: string): void {
  if (planted.size + kept.length === 0) process.once('exit', write)
  if (text !== '') kept.push(text)
}

const leastLength = 16

/** Once a process, because that is when all of it is known. */
function write(): void {
  const folder = process.env[variable]
  if (!folder) return
  const name = (what: string) => join(folder, `${process.pid}.${what}`)
  if (planted.size > 0) appendFileSync(name('planted'), `${[...planted].join('\n')}\n`)
  if (kept.length > 0) appendFileSync(name('printed'), `${kept.join('\n')}\n`)
}

/** Runs of what tokens, codes, keys and JWTs are made of. */
const words = /[\w.~+/=-]{16,}/g
const addresses = /[\w.+-]+@[\w-]+(?:\.[\w-]+)+/

/**
 * What was printed and is secret, each with the line it stands in.
 * @param others further files in which nothing secret may be
 */
export function findLeaks(folder: string, others: readonly string[] = []): readonly string[] {
  const files = readdirSync(folder)
  const linesOf = (file: string) => readFileSync(file, 'utf8').split('\n')
  const secrets = new Set(
    files
      .filter((file) => file.endsWith('.planted'))
      .flatMap((file) => linesOf(join(folder, file)))
      .filter((value) => value !== ''),
  )
  const printed = files
    .filter((file) => file.endsWith('.printed'))
    .map((file) => join(folder, file))
  return [...printed, ...others].flatMap((file) =>
    linesOf(file).filter((line) => isLeak(line, secrets)),
  )
}

function isLeak(line: string, secrets: ReadonlySet<string>): boolean {
  const found = line.match(words) ?? []
  // A value may be named before it (`code=…`), or stand among others.
  const parts = found.flatMap((word) => [word, ...word.split(/[=/.]/)])
  return parts.some((part) => secrets.has(part)) || line.search(addresses) >= 0
}
