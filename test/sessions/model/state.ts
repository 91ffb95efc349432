/**
 * What can be asked of the database, as far as it has come. A statement is sent, sees the database at one moment,
 * is visible to others at a later one, and is answered later still.
 */
export const asked = {
  nothing: 0,
  registerSent: 1,
  registerSeen: 2,
  registerDone: 3,
  renewSent: 4,
  renewSeen: 5,
  renewDone: 6,
  renewUnknown: 7,
  acknowledge: 8,
  lookSent: 9,
  lookSeen: 10,
} as const

export const reading = { nothing: 0, sent: 1, alive: 2, dead: 3 } as const
/** A use is recalled from memory, changes what is remembered, waits to be written, and is written for good. */
export const sliding = { nothing: 0, recalled: 1, gathered: 2, written: 3 } as const
export const revoking = { before: 0, committed: 1, waiting: 2, returned: 3, seeing: 4 } as const

/** One node, its row in the database, and one session that it may remember. All ages are ticks. */
export interface NodeState {
  /** Since the last statement that succeeded began; L + 1 is too long ago. */
  readonly since: number
  /** Since the renewal that gave the lease began; L is none. */
  readonly lease: number
  /** Ticks until this machine's clock may lose one again. */
  readonly steady: number
  readonly position: number
  readonly remembers: 0 | 1
  readonly asked: number
  /** Since the statement began. */
  readonly age: number
  /** Whether the machine was suspended during the statement. */
  readonly jumped: 0 | 1
  /** Since the statement saw the database, and what it saw. */
  readonly seenAge: number
  readonly seen: number
  readonly saw: 0 | 1
  readonly row: 0 | 1
  readonly rowAge: number
  readonly rowPosition: number
  readonly read: number
  readonly readPosition: number
  /** Whether somebody who came after the revocation had returned waits for the read. */
  readonly late: 0 | 1
  readonly slide: number
  /** A registration given up on an earlier connection, still on its way. */
  readonly ghost: 0 | 1
}

/** The world at one moment. */
export interface WorldState {
  readonly nodes: readonly NodeState[]
  /** Whether the session lives, by the database. */
  readonly alive: 0 | 1
  /** The last position. */
  readonly head: number
  /** The position of our revocation; 0 before it commits. */
  readonly ours: number
  readonly otherDone: 0 | 1
  readonly pruned: 0 | 1
  readonly revoking: number
  /** Since the revoker read the time (T). */
  readonly waited: number
}

/** A node before its first registration. */
export function newborn(lease: number): NodeState {
  return {
    since: lease + 1,
    lease,
    steady: 0,
    position: 0,
    remembers: 0,
    asked: 0,
    age: 0,
    jumped: 0,
    seenAge: 0,
    seen: 0,
    saw: 0,
    row: 0,
    rowAge: 0,
    rowPosition: 0,
    read: 0,
    readPosition: 0,
    late: 0,
    slide: 0,
    ghost: 0,
  }
}

/** The world as a number or a string: nodes are alike, so their order is none of its business. */
export function keyOf(w: WorldState): number | string {
  const rest =
    (((((w.alive * 3 + w.head) * 3 + w.ours) * 2 + w.otherDone) * 2 + w.pruned) * 8 + w.revoking) *
      8 +
    w.waited
  const keys = w.nodes.map(nodeKey)
  if (keys.length === 1) return keys[0]! * 4608 + rest
  return `${keys.sort((a, b) => a - b).join()},${rest}`
}

/** Whether the node has a statement that has seen the database and is not visible to others yet. */
export function isSeen(n: NodeState): boolean {
  return n.asked === asked.registerSeen || n.asked === asked.renewSeen
}

/** A node as a number; the factors are how many values a field can have, rounded up. */
function nodeKey(n: NodeState): number {
  const statement =
    (((((n.asked * 8 + n.age) * 2 + n.jumped) * 12 + n.seenAge) * 3 + n.seen) * 2 + n.saw) * 2 +
    n.ghost
  const row = (n.row * 12 + n.rowAge) * 3 + n.rowPosition
  const memory =
    ((((n.remembers * 4 + n.read) * 3 + n.readPosition) * 2 + n.late) * 4 + n.slide) * 3 +
    n.position
  const clocks = (n.since * 8 + n.lease) * 10 + n.steady
  return ((statement * 72 + row) * 576 + memory) * 640 + clocks
}
