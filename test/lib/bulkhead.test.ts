import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createBulkhead } from '../../src/lib/bulkhead.ts'
import type { Bulkhead } from '../../src/lib/bulkhead.ts'

function visit(bulkhead: Bulkhead, share: string, wentWell: boolean): void {
  const leave = bulkhead.enter(share)
  assert.ok(leave)
  leave(wentWell)
}

suite('createBulkhead', () => {
  test('a share has so many places and no more; other shares have their own', () => {
    const bulkhead = createBulkhead({ perShare: 2 })
    const leave = bulkhead.enter('a')
    assert.ok(leave && bulkhead.enter('a'))
    assert.equal(bulkhead.enter('a'), undefined)
    assert.ok(bulkhead.enter('b'))
    leave(true)
    assert.ok(bulkhead.enter('a'))
    assert.equal(bulkhead.enter('a'), undefined)
  })

  test('S3-15 after five failures in a row a share rests, then one probe decides', () => {
    let now = 0
    const bulkhead = createBulkhead({ perShare: 20, now: () => now })
    for (let n = 0; n < 5; n++) visit(bulkhead, 'a', false)
    assert.equal(bulkhead.enter('a'), undefined)
    visit(bulkhead, 'b', true)

    now = 9_999
    assert.equal(bulkhead.enter('a'), undefined)
    now = 10_000
    const failing = bulkhead.enter('a')
    assert.ok(failing)
    assert.equal(bulkhead.enter('a'), undefined, 'one probe at a time')
    failing(false)
    assert.equal(bulkhead.enter('a'), undefined, 'a failed probe means another rest')

    now = 20_000
    visit(bulkhead, 'a', true)
    for (let n = 0; n < 4; n++) visit(bulkhead, 'a', false)
    assert.ok(bulkhead.enter('a'), 'counting starts anew')
  })

  test('a probe that never comes back does not close the share for good', () => {
    let now = 0
    const bulkhead = createBulkhead({ perShare: 20, now: () => now })
    for (let n = 0; n < 5; n++) visit(bulkhead, 'a', false)
    now = 10_000
    assert.ok(bulkhead.enter('a'))
    now = 20_000
    assert.ok(bulkhead.enter('a'))
  })

  test('only failures in a row count', () => {
    const bulkhead = createBulkhead({ perShare: 20 })
    for (let n = 0; n < 20; n++) visit(bulkhead, 'a', n % 5 === 4)
    assert.ok(bulkhead.enter('a'))
  })

  test('nothing is remembered of an idle share that works', () => {
    const bulkhead = createBulkhead({ perShare: 20 })
    for (let n = 0; n < 1000; n++) visit(bulkhead, `share ${n}`, true)
    visit(bulkhead, 'a', false)
    visit(bulkhead, 'a', true)
    assert.equal(bulkhead.size, 0)
  })

  test('of failing shares only so many are remembered', () => {
    const bulkhead = createBulkhead({ perShare: 20 })
    for (let n = 0; n < 11_000; n++) visit(bulkhead, `share ${n}`, false)
    assert.equal(bulkhead.size, 10_000)
  })
})
