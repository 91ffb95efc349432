import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBulkhead } from '../src/lib/bulkhead.ts'
import { createMemory } from '../src/providers/kept.ts'
import type { Egress } from '../src/lib/egress.ts'
import { createQuiet } from '../src/sessions/authenticate.ts'
import { SessionMemory } from '../src/sessions/memory.ts'
import { readSource } from './_source.ts'

/** Every collection that is made empty and grows, and what keeps it small. Whoever adds one says so here. */
const collections: Readonly<Record<string, readonly string[]>> = {
  'api/verify.ts': ['identities: one entry for each session remembered, held weakly'],
  'app.ts': [
    'allowed, and its sets: one entry for each path and method of the table of routes',
    '',
  ],
  'db/open.ts': ['pools: one entry for each database opened, held weakly'],
  'cli/workers.ts': ['workers: one entry for each worker process'],
  'lib/bulkhead.ts': ['taken: one entry for each share with a call under way', 'failing: LRU'],
  'lib/config.ts': ['unread: one entry for each setting, while they are read'],
  'lib/egress.ts': ['underWay: one entry for each call under way'],
  'lib/metrics.ts': [
    'Counter: one entry for each value of its labels, which come from tables of the program',
    'Histogram: the same',
  ],
  'lib/statsd.ts': ['sent: one entry for each counter'],
  'lib/json.ts': ['open: the keys of one text of limited length'],
  'providers/jwks.ts': [
    'imported: one entry for each published key that is held, held weakly',
    'known: one entry for each signature algorithm',
  ],
  'providers/kept.ts': ['memories: one entry for each egress client, held weakly', 'memory: LRU'],
  'providers/saml/attributes.ts': [
    'read: one entry for each attribute of a message of limited size',
  ],
  'providers/saml/signature.ts': ['found: one entry for each prefix of a message of limited size'],
  'providers/saml/xml.ts': [
    'read: one entry for each attribute of an element, which are few',
    'ids: one entry for each element of a message of limited size',
    'names: a hundred',
  ],
  'providers/saml/redirect-binding.ts': ['sent: one entry for each parameter that is known'],
  'providers/proof.ts': ['proofs that this process has made, held weakly'],
  'sessions/authenticate.ts': ['createQuiet: LRU'],
  'sessions/lookup.ts': ['common: LRU'],
  'sessions/memory.ts': [
    '#revoked: the last ten thousand revocations',
    '#reads: one entry for each read under way',
    '#live: LRU',
    '#dead: LRU',
  ],
  'verification/desk.ts': [
    '#lines: one entry for each connection of which somebody is asked about',
  ],
  'verification/gather.ts': [
    'lines: one entry for each database with something to write, held weakly',
  ],
  'verification/worker.ts': [
    'opened: one entry for each connection of which somebody was asked about in the last second',
  ],
  'verification/tally.ts': ['#counts: one entry for each connection and verdict of a few seconds'],
  'sessions/slides.ts': ['#waiting: ten thousand sessions that were used, at most'],
}

const files = await readSource()

test('DOS-05 every collection in the source that grows is known here, with what keeps it small', () => {
  const growing = /\bnew (?:(?:Map|Set)(?:<[^()]*>)?\(\)|Weak(?:Map|Set)\b|LRUCache\b)/g
  const found = files
    .map(({ path, code }) => [path, [...code.matchAll(growing)].length] as const)
    .filter(([, count]) => count > 0)
  const known = Object.entries(collections).map(([path, { length }]) => [path, length] as const)
  assert.deepEqual(Object.fromEntries(found), Object.fromEntries(known))
})

test('DOS-05 every LRU has a greatest size', () => {
  for (const { path, code } of files) {
    for (const [call] of code.matchAll(/new LRUCache(?:<[^(]*>)?\([^)]*\)/g))
      assert.match(call, /\bmax(:|Size)/, `${path}: ${call}`)
  }
})

test('DOS-05 keys from outside push one another out', async () => {
  const quiet = createQuiet()
  for (let i = 0; i < 20_000; i++) quiet.set(`key-${i}`, true)
  assert.equal(quiet.size, 10_000)

  const memory = new SessionMemory({ sessions: 10, dead: 10 })
  for (let i = 0; i < 1000; i++)
    await memory.read(`token-${i}`, async () => ({ live: false, session: undefined }), true)
  const held = Array.from({ length: 1000 }, (_, i) => memory.recallDead(`token-${i}`))
  assert.equal(held.filter(Boolean).length, 10)

  const recall = createMemory<object>()
  const egress = {} as Egress
  let made = 0
  for (let i = 0; i < 3000; i++) recall(egress, `connection-${i}`, () => ({ made: made++ }))
  recall(egress, 'connection-2999', () => ({ made: made++ }))
  assert.equal(made, 3000, 'the last is still held')
  recall(egress, 'connection-0', () => ({ made: made++ }))
  assert.equal(made, 3001, 'the first is not')

  const bulkhead = createBulkhead({ perShare: 1 })
  for (let i = 0; i < 20_000; i++) bulkhead.enter(`share-${i}`)?.(i % 2 === 0)
  assert.ok(bulkhead.size <= 10_000)
})
