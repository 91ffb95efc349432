import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createStore } from '../../../dev/provider/store.ts'

test('revoking by grant takes what hangs from it, of whatever kind, and nothing else', async () => {
  const { adapter } = createStore()
  const tokens = adapter('RefreshToken')
  const codes = adapter('AuthorizationCode')
  await tokens.upsert('a', { grantId: 'one' }, 60)
  await codes.upsert('a', { grantId: 'one' }, 60)
  await tokens.upsert('b', { grantId: 'two' }, 60)

  await tokens.revokeByGrantId('one')
  assert.equal(await tokens.find('a'), undefined)
  assert.equal(await codes.find('a'), undefined)
  assert.deepEqual(await tokens.find('b'), { grantId: 'two' })
})

test('a destroyed session is found neither by its id nor by its uid', async () => {
  const sessions = createStore().adapter('Session')
  await sessions.upsert('id', { uid: 'uid', accountId: 'alice' }, 60)
  assert.equal((await sessions.findByUid('uid'))?.accountId, 'alice')
  assert.equal(await sessions.find('uid'), undefined)

  await sessions.destroy('id')
  assert.equal(await sessions.find('id'), undefined)
  assert.equal(await sessions.findByUid('uid'), undefined)
})
