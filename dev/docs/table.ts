/** Rows of one shape as a Markdown table; `|` and line breaks in cells are taken care of. */
export function table(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.map(cell).join(' | ')} |`
  return [line(head), `|${' --- |'.repeat(head.length)}`, ...rows.map(line)].join('\n')
}

function cell(value: string | number): string {
  return String(value).replaceAll('|', '\\|').replaceAll('\n', ' ')
}

/** A cell in the fixed-width font; empty stays empty. */
export function code(text: string): string {
  return text === '' ? '' : `\`${text}\``
}

/** The page that says where it comes from. */
export function page(title: string, source: string, ...parts: readonly string[]): string {
  const note = `Made by \`npm run docs\` from ${source}. Do not edit.`
  return `${[`# ${title}`, note, ...parts].join('\n\n')}\n`
}
