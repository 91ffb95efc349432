/** The name that was probably meant; undefined when none is close: of three letters at most one may be wrong. */
export function nearest(written: string, names: readonly string[]): string | undefined {
  const rated = names.map((name) => ({ name, wrong: distance(written, name) }))
  const best = rated.toSorted((a, b) => a.wrong - b.wrong)[0]
  return best && best.wrong <= Math.max(1, written.length / 3) ? best.name : undefined
}

/** How many letters must be added, dropped or changed (Levenshtein 1966). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}
