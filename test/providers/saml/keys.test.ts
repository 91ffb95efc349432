import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { describeKeys, keysIn, newKey, stepKeys } from '../../../src/providers/saml/keys.ts'

const now = new Date('2026-06-01T12:00:00Z')
const first = await newKey('Acme', 'next', now)
const second = await newKey('Acme', 'next', now)
const third = await newKey('Acme', 'next', now)

const states = (settings: unknown) => keysIn(settings).map(({ id, state }) => [id, state])

suite('a connection’s own keys', () => {
  test('the first is in use at once; the next is published before it is used', () => {
    let settings = stepKeys({ idp: 1 }, 'prepare', first)
    assert.deepEqual(states(settings), [[first.id, 'current']])
    settings = stepKeys(settings, 'prepare', second)
    const both = [
      [first.id, 'current'],
      [second.id, 'next'],
    ]
    assert.deepEqual(states(settings), both)
    assert.deepEqual(states(stepKeys(settings, 'prepare', third)), both, 'one at a time')
    settings = stepKeys(settings, 'switch')
    assert.deepEqual(states(settings), [
      [first.id, 'retired'],
      [second.id, 'current'],
    ])
    assert.deepEqual(stepKeys(settings, 'switch'), settings, 'there is no next one')
    settings = stepKeys(settings, 'forget')
    assert.deepEqual(states(settings), [[second.id, 'current']])
    assert.equal((settings as { idp: number }).idp, 1)
  })

  test('a next key that is not wanted after all goes, and the one in use stays', () => {
    const settings = stepKeys(stepKeys({}, 'prepare', first), 'prepare', second)
    assert.deepEqual(states(stepKeys(settings, 'abandon')), [[first.id, 'current']])
    assert.deepEqual(states(stepKeys(settings, 'forget')), states(settings))
  })

  test('keys that nobody forgets do not pile up', () => {
    let settings = stepKeys({}, 'prepare', first)
    for (let i = 0; i < 12; i++)
      settings = stepKeys(stepKeys(settings, 'prepare', { ...second, id: `${i}` }), 'switch')
    assert.deepEqual(states(settings), [
      ['8', 'retired'],
      ['9', 'retired'],
      ['10', 'retired'],
      ['11', 'current'],
    ])
  })

  test('SML-30 what may be told of keys is their fingerprints and dates', () => {
    const told = describeKeys(stepKeys(stepKeys({}, 'prepare', first), 'prepare', second))
    assert.deepEqual(
      told.map(({ state }) => state),
      ['current', 'next'],
    )
    assert.doesNotMatch(JSON.stringify(told), /PRIVATE/)
    assert.ok(!JSON.stringify(told).includes(first.privateKey.split('\n')[1]!))
  })

  test('settings of which nothing is known yet have no keys', () => {
    for (const settings of [{}, null, undefined, 'x', { keys: 'x' }, { keys: [{}] }])
      assert.deepEqual(keysIn(settings), [])
  })
})
