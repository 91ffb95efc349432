import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { SessionMemory } from '../../src/sessions/memory.ts'
import type { Revocation, Target } from '../../src/sessions/revocations.ts'
import { heldLoad, remember, sessionOf } from './_remembered.ts'

describe('what a node remembers', () => {
  let memory: SessionMemory

  beforeEach(() => (memory = new SessionMemory({ sessions: 1000, dead: 100 })))

  const revoke = (...targets: Target[]) =>
    memory.apply(
      targets.map((target, i): Revocation => ({ position: memory.position + i + 1, target })),
    )

  it('forgets what rests on a session, a person, an organization, a connection or an identity, and nothing else', async () => {
    const targets: Target[] = [
      { kind: 'session', id: 'session-1' },
      { kind: 'user', id: 'person-1' },
      { kind: 'organization', id: 'organization-1' },
      { kind: 'connection', id: 'connection-1' },
      { kind: 'identity', id: 'identity-1' },
    ]
    for (const target of targets) {
      for (const i of [0, 1, 2]) await remember(memory, sessionOf(i))
      revoke(target)
      const left = [0, 1, 2].filter((i) => memory.recall(`key-session-${i}`))
      assert.deepEqual(left, [0, 2], target.kind)
    }
    revoke({ kind: 'user', id: 'person-0' }, { kind: 'session', id: 'session-2' })
    assert.equal(memory.recall('key-session-0'), undefined, 'both of a list that mixes kinds')
    assert.equal(memory.recall('key-session-2'), undefined)
  })

  it('forgets everything when told so', async () => {
    for (let i = 0; i < 10; i++) await remember(memory, sessionOf(i))
    revoke({ kind: 'everything' })
    assert.deepEqual([memory.size, memory.position], [0, 1])
  })

  it('forgets everything of a large organization, and only that, whatever the order of use', async () => {
    for (let i = 0; i < 500; i++) await remember(memory, sessionOf(i, i % 3 === 0 ? 0 : 1))
    for (let i = 499; i > 0; i -= 7) memory.recall(`key-session-${i}`)
    revoke({ kind: 'organization', id: 'organization-1' })
    const left = Array.from({ length: 500 }, (_, i) => i).filter((i) =>
      memory.recall(`key-session-${i}`),
    )
    assert.deepEqual(
      left,
      Array.from({ length: 167 }, (_, i) => i * 3),
    )
  })

  it('a session read after a revocation is none of its business', async () => {
    revoke({ kind: 'user', id: 'person-1' })
    await remember(memory, sessionOf(1))
    revoke({ kind: 'user', id: 'person-2' })
    assert.ok(memory.recall('key-session-1'))
    revoke({ kind: 'user', id: 'person-1' })
    assert.equal(memory.recall('key-session-1'), undefined)
  })

  it('after very many revocations, what was not looked at since is read anew, whether it was revoked or not', async () => {
    for (const i of [1, 2]) await remember(memory, sessionOf(i))
    revoke({ kind: 'session', id: 'session-1' })
    for (let i = 0; i < 9_999; i++) revoke({ kind: 'session', id: `other-${i}` })
    assert.equal(memory.recall('key-session-1'), undefined)
    await remember(memory, sessionOf(1))
    assert.ok(memory.recall('key-session-2'), 'all since it was read are still known')
    for (let i = 0; i < 10_001; i++) revoke({ kind: 'session', id: `more-${i}` })
    assert.deepEqual(
      [1, 2].map((i) => memory.recall(`key-session-${i}`)),
      [undefined, undefined],
    )
  })

  it('COH-04 a read under way when a revocation is applied answers who waited, and is not remembered', async () => {
    const { load, answer } = heldLoad(sessionOf(1))
    const waiting = memory.read('key-session-1', load, true)
    revoke({ kind: 'session', id: 'session-9' })
    answer()
    assert.equal((await waiting).session?.id, 'session-1')
    assert.equal(memory.recall('key-session-1'), undefined)
  })

  it('COH-04 a read under way when the node registers anew is not remembered', async () => {
    const { load, answer } = heldLoad(sessionOf(1))
    const waiting = memory.read('key-session-1', load, true)
    memory.clear(7)
    answer()
    await waiting
    assert.equal(memory.size, 0)
  })

  it('under a lease, all who ask at once share one read', async () => {
    const { load, answer, count } = heldLoad(sessionOf(1))
    const asking = Array.from({ length: 100 }, () => memory.read('key-session-1', load, true))
    answer()
    assert.equal(new Set((await Promise.all(asking)).map(({ session }) => session)).size, 1)
    assert.equal(count(), 1)
    void memory.read('key-session-1', load, true)
    assert.equal(count(), 2, 'who comes later asks anew')
  })

  it('without a lease, everybody asks for themselves', async () => {
    const { load, answer, count } = heldLoad(sessionOf(1))
    const asking = [1, 2, 3].map(() => memory.read('key-session-1', load, false))
    answer()
    await Promise.all(asking)
    assert.equal(count(), 3)
  })

  it('nobody joins a read that began before a revocation was applied', async () => {
    const { load, answer, count } = heldLoad(sessionOf(1))
    const first = memory.read('key-session-1', load, true)
    revoke({ kind: 'session', id: 'session-1' })
    const second = memory.read('key-session-1', load, true)
    answer()
    await Promise.all([first, second])
    assert.equal(count(), 2)
  })

  it('a read that fails fails for all who share it, and for nobody after', async () => {
    const broken = memory.read('key', () => Promise.reject(new Error('away')), true)
    await assert.rejects(
      Promise.all([
        broken,
        memory.read('key', async () => ({ live: false, session: undefined }), true),
      ]),
    )
    assert.equal(
      (await memory.read('key', async () => ({ live: true, session: sessionOf(1) }), true)).live,
      true,
    )
  })

  it('a token that names nothing is remembered for a while, a session that died as well', async () => {
    await memory.read('unknown', async () => ({ live: false, session: undefined }), true)
    await memory.read('ended', async () => ({ live: false, session: sessionOf(1) }), true)
    assert.deepEqual(memory.recallDead('unknown'), { live: false, session: undefined })
    assert.equal(memory.recallDead('ended')?.session?.id, 'session-1')
    assert.equal(memory.recall('ended'), undefined)
  })

  it('S3-38 COH-10 ten thousand sessions leave a thousand in memory, the last ones, and misses are counted', async () => {
    for (let i = 0; i < 10_000; i++) await remember(memory, sessionOf(i))
    assert.equal(memory.size, 1000)
    assert.equal(memory.misses, 10_000)
    const known = Array.from({ length: 10_000 }, (_, i) => memory.recall(`key-session-${i}`))
    assert.equal(known.findIndex(Boolean), 9000)
    assert.equal(known.filter(Boolean).length, 1000)
    revoke({ kind: 'session', id: 'session-0' }, { kind: 'session', id: 'session-9999' })
    assert.equal(memory.recall('key-session-9999'), undefined)
    assert.equal(memory.size, 999)
  })
})
