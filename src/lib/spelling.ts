/** The name that was probably meant; undefined when none is close: of three letters at most one may be wrong. */
export function nearest(written: string, names: readonly string[]): string | undefined {
  const rated = names.map((name) => ({ name, wrong: distance(written, name) }))
  const best = rated.toSorted((a, b) => a.wrong - b.wrong)[0]
  return best && best.wrong <= Math.max(1, written.length / 3) ? best.name : undefined
}

/** How many letters must be added, dropped, changed or swapped with their neighbour (Damerau 1964). */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const swap = swapped ? rows[i - 2]![j - 2]! + 1 : Infinity
      row.push(Math.min(change, swap, rows[i - 1]![j]! + 1, row[j - 1]! + 1))
    }
    rows.push(row)
  }
  return rows[a.length]![b.length]!
}
