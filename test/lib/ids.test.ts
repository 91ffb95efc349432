import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isId, newId } from '../../src/lib/ids.ts'

test('a row id is a UUIDv7, and no two are alike', () => {
  const ids = Array.from({ length: 10_000 }, newId)
  assert.equal(new Set(ids).size, ids.length)
  for (const id of ids) {
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    assert.ok(isId(id))
  }
})

test('later ids sort after earlier ones, as indexes like it', () => {
  const ids = Array.from({ length: 1000 }, newId)
  assert.deepEqual(ids.toSorted(), ids)
})

test('what has not the shape of an id is not sent to the database', () => {
  const id = newId()
  const others = ['', 'acme', id.toUpperCase(), `{${id}}`, id.replaceAll('-', ''), `${id}\n`]
  for (const other of [...others, ` ${id}`, `${id}0`, id.slice(1)]) assert.ok(!isId(other), other)
})
