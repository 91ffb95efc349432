import { busyness, inOneLine, type Machine } from '../machine.ts'
import { readable } from '../report.ts'
import type { Tried } from './correctness.ts'
import { peers, type PeerId, type RowId } from './list.ts'
import type { PeerFigure } from './measure.ts'

/** One run, as it is written down. */
export interface PeerResults {
  /** ISO 8601. */
  readonly date: string
  readonly machine: Machine
  readonly effort: 'full' | 'quick'
  /** How long the run took. */
  readonly seconds: number
  readonly versions: Partial<Record<PeerId | 'redis', string>>
  readonly skipped: readonly { readonly what: string; readonly why: string }[]
  readonly figures: readonly PeerFigure[]
  readonly tried: readonly Tried[]
}

/** A ratio as it is written: `0.31 ×`. */
export function asRatio(ratio: number): string {
  return `${Number(ratio.toPrecision(2))} ×`
}

/** The rates as a table in Markdown. */
export function figuresTable({ figures }: PeerResults): string {
  const rows = figures.map(({ what, how, rate, ratio, spread, p50, p99 }) => [
    what,
    how,
    readable(rate),
    asRatio(ratio),
    `${Number(spread[0].toPrecision(2))} to ${Number(spread[1].toPrecision(2))}`,
    p50 === undefined ? '' : readable(p50),
    p99 === undefined ? '' : readable(p99),
  ])
  return table(['', '', 'a second', 'of the floor', 'in the rounds', 'p50 ms', 'p99 ms'], rows)
}

/** The trials of one kind as a table in Markdown. */
export function triedTable({ tried }: PeerResults, kind: 'stale' | 'race'): string {
  const mine = tried.filter(({ id }) => id.startsWith(`${kind}.`))
  const rows = mine.map(({ what, setting, tries, accepted, lastsMs }) => [
    what,
    setting,
    `${accepted} of ${tries}`,
    ...(kind === 'stale' ? [lastsMs === undefined ? '' : `${lastsMs / 1000} s`] : []),
  ])
  const last = kind === 'stale' ? ['accepted afterwards', 'for'] : ['alive again']
  return table(['', 'setting', ...last], rows)
}

/** What was measured with what, and what was not. */
export function conditions({ machine, date, versions, skipped, seconds }: PeerResults): string {
  const named = Object.entries(versions).map(([id, version]) =>
    id === 'redis'
      ? `- Redis ${version}`
      : `- [${peers[id as PeerId].name}](${peers[id as PeerId].docs}) ${version}`,
  )
  const left = skipped.map(({ what, why }) => `${what}: ${why}`)
  return `${[`${inOneLine(machine, date)}; the run took ${Math.round(seconds / 60)} minutes.`, busyness(machine)].filter(Boolean).join(' ')}

${named.join('\n')}

${left.length > 0 ? `Skipped: ${left.join(' ')}` : 'Nothing was skipped.'}`
}

/** The sentence of the README; every figure in it is one of the results. */
export function sentence({ figures, tried, date }: PeerResults): string {
  const rate = (id: RowId) => figures.find((one) => one.id === id)?.rate
  const times = (id: RowId, other: RowId) => {
    const [a, b] = [rate(id), rate(other)]
    return a && b ? readable(Number((a / b).toPrecision(2))) : undefined
  }
  const inProcess = times('process.sallyport.warm', 'process.better-auth.pg')
  const apache = times('http.sallyport.warm', 'http.apache')
  const stale = (id: string) => tried.find((one) => one.id === id)
  const [own, cookie] = [stale('stale.sallyport'), stale('stale.better-auth.cookie')]
  return [
    `Measured beside others on ${date.slice(0, 10)} ([how, and with what](docs/peers.md)): a check in process is ${inProcess} times as fast as better-auth’s on PostgreSQL`,
    apache &&
      `, \`/verify\` answers ${apache} times as many requests as Apache’s mod_auth_openidc from its cache`,
    own &&
      cookie &&
      `, and of ${own.tries} sessions revoked on one node another accepted ${own.accepted}, where better-auth with its cookie cache accepted ${cookie.accepted}`,
    '.',
  ]
    .filter(Boolean)
    .join('')
}

/** Prints what a run found. */
export function printPeers(results: PeerResults): void {
  const { machine, date, skipped, figures, tried, seconds, effort } = results
  console.log(`\n${inOneLine(machine, date)}\n${busyness(machine)}
${effort === 'quick' ? 'A quick run: the figures say little.\n' : ''}`)
  for (const { what, how, rate, ratio, spread } of figures)
    console.log(
      `${what.padEnd(48)}${how.padEnd(12)}${readable(rate).padStart(12)}/s  ${asRatio(ratio).padStart(10)} floor  (${spread.map((one) => Number(one.toPrecision(2))).join(' to ')})`,
    )
  console.log('\nAccepted after they had been ended:')
  for (const { what, setting, tries, accepted, lastsMs } of tried)
    console.log(
      `${`${accepted} of ${tries}`.padStart(9)}  ${what}${lastsMs === undefined ? '' : `, for ${lastsMs / 1000} s`} (${setting})`,
    )
  for (const { what, why } of skipped) console.log(`\nSkipped: ${what}. ${why}`)
  console.log(`\nThe run took ${Math.round(seconds)} s.`)
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
