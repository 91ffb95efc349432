import { readFile } from 'node:fs/promises'
import { root } from './root.ts'

/** A tab-separated file of `docs/rows/` as objects; the first line names the columns. */
async function readRows<Column extends string>(
  name: string,
): Promise<readonly Readonly<Record<Column, string>>[]> {
  const text = await readFile(new URL(`docs/rows/${name}.tsv`, root), 'utf8')
  const [head = '', ...lines] = text.trimEnd().split('\n')
  const columns = head.split('\t') as Column[]
  return lines.map((line) => {
    const cells = line.split('\t')
    if (cells.length !== columns.length)
      throw new Error(`docs/rows/${name}.tsv: "${cells[0]}" has not ${columns.length} columns`)
    return Object.fromEntries(columns.map((column, i) => [column, cells[i]!])) as Record<
      Column,
      string
    >
  })
}

/** Everything that has an id: what was asked for, what attackers try, and what nobody has shown yet. */
export interface Rows {
  /** The mission: `kept` names the document that keeps a row which is a reason rather than a behaviour. */
  readonly mission: readonly Readonly<Record<'id' | 'area' | 'kept' | 'what' | 'owed', string>>[]
  readonly security: readonly Readonly<Record<'id' | 'what', string>>[]
  /** Scenarios that tests may name; no page is made of them. */
  readonly scenarios: readonly Readonly<Record<'id' | 'what', string>>[]
  /** The areas of the security cases; `due` is `now` where every case has a test or a line in `open`. */
  readonly areas: readonly Readonly<Record<'prefix' | 'due' | 'title', string>>[]
  /** What is not shown yet, and why or when; written by hand. */
  readonly open: readonly Readonly<Record<'id' | 'why', string>>[]
}

export async function readAllRows(): Promise<Rows> {
  const [mission, security, scenarios, areas, open] = await Promise.all([
    readRows<'id' | 'area' | 'kept' | 'what' | 'owed'>('mission'),
    readRows<'id' | 'what'>('security'),
    readRows<'id' | 'what'>('scenarios'),
    readRows<'prefix' | 'due' | 'title'>('areas'),
    readRows<'id' | 'why'>('open'),
  ])
  return { mission, security, scenarios, areas, open }
}

/** The part of an id that names its area: `SES` of `SES-07`. */
export function prefixOf(id: string): string {
  return id.split('-')[0]!
}
