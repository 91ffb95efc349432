import type { System } from './explore.ts'
import type { Rule } from './rules.ts'
import {
  asked,
  isSeen,
  keyOf,
  newborn,
  reading,
  revoking,
  sliding,
  type NodeState,
  type WorldState,
} from './state.ts'

/** How large a world is explored, and what happens in it. Times are ticks. */
export interface World {
  /** The rule that does not hold, if any. */
  readonly without?: Rule | undefined
  readonly nodes?: number
  /** L */
  readonly lease: number
  /** S */
  readonly statement: number
  /** Machines' clocks may lose one tick in L + S + 1. */
  readonly drift?: boolean
  /** Machines may be suspended: one of their clocks stands still. */
  readonly suspend?: boolean
  /** There is another revocation, of something else. */
  readonly other?: boolean
  /** Sessions are moved on. */
  readonly slides?: boolean
  /** The list and the nodes are pruned. */
  readonly pruning?: boolean
}

type Event = readonly [name: string, after: WorldState]
/** What happens to a node, and what becomes of the rest of the world by it. */
type Happening = readonly [name: string, node: NodeState, rest?: Partial<WorldState>]

/**
 * The protocol of src/sessions, on one session that is revoked once. Anything may take any time: a node that does nothing is
 * paused, a statement that is never answered is a line that was cut, and a renewal may begin at any moment, nudged or not.
 */
export function protocol(world: World): System<WorldState> {
  const { without, nodes: count = 1, lease: L, statement: S } = world
  const holds = (rule: Rule) => rule !== without
  const drift = world.drift ? 1 : 0
  const silence = L + (holds('silent means L + S') ? S : 0) + drift
  const patience = L + (holds('a margin for drift') ? drift : 0)
  const untilT = holds('wait until T + L')
  const outlived = L + 1
  const born = newborn(L)
  const idle = { asked: asked.nothing, age: 0, jumped: 0, seenAge: 0, seen: 0, saw: 0 } as const
  const forgetful = { lease: L, remembers: 0 } as const

  function* statements(w: WorldState, n: NodeState): Generator<Happening> {
    const seeing = { seen: w.head, saw: w.ours > 0 ? 1 : 0, seenAge: 0 } as const
    switch (n.asked) {
      case asked.nothing: {
        const registered = n.since <= L || (!holds('a registration lasts for L') && n.row === 1)
        if (registered) yield ['renews', { ...n, ...idle, asked: asked.renewSent }]
        else
          yield [
            'registers',
            {
              ...n,
              ...(holds('forget before registering') ? forgetful : {}),
              ...idle,
              asked: asked.registerSent,
            },
          ]
        if (registered && n.lease < L) yield ['looks', { ...n, ...idle, asked: asked.lookSent }]
        if (n.row === 1 && n.rowPosition !== n.position && n.since < outlived)
          yield ['acknowledges', { ...n, ...idle, asked: asked.acknowledge }]
        return
      }
      case asked.registerSent:
        yield ['registration sees', { ...n, ...seeing, asked: asked.registerSeen }]
        break
      case asked.registerSeen:
        yield [
          'registration commits',
          {
            ...n,
            ...shown(w, { row: 1, rowAge: n.seenAge, rowPosition: n.seen }),
            asked: asked.registerDone,
          },
        ]
        break
      case asked.registerDone: {
        const kept = holds('forget at the answer') ? forgetful : {}
        yield ['is registered', { ...n, ...kept, ...idle, position: n.seen, since: n.age }]
        break
      }
      case asked.renewSent:
        if (n.row === 1 || !holds('an unknown node registers'))
          yield ['renewal sees', { ...n, ...seeing, asked: asked.renewSeen }]
        else yield ['renewal finds no row', { ...n, asked: asked.renewUnknown }]
        break
      case asked.renewSeen: {
        const rowPosition = holds('acknowledge what is applied') ? n.rowPosition : n.seen
        yield [
          'renewal commits',
          { ...n, ...shown(w, { rowAge: n.seenAge, rowPosition }), asked: asked.renewDone },
        ]
        break
      }
      case asked.renewDone:
        yield ['is renewed', renewed(w, n)]
        break
      case asked.lookSent:
        if (n.row === 1 || !holds('an unknown node registers'))
          yield ['look sees', { ...n, ...seeing, asked: asked.lookSeen }]
        else yield ['look finds no row', { ...n, asked: asked.renewUnknown }]
        break
      case asked.lookSeen: {
        const applied = renewed(w, n)
        const given = holds('only a renewal gives a lease') ? n.lease : applied.lease
        const startsOver = applied.since === outlived
        yield ['has looked', startsOver ? applied : { ...applied, since: n.since, lease: given }]
        break
      }
      case asked.renewUnknown:
        yield ['must register', { ...n, ...forgetful, ...idle, since: outlived }]
        break
      case asked.acknowledge:
        yield ['acknowledgment commits', { ...n, ...idle, rowPosition: n.position }]
        break
    }
    const mayArrive = n.asked === asked.registerSent || n.asked === asked.registerSeen
    const ghost = mayArrive && !holds('a row for each connection') ? 1 : n.ghost
    yield ['gives up its connection', { ...n, ...idle, since: outlived, ghost }]
  }

  /** What a commit shows, unless whoever revokes has looked at the rows already. */
  function shown(w: WorldState, row: Partial<NodeState>): Partial<NodeState> {
    return w.revoking === revoking.seeing ? {} : row
  }

  function renewed(w: WorldState, n: NodeState): NodeState {
    const news = n.saw === 1 && w.ours > n.position
    if (news && w.pruned === 1 && holds('see the gap'))
      return { ...n, ...forgetful, ...idle, since: outlived }
    const inTime = n.age <= S || !holds('an answer later than S gives no lease')
    const leased = inTime && (n.jumped === 0 || !holds('both clocks'))
    const from = holds('a lease runs from the beginning') ? Math.min(n.age, L) : 0
    return {
      ...n,
      ...idle,
      position: n.seen,
      remembers: news && w.pruned === 0 ? 0 : n.remembers,
      since: n.age,
      lease: leased ? from : n.lease,
    }
  }

  function* requests(w: WorldState, n: NodeState): Generator<Happening> {
    const late = w.revoking === revoking.returned ? 1 : 0
    switch (n.read) {
      case reading.nothing:
        yield ['reads', { ...n, read: reading.sent, readPosition: n.position, late }]
        break
      case reading.sent:
        yield ['read sees', { ...n, read: w.alive ? reading.alive : reading.dead }]
        break
      case reading.alive: {
        const kept = n.readPosition === n.position || !holds('a fill is fenced')
        yield [
          'reads that it lives',
          { ...n, read: 0, readPosition: 0, late: 0, remembers: kept ? 1 : n.remembers },
        ]
        break
      }
      case reading.dead:
        yield ['reads that it is dead', { ...n, read: 0, readPosition: 0, late: 0 }]
    }
    const joins =
      (n.lease < L || !holds('share under a lease')) &&
      (n.readPosition === n.position || !holds('share at one position'))
    if (n.read !== reading.nothing && late > n.late && joins)
      yield ['joins the read', { ...n, late }]
  }

  function* slides(w: WorldState, n: NodeState): Generator<Happening> {
    if (n.slide === sliding.nothing && n.remembers === 1 && n.lease < L)
      yield ['is used', { ...n, slide: sliding.recalled }]
    if (n.slide === sliding.recalled) {
      const kept = holds('a use changes only what is remembered') ? n.remembers : 1
      yield ['gathers the use', { ...n, slide: sliding.gathered, remembers: kept }]
    }
    if (n.slide === sliding.gathered) {
      const written = { ...n, slide: sliding.written }
      if (!holds('slide only what lives')) yield ['slide writes it back', written, { alive: 1 }]
      else if (w.alive === 1) yield ['slide writes', written]
      else yield ['slide finds it dead', { ...n, slide: sliding.nothing, remembers: 0 }]
    }
    const remembers = holds('a slide is not remembered') ? 0 : 1
    if (n.slide === sliding.written) yield ['has slid', { ...n, slide: sliding.nothing, remembers }]
  }

  function* happenings(w: WorldState, n: NodeState): Generator<Happening> {
    yield* statements(w, n)
    yield* requests(w, n)
    if (world.slides) yield* slides(w, n)
    yield [
      'crashes',
      {
        ...born,
        steady: n.steady,
        row: n.row,
        rowAge: n.rowAge,
        rowPosition: n.rowPosition,
        ghost: n.ghost,
      },
    ]
    if (n.ghost === 1)
      yield [
        'an old registration arrives',
        { ...n, ghost: 0, row: 1, rowAge: 0, rowPosition: w.head },
      ]
    if (world.pruning && n.row === 1 && n.rowAge > silence && n.asked !== asked.renewSeen)
      yield ['its row is pruned', { ...n, row: 0, rowAge: 0, rowPosition: 0 }]
  }

  function* revocation(w: WorldState): Generator<Event> {
    const early = !holds('positions in commit order')
    if (w.ours === 0) {
      const ours = early ? 1 : w.head + 1
      yield [
        'the revocation commits',
        { ...w, ours, head: Math.max(w.head, ours), alive: 0, revoking: revoking.committed },
      ]
    }
    if (world.other && w.otherDone === 0)
      yield ['another revocation commits', { ...w, otherDone: 1, head: early ? 2 : w.head + 1 }]
    if (world.pruning && w.ours > 0 && w.pruned === 0)
      yield ['the list is pruned', { ...w, pruned: 1 }]
    if (w.revoking === revoking.committed)
      yield holds('T before what is seen')
        ? ['the revoker reads T', readsT(w)]
        : ['the revoker sees the rows', { ...w, revoking: revoking.seeing }]
    if (w.revoking === revoking.seeing && isOver(readsT(w)))
      yield ['the revoker reads T', { ...readsT(w), revoking: revoking.returned }]
    const repeated = !holds('a repeated revocation waits') && w.revoking === revoking.committed
    if (repeated || (w.revoking === revoking.waiting && isOver(w)))
      yield ['revoke() returns', { ...w, revoking: revoking.returned, waited: 0 }]
  }

  function readsT(w: WorldState): WorldState {
    return {
      ...w,
      revoking: revoking.waiting,
      nodes: untilT ? w.nodes.map(judged) : w.nodes,
    }
  }

  /** From T on all that matters of a row's age is whether it was silent then. */
  function judged(n: NodeState): NodeState {
    const mark = (age: number) => (age > silence ? silence + 1 : 0)
    return { ...n, rowAge: mark(n.rowAge), seenAge: mark(n.seenAge) }
  }

  function isOver(w: WorldState): boolean {
    if (untilT && w.waited >= patience) return true
    const gone = (n: NodeState) => (untilT ? n.rowAge > silence : n.rowAge > L + drift)
    return w.nodes.every((n) => n.row === 0 || n.rowPosition >= w.ours || gone(n))
  }

  function* ticks(w: WorldState): Generator<Event> {
    const before = w.revoking < revoking.waiting || w.revoking === revoking.seeing
    const aging = before || !untilT ? 1 : 0
    const older = (n: NodeState, even: 0 | 1): NodeState => ({
      ...n,
      since: Math.min(n.since + even, outlived),
      lease: Math.min(n.lease + even, L),
      age: n.asked === asked.nothing ? 0 : Math.min(n.age + even, outlived),
      rowAge: n.row === 0 ? 0 : Math.min(n.rowAge + aging, silence + 1),
      seenAge: isSeen(n) ? Math.min(n.seenAge + aging, silence + 1) : 0,
    })
    const paces = (n: NodeState): NodeState[] => {
      const even = { ...older(n, 1), steady: Math.max(0, n.steady - 1) }
      const all = [even]
      if (world.drift && n.steady === 0) all.push({ ...older(n, 0), steady: L + S + 1 })
      if (world.suspend)
        all.push(
          holds('both clocks')
            ? { ...even, lease: L, jumped: n.asked === asked.nothing ? 0 : 1 }
            : { ...older(n, 0), steady: even.steady },
        )
      return all
    }
    const waited = w.revoking === revoking.waiting ? Math.min(w.waited + 1, L + drift) : w.waited
    for (const nodes of product(w.nodes.map(paces))) yield ['tick', { ...w, waited, nodes }]
  }

  function* next(w: WorldState): Generator<Event> {
    yield* revocation(w)
    for (const [i, n] of w.nodes.entries()) {
      const name = count > 1 ? `node ${i + 1} ` : 'node '
      for (const [event, changed, rest] of happenings(w, n))
        yield [name + event, { ...w, ...rest, nodes: w.nodes.with(i, changed) }]
    }
    yield* ticks(w)
  }

  /** A request that comes now, after the revocation has returned, is let in. */
  function letsIn(n: NodeState): boolean {
    const believed = n.lease < L || !holds('memory needs a lease')
    return (n.remembers === 1 && believed) || (n.late === 1 && n.read === reading.alive)
  }

  return {
    initial: {
      nodes: Array.from({ length: count }, () => born),
      alive: 1,
      head: 0,
      ours: 0,
      otherDone: 0,
      pruned: 0,
      revoking: 0,
      waited: 0,
    },
    next,
    wrong: (w) => w.revoking === revoking.returned && w.nodes.some(letsIn),
    key: keyOf,
  }
}

function product<T>(choices: readonly (readonly T[])[]): readonly (readonly T[])[] {
  return choices.reduce<readonly (readonly T[])[]>(
    (so, some) => so.flatMap((one) => some.map((last) => [...one, last])),
    [[]],
  )
}
