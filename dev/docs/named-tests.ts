import { glob, readFile } from 'node:fs/promises'
import { root } from './root.ts'

/** A test that shows one or more rows: its ids stand at the beginning of its name. */
export interface NamedTest {
  readonly file: string
  readonly ids: readonly string[]
  readonly name: string
}

const id = /(?:S[0-3]|[A-Z]{3,4})-\d+(?:[a-z]|\.\d+)?/
const literal = new RegExp(
  String.raw`(['"\`])(${id.source}(?:,? ${id.source})*)(?:[: ]+((?:\\.|(?!\1)[^\\])*))?\1`,
  'gs',
)

/** Every test name in `text` that begins with ids of one of the families, such as `SES` or `S2`. */
export function namedTestsIn(
  text: string,
  file: string,
  families: ReadonlySet<string>,
): readonly NamedTest[] {
  const found = [...text.matchAll(literal)].map(([, , ids = '', name = '']) => ({
    file,
    ids: ids.split(/,? /),
    name: name.replace(/\\(.)/g, '$1').replace(/\$\{[^}]*\}/g, '…'),
  }))
  return found.filter(({ ids }) => ids.every((one) => families.has(one.split('-')[0]!)))
}

/** Every named test there is, in the order of files. */
export async function namedTests(families: ReadonlySet<string>): Promise<readonly NamedTest[]> {
  const files = (await Array.fromAsync(glob('test/**/*.test.ts', { cwd: root }))).sort()
  const tests = files.map(async (file) =>
    namedTestsIn(await readFile(new URL(file, root), 'utf8'), file, families),
  )
  return (await Promise.all(tests)).flat()
}

/** The row an id belongs to: `S3-21.7` is one of the sixteen in `S3-21`. */
export function rowOf(id: string): string {
  return id.split('.')[0]!
}
