import { cpus, loadavg, platform, release, totalmem } from 'node:os'

/** What a run was made on. */
export interface Machine {
  readonly processor: string
  readonly cores: number
  readonly memoryGB: number
  readonly system: string
  readonly node: string
  readonly postgres: string
  /** The load average of the minute before the run; near zero when nothing else was at work. */
  readonly busyBefore: number
}

/** The load average of the last minute. */
export function busyNow(): number {
  return Number((loadavg()[0] ?? 0).toFixed(1))
}

/** This machine, and how busy it was. */
export function describeMachine(postgres: string, busyBefore: number): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGB: Math.round(totalmem() / 1e9),
    system: `${platform()} ${release()}`,
    node: process.versions.node,
    postgres,
    busyBefore,
  }
}

/** The machine in a line, for a chart or a table. */
export function inOneLine({ processor, cores, node, postgres }: Machine, date: string): string {
  return `${processor}, ${cores} cores, Node ${node}, PostgreSQL ${postgres}, ${date.slice(0, 10)}`
}

/** Says so when something else was at work as the run began; empty when the figures can be believed. */
export function busyness({ busyBefore, cores }: Machine): string {
  if (busyBefore <= cores / 4) return ''
  return `Measured on a busy machine (load average ${busyBefore} before the run): the true figures are better.`
}
