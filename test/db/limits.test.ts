import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { clientKey, countUse, limits } from '../../src/db/limits.ts'
import { later } from '../../src/lib/clock.ts'
import { AppError } from '../../src/lib/errors.ts'
import { createTestDatabase } from '../_database.ts'

describe('limits', () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>
  const now = new Date('2026-06-01T12:00:00Z')
  const { most, per } = limits.guests_of_address

  before(async () => {
    database = await createTestDatabase()
  })
  after(() => database.drop())

  it('RAT-04 of 200 at once, exactly as many pass as may', async () => {
    const uses = Array.from({ length: 200 }, () =>
      countUse(database.db, 'guests_of_address', '192.0.2.1', now),
    )
    const settled = await Promise.allSettled(uses)
    assert.equal(settled.filter(({ status }) => status === 'fulfilled').length, most)
    for (const result of settled)
      if (result.status === 'rejected')
        assert.equal((result.reason as AppError).code, 'rate_limited')
  })

  it('says when to come back, and lets through again then', async () => {
    const use = (at: Date) => countUse(database.db, 'guests_of_address', '192.0.2.2', at)
    for (let i = 0; i < most; i++) await use(now)
    const refused = await use(later(now, 1000)).catch((error) => error as AppError)
    assert.equal(refused?.headers['retry-after'], String(per / 1000 - 1))
    await use(later(now, per))
  })

  it('counts each key by itself, and stores none of them readably', async () => {
    await countUse(database.db, 'mails_to_address', 'alice@example.com', now)
    const rows = await database.db.selectFrom('rate_limits').select('key').execute()
    assert.ok(!rows.some(({ key }) => key.includes('alice')))
  })

  it('RAT-02 counts an IPv6 network as one, an IPv4 address however written, and all unknown ones together', () => {
    assert.equal(clientKey('2001:db8:1:2:3::4'), clientKey('2001:db8:1:2:ffff::'))
    assert.notEqual(clientKey('2001:db8:1:2::'), clientKey('2001:db8:1:3::'))
    assert.equal(clientKey('::ffff:192.0.2.1'), '192.0.2.1')
    assert.equal(clientKey(undefined), 'unknown')
    assert.equal(clientKey('not an address'), 'unknown')
  })
})
