import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { createSealer, type Place, type SealingKey } from '../../src/lib/seal.ts'
import { Secret } from '../../src/lib/secrets.ts'

const place: Place = { table: 'connections', column: 'settings', row: 'row-1' }
const value = { clientSecret: 'cAnArY-9f3b', nested: [1, null, 'ü'] }

function key(id: string): SealingKey {
  return { id, key: new Secret(randomBytes(32)) }
}

const first = key('k1')
const sealer = createSealer([first])

suite('a sealed value', () => {
  test('opens where it was sealed', () => {
    for (const each of [value, 'text', 0, null, [], { '': '' }])
      assert.deepEqual(sealer.open(sealer.seal(each, place), place), each)
  })

  test('shows nothing of what it holds, and never the same bytes twice', () => {
    const sealed = sealer.seal(value, place)
    for (const encoding of ['latin1', 'hex', 'base64'] as const) {
      const canary = Buffer.from(value.clientSecret).toString(encoding).slice(0, 12)
      assert.ok(!sealed.toString(encoding).includes(canary))
    }
    const ivs = Array.from({ length: 10_000 }, () =>
      sealer.seal('x', place).subarray(4, 16).toString('hex'),
    )
    assert.equal(new Set(ivs).size, ivs.length)
  })

  test('SEC-02 does not open in another table, column or row', () => {
    const sealed = sealer.seal(value, place)
    const elsewhere: Place[] = [
      { ...place, table: 'identities' },
      { ...place, column: 'grant' },
      { ...place, row: 'row-2' },
      // The same letters, cut elsewhere.
      { table: 'connection', column: 'ssettings', row: 'row-1' },
      { table: 'connections', column: 'settings","row-1', row: '' },
    ]
    for (const other of elsewhere) assert.throws(() => sealer.open(sealed, other), Error)
  })

  test('SEC-02 does not open when any bit is changed', () => {
    const sealed = sealer.seal('secret', place)
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const changed = Buffer.from(sealed)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      assert.throws(() => sealer.open(changed, place), Error, `bit ${bit}`)
    }
  })

  test('SEC-02 does not open when it is cut short or goes on', () => {
    const sealed = sealer.seal('secret', place)
    for (let length = 0; length < sealed.length; length++)
      assert.throws(() => sealer.open(sealed.subarray(0, length), place), Error, `${length}`)
    assert.throws(() => sealer.open(Buffer.concat([sealed, Buffer.alloc(1)]), place), Error)
    for (const other of [Buffer.alloc(0), Buffer.alloc(64), Buffer.from('{"a":1}')])
      assert.throws(() => sealer.open(other, place), /Not a sealed value of a known format/)
  })

  test('an error repeats nothing of it', () => {
    const sealed = sealer.seal(value, place)
    assert.throws(
      () => sealer.open(sealed, { ...place, row: 'row-2' }),
      (error: Error) => !String(error.stack).includes(value.clientSecret),
    )
  })
})

suite('rotation', () => {
  const second = key('k2')

  test('SEC-03 the new key seals and the old one still opens', () => {
    const old = sealer.seal(value, place)
    const rotated = createSealer([second, first])
    assert.deepEqual(rotated.open(old, place), value)
    const fresh = rotated.seal(value, place)
    assert.deepEqual(createSealer([second]).open(fresh, place), value)
    assert.throws(() => sealer.open(fresh, place), /Sealed with key "k2"/)
  })

  test('SEC-03 a value whose key is gone names it', () => {
    const sealed = sealer.seal(value, place)
    assert.throws(() => createSealer([second]).open(sealed, place), {
      message: 'Sealed with key "k1", which is not in SALLYPORT_KEYS',
    })
  })

  test('another key under the same id does not open it', () => {
    const sealed = sealer.seal(value, place)
    assert.throws(() => createSealer([key('k1')]).open(sealed, place), Error)
  })

  test('a ring without a key is refused', () => {
    assert.throws(() => createSealer([]), /at least one key/)
  })
})
