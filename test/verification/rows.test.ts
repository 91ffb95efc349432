import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import { metrics } from '../../src/lib/metrics.ts'
import { hours, minutes } from '../../src/lib/clock.ts'
import { AppError } from '../../src/lib/errors.ts'
import { openProvider } from '../../src/providers/index.ts'
import { promisedBound, keepsUp } from '../../src/verification/bound.ts'
import { away, gone, startVerifying } from './_verifying.ts'

describe('what the first version of this asked for', () => {
  it('S1-01 somebody who is not valid is a verdict, and a kind of provider that there is not a typed error', async () => {
    await using v = await startVerifying()
    await v.signIn('alice')
    v.app.clock.advance(minutes(67))
    v.again.onRefresh = () => gone
    await v.rounds()
    assert.equal((await v.identity('alice')).verdict, 'no_longer_true')
    await assert.rejects(
      async () => openProvider('no-such', {}, { ...v.app.sallyport.services, connectionId: 'x' }),
      (error) => error instanceof AppError,
    )
  })

  it('S1-02 asking has three answers: still true, no longer true, could not tell', async () => {
    await using v = await startVerifying()
    for (const one of ['good', 'gone', 'away']) await v.signIn(one)
    v.app.clock.advance(minutes(67))
    const rotating = v.again.onRefresh
    v.again.onRefresh = (token) =>
      token.startsWith('good') ? rotating(token) : token.startsWith('gone') ? gone : away
    await v.rounds()
    const verdicts = await Promise.all(
      ['good', 'gone', 'away'].map(async (one) => (await v.identity(one)).verdict),
    )
    assert.deepEqual(verdicts, ['still_true', 'no_longer_true', 'could_not_tell'])
  })

  it('S1-10 nothing piles up while nobody works: whoever was due many times is asked about once', async () => {
    await using v = await startVerifying()
    await v.signIn('alice')
    v.app.clock.advance(hours(9))
    await v.rounds()
    assert.equal(v.again.presented.length, 1)
  })

  it('S1-11 an interval is the connection’s own, from one minute, an hour unless set, and spread by a tenth', async () => {
    await using v = await startVerifying()
    const due = async (subject: string) => {
      await v.signIn(subject)
      const { check_at } = await v.identity(subject)
      return check_at!.getTime() - v.app.clock.now().getTime()
    }
    const within = (ms: number, every: number) => ms >= every * 0.9 && ms <= every * 1.1
    assert.ok(within(await due('alice'), hours(1)))
    await v.connection({ check_every_minutes: 1 })
    assert.ok(within(await due('bob'), minutes(1)))
    await assert.rejects(v.connection({ check_every_minutes: 0 }))
  })
})

describe('the bound that is promised', () => {
  it('is the interval with its jitter, and what can come on top of it', () => {
    const hour = promisedBound({ checkEveryMinutes: 60, checksPerSecond: 10, asked: 100 })
    assert.equal(hour, minutes(66) + 60_000 + 37_500 + 15_000 + 2_500)
  })

  it('is longer where the allowance is not enough to ask about everybody in time', () => {
    const few = { checkEveryMinutes: 60, checksPerSecond: 10, asked: 36_000 }
    const many = { ...few, asked: 72_000 }
    assert.deepEqual([keepsUp(few), keepsUp(many)], [true, false])
    assert.ok(promisedBound(many) >= hours(2))
  })
})

describe('the alert rules of the examples', async () => {
  const text = await readFile(
    new URL('../../examples/prometheus/alerts.yml', import.meta.url),
    'utf8',
  )

  it('ask for metrics that there are, with labels that they have', () => {
    const asked = [...text.matchAll(/\b(sallyport_\w+?)(?:_bucket)?(?:\{(\w+)=|\b(?!\w))/g)]
    assert.ok(asked.length >= 7)
    const known = new Map(Object.values(metrics).map(({ name, labels }) => [name, labels]))
    for (const [, name = '', label] of asked) {
      assert.ok(known.has(name), name)
      if (label) assert.ok(known.get(name)!.includes(label), `${name} has no label ${label}`)
    }
    for (const [, labels = ''] of text.matchAll(/\b(?:by|on) \(([^)]*)\)/g))
      for (const label of labels.split(', '))
        assert.ok(label === 'le' || [...known.values()].some((all) => all.includes(label)), label)
  })

  it('have the shape of a file of rules', () => {
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    assert.deepEqual(lines.slice(0, 3), [
      'groups:',
      '  - name: sallyport-verification',
      '    rules:',
    ])
    const rules = text.split(/^ {6}- alert: /m).slice(1)
    assert.ok(rules.length >= 5)
    for (const rule of rules) {
      assert.match(rule, /^[A-Z]\w+\n {8}expr: /)
      assert.match(rule, /\n {8}labels:\n {10}severity: (warning|critical)\n/)
      assert.match(rule, /\n {8}annotations:\n {10}summary: \S/)
      const opened = (sign: string) => rule.split(sign).length
      assert.equal(opened('('), opened(')'), rule)
      assert.equal(opened('{'), opened('}'), rule)
    }
  })
})
