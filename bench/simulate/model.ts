import { batch, gatherFor } from '../../src/sessions/slides.ts'

/** What one of each costs, in microseconds of processor time unless named otherwise. Measured. */
export interface Costs {
  /** A check over HTTP that memory answers. */
  readonly check: number
  /** A check's reading of the database, on top of that. */
  readonly read: Both
  /** Moving one session's end on, among many in one statement. */
  readonly slide: Both
  /** Renewing a lease, or looking what was revoked, or acknowledging it. */
  readonly renew: Both
  /** A revocation, with its own node's looking. */
  readonly revoke: Both
  readonly signIn: Both
  /** Bytes of a remembered session. */
  readonly sessionBytes: number
}

/** At the node, and at the database. */
export interface Both {
  readonly node: number
  readonly database: number
}

/** What people do. Assumed. */
export interface Activity {
  /** Requests a second of a live session, on average. */
  readonly requests: number
  /** How unequal sessions are: the one of rank r asks in proportion to r^-exponent. */
  readonly exponent: number
  /** Requests a second that no session exceeds. */
  readonly most: number
  /** How long a session lives, in seconds. */
  readonly lifetime: number
  /** Which part of sessions somebody ends, rather than time. */
  readonly ended: number
  /** How often a session is moved on at most, in seconds. */
  readonly slideEvery: number
}

/** How it is laid out. Chosen. */
export interface Layout {
  /** `any`: a request reaches any node. `by-token`: the balancer hashes the cookie, so a session has one node. */
  readonly routing: 'any' | 'by-token'
  /** Bytes of one node, which is one process on one core, for sessions. */
  readonly memory: number
  /** Which part of a core may be in use. */
  readonly busy: number
  /** Cores of one primary. */
  readonly databaseCores: number
}

/** How often a node renews, a second. */
export const renewalsEach = 2
/** Statements of each node for each revocation: it looks, and it acknowledges. */
export const looksEach = 2
/** And one more of the node at which it happened: it looks without waiting for the nudge, which comes too. */
export const looksOfOwn = 1
/** How long a node gathers the sessions to move on, in seconds, and how many go into one statement at most. */
const gather = { for: gatherFor / 1000, atMost: batch }
/** However many revocations there are, a node looks so often a second at most: those under way share one look. */
export const mostLooks = 200
/** So many sessions that each send so many requests a second. */
interface Kind {
  readonly count: number
  readonly rate: number
}

/** Sessions in order of their activity, those of like activity together. */
export function kindsOf(
  sessions: number,
  activity: Pick<Activity, 'requests' | 'exponent' | 'most'>,
): Kind[] {
  const ranks: { from: number; to: number }[] = []
  for (let from = 0; from < sessions;) {
    const to = Math.min(sessions, from + Math.max(1, Math.floor(from / 20)))
    ranks.push({ from, to })
    from = to
  }
  const shares = ranks.map(({ from, to }) => ({
    count: to - from,
    share: ((from + 1 + to) / 2) ** -activity.exponent,
  }))
  // What the most active may not send, the others do.
  const total = sessions * activity.requests
  const sent = (scale: number) =>
    shares.reduce(
      (sum, { count, share }) => sum + count * Math.min(activity.most, scale * share),
      0,
    )
  const scale = solve(sent, total)
  return shares.map(({ count, share }) => ({ count, rate: Math.min(activity.most, scale * share) }))
}

/** The x at which a growing function reaches a value; the largest tried where it never does. */
function solve(f: (x: number) => number, value: number): number {
  let [low, high] = [0, 1]
  while (f(high) < value && high < 1e15) high *= 2
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2
    if (f(middle) < value) low = middle
    else high = middle
  }
  return high
}

/**
 * How long a session is remembered without being asked for, in seconds, in a memory that forgets the longest unused:
 * until as many others have been asked for as there is room (Che, Tung and Wang, 2002). Infinite where all have room.
 */
export function rememberedFor(kinds: readonly Kind[], capacity: number): number {
  const population = kinds.reduce((sum, { count }) => sum + count, 0)
  if (population <= capacity) return Infinity
  const held = (time: number) =>
    kinds.reduce((sum, { count, rate }) => sum + count * -Math.expm1(-rate * time), 0)
  return solve(held, capacity)
}

/** Which part of requests memory answers, where nothing is moved on. */
export function hitRate(kinds: readonly Kind[], capacity: number): number {
  const time = rememberedFor(kinds, capacity)
  const asked = kinds.reduce((sum, { count, rate }) => sum + count * rate, 0)
  const known = kinds.reduce((sum, { count, rate }) => sum + count * rate * chance(rate, time), 0)
  return known / asked
}

/** Whether a session that is asked for at a rate is still remembered. */
function chance(rate: number, time: number): number {
  return time === Infinity ? 1 : -Math.expm1(-rate * time)
}

/**
 * Statements a second that move one session on, at all nodes together, for a session asked for at `rate` in all and
 * with a chance `known` to be remembered by the node that is asked. Some find that another node was first.
 */
export function slidesOf(
  rate: number,
  { nodes, known, slideEvery }: { nodes: number; known: number; slideEvery: number },
): { moved: number; futile: number } {
  const moved = 1 / (slideEvery + 1 / rate)
  if (nodes === 1) return { moved, futile: 0 }
  const own = rate / nodes
  // Whether what is read was moved on within the minute, and need not be again.
  const fresh = (slideEvery * rate) / (1 + slideEvery * rate)
  // How old it is then: anything up to a minute, but little where every node asks often.
  const age = (slideEvery / 2) * -Math.expm1(-(2 / own) / (slideEvery / 2))
  // One node's round: it reads until what it read is fresh, and remembers that until it is old, or pushed out.
  const statements = 1 / fresh - 1 + known
  const time = 1 / fresh / own + known * (slideEvery - age + 1 / own)
  return { moved, futile: Math.max(0, Math.min(rate, (nodes * statements) / time) - moved) }
}

/** What is predicted. Rates are a second, and of everything together unless named otherwise. */
export interface Prediction {
  readonly sessions: number
  readonly routing: Layout['routing']
  readonly requests: number
  readonly nodes: number
  /** Sessions that one node has room for. */
  readonly capacity: number
  readonly hits: number
  readonly reads: number
  /** Sessions moved on, or found to have been. */
  readonly slides: number
  readonly signIns: number
  readonly revocations: number
  /** Of one node: renewals, looks and acknowledgements. */
  readonly statementsOfNode: number
  /** Everything the database is sent, a sign-in as one. */
  readonly statements: number
  /** Cores of database at the part that may be in use. */
  readonly databaseCores: number
  /** Primaries that those cores make. */
  readonly primaries: number
}

/** Predicts what so many live sessions take. */
export function predict(
  sessions: number,
  activity: Activity,
  layout: Layout,
  costs: Costs,
): Prediction {
  let nodes = Math.max(
    1,
    Math.ceil((sessions * activity.requests * costs.check) / 1e6 / layout.busy),
  )
  for (;;) {
    const { prediction, nodeLoad } = predictWith(nodes, sessions, activity, layout, costs)
    if (nodeLoad <= layout.busy) return prediction
    nodes = Math.max(nodes + 1, Math.ceil((nodes * nodeLoad) / layout.busy))
    if (nodes > 1e6) return prediction
  }
}

function predictWith(
  nodes: number,
  sessions: number,
  activity: Activity,
  layout: Layout,
  costs: Costs,
): { prediction: Prediction; nodeLoad: number } {
  const capacity = Math.floor(layout.memory / costs.sessionBytes)
  const alone = layout.routing === 'by-token'
  const all = kindsOf(sessions, activity)
  // A node sees all sessions, each a little; or a part of them, wholly.
  const seen = all.map(({ count, rate }) =>
    alone ? { count: count / nodes, rate } : { count, rate: rate / nodes },
  )
  const time = rememberedFor(seen, capacity)
  let [reads, slides, requests] = [0, 0, 0]
  for (const [i, { count, rate }] of all.entries()) {
    const known = chance(seen[i]!.rate, time)
    const { moved, futile } = slidesOf(rate, {
      nodes: alone ? 1 : nodes,
      known,
      slideEvery: activity.slideEvery,
    })
    requests += count * rate
    slides += count * (moved + futile)
    // Whoever has been moved on is read again by the next request.
    reads += count * Math.min(rate, rate * (1 - known) + (moved + futile) * known)
  }
  const signIns = sessions / activity.lifetime
  const revocations = signIns * activity.ended
  const looks = Math.min(mostLooks, revocations)
  const statementsOfNode = renewalsEach + looks * looksEach
  const nodeUs =
    (requests * costs.check +
      reads * costs.read.node +
      slides * costs.slide.node +
      revocations * costs.revoke.node +
      signIns * costs.signIn.node) /
      nodes +
    statementsOfNode * costs.renew.node
  const databaseUs =
    reads * costs.read.database +
    slides * costs.slide.database +
    revocations * costs.revoke.database +
    signIns * costs.signIn.database +
    nodes * statementsOfNode * costs.renew.database
  const databaseCores = databaseUs / 1e6 / layout.busy
  const writes = Math.min(slides, nodes / gather.for + slides / gather.atMost)
  const prediction = {
    sessions,
    routing: layout.routing,
    requests,
    nodes,
    capacity,
    hits: 1 - reads / requests,
    reads,
    slides,
    signIns,
    revocations,
    statementsOfNode,
    statements: reads + writes + revocations + signIns + nodes * statementsOfNode,
    databaseCores,
    primaries: Math.ceil(databaseCores / layout.databaseCores),
  }
  return { prediction, nodeLoad: nodeUs / 1e6 }
}
