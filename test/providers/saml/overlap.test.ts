import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { days, later } from '../../../src/lib/clock.ts'
import { keptAfterGone, overlap, type Published } from '../../../src/providers/saml/overlap.ts'
import { selfSigned } from '../../_certificate.ts'
import { bare } from './_metadata.ts'

const now = new Date('2026-06-01T12:00:00Z')
const [a, b, c] = ['a', 'b', 'c'].map((name) => bare(selfSigned(name).cert)) as [
  string,
  string,
  string,
]
const old = bare(selfSigned('old', later(now, -1)).cert)

const plan = (
  accepted: string[],
  publishes: string[],
  more: { before?: readonly Published[]; trusted?: boolean; at?: Date } = {},
) => {
  const { before = [], trusted = false, at = now } = more
  return overlap({ accepted, publishes, before, trusted }, at)
}

suite('certificates side by side', () => {
  test('SML-26 a new certificate waits; where the document proves itself it is taken beside the old', () => {
    const waits = plan([a], [a, b])
    assert.deepEqual([waits.take, waits.drop, waits.waiting], [[], [], [b]])
    const taken = plan([a], [a, b], { trusted: true })
    assert.deepEqual([taken.take, taken.drop, taken.waiting], [[b], [], []])
    assert.deepEqual(
      taken.published.map(({ certificate, takenAt }) => [certificate, takenAt]),
      [
        [a, now.toISOString()],
        [b, now.toISOString()],
      ],
    )
  })

  test('SML-29 one that is published no more goes after a week, not before', () => {
    const { published } = plan([a, b], [a, b])
    const gone = plan([a, b], [b], { before: published })
    assert.deepEqual(gone.drop, [])
    const almost = later(now, keptAfterGone - 1)
    assert.deepEqual(plan([a, b], [b], { before: gone.published, at: almost }).drop, [])
    const over = later(now, keptAfterGone)
    assert.deepEqual(plan([a, b], [b], { before: gone.published, at: over }).drop, [a])
  })

  test('one that is gone and has run out goes at once', () => {
    const { published } = plan([old, b], [old, b])
    assert.deepEqual(plan([old, b], [b], { before: published }).drop, [old])
    assert.deepEqual(plan([old, b], [old, b], { before: published }).drop, [], 'still published')
  })

  test('the old is kept for as long as nothing that is published is accepted', () => {
    const { published } = plan([a], [a])
    const gone = plan([a], [b], { before: published })
    const year = later(now, days(365))
    const later1 = plan([a], [b], { before: gone.published, at: year })
    assert.deepEqual([later1.drop, later1.waiting], [[], [b]])
    assert.deepEqual(plan([a, b], [b], { before: gone.published, at: year }).drop, [a])
  })

  test('what was entered by hand and never published is left alone', () => {
    const first = plan([a, c], [a])
    const year = later(now, days(365))
    assert.deepEqual(plan([a, c], [a], { before: first.published, at: year }).drop, [])
  })

  test('SML-29 what was taken away once comes back on an administrator’s word only', () => {
    const { published } = plan([a, b], [a, b])
    const gone = plan([b], [b], { before: published })
    const back = plan([b], [a, b], { before: gone.published, trusted: true })
    assert.deepEqual([back.take, back.waiting], [[], [a]])
  })

  test('one that comes back in time was never away', () => {
    const { published } = plan([a, b], [a, b])
    const gone = plan([a, b], [b], { before: published })
    const back = plan([a, b], [a, b], { before: gone.published, at: later(now, days(6)) })
    assert.equal(back.published.find(({ certificate }) => certificate === a)?.goneAt, null)
    const again = plan([a, b], [b], { before: back.published, at: later(now, days(8)) })
    assert.deepEqual(again.drop, [])
  })

  test('no more than ten are accepted at a time, and no more than twenty remembered that are gone', () => {
    const many = Array.from({ length: 10 }, (_, i) => bare(selfSigned(`many${i}`).cert))
    assert.deepEqual(plan(many, [...many, a], { trusted: true }).waiting, [a])
    const before = Array.from({ length: 30 }, (_, i) => ({
      certificate: `${i}`,
      seenAt: now.toISOString(),
      goneAt: now.toISOString(),
      takenAt: null,
    }))
    assert.equal(plan([a], [a], { before }).published.length, 21)
  })
})
