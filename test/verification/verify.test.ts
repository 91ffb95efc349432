import assert from 'node:assert/strict'
import { sql } from 'kysely'
import { describe, it } from 'node:test'
import { openGrant } from '../../src/accounts/grants.ts'
import { changeConnectionState } from '../../src/sessions/revoke.ts'
import { hours, minutes, seconds } from '../../src/lib/clock.ts'
import { liftBrake } from '../../src/verification/brake.ts'
import { leaseDue, leaseFor } from '../../src/verification/lease.ts'
import { keepUp } from '../../src/verification/upkeep.ts'
import { checkDue } from '../../src/verification/worker.ts'
import { until } from '../sessions/_members.ts'
import { away, gone, startVerifying, type Verifying } from './_verifying.ts'

/** An hour and its jitter. */
const anHour = minutes(67)

/** Ten minutes and their jitter: no session has been idle for too long by then. */
const tenMinutes = minutes(11.2)

const grantOf = async (v: Verifying, subject: string) => {
  const { id, granted } = await v.identity(subject)
  return granted && openGrant(v.services.sealer, id, granted)
}

describe('a provider that still vouches', () => {
  it('VER-01 S1-09 S1-12 S1-22 a due identity costs one token request; the new tokens are kept, and it is due an interval later', async () => {
    await using v = await startVerifying()
    await v.signIn('alice')
    assert.equal(await v.round(), 0)
    v.app.clock.advance(anHour)
    assert.equal(await v.round(), 1)
    assert.deepEqual(v.again.presented, ['alice.1'])
    assert.equal((await grantOf(v, 'alice'))!.refreshToken, 'alice.2')
    const { verdict, last_verified_at, check_at, lease, refresh_intent } = await v.identity('alice')
    const now = v.app.clock.now().getTime()
    assert.deepEqual([verdict, lease, refresh_intent], ['still_true', null, null])
    assert.equal(last_verified_at.getTime(), now)
    const wait = check_at!.getTime() - now
    assert.ok(wait >= minutes(54) && wait <= minutes(66), `${wait} ms`)
    assert.equal((await v.link('alice')).state, 'linked')
    assert.equal(await v.round(), 0)
  })

  it('RFT-01 VER-02 S1-13 thirty workers at once cost one token request', async () => {
    await using v = await startVerifying()
    await v.signIn('alice')
    v.app.clock.advance(anHour)
    await Promise.all(Array.from({ length: 30 }, () => v.round()))
    assert.equal(v.again.presented.length, 1)
  })

  it('RFT-03 VER-12 S1-09 an answer without a new refresh token keeps the old one, and one without a lifetime is taken', async () => {
    await using v = await startVerifying()
    await v.signIn('alice')
    v.again.onRefresh = () => ({ tokens: { accessToken: 'newer' } })
    for (const _ of [1, 2]) {
      v.app.clock.advance(anHour)
      await v.round()
    }
    assert.deepEqual(v.again.presented, ['alice.1', 'alice.1'])
    assert.deepEqual(await grantOf(v, 'alice'), { accessToken: 'newer', refreshToken: 'alice.1' })
  })

  it('the interval is the connection’s', async () => {
    await using v = await startVerifying()
    await v.connection({ check_every_minutes: 1 })
    await v.signIn('alice')
    v.app.clock.advance(seconds(67))
    assert.equal(await v.round(), 1)
  })

  it('VER-01 is asked seldom about somebody who is not signed in, never less often than the organization allows, and at the usual time after the next sign-in', async () => {
    await using v = await startVerifying()
    await sql`update organizations set check_at_most_minutes = 600`.execute(v.services.db)
    await v.connection({ check_every_minutes: 10 })
    const browser = await v.signIn('alice')
    const untilNext = async () => {
      const { check_at } = await v.identity('alice')
      return (check_at!.getTime() - v.app.clock.now().getTime()) / minutes(1)
    }
    const isAbout = (wait: number, every: number) =>
      assert.ok(wait >= every * 0.9 && wait <= every * 1.1, `${wait} minutes`)
    v.app.clock.advance(tenMinutes)
    await v.rounds()
    isAbout(await untilNext(), 10)
    await browser.post('/logout')
    v.app.clock.advance(tenMinutes)
    await v.rounds()
    isAbout(await untilNext(), 600)
    await v.signIn('alice', { accessToken: 'a', refreshToken: 'again.1' })
    isAbout(await untilNext(), 10)
    // A session that nobody uses any more counts no longer than it would let anybody in.
    await v.connection({ check_every_minutes: 90 })
    v.app.clock.advance(hours(2))
    await v.rounds()
    isAbout(await untilNext(), 600)
    // The longest interval is no shorter than the usual one.
    await sql`update organizations set check_at_most_minutes = 5`.execute(v.services.db)
    v.app.clock.advance(hours(11))
    await v.rounds()
    isAbout(await untilNext(), 90)
  })

  it('spreads those who signed in together', async () => {
    await using v = await startVerifying()
    for (let i = 0; i < 12; i++) await v.signIn(`p${i}`)
    const { rows } = await sql<{ n: string }>`
      select count(distinct check_at) as n from identities`.execute(v.services.db)
    assert.ok(Number(rows[0]!.n) > 8)
  })
})

describe('a provider that no longer vouches', () => {
  it('VER-03 S1-06 S1-15 S1-19 S1-22 ends every session of that identity, says why, and tells the person', async () => {
    await using v = await startVerifying()
    await v.connection({ check_every_minutes: 10 })
    const browsers = [await v.signIn('alice'), await v.signIn('alice'), await v.signIn('alice')]
    const other = await v.signIn('bob')
    for (const browser of [...browsers, other]) assert.equal((await v.me(browser)).status, 200)
    await sql`update user_emails set verified_at = now() where folded = 'alice@acme.example'`.execute(
      v.services.db,
    )
    v.app.clock.advance(tenMinutes)
    v.again.onRefresh = (token) =>
      token.startsWith('alice') ? gone : { tokens: { accessToken: 'at', refreshToken: 'bob.2' } }
    await v.rounds()
    for (const browser of browsers) assert.equal((await v.me(browser)).status, 401)
    assert.equal((await v.me(other)).status, 200)
    assert.deepEqual(await v.link('alice'), { state: 'revoked', reason: 'token: invalid_grant' })
    const { granted, check_at, last_verified_at } = await v.identity('alice')
    assert.deepEqual([granted, check_at], [null, null])
    assert.ok(last_verified_at < v.app.clock.now())
    const [event] = await v.audited('identity.revoked')
    assert.equal(event!.data['reason'], 'token: invalid_grant')
    const mails = await v.app.mails()
    assert.equal(mails.filter(({ mail }) => mail === 'access_ended').length, 1)
  })

  it('S1-17 a new sign-in is a fresh proof: it heals the link, and asking begins again', async () => {
    await using v = await startVerifying()
    await v.signIn('alice')
    v.app.clock.advance(anHour)
    const rotating = v.again.onRefresh
    v.again.onRefresh = () => gone
    await v.rounds()
    v.again.onRefresh = rotating
    const browser = await v.signIn('alice', { accessToken: 'a', refreshToken: 'again.1' })
    assert.equal((await v.me(browser)).status, 200)
    assert.equal((await v.link('alice')).state, 'linked')
    v.app.clock.advance(anHour)
    await v.rounds()
    assert.deepEqual(v.again.presented, ['alice.1', 'again.1'])
  })

  it('RFT-05 VER-12 an ID token for somebody else ends it, after its tokens were kept', async () => {
    await using v = await startVerifying()
    await v.connection({ check_every_minutes: 10 })
    const browser = await v.signIn('alice')
    v.app.clock.advance(tenMinutes)
    v.again.onJudge = () => ({ answer: 'no_longer_true', reason: 'subject_changed' })
    await v.rounds()
    assert.equal((await v.me(browser)).status, 401)
    assert.equal((await v.identity('alice')).verdict_reason, 'subject_changed')
  })

  it('VER-13 the brake holds when too many are gone at once; one person can still be ended; an administrator lifts it', async () => {
    await using v = await startVerifying()
    await v.connection({ check_every_minutes: 10 })
    const all = Array.from({ length: 24 }, (_, i) => `p${i}`)
    const browsers = new Map<string, Awaited<ReturnType<Verifying['signIn']>>>()
    for (const one of all) browsers.set(one, await v.signIn(one))
    await v.connection({ checks_burst: 100, checks_per_second: 100 })
    v.app.clock.advance(tenMinutes)
    v.again.onRefresh = () => gone
    await v.rounds()
    const statuses = await Promise.all(
      all.map(async (one) => (await v.me(browsers.get(one)!)).status),
    )
    assert.equal(statuses.filter((status) => status === 401).length, 9)
    assert.equal((await v.audited('verification.braked')).length, 1)
    const about = { connectionId: v.app.connectionId, organizationId: v.app.acme.id }
    const admin = (await v.identity('p0')).user_id
    assert.equal(await liftBrake(v.services, about, { userId: admin }, v.app.clock.now()), 15)
    for (const one of all) assert.equal((await v.me(browsers.get(one)!)).status, 401)
  })

  it('VER-13 the brake lets go by itself when nobody else is said to be gone', async () => {
    await using v = await startVerifying()
    for (let i = 0; i < 12; i++) await v.signIn(`p${i}`)
    v.app.clock.advance(anHour)
    v.again.onRefresh = () => gone
    await v.connection({ checks_burst: 100, checks_per_second: 100 })
    await v.rounds()
    await keepUp(v.services, v.app.clock.now())
    assert.equal((await v.identity('p11')).verdict, 'no_longer_true')
    const held = async () =>
      Number(
        (
          await sql<{ n: string }>`select count(*) as n from identities where held`.execute(
            v.services.db,
          )
        ).rows[0]!.n,
      )
    assert.equal(await held(), 3)
    v.app.clock.advance(minutes(11))
    await keepUp(v.services, v.app.clock.now())
    assert.equal(await held(), 0)
    assert.equal((await v.audited('identity.revoked')).length, 12)
  })
})

describe('a provider that cannot tell', () => {
  it('VER-04 VER-05 S1-07 an outage within the budget logs nobody out; one alarm, one all-clear', async () => {
    await using v = await startVerifying()
    const browser = await v.signIn('alice')
    await sql`update memberships set role = 'owner'`.execute(v.services.db)
    await sql`update user_emails set verified_at = now()`.execute(v.services.db)
    const rotating = v.again.onRefresh
    v.again.onRefresh = () => away
    v.app.clock.advance(anHour)
    for (let minute = 0; minute < 22 * 60; minute += 10) {
      await v.rounds()
      await keepUp(v.services, v.app.clock.now())
      v.app.clock.advance(minutes(10))
    }
    assert.equal((await v.link('alice')).state, 'linked')
    assert.equal((await v.identity('alice')).verdict, 'could_not_tell')
    v.again.onRefresh = rotating
    v.app.clock.advance(hours(1))
    await v.rounds()
    assert.equal((await v.identity('alice')).verdict, 'still_true')
    assert.equal((await v.identity('alice')).failing_since, null)
    const alarms = (await v.app.mails()).filter(({ mail }) => mail === 'connection_alarm')
    assert.deepEqual(
      alarms.map(({ data }) => data['how']),
      ['begun', 'over'],
    )
    assert.equal((await v.audited('verification.trouble_began')).length, 1)
    assert.equal((await v.audited('verification.trouble_ended')).length, 1)
    void browser
  })

  it('VER-07 S1-16 a budget of 0 is the seed’s rule: one failed check makes a suspect, who is still linked', async () => {
    await using v = await startVerifying()
    await v.connection({ outage_budget_minutes: 0 })
    await v.signIn('alice')
    v.app.clock.advance(anHour)
    v.again.onRefresh = () => away
    await v.rounds()
    assert.deepEqual(await v.link('alice'), { state: 'suspect', reason: 'token: status 503' })
  })

  it('S1-17 VER-06 the next good check heals a suspect, with no sign-in', async () => {
    await using v = await startVerifying()
    await v.connection({ outage_budget_minutes: 0 })
    await v.signIn('alice')
    v.app.clock.advance(anHour)
    const rotating = v.again.onRefresh
    v.again.onRefresh = () => away
    await v.rounds()
    v.again.onRefresh = rotating
    v.app.clock.advance(minutes(10))
    await v.rounds()
    assert.equal((await v.link('alice')).state, 'linked')
  })

  for (const [policy, reading, writing] of [
    ['keep', 200, true],
    ['read_only', 200, false],
    ['lock', 401, false],
  ] as const) {
    it(`VER-06 past the budget, ${policy}: exactly that, and the next good check heals it with no sign-in`, async () => {
      await using v = await startVerifying()
      await v.connection({
        check_every_minutes: 10,
        outage_budget_minutes: 0,
        outage_policy: policy,
      })
      const browser = await v.signIn('alice')
      const writes = async () => {
        const { headers } = await browser.post(`/account/passkeys/${v.app.acme.id}/rename`, {
          name: 'x',
        })
        return !/login|interrupted/.test(headers.get('location') ?? '')
      }
      v.app.clock.advance(tenMinutes)
      const rotating = v.again.onRefresh
      v.again.onRefresh = () => away
      await v.rounds()
      assert.equal((await v.link('alice')).state, 'suspect')
      assert.deepEqual([(await v.me(browser)).status, await writes()], [reading, writing])
      v.again.onRefresh = rotating
      v.app.clock.advance(minutes(3))
      await v.rounds()
      assert.equal((await v.link('alice')).state, 'linked')
      // A refusal is remembered for a few seconds.
      await until(async () => (await v.me(browser)).status === 200)
      assert.equal(await writes(), true)
    })
  }

  it('VER-05 those whose turn never came during a long outage are suspect too when the budget is spent', async () => {
    await using v = await startVerifying()
    await v.connection({ outage_budget_minutes: 60 })
    for (const one of ['a', 'b', 'c']) await v.signIn(one)
    v.app.clock.advance(anHour)
    v.again.onRefresh = () => away
    await v.connection({ checks_burst: 1 })
    await v.round()
    assert.equal(v.again.presented.length, 1)
    v.app.clock.advance(minutes(75))
    await keepUp(v.services, v.app.clock.now())
    const states = await Promise.all(['a', 'b', 'c'].map(async (one) => (await v.link(one)).state))
    assert.ok(states.filter((state) => state === 'suspect').length >= 2, states.join())
  })

  it('RFT-04 VER-04 a connection that is refused ends nothing and is asked seldom; administrators are told once', async () => {
    await using v = await startVerifying()
    for (const one of ['a', 'b', 'c']) await v.signIn(one)
    await sql`update memberships set role = 'owner' where user_id = (select user_id from identities where subject = 'a')`.execute(
      v.services.db,
    )
    await sql`update user_emails set verified_at = now()`.execute(v.services.db)
    v.app.clock.advance(anHour)
    v.again.onRefresh = () => ({
      answer: { answer: 'could_not_tell', doubt: 'misconfigured', reason: 'token: invalid_client' },
      spent: false,
    })
    await v.rounds()
    v.app.clock.advance(minutes(5))
    assert.equal(await v.round(), 0)
    assert.equal((await v.link('a')).state, 'linked')
    const alarms = (await v.app.mails()).filter(({ mail }) => mail === 'connection_alarm')
    assert.equal(alarms.length, 1)
  })

  it('VER-18 429 with Retry-After rests the whole connection for so long, and others go on', async () => {
    await using v = await startVerifying()
    const other = await v.app.connect({ name: 'Other' })
    await v.signIn('a')
    await v.signIn('b')
    v.app.provider.people.set('x', { grant: { accessToken: 'x', refreshToken: 'x.1' } })
    await v.app.signIn(v.app.browser(), 'x', { connectionId: other })
    v.app.clock.advance(anHour)
    const rotating = v.again.onRefresh
    const busy = {
      answer: {
        answer: 'could_not_tell',
        doubt: 'transient',
        reason: 'token: status 429',
        pause: seconds(30),
      },
      spent: false,
    } as const
    v.again.onRefresh = (token) => (token.startsWith('x') ? rotating(token) : busy)
    await v.connection({ checks_burst: 1 })
    await v.round()
    assert.deepEqual([...v.again.presented].sort().at(-1), 'x.1')
    v.again.onRefresh = rotating
    v.app.clock.advance(seconds(29))
    assert.equal(await v.round(), 0)
    v.app.clock.advance(seconds(2))
    assert.equal(await v.round(), 1)
  })
})

describe('a refresh token is presented once', () => {
  it('VER-08 one that may have been presented never is again; the old access token is asked instead', async () => {
    await using v = await startVerifying()
    await v.signIn('alice')
    v.app.clock.advance(anHour)
    v.again.onRefresh = () => ({
      answer: { answer: 'could_not_tell', doubt: 'transient', reason: 'token: egress_timeout' },
      spent: true,
    })
    await v.rounds()
    assert.notEqual((await v.identity('alice')).refresh_intent, null)
    for (let i = 0; i < 3; i++) {
      v.app.clock.advance(anHour)
      await v.rounds()
    }
    assert.deepEqual(v.again.presented, ['alice.1'])
    assert.ok(v.again.asked.length > 0)
    await v.signIn('alice', { accessToken: 'a', refreshToken: 'fresh.1' })
    v.app.clock.advance(anHour)
    await v.rounds()
    assert.deepEqual(v.again.presented, ['alice.1', 'fresh.1'])
  })

  it('VER-08 a worker that dies gives its lease back by itself', async () => {
    await using v = await startVerifying()
    await v.signIn('alice')
    v.app.clock.advance(anHour)
    assert.equal((await leaseDue(v.services.db, v.app.clock.now(), { most: 5 })).length, 1)
    assert.equal(await v.round(), 0)
    v.app.clock.advance(leaseFor + 1)
    assert.equal(await v.round(), 1)
    assert.equal((await v.identity('alice')).verdict, 'still_true')
  })

  it('VER-09 whoever signs in while a check is under way wins: the newer grant stays, and the check comes to nothing', async () => {
    await using v = await startVerifying()
    await v.signIn('alice')
    v.app.clock.advance(anHour)
    let browser: Awaited<ReturnType<Verifying['signIn']>>
    v.again.onRefresh = async () => {
      browser = await v.signIn('alice', { accessToken: 'a', refreshToken: 'newer.1' })
      return gone
    }
    await v.round()
    assert.equal((await v.me(browser!)).status, 200)
    assert.equal((await grantOf(v, 'alice'))!.refreshToken, 'newer.1')
    v.app.clock.advance(anHour)
    v.again.onRefresh = async () => {
      await v.signIn('alice', { accessToken: 'a', refreshToken: 'newest.1' })
      return { tokens: { accessToken: 'b', refreshToken: 'newer.2' } }
    }
    await v.round()
    assert.equal((await grantOf(v, 'alice'))!.refreshToken, 'newest.1')
  })

  it('tokens that came are kept before they are judged', async () => {
    await using v = await startVerifying({
      at: (point) => {
        if (point === 'kept') throw new Error('the end of the world')
      },
    })
    await v.signIn('alice')
    v.app.clock.advance(anHour)
    await v.round()
    assert.equal((await grantOf(v, 'alice'))!.refreshToken, 'alice.2')
    assert.equal((await v.identity('alice')).refresh_intent, null)
  })
})

describe('what changes while a check is under way', () => {
  it('VER-10 S1-18 a membership that is gone takes the identity with it', async () => {
    await using v = await startVerifying()
    await v.signIn('alice')
    v.app.clock.advance(anHour)
    await sql`delete from memberships`.execute(v.services.db)
    await v.round()
    assert.equal(await v.identity('alice'), undefined)
    assert.equal((await v.audited('identity.removed')).length, 1)
  })

  it('RFT-07 VER-10 one that goes between lease and verdict too, by the next check', async () => {
    await using v = await startVerifying()
    await v.signIn('alice')
    v.app.clock.advance(anHour)
    v.again.onRefresh = async () => {
      await sql`delete from memberships`.execute(v.services.db)
      return { tokens: { accessToken: 'a', refreshToken: 'alice.2' } }
    }
    await v.round()
    v.app.clock.advance(anHour)
    await v.round()
    assert.equal(await v.identity('alice'), undefined)
  })

  it('whoever was removed is not asked about any more, and stays known as removed', async () => {
    await using v = await startVerifying()
    await v.signIn('alice')
    await sql`update memberships set removed_at = ${v.app.clock.now()}`.execute(v.services.db)
    v.app.clock.advance(anHour)
    await v.rounds()
    assert.equal((await v.identity('alice')).check_at, null)
    const browser = app403(v)
    assert.ok((await browser) >= 400)
  })

  it('RFT-07 VER-11 a connection that is switched off drops the result', async () => {
    await using v = await startVerifying()
    await v.signIn('alice')
    v.app.clock.advance(anHour)
    v.again.onRefresh = async () => {
      const now = v.app.clock.now()
      await changeConnectionState(v.services, v.app.connectionId, 'disabled', now)
      return gone
    }
    await v.round()
    assert.notEqual((await v.identity('alice')).verdict, 'no_longer_true')
    assert.equal((await v.audited('identity.revoked')).length, 0)
  })

  it('VER-19 S1-14 an identity that vanishes before its turn costs nothing', async () => {
    await using v = await startVerifying()
    await v.signIn('alice')
    await v.signIn('bob')
    v.app.clock.advance(anHour)
    v.again.onRefresh = async (token) => {
      if (token.startsWith('alice'))
        await sql`delete from identities where subject = 'alice'`.execute(v.services.db)
      return { tokens: { accessToken: 'a', refreshToken: 'x.2' } }
    }
    await v.round()
    assert.equal((await v.identity('bob')).verdict, 'still_true')
  })

  it('RFT-10 VER-15 a clock a day ahead asks each once, and logs nobody out', async () => {
    await using v = await startVerifying()
    const browser = await v.signIn('alice')
    v.app.clock.advance(hours(24))
    await v.rounds()
    assert.equal(v.again.presented.length, 1)
    v.app.clock.advance(-hours(24))
    await v.rounds()
    assert.equal(v.again.presented.length, 1)
    assert.equal((await v.me(browser)).status, 200)
  })
})

describe('the ladder', () => {
  it('RFT-11 VER-20 S1-05 S1-22 an identity that nobody can ask about is not leased for nothing', async () => {
    await using v = await startVerifying()
    await v.signIn('alice', null)
    assert.equal((await v.identity('alice')).check_at, null)
    assert.equal((await v.identity('alice')).rung, 'deadline')
    v.app.clock.advance(hours(5))
    assert.equal(await v.round(), 0)
  })

  it('S1-05 without a refresh token UserInfo is asked; when that ends, the rung falls and says so, and nobody is out', async () => {
    await using v = await startVerifying()
    await v.signIn('alice', { accessToken: 'only' })
    v.again.onUserinfo = () => ({ answer: 'still_true', reason: 'userinfo' })
    v.app.clock.advance(anHour)
    await v.round()
    assert.equal((await v.identity('alice')).verdict_reason, 'userinfo')
    v.again.onUserinfo = undefined
    v.app.clock.advance(anHour)
    await v.round()
    assert.equal((await v.identity('alice')).rung, 'deadline')
    assert.equal((await v.audited('verification.rung_fell')).length, 1)
    assert.equal((await v.link('alice')).state, 'linked')
  })

  it('a refresh without an ID token asks UserInfo too, and a refusal there is about the person', async () => {
    await using v = await startVerifying()
    await v.connection({ check_every_minutes: 10 })
    const browser = await v.signIn('alice')
    v.again.onUserinfo = (fresh) =>
      fresh
        ? { answer: 'no_longer_true', reason: 'userinfo: status 401' }
        : { answer: 'still_true', reason: 'userinfo' }
    v.app.clock.advance(tenMinutes)
    await v.round()
    assert.equal((await v.me(browser)).status, 401)
  })
})

describe('manners', () => {
  it('a connection’s allowance holds over any number of workers, and what is due drains evenly', async () => {
    await using v = await startVerifying()
    for (let i = 0; i < 30; i++) await v.signIn(`p${i}`)
    await v.connection({ checks_per_second: 2, checks_burst: 4 })
    v.app.clock.advance(anHour)
    const each: number[] = []
    for (let second = 0; second <= 13; second++) {
      const before = v.again.presented.length
      await Promise.all(Array.from({ length: 4 }, () => checkDue(v.services)))
      each.push(v.again.presented.length - before)
      v.app.clock.advance(seconds(1))
    }
    assert.deepEqual(each, [4, ...Array.from({ length: 13 }, () => 2)])
  })

  it('ten sessions of one identity are one check', async () => {
    await using v = await startVerifying()
    for (let i = 0; i < 5; i++) await v.signIn('alice')
    v.app.clock.advance(anHour)
    await v.rounds()
    assert.equal(v.again.presented.length, 1)
  })
})

async function app403(v: Verifying): Promise<number> {
  const response = await v.app.signIn(v.app.browser(), 'alice')
  return response.status
}
