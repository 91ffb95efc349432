import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ago, moment } from '../../src/web/time.ts'

const now = new Date('2026-06-01T12:00:00Z')
const before = (seconds: number) => new Date(now.getTime() - seconds * 1000)

describe('times on pages', () => {
  it('a moment is in UTC and says so', () => {
    assert.equal(
      String(moment(now)),
      '<time datetime="2026-06-01T12:00:00.000Z">1 Jun 2026, 12:00 UTC</time>',
    )
  })

  for (const [seconds, text] of [
    [-5, 'just now'],
    [59, 'just now'],
    [60, '1 minute ago'],
    [3599, '59 minutes ago'],
    [3600, '1 hour ago'],
    [86_399, '23 hours ago'],
    [86_400, '1 day ago'],
    [9 * 86_400, '9 days ago'],
  ] as const) {
    it(`${seconds} seconds are "${text}"`, () => {
      const at = before(seconds)
      assert.equal(String(ago(at, now)), `<time datetime="${at.toISOString()}">${text}</time>`)
    })
  }
})
