const width = 30

/** Draws how far long work has come, where somebody watches a terminal; nothing else sees it. */
export function showProgress(done: number, all: number): void {
  if (!process.stderr.isTTY || all === 0) return
  const filled = Math.round((done / all) * width)
  const bar = `${'█'.repeat(filled)}${'░'.repeat(width - filled)}`
  process.stderr.write(`\r${bar} ${done} of ${all}`)
}

/** Wipes it, before what came of the work is printed. */
export function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001B[K')
}
