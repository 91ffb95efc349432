import { rowOf, type NamedTest } from './named-tests.ts'
import { prefixOf, type Rows } from './rows.ts'
import { page, table } from './table.ts'

/** Tests by the row they show. */
export function byRow(tests: readonly NamedTest[]): ReadonlyMap<string, readonly NamedTest[]> {
  const rows = new Map<string, NamedTest[]>()
  for (const test of tests)
    for (const row of new Set(test.ids.map(rowOf))) rows.set(row, [...(rows.get(row) ?? []), test])
  return rows
}

/** `docs/mission.md`: every row of the mission, and what shows it. */
export function mission(rows: Rows, tests: readonly NamedTest[]): string {
  const shown = byRow(tests)
  const count = rows.mission.filter(({ id }) => shown.has(id)).length
  return page(
    'Mission',
    '`docs/rows/mission.tsv` and the names of the tests',
    `Everything the project was asked for, one row each, with the tests that carry its id. ${count} of ${rows.mission.length} ` +
      'rows have one. *Open* names the area in which a row comes; a row that is a reason rather than a behaviour says which ' +
      'document keeps it.',
    table(
      ['row', 'what', 'owed', 'shown by'],
      rows.mission.map(({ id, area, kept, what, owed }) => [
        id,
        escape(what),
        escape(owed),
        [...links(shown.get(id)), ...(kept ? [`kept in ${link(kept)}`] : [])].join('<br>') ||
          `open: ${area}`,
      ]),
    ),
  )
}

/** `docs/security.md`: every attack and bad input, and what shows that it fails. */
export function security(rows: Rows, tests: readonly NamedTest[]): string {
  const shown = byRow(tests)
  const open = new Map(rows.open.map(({ id, why }) => [id, why]))
  const sections = rows.areas.map(({ prefix, due, title }) => {
    const cases = rows.security.filter(({ id }) => prefixOf(id) === prefix)
    const done = cases.filter(({ id }) => shown.has(id)).length
    const lines = cases.map(({ id, what }) => {
      const why = open.get(id)
      const left = why ? [`open: ${why}`] : shown.has(id) ? [] : [`open: ${due}`]
      return [id, escape(what), [...links(shown.get(id)), ...left].join('<br>')]
    })
    return [
      `## ${title} (${prefix}): ${done} of ${cases.length}`,
      table(['case', 'input or attack', 'shown by'], lines),
    ].join('\n\n')
  })
  return page(
    'Security cases',
    '`docs/rows/security.tsv`, `docs/rows/open.tsv` and the names of the tests',
    'Attacks and bad input, with the tests that carry their id. A case without one is *open*: with the area it comes in, or ' +
      'the reason.',
    ...sections,
  )
}

function links(tests: readonly NamedTest[] = []): string[] {
  return tests.map(({ file, name }) => `${link(file)} ${escape(name)}`.trim())
}

function link(file: string): string {
  return `[${file.replace(/^(test|docs)\//, '')}](${file.startsWith('docs/') ? file.slice(5) : `../${file}`})`
}

function escape(text: string): string {
  return text.replace(/[<>*_`[\]\\]/g, (char) => `\\${char}`)
}
