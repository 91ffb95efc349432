import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { glob, readFile } from 'node:fs/promises'
import { posix } from 'node:path'
import { test } from 'node:test'

/** Each room may import itself and the rooms before it. What lies in `src/` itself comes last, and its commands. */
const row = [
  'lib',
  'db',
  'mails',
  'providers',
  'accounts',
  'sessions',
  'tokens',
  'flows',
  'verification',
  'provisioning',
  'http',
  'api',
  'web',
]

const root = new URL('../', import.meta.url)
const sources = await Promise.all(
  (await Array.fromAsync(glob('src/**/*.ts', { cwd: root }))).map(async (file) => ({
    file,
    text: await readFile(new URL(file, root), 'utf8'),
  })),
)

function roomOf(file: string): string {
  const [, room = '', ...rest] = file.split('/')
  return rest.length > 0 && room !== 'cli' ? room : 'root'
}

function placeOf(file: string): number {
  const room = roomOf(file)
  return room === 'root' ? row.length : row.indexOf(room)
}

/** Everything a file imports by a relative path, as a path in the project. */
function importsOf({ file, text }: { file: string; text: string }): string[] {
  const found = text.matchAll(/(?:from|import|import\()\s*['"](\.[^'"]+)['"]/g)
  return [...found].map(([, path = '']) => posix.join(posix.dirname(file), path))
}

/** The files outside `allowed` in which `pattern` occurs, with the line. */
function offences(pattern: RegExp, allowed: (file: string) => boolean): string[] {
  return sources
    .filter(({ file }) => !allowed(file))
    .flatMap(({ file, text }) =>
      text
        .split('\n')
        .filter((line) => pattern.test(line) && !/^\s*(\/?\*|\/\/)/.test(line))
        .map((line) => `${file}: ${line.trim()}`),
    )
}

const within =
  (...rooms: string[]) =>
  (file: string) =>
    rooms.includes(roomOf(file))

test('every room stands in the row', () => {
  const unknown = sources.filter(({ file }) => placeOf(file) === -1).map(({ file }) => file)
  assert.deepEqual(unknown, [])
})

test('S3-29b each room imports only itself and the rooms before it', () => {
  const wrong = sources.flatMap((source) =>
    importsOf(source)
      .filter((imported) => placeOf(imported) > placeOf(source.file))
      .map((imported) => `${source.file} imports ${imported}`),
  )
  assert.deepEqual(wrong, [])
})

test('every relative import names a file that is there', () => {
  const missing = sources.flatMap((source) =>
    importsOf(source)
      .filter((imported) => !existsSync(new URL(imported, root)))
      .map((imported) => `${source.file} imports ${imported}`),
  )
  assert.deepEqual(missing, [])
})

test('nothing in src imports what is for development or tests', () => {
  const outside = sources.flatMap((source) =>
    importsOf(source).filter((imported) => !imported.startsWith('src/')),
  )
  assert.deepEqual(outside, [])
})

test('there is no folder or file for what has no place', () => {
  const nowhere = /\/(utils?|helpers?|common|core|shared|misc)(\/|\.ts$)|\/(types|interfaces)\.ts$/
  assert.deepEqual(
    sources.map(({ file }) => file).filter((file) => nowhere.test(file)),
    [],
  )
})

test('no file outside providers/ asks which kind of provider it deals with', () => {
  const asks =
    /(===?|!==?|case)\s*['"`](oidc|saml|oauth2?)['"`]|['"`](oidc|saml|oauth2?)['"`]\s*(===?|!==?)/
  assert.deepEqual(offences(asks, within('providers')), [])
})

test('only a provider makes a proof, and only a flow opens a sealed one', () => {
  assert.deepEqual(offences(/\bprove(Personally)?\(/, within('providers')), [])
  assert.deepEqual(
    offences(
      /\bunseal(Personal)?Proof\(/,
      (file) => within('flows')(file) || file === 'src/providers/proof.ts',
    ),
    [],
  )
})

test('sessions are written down in one room, where each kind has the proof it needs', () => {
  assert.deepEqual(offences(/\bstoreSession\(/, within('sessions')), [])
})

test('SES-01 nothing uses a weak random generator, and ids come from one place', () => {
  assert.deepEqual(
    offences(/Math\.random|nanoid/, () => false),
    [],
  )
  const makesIds = ['src/lib/ids.ts']
  assert.deepEqual(
    offences(/from 'uuid'|randomUUID/, (file) => makesIds.includes(file)),
    [],
  )
})

test('S3-50b time comes from the clock that is handed over', () => {
  const ownTime = /Date\.now\(|new Date\(\)/
  // The clock itself, the name of a new key, this machine's two clocks that are compared with each other only, and
  // waiting for a server that is not there yet to be asked.
  const allowed = /^src\/(lib\/(clock|config)\.ts|sessions\/lease\.ts|db\/embedded\/)/
  assert.deepEqual(
    offences(ownTime, (file) => allowed.test(file)),
    [],
  )
})

test('S3-29a importing a module starts nothing: no top-level await, timer or listener', () => {
  const starts = /^(?:await|setInterval|setTimeout|process\.on)\b/
  assert.deepEqual(
    offences(starts, () => false),
    [],
  )
})
