import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { explore, type Explored } from './model/explore.ts'
import { protocol, type World } from './model/protocol.ts'
import { needed, rules, type Rule } from './model/rules.ts'

const least = { lease: 2, statement: 1 }
const deep = process.env['SALLYPORT_MODEL'] === 'deep'

/** Worlds, and how many events deep they are explored; to the end unless told. */
const worlds: Record<string, readonly [World, limit?: number]> = {
  'one node': [{ lease: 4, statement: 2 }],
  'clocks that drift': [{ ...least, drift: true }],
  'machines that are suspended': [{ lease: 3, statement: 1, suspend: true }],
  'clocks that drift on machines that are suspended': [{ ...least, drift: true, suspend: true }],
  'sessions that are moved on': [{ lease: 3, statement: 1, slides: true }],
  'another revocation': [{ ...least, other: true }],
  'a list that is pruned': [{ ...least, pruning: true }],
  'two nodes': [{ ...least, nodes: 2 }, 11],
  'three nodes': [{ ...least, nodes: 3 }, 7],
  ...(deep && {
    'longer leases, clocks that drift': [{ lease: 3, statement: 2, drift: true }],
    'another revocation, clocks that drift': [{ ...least, drift: true, other: true }],
    'another revocation, a list that is pruned': [
      { lease: 3, statement: 1, other: true, pruning: true },
    ],
    'suspended machines, sessions moved on, a list pruned': [
      { ...least, suspend: true, slides: true, pruning: true },
    ],
    'two nodes, deeper': [{ ...least, nodes: 2 }, 14],
    'three nodes, deeper': [{ ...least, nodes: 3 }, 10],
  }),
}

describe('no request that comes after revoke() has returned is let in, whatever happens in whatever order', () => {
  for (const [name, [world, limit]] of Object.entries(worlds)) {
    it(name, (t) => {
      const explored = explore(protocol(world), { limit, tell: !deep })
      t.diagnostic(
        `${explored.states} states, ${explored.depth} events deep${limit ? '' : ': all there are'}`,
      )
      assert.equal(told(explored), undefined)
    })
  }
})

describe('every rule is needed: without it somebody is let in', () => {
  for (const [rule, instead] of Object.entries(rules) as [Rule, string][]) {
    it(`${rule}: else ${instead}`, (t) => {
      const explored = explore(protocol({ ...least, ...needed[rule], without: rule }))
      assert.ok(
        explored.violation,
        'nobody is let in: the rule is not needed, or the model does not show why',
      )
      t.diagnostic(explored.violation.join(', '))
    })
  }
})

function told({ violation }: Explored): string | undefined {
  return violation?.join('\n')
}
