import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { days, followClock, hours, isSkewed, later, minutes, seconds } from '../../src/lib/clock.ts'
import { startTestApp } from '../_app.ts'

/** Another machine's clock, which stands still until it is set. */
function theirs(start = '2026-06-01T12:00:00Z') {
  const clock = { time: new Date(start), read: async () => clock.time }
  return clock
}

/** How far apart two times are, in milliseconds. */
function apart(a: Date, b: Date): number {
  return Math.abs(a.getTime() - b.getTime())
}

suite('a clock that follows the database', () => {
  test('tells the database’s time, whatever this machine believes', async () => {
    const database = theirs()
    const clock = await followClock(database.read)
    assert.ok(apart(clock.now(), database.time) < 1000)
  })

  test('CLK-01 steps of this machine’s clock move nothing: an hour, 400 days, back to 1970', async (t) => {
    const database = theirs()
    const clock = await followClock(database.read)
    for (const wall of [hours(1), -hours(1), days(400), -Date.now()]) {
      const before = clock.now()
      t.mock.timers.enable({ apis: ['Date'], now: Math.max(0, Date.now() + wall) })
      const after = clock.now()
      t.mock.timers.reset()
      assert.ok(after >= before && apart(after, before) < 1000, `${wall} ms`)
    }
  })

  test('goes on with the monotonic clock between readings', async (t) => {
    const database = theirs()
    let monotonic = 5_000
    t.mock.method(performance, 'now', () => monotonic)
    const clock = await followClock(database.read)
    assert.deepEqual(clock.now(), database.time)
    monotonic += seconds(90)
    assert.deepEqual(clock.now(), later(database.time, seconds(90)))
  })

  test('CLK-01 takes the database’s time at every reading, forwards and back', async () => {
    const database = theirs()
    const clock = await followClock(database.read)
    for (const moved of ['2026-06-01T12:01:30Z', '2026-06-01T11:59:00Z']) {
      database.time = new Date(moved)
      await clock.sync()
      assert.ok(apart(clock.now(), database.time) < 1000)
    }
  })

  test('a reading that took long is placed in its middle', async (t) => {
    const database = theirs()
    let monotonic = 0
    t.mock.method(performance, 'now', () => monotonic)
    const read = async () => {
      monotonic += 400
      return database.time
    }
    const clock = await followClock(read)
    assert.deepEqual(clock.now(), later(database.time, 200))
  })

  /** A machine that can be suspended for a while: then its monotonic clock stands still. */
  function machine() {
    const local = { at: 1_000, asleep: 0, set: 0 }
    return {
      monotonic: () => local.at,
      wall: () => 5_000_000 + local.at + local.asleep + local.set,
      pass: (ms: number) => void (local.at += ms),
      sleep: (ms: number) => void (local.asleep += ms),
      set: (ms: number) => void (local.set += ms),
    }
  }

  test('CLK-04 after a suspension of eight hours the time is read anew before anything is judged', async () => {
    const database = theirs()
    const here = machine()
    let readings = 0
    const read = async () => (readings++, database.read())
    const clock = await followClock(read, here)
    here.pass(seconds(3))
    await clock.check()
    assert.equal(readings, 1, 'while both clocks go alike nobody is asked')
    database.time = later(database.time, hours(8) + seconds(3))
    here.sleep(hours(8))
    await clock.check()
    assert.deepEqual(clock.now(), database.time)
    await clock.check()
    assert.equal(readings, 2)
  })

  test('CLK-01 a step of the wall clock makes it ask once, and tells how far it is off', async () => {
    const database = theirs()
    const here = machine()
    const clock = await followClock(database.read, here)
    const before = clock.skew()
    for (const step of [hours(1), -hours(1), days(400), -days(400)]) {
      here.set(step)
      await clock.check()
      assert.deepEqual(clock.now(), database.time)
    }
    here.set(seconds(31))
    assert.equal(clock.skew() - before, seconds(31))
    assert.deepEqual(
      [isSkewed(seconds(31)), isSkewed(-seconds(31)), isSkewed(seconds(30))],
      [true, true, false],
    )
  })

  test('a reading that fails changes nothing', async () => {
    const database = theirs()
    const clock = await followClock(database.read)
    database.read = () => Promise.reject(new Error('away'))
    const failing = await followClock(async () => database.time)
    await assert.rejects(followClock(database.read), /away/)
    assert.ok(apart(failing.now(), clock.now()) < 1000)
  })
})

test('units are milliseconds', () => {
  assert.deepEqual([seconds(2), minutes(2), hours(2), days(2)], [2e3, 12e4, 72e5, 1728e5])
})

test('CLK-01 a wall clock more than 30 s off the database’s is not ready, and the log says why', async (t) => {
  await using app = await startTestApp()
  const browser = app.browser()
  await app.signIn(browser, 'alice')
  const real = Date.now
  let step = 0
  t.mock.method(Date, 'now', () => real() + step)
  assert.equal((await browser.get('/readyz')).status, 200)
  for (step of [seconds(40), -seconds(40), days(400)]) {
    assert.equal((await browser.get('/readyz')).status, 503)
    assert.equal((await browser.api('/me')).status, 200, 'nobody is signed out by it')
  }
  assert.match(app.logged(), /not ready: this machine/)
})

test('S2-31 S3-46 S2-01 the clock, the database and the provider are arguments: no test waits or needs a real provider', async () => {
  await using app = await startTestApp()
  const browser = app.browser()
  await app.signIn(browser, 'alice')
  assert.equal((await browser.api('/me')).status, 200)
  app.clock.advance(minutes(61))
  assert.equal((await browser.api('/me')).status, 401)
  assert.deepEqual(app.provider.completed, ['alice'])
})
