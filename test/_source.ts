import { glob, readFile } from 'node:fs/promises'

/** One file of `src/`. */
export interface SourceFile {
  /** Such as `lib/json.ts`. */
  readonly path: string
  /** Its text without comments. */
  readonly code: string
}

const root = new URL('../src/', import.meta.url)

/** Every TypeScript file of `src/`, for tests that read the code itself. */
export async function readSource(): Promise<SourceFile[]> {
  const files: SourceFile[] = []
  for await (const path of glob('**/*.ts', { cwd: root })) {
    const text = await readFile(new URL(path, root), 'utf8')
    files.push({ path, code: text.replaceAll(/^\s*(\/\*\*?|\*|\/\/).*$/gm, '') })
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1))
}
