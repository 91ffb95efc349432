import { readable } from '../report.ts'
import type { Growth } from './results.ts'

/** What a session in memory is made of, in words. */
const parts: Readonly<Record<string, string>> = {
  proof: 'the proof to an organization, with two times and an id of its own',
  person: 'the person: id, name, address',
  id: 'the id of the session',
  'browser hash': 'SHA-256 of the browser cookie',
  place: 'its place in the order of use and the index',
  key: 'SHA-256 of the token, the key',
}

/** The growth of cost as Markdown, for docs/performance.md. */
export function growthInWords(growth: Growth): string {
  const { machine, date, cold, slide, renew, nodes, weights, workers } = growth
  const whole = weights['whole']!
  const rest = Object.keys(parts).reduce((left, name) => left - (weights[name] ?? 0), whole)
  return [
    `Measured on ${date.slice(0, 10)} on ${machine.processor}, ${machine.cores} cores that load, nodes and PostgreSQL share,` +
      ` Node ${machine.node}, PostgreSQL ${machine.postgres}; load average before the run ${machine.busyBefore}. Processor times` +
      ' say more than rates where something else was at work.',
    '**Live sessions.** A check that memory cannot answer is one statement by a unique key.',
    table(
      ['live sessions', 'checks a second', 'Node', 'PostgreSQL'],
      cold.map((row) => [
        readable(row.sessions),
        rounded(row.rate),
        us(row.nodeUs),
        us(row.databaseUs),
      ]),
    ),
    `Moving a session on, a thousand in a statement, costs PostgreSQL ${us(slide.databaseUs)}, renewing a lease ${us(renew.databaseUs)}.`,
    '**Nodes.** Each renews twice a second. A revocation has every node look and acknowledge once; whoever revokes waits for' +
      ' the slowest.',
    table(
      [
        'nodes',
        'renewals a second',
        'statements a revocation',
        'revoke(), half',
        '99 of 100',
        'revocations a second, eight at once',
      ],
      nodes.map((row) => [
        row.nodes,
        rounded(row.idle),
        row.perRevocation.toFixed(1),
        ms(row.p50Ms),
        ms(row.p99Ms),
        rounded(row.most.rate),
      ]),
    ),
    '**Processes.** `GET /verify` from memory, `sallyport serve --workers`; the load takes its own part of the cores.',
    table(
      ['workers', 'checks a second', '99 of 100 within', 'processor time of each'],
      workers.map((row) => [row.workers, rounded(row.rate), ms(row.p99Ms), us(row.nodeUs)]),
    ),
    `**Memory.** A remembered session takes ${readable(Math.round(whole))} bytes; the target is 1,024. Its parts, each` +
      ' measured by itself:',
    table(
      ['part', 'bytes'],
      [
        ...Object.entries(parts)
          .map(([name, meaning]) => [meaning, Math.round(weights[name] ?? 0)] as const)
          .toSorted(([, a], [, b]) => b - a),
        [
          'the rest: the session itself, with nineteen fields and five times',
          Math.round(rest),
        ] as const,
      ],
    ),
  ].join('\n\n')
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`
  const rule = head.map((_, column) => (column === 0 ? '---' : '---:'))
  return [line(head), line(rule), ...rows.map(line)].join('\n')
}

function rounded(value: number): string {
  return readable(value >= 100 ? Math.round(value) : Number(value.toPrecision(2)))
}

function us(value: number): string {
  return `${Math.round(value)} µs`
}

function ms(value: number): string {
  return `${rounded(value)} ms`
}
