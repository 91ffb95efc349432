/** One figure that a run yields: what it says, in which unit, and what it ought to be. */
export interface FigureKind {
  readonly what: string
  readonly unit: string
  /** What it should be at least or at most; without one it is there for comparison. */
  readonly target?: { readonly least: number } | { readonly most: number }
  /** What a reader should know who wonders about the value. */
  readonly note?: string
}

/** Every figure there is. The targets are those of the design. */
export const figureKinds = {
  'floor.rate': { what: 'floor: node:http, a hash and a Map', unit: 'requests/s' },
  'floor.p50': { what: '  half are answered within', unit: 'ms' },
  'floor.p99': { what: '  99 of 100 within', unit: 'ms' },
  'floor.cpu': { what: '  processor time of each', unit: 'µs' },
  'alike.rate': { what: 'the floor, saying all that /verify says', unit: 'requests/s' },
  'alike.cpu': { what: '  processor time of each', unit: 'µs' },
  'verify.rate': { what: 'GET /verify, warm, one process', unit: 'requests/s' },
  'verify.p50': { what: '  half are answered within', unit: 'ms' },
  'verify.p99': { what: '  99 of 100 within', unit: 'ms' },
  'verify.cpu': { what: '  processor time of each (Node)', unit: 'µs' },
  'verify.ratio': {
    what: 'GET /verify, part of the floor',
    unit: '× floor',
    target: { least: 0.9 },
  },
  'verify.alike': { what: '  part of the floor that says the same', unit: '× floor' },
  'authenticate.floor': { what: 'floor: a hash and a Map in process', unit: 'calls/s' },
  'authenticate.warm': {
    what: 'authenticate() in process, from memory',
    unit: 'calls/s',
    target: { least: 1_000_000 },
  },
  'authenticate.cpu': { what: '  processor time of each', unit: 'µs' },
  'authenticate.ratio': { what: '  which is so many hashes with a Map', unit: '× floor' },
  'authenticate.cold': {
    what: 'authenticate() in process, from PostgreSQL',
    unit: 'calls/s',
    target: { least: 5000 },
  },
  'authenticate.cold-cpu': { what: '  processor time of each (Node)', unit: 'µs' },
  'sign-in.rate': {
    what: 'whole sign-ins through OIDC, provider left out',
    unit: 'sign-ins/s',
    target: { least: 150 },
    note: 'What the provider takes of the processors is taken off; what the load takes, which stands for browsers, is not.',
  },
  'sign-in.together': { what: '  with the provider on the same cores', unit: 'sign-ins/s' },
  'sign-in.p50': { what: '  half are done within', unit: 'ms' },
  'sign-in.p99': { what: '  99 of 100 within', unit: 'ms' },
  'sign-in.cpu': { what: '  processor time of each (Node)', unit: 'ms' },
  'sign-in.provider': { what: '  processor time of the provider', unit: 'ms' },
  'saml.rate': { what: 'whole sign-ins through SAML, provider left out', unit: 'sign-ins/s' },
  'saml.together': { what: '  with the provider on the same cores', unit: 'sign-ins/s' },
  'saml.p50': { what: '  half are done within', unit: 'ms' },
  'saml.p99': { what: '  99 of 100 within', unit: 'ms' },
  'saml.cpu': { what: '  processor time of each (Node)', unit: 'ms' },
  'saml.provider': { what: '  processor time of the provider', unit: 'ms' },
  'start.first': {
    what: 'npm start to the first page, no data folder',
    unit: 'ms',
    target: { most: 3000 },
  },
  'start.again': {
    what: 'npm start to the first page, existing data',
    unit: 'ms',
    target: { most: 3000 },
  },
  'start.resident': {
    what: 'memory of the server process after start',
    unit: 'MB',
    target: { most: 120 },
    note: 'As published, compiled to JavaScript.',
  },
  'start.resident-source': {
    what: '  run from source, with its types taken off',
    unit: 'MB',
  },
} as const satisfies Readonly<Record<string, FigureKind>>

export type FigureId = keyof typeof figureKinds

/** Some figures of a run, by id. */
export type Figures = { readonly [Id in FigureId]?: number }

/** Targets of the design that another command measures, because it takes longer or needs more. */
export const elsewhere: readonly string[] = [
  'revoke() to refused on three nodes (npm run bench -- coherence)',
  'identities re-verified a second, and token calls for each (npm run bench -- verification)',
  'the same work by better-auth, mod_auth_openidc and others (npm run bench:peers)',
]

/** A figure as it is written down. */
export interface Figure extends FigureKind {
  readonly id: string
  readonly value: number
  /** How many times better than the target; below 1 it is not met yet. */
  readonly reached?: number
}

/** Puts the values with what they mean, in the order of the table. */
export function describeFigures(figures: Figures): Figure[] {
  const kinds = Object.entries(figureKinds) as [FigureId, FigureKind][]
  return kinds.flatMap(([id, kind]) => {
    const value = figures[id]
    if (value === undefined) return []
    return [{ id, ...kind, value: rounded(value), ...reached(value, kind.target) }]
  })
}

function reached(value: number, target: FigureKind['target']): { reached?: number } {
  if (!target) return {}
  return { reached: rounded('least' in target ? value / target.least : target.most / value) }
}

/** To three digits: what a run can tell. */
function rounded(value: number): number {
  return value >= 100 ? Math.round(value) : Number(value.toPrecision(3))
}
