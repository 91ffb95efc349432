import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openDatabase } from '../../src/db/open.ts'
import { useOnce } from '../../src/db/used-once.ts'
import { createTestDatabase } from '../_database.ts'

test('what counts once counts once, however many try at the same time', async () => {
  const database = await createTestDatabase()
  const db = openDatabase(database.connection)
  try {
    const assertion = { kind: 'saml-assertion', scope: 'a', id: '_1', until: new Date() }
    const tries = await Promise.all(Array.from({ length: 8 }, () => useOnce(db, assertion)))
    assert.equal(tries.filter(Boolean).length, 1)
    assert.equal(await useOnce(db, { ...assertion, scope: 'b' }), true)
    assert.equal(await useOnce(db, { ...assertion, id: '_2' }), true)
    assert.equal(await useOnce(db, { ...assertion, kind: 'logout-token' }), true)
  } finally {
    await db.destroy()
    await database.drop()
  }
})
