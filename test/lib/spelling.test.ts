import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearest } from '../../src/lib/spelling.ts'

const names = ['serve', 'connect', 'key', 'secret']

test('a slip is understood: a letter too few, too many, another, or two swapped', () => {
  for (const written of ['serv', 'servee', 'sirve', 'sevre'])
    assert.equal(nearest(written, names), 'serve')
  assert.equal(nearest('conect', names), 'connect')
  assert.equal(nearest('kay', names), 'key')
})

test('what resembles nothing is not guessed at', () => {
  for (const written of ['', 'x', 'start', 'reconfigure'])
    assert.equal(nearest(written, names), undefined)
  assert.equal(nearest('serve', []), undefined)
})
