import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ago, ahead, lasting, moment } from '../../src/web/time.ts'

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

  for (const [seconds, text] of [
    [-5, 'now'],
    [5, 'in less than a minute'],
    [61, 'in 1 minute'],
    [7200, 'in 2 hours'],
    [3 * 86_400, 'in 3 days'],
  ] as const) {
    it(`${seconds} seconds from now are "${text}"`, () => {
      const at = before(-seconds)
      assert.equal(String(ahead(at, now)), `<time datetime="${at.toISOString()}">${text}</time>`)
    })
  }

  for (const [seconds, text] of [
    [0.4, 'less than a second'],
    [1, '1 second'],
    [59, '59 seconds'],
    [60, '1 minute'],
    [119, '1 minute'],
    [3600, '1 hour'],
    [4080, '1 hour 8 minutes'],
    [86_400, '1 day'],
    [100_000, '1 day 3 hours'],
  ] as const) {
    it(`${seconds} seconds last "${text}"`, () => assert.equal(lasting(seconds * 1000), text))
  }
})
