import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { OperatorError } from './errors.ts'

/**
 * A secret that development makes for itself at the first start and keeps in the data folder, readable by its owner
 * only (mode 600). Of two first starts at the same moment both get the same one.
 * @throws OperatorError when the folder cannot be used
 */
export function keepSecret(
  folder: string,
  name: string,
  make: () => string,
): { readonly text: string; readonly file: string } {
  const file = join(folder, name)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    return { text: read(file) ?? write(file, make()), file }
  } catch (error) {
    throw new OperatorError(
      `The folder ${folder} cannot be used (${(error as Error).message}). Mend that, or set SALLYPORT_DATA to another folder.`,
      { cause: error },
    )
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Writes beside the place and then links: whoever is killed in between leaves nothing that looks like a secret. */
function write(file: string, text: string): string {
  const unfinished = `${file}.${process.pid}`
  writeFileSync(unfinished, `${text}\n`, { mode: 0o600 })
  try {
    linkSync(unfinished, file)
    return text
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return read(file)!
  } finally {
    rmSync(unfinished)
  }
}
