import { readFile, writeFile } from 'node:fs/promises'
import { resolveConfig, format } from 'prettier'

const root = new URL('../', import.meta.url)

/** Puts generated Markdown between the two comments that bear its name on a page. */
export async function putOnPage(path: string, name: string, text: string): Promise<void> {
  const file = new URL(path, root)
  await writeFile(file, await withBlock(await readFile(file, 'utf8'), name, text))
}

/** The page with its block made anew, as it stands in the repository. */
export async function withBlock(page: string, name: string, text: string): Promise<string> {
  const [begin, end] = [`<!-- ${name}: npm run bench -- ${name} -->`, `<!-- /${name} -->`]
  const [before, rest] = page.split(begin)
  const after = rest?.split(end)[1]
  if (after === undefined) throw new Error(`The page has no place for "${name}".`)
  const config = await resolveConfig(new URL('README.md', root))
  return format(`${before}${begin}\n\n${text}\n\n${end}${after}`, { ...config, parser: 'markdown' })
}
