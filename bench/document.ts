import { readFile, writeFile } from 'node:fs/promises'
import { format, resolveConfig } from 'prettier'

/** Where a document's figures begin and end: `<!-- figures: NAME -->` and `<!-- /figures -->`. */
function edges(name: string): readonly [string, string] {
  return [`<!-- figures: ${name} -->`, '<!-- /figures -->']
}

/** A document with these figures in their place, laid out as the project's formatter has it. */
export async function withFigures(
  path: string,
  figures: Readonly<Record<string, string>>,
): Promise<string> {
  let text = await readFile(path, 'utf8')
  for (const [name, figure] of Object.entries(figures)) {
    const [begin, end] = edges(name)
    const from = text.indexOf(begin)
    const to = text.indexOf(end, from)
    if (from < 0 || to < 0) throw new Error(`${path} has no place for figures "${name}".`)
    text = `${text.slice(0, from)}${begin}\n\n${figure.trim()}\n\n${text.slice(to)}`
  }
  return format(text, { ...(await resolveConfig(path)), filepath: path })
}

/** Puts the figures of a run into a document. */
export async function fillFigures(
  path: string,
  figures: Readonly<Record<string, string>>,
): Promise<void> {
  await writeFile(path, await withFigures(path, figures))
}
