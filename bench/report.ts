import { elsewhere, type Figure, type FigureKind } from './figures.ts'
import { busyness, inOneLine, type Machine } from './machine.ts'

/** One run, as it is written down. */
export interface Results {
  /** ISO 8601. */
  readonly date: string
  readonly effort: 'full' | 'quick'
  readonly machine: Machine
  readonly figures: readonly Figure[]
}

/** A value with its thousands apart. */
export function readable(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: value < 100 ? 3 : 15 })
}

/** A target in words, such as `≥ 150`; empty when there is none. */
export function inWords(target: FigureKind['target']): string {
  if (!target) return ''
  return 'least' in target ? `≥ ${readable(target.least)}` : `≤ ${readable(target.most)}`
}

/** Prints the figures as a table with units, each beside its target, and what is to be said about them. */
export function printResults({ date, effort, machine, figures }: Results): void {
  const rows = figures.map(({ what, value, unit, target, reached }) => [
    what,
    readable(value),
    unit,
    inWords(target),
    reached === undefined ? '' : reached >= 1 ? 'met' : 'not yet',
  ])
  const table = [['', 'measured', 'unit', 'target', ''], ...rows]
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
  console.log(`
${inOneLine(machine, date)}
Server, PostgreSQL and load share these cores. ${effort === 'quick' ? 'A quick run: the figures say little.' : 'Medians of the rounds.'}
`)
  for (const row of table) {
    const cells = row.map((cell, column) =>
      column === 1 || column === 3 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
    )
    console.log(cells.join('  ').trimEnd())
  }
  const notes = new Set(figures.flatMap(({ note }) => note ?? []))
  console.log(
    [
      '',
      ...[busyness(machine), ...notes].filter(Boolean),
      `Measured by commands of their own: ${elsewhere.join('; ')}.`,
    ].join('\n'),
  )
}

/** A line on standard error that says how far the run is; on a terminal it is written over. */
export function createProgress(steps: number): {
  tell(doing: string): void
  step(): void
  end(): void
} {
  const terminal = process.stderr.isTTY
  let done = 0
  const tell = (doing: string) => {
    const bar = '█'.repeat(done * 4).padEnd(steps * 4, '░')
    process.stderr.write(terminal ? `\r\x1b[2K${bar}  ${doing}` : `${doing}\n`)
  }
  return {
    tell,
    step: () => void done++,
    end: () => terminal && process.stderr.write('\r\x1b[2K'),
  }
}
