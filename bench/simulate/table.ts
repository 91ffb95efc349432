import { readable } from '../report.ts'
import { off, type Agreement } from './agreement.ts'
import type { Activity, Costs, Layout, Prediction } from './model.ts'

/** What is assumed, predicted and checked, as Markdown for docs/scaling.md. */
export function simulationInWords(
  predictions: readonly Prediction[],
  checked: readonly Agreement[],
  {
    costs,
    activity,
    layout,
    seldom,
  }: {
    costs: Costs
    activity: Activity
    layout: Omit<Layout, 'routing'>
    /** The second size by token, with sessions moved on every five minutes. */
    seldom: Prediction
  },
): string {
  return [
    '![How often memory knows a session, predicted and measured](../bench/results/simulation.svg)',
    '**Measured**, on the machine that [performance.md](performance.md#how-cost-grows) names, in microseconds of processor time:',
    table(
      ['one of these', 'node', 'database'],
      [
        ['a check that memory answers, over HTTP', us(costs.check), '0'],
        ['reading a session, on top of that', us(costs.read.node), us(costs.read.database)],
        ['moving a session on', us(costs.slide.node), us(costs.slide.database)],
        [
          'renewing a lease, looking, or acknowledging',
          us(costs.renew.node),
          us(costs.renew.database),
        ],
        ['a revocation', us(costs.revoke.node), us(costs.revoke.database)],
        [
          'a sign-in (at the database: 28 statements, each as a read)',
          us(costs.signIn.node),
          us(costs.signIn.database),
        ],
      ],
    ),
    `A remembered session takes ${readable(Math.round(costs.sessionBytes))} bytes.`,
    `**Assumed:** a live session sends ${activity.requests} requests a second on average, the one of rank _r_ in proportion to` +
      ` _r_^−${activity.exponent} and none more than ${activity.most}; it lives ${activity.lifetime / 3600} hours, and somebody ends` +
      ` ${percent(activity.ended)} of them. A node is one process on one core with ${layout.memory / 2 ** 30} GB for sessions. A primary` +
      ` has ${layout.databaseCores} cores. Cores may be ${percent(layout.busy)} busy.`,
    '**Predicted**, a second, of all nodes together:',
    table(
      [
        'live sessions',
        'routing',
        'requests',
        'nodes',
        'answered from memory',
        'reads',
        'slides',
        'sign-ins',
        'revocations',
        'renewals and looks of one node',
        'statements',
        'database cores',
        'primaries',
      ],
      predictions.map((each) => [
        power(each.sessions),
        each.routing,
        short(each.requests),
        short(each.nodes),
        percent(each.hits),
        short(each.reads),
        short(each.slides),
        short(each.signIns),
        short(each.revocations),
        short(each.statementsOfNode),
        short(each.statements),
        short(each.databaseCores),
        short(each.primaries),
      ]),
    ),
    `Were sessions moved on once in five minutes rather than one, ${power(seldom.sessions)} by token would take` +
      ` ${short(seldom.statements)} statements a second, ${short(seldom.nodes)} nodes and ${short(seldom.databaseCores)} cores of database.`,
    '**Checked** against what was measured:',
    table(
      ['', 'predicted', 'measured', 'apart'],
      checked.map((each) => [
        each.what,
        value(each.predicted),
        value(each.measured),
        percent(off(each)),
      ]),
    ),
  ].join('\n\n')
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const rule = head.map((_, column) => (column === 0 ? '---' : '---:'))
  return [line(head), line(rule), ...rows.map(line)].join('\n')
}

/** Two digits and a unit: no prediction deserves more. */
export function short(value: number): string {
  const [unit = '', scale = 1] =
    (
      [
        ['G', 1e9],
        ['M', 1e6],
        ['k', 1e3],
      ] as const
    ).find(([, each]) => value >= each) ?? []
  const scaled = value / scale
  return `${scaled >= 10 ? Math.round(scaled) : Number(scaled.toPrecision(2))}${unit && ` ${unit}`}`
}

/** 10⁷, for what is a power of ten. */
export function power(value: number): string {
  return `10${[...String(Math.round(Math.log10(value)))].map((digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)]).join('')}`
}

function us(value: number): string {
  return readable(Math.round(value))
}

function value(it: number): string {
  return it < 1 ? it.toFixed(3) : it.toFixed(1)
}

function percent(part: number): string {
  return `${Number((part * 100).toPrecision(part >= 0.1 ? 3 : 2))} %`
}
