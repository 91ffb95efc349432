/** What a metric is called and says. Labels take words out of this program only, never anything from outside. */
export interface Described {
  /** As Prometheus has it: `sallyport_…`, the unit, and `_total` for a counter. */
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly labels: readonly string[]
}

/** One number, as it stands now. */
export interface Sample {
  /** The metric's name; a histogram's with `_bucket`, `_sum` or `_count` after it. */
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** What every metric has. */
class Named {
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]

  constructor(name: string, help: string, labels: readonly string[] = []) {
    this.name = name
    this.help = help
    this.labels = labels
  }
}

/** Counts by its labels' values. Counting is adding to a plain number. */
export class Counter extends Named implements Described {
  readonly type = 'counter'
  readonly #values = new Map<string, number>()

  add(count: number, ...of: string[]): void {
    const key = of.join(between)
    this.#values.set(key, (this.#values.get(key) ?? 0) + count)
  }

  samples(): readonly Sample[] {
    const none = this.labels.length === 0 && this.#values.size === 0
    const values = none ? [['', 0] as const] : [...this.#values]
    return values.map(([key, value]) => ({ name: this.name, labels: this.#labelled(key), value }))
  }

  #labelled(key: string): Readonly<Record<string, string>> {
    return labelled(this.labels, key)
  }
}

const usualBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** How long something took, in seconds. */
export class Histogram extends Named implements Described {
  readonly type = 'histogram'
  readonly bounds: readonly number[]
  readonly #values = new Map<string, { counts: number[]; sum: number; count: number }>()

  constructor(
    name: string,
    help: string,
    labels: readonly string[] = [],
    bounds: readonly number[] = usualBounds,
  ) {
    super(name, help, labels)
    this.bounds = bounds
  }

  observe(seconds: number, ...of: string[]): void {
    const key = of.join(between)
    let of_ = this.#values.get(key)
    if (!of_) this.#values.set(key, (of_ = { counts: this.bounds.map(() => 0), sum: 0, count: 0 }))
    const at = this.bounds.findIndex((bound) => seconds <= bound)
    if (at >= 0) of_.counts[at]! += 1
    of_.sum += seconds
    of_.count += 1
  }

  samples(): readonly Sample[] {
    return [...this.#values].flatMap(([key, { counts, sum, count }]) => {
      const labels = labelled(this.labels, key)
      let below = 0
      const buckets = this.bounds.map((bound, i) => ({
        name: `${this.name}_bucket`,
        labels: { ...labels, le: String(bound) },
        value: (below += counts[i]!),
      }))
      return [
        ...buckets,
        { name: `${this.name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
        { name: `${this.name}_sum`, labels, value: sum },
        { name: `${this.name}_count`, labels, value: count },
      ]
    })
  }
}

/** A number that is kept elsewhere and read when somebody asks. */
export class Read extends Named implements Described {
  readonly elsewhere = true
  readonly type: 'counter' | 'gauge'

  constructor(type: 'counter' | 'gauge', name: string, help: string, label?: string) {
    super(name, help, label ? [label] : [])
    this.type = type
  }
}

const between = '\u0000'

function labelled(names: readonly string[], key: string): Readonly<Record<string, string>> {
  const values = key.split(between)
  return Object.fromEntries(names.map((name, i) => [name, values[i] ?? '']))
}

/**
 * Everything that is counted, by this process, since it started. `docs/metrics.md` is made from this table.
 * Sallyports that share a process share the numbers.
 */
export const metrics = {
  requests: new Histogram(
    'sallyport_request_duration_seconds',
    'How long requests took, by the route’s pattern, its method, and the status answered. What `/verify` answers from memory is not among them: see sallyport_outcomes_total.',
    ['route', 'method', 'status'],
  ),
  phases: new Histogram(
    'sallyport_request_phase_seconds',
    'How long each part of a request took: checks (origin, form), lookup (finding the session and deciding), decide (may they), handler, effects (cookies, headers, audit of a refusal).',
    ['phase'],
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5],
  ),
  outcomes: new Read(
    'counter',
    'sallyport_outcomes_total',
    'Requests by what was decided: the outcomes of docs/decisions-table.md.',
    'outcome',
  ),
  lookups: new Read(
    'counter',
    'sallyport_session_lookups_total',
    'Sessions asked for, by where the answer came from: memory or database.',
    'from',
  ),
  remembered: new Read('gauge', 'sallyport_remembered_sessions', 'Sessions this node remembers.'),
  lease: new Read(
    'gauge',
    'sallyport_lease_held',
    '1 while this node may answer from memory, 0 while it asks the database.',
  ),
  leasesLost: new Counter(
    'sallyport_leases_lost_total',
    'How often this node forgot everything and registered anew: it was cut off, paused or too slow.',
  ),
  settle: new Histogram(
    'sallyport_revocation_settle_seconds',
    'How long a revocation waited, after its commit, until no node accepted what it ended. Its count is that of revocations.',
    [],
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 2.5, 5],
  ),
  auditEvents: new Counter(
    'sallyport_audit_events_total',
    'Events written, by action (docs/audit.md): sign-ins are login.succeeded, refused ones login.denied. One that was rolled back counts too.',
    ['action'],
  ),
  unlinked: new Read(
    'gauge',
    'sallyport_audit_unlinked_events',
    'Events that have no place in the audit’s chain yet. It should fall to 0 every few seconds.',
  ),
  purged: new Counter('sallyport_purged_rows_total', 'Old rows deleted, by what they were.', [
    'what',
  ]),
  jobs: new Counter(
    'sallyport_job_runs_total',
    'Background jobs that this process ran, by result: ok or failed.',
    ['job', 'result'],
  ),
  verdicts: new Counter(
    'sallyport_verdicts_total',
    'What came of asking providers again: still_true, no_longer_true, held by the brake, and why nobody could tell: transient, misconfigured, unsupported.',
    ['verdict'],
  ),
  lockout: new Histogram(
    'sallyport_verification_lockout_seconds',
    'Of people who are gone: how long since the provider last vouched for them or, by a signal, since it was sent. Their suspension lies within that time. By what found it: a rung of the ladder, or a signal.',
    ['finder'],
    [1, 5, 15, 60, 300, 900, 1800, 3600, 4500, 7200, 14400, 86400],
  ),
  signals: new Counter(
    'sallyport_signals_total',
    'Shared signals that providers sent, by event and what they came to: end, check, disable, enable, purge; none where they changed nothing, refused where they were not taken.',
    ['event', 'came'],
  ),
  promised: new Read(
    'gauge',
    'sallyport_verification_lockout_promised_seconds',
    'The longest that somebody who is suspended may still get in, over all connections in use, by what finds it.',
    'finder',
  ),
  troubled: new Read(
    'gauge',
    'sallyport_verification_troubled_connections',
    'Connections in use that need somebody, by what is wrong: outage, misconfigured, brake.',
    'what',
  ),
  overdue: new Read(
    'gauge',
    'sallyport_verification_overdue_seconds',
    'For how long the most overdue identity of a connection that answers has been due. It grows when no process does background work.',
  ),
  connections: new Read(
    'gauge',
    'sallyport_database_connections',
    'Connections of this process’s pool: used, idle; and requests waiting for one.',
    'state',
  ),
} as const

type Metrics = typeof metrics

/** Where the numbers that are kept elsewhere are read: by their label, or one number. */
export type Sources = {
  readonly [Name in keyof Metrics as Metrics[Name] extends Read ? Name : never]: () =>
    Reading | Promise<Reading>
}

/** One number, or one for each value of the label. */
export type Reading = number | Readonly<Record<string, number>>

/** Every number, as it stands. One that cannot be read is left out. */
export async function readSamples(sources: Sources): Promise<readonly (readonly Sample[])[]> {
  return Promise.all(
    Object.entries(metrics).map(async ([key, metric]) => {
      if (!(metric instanceof Read)) return metric.samples()
      try {
        return samplesOf(metric, await sources[key as keyof Sources]())
      } catch {
        return []
      }
    }),
  )
}

function samplesOf({ name, labels: [label] }: Read, read: Reading): readonly Sample[] {
  if (typeof read === 'number') return [{ name, labels: {}, value: read }]
  return Object.entries(read).map(([key, value]) => ({
    name,
    labels: { [label ?? '']: key },
    value,
  }))
}

/** The text that Prometheus reads (its exposition format, version 0.0.4). */
export async function exposition(sources: Sources): Promise<string> {
  const all = await readSamples(sources)
  return Object.values(metrics)
    .map(({ name, help, type }, i) =>
      [
        `# HELP ${name} ${help}`,
        `# TYPE ${name} ${type}`,
        ...all[i]!.map((sample) => `${sample.name}${labelsText(sample.labels)} ${sample.value}`),
        '',
      ].join('\n'),
    )
    .join('')
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`)
  return pairs.length > 0 ? `{${pairs.join(',')}}` : ''
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
