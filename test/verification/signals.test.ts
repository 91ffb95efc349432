import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { sql } from 'kysely'
import { days, minutes, seconds } from '../../src/lib/clock.ts'
import { moveConnection } from '../../src/sessions/connection-states.ts'
import { changeRole } from '../../src/sessions/revoke.ts'
import { keepStreamsUp } from '../../src/verification/signal-upkeep.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'
import { startTransmitter, type Transmitter } from '../_transmitter.ts'

const issuer = 'https://idp.example'
const settings = { issuer, clientId: 'c', clientSecret: 's', clientAuth: 'client_secret_basic' }

interface World {
  readonly app: TestApp
  readonly transmitter: Transmitter
  readonly connectionId: string
  readonly path: string
  readonly boss: Browser
  setUp(form?: Record<string, string>): Promise<Response>
  /** What the background job does when it is due. */
  tick(): Promise<void>
  stream(): Promise<Row | undefined>
  signIn(subject: string): Promise<Browser>
  count(action: string): Promise<number>
}

interface Row {
  readonly verified_at: Date | null
  readonly failing_since: Date | null
  readonly failing_reason: string | null
  readonly status: string
  readonly asked_at: Date | null
}

async function start(t: TestContext): Promise<World> {
  const app = await startTestApp()
  const deliver = (request: Request) => app.rim.send(request)
  const transmitter = await startTransmitter({ now: () => app.clock.now(), deliver })
  t.after(async () => {
    await app.close()
    await transmitter.close()
  })
  const connectionId = await app.connect({ settings, name: 'With signals' })
  const path = `/organizations/acme/connections/${connectionId}/signals`
  const { services } = app.sallyport
  const boss = app.browser()
  await app.signIn(boss, 'boss', { connectionId })
  const { user } = (await (await boss.api('/me')).json()) as { user: { id: string } }
  const owner = { organizationId: app.acme.id, userId: user.id, role: 'owner' } as const
  await changeRole(services, owner, {}, app.clock.now())
  return {
    app,
    transmitter,
    connectionId,
    path,
    boss,
    setUp: (form = {}) =>
      boss.post(`${path}/set-up`, {
        issuer: transmitter.issuer,
        token: transmitter.accessToken,
        delivery: 'poll',
        ...form,
      }),
    async tick() {
      app.clock.advance(seconds(15))
      await keepStreamsUp(services, app.clock.now())
    },
    async stream() {
      const { rows } = await sql<Row>`select * from signal_streams`.execute(services.db)
      return rows[0]
    },
    async signIn(subject) {
      const browser = app.browser()
      await app.signIn(browser, subject, { connectionId })
      assert.equal((await browser.api('/me')).status, 200)
      return browser
    },
    async count(action) {
      const { rows } = await sql<{ n: number }>`
        select count(*)::int as n from audit_events where action = ${action}`.execute(services.db)
      return rows[0]!.n
    },
  }
}

const me = (subject: string) => ({ format: 'iss_sub', iss: issuer, sub: subject })
const statusOf = async (browser: Browser) => (await browser.api('/me')).status
const jtiOf = (token: string) =>
  (JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { jti: string }).jti

describe('events that are polled', () => {
  it('BCL-09 an event is acknowledged when nobody is let in any more, a bad one is named with its error, each once', async (t) => {
    const world = await start(t)
    const { transmitter, app } = world
    assert.equal((await world.setUp()).status, 303)
    assert.equal(transmitter.stream?.method, 'urn:ietf:rfc:8936')
    assert.equal(transmitter.stream.authorization, undefined, 'nobody pushes, so nobody may')
    assert.ok((await world.stream())?.verified_at, 'shown to work while it was set up')
    const [ann, ben] = [await world.signIn('ann'), await world.signIn('ben')]
    app.clock.advance(seconds(1))
    const good = transmitter.event('sessionRevoked', me('ann'))
    const bad = transmitter.event('sessionRevoked', me('ben'), { claims: { aud: 'x' } })
    const mail = transmitter.event('disabled', { format: 'email', email: 'ben@acme.example' })
    const huge = transmitter.event('disabled', me('ben'), { claims: { x: 'x'.repeat(20_000) } })
    for (const token of [good, bad, mail, huge]) transmitter.queue(token)
    await world.tick()
    assert.deepEqual([await statusOf(ann), await statusOf(ben)], [401, 200])
    const settled = [good, bad, mail, huge].map((one) => transmitter.settled.get(jtiOf(one)))
    assert.deepEqual(settled, [
      'acknowledged',
      'invalid_audience',
      'invalid_request',
      'invalid_request',
    ])
    const again = await world.signIn('ann')
    transmitter.queue(good)
    await world.tick()
    assert.equal(transmitter.settled.get(jtiOf(good)), 'acknowledged')
    assert.equal(await statusOf(again), 200)
  })

  it('BCL-10 of two events about one person the order counts, however many come at once', async (t) => {
    const world = await start(t)
    const { transmitter, app } = world
    await world.setUp()
    await world.signIn('ann')
    app.clock.advance(seconds(1))
    for (let i = 0; i < 60; i++) {
      transmitter.queue(transmitter.event('disabled', me('ann')))
      transmitter.queue(transmitter.event('enabled', me('ann')))
    }
    await world.tick()
    app.clock.advance(seconds(2))
    await world.signIn('ann')
    assert.equal(
      [...transmitter.settled.values()].filter((how) => how === 'acknowledged').length,
      121,
    )
  })

  it('BCL-11 a stream is polled every quarter of a minute, by whoever comes first', async (t) => {
    const world = await start(t)
    await world.setUp()
    const polls = () => world.transmitter.asked.filter((one) => one === 'POST /poll').length
    await world.tick()
    const before = polls()
    const { services } = world.app.sallyport
    world.app.clock.advance(seconds(15))
    const now = world.app.clock.now()
    await Promise.all(Array.from({ length: 4 }, () => keepStreamsUp(services, now)))
    assert.equal(polls(), before + 1)
    await keepStreamsUp(services, now)
    assert.equal(polls(), before + 1)
  })

  it('BCL-11 a transmitter that does not answer alarms after ten minutes, once, and once when it is over; nobody is signed out', async (t) => {
    const world = await start(t)
    const { transmitter } = world
    await world.setUp()
    const ann = await world.signIn('ann')
    transmitter.answers.set('/poll', [503, {}])
    await world.tick()
    assert.equal((await world.stream())?.failing_reason, 'poll: status 503')
    assert.equal(await world.count('verification.alarm'), 0)
    for (let i = 0; i < 60; i++) await world.tick()
    assert.equal(await world.count('verification.alarm'), 1)
    assert.equal(await statusOf(ann), 200)
    transmitter.answers.clear()
    for (let i = 0; i < 25; i++) await world.tick()
    assert.equal(await world.count('verification.all_clear'), 1)
    assert.equal((await world.stream())?.failing_since, null)
  })

  it('BCL-11 every day a stream has to show anew that it works; silence counts as trouble', async (t) => {
    const world = await start(t)
    const { transmitter, app } = world
    await world.setUp({ delivery: 'push' })
    const first = (await world.stream())!.verified_at!
    app.clock.advance(days(1))
    await world.tick()
    const second = (await world.stream())!.verified_at!
    assert.ok(second > first)
    app.clock.advance(days(1))
    transmitter.answers.set('/verify', [204])
    await world.tick()
    app.clock.advance(minutes(11))
    await world.tick()
    assert.equal((await world.stream())!.failing_reason, 'no verification event came')
    app.clock.advance(minutes(11))
    await world.tick()
    assert.equal(await world.count('verification.alarm'), 1)
    transmitter.answers.clear()
    app.clock.advance(minutes(11))
    await world.tick()
    app.clock.advance(minutes(6))
    await world.tick()
    assert.equal((await world.stream())!.failing_since, null)
    assert.equal(await world.count('verification.all_clear'), 1)
  })
})

describe('setting shared signals up', () => {
  /** What a transmitter may get wrong, or have wrong in mind. */
  const wrong: Readonly<
    Record<string, (transmitter: Transmitter) => Record<string, string> | void>
  > = {
    'an address that is none': () => ({ issuer: 'hello' }),
    'an address without https': () => ({ issuer: 'http://idp.example' }),
    'an address inside': () => ({ issuer: 'https://169.254.169.254' }),
    'an access token that no header can carry': () => ({ token: 'a\nb' }),
    'no access token': () => ({ token: '' }),
    'a wrong access token': () => ({ token: 'wrong' }),
    'another issuer in the metadata': (one) => {
      one.twist = (metadata) => ({ ...metadata, issuer: 'https://elsewhere.example' })
    },
    'keys at an address inside': (one) => {
      one.twist = (metadata) => ({ ...metadata, jwks_uri: 'https://10.0.0.1/jwks' })
    },
    'no keys': (one) => {
      one.twist = (metadata) => ({ ...metadata, jwks_uri: undefined })
    },
    'no configuration endpoint': (one) => {
      one.twist = (metadata) => ({ ...metadata, configuration_endpoint: undefined })
    },
    'another way of delivery only': (one) => {
      one.twist = (metadata) => ({ ...metadata, delivery_methods_supported: ['urn:x'] })
    },
    'an address to poll that is inside': (one) => {
      const delivery = { method: 'urn:ietf:rfc:8936', endpoint_url: 'https://10.0.0.1/poll' }
      const stream = { stream_id: 's', iss: one.issuer, aud: 'a', delivery }
      one.answers.set('/stream', [201, stream])
    },
    'a stream of another issuer’s': (one) => {
      const delivery = { method: 'urn:ietf:rfc:8936', endpoint_url: `${one.issuer}/poll` }
      const stream = { stream_id: 's', iss: 'https://elsewhere.example', aud: 'a', delivery }
      one.answers.set('/stream', [201, stream])
    },
    'a stream for nobody': (one) => {
      const delivery = { method: 'urn:ietf:rfc:8936', endpoint_url: `${one.issuer}/poll` }
      one.answers.set('/stream', [201, { stream_id: 's', iss: one.issuer, aud: [], delivery }])
    },
    'a stream that is there already': (one) => void one.answers.set('/stream', [409, {}]),
    'an answer that is no JSON': (one) => void one.answers.set('/stream', [201, 'hello']),
    'no answer': (one) => void one.answers.set('/stream', [503, {}]),
  }
  for (const [what, twist] of Object.entries(wrong)) {
    it(`BCL-11 ${what}: nothing is kept, and the page says so`, async (t) => {
      const world = await start(t)
      const form = twist(world.transmitter)
      const answer = await world.setUp(form ?? {})
      assert.equal(answer.status, 422)
      const page = await answer.text()
      assert.match(page, /This cannot work yet/)
      assert.doesNotMatch(page, /transmitter-access-token|10\.0\.0\.1/)
      assert.equal(await world.stream(), undefined)
      assert.equal(await world.count('signals.set_up'), 0)
    })
  }

  it('BCL-11 a transmitter that cannot be told is given up all the same; a deleted connection leaves nothing behind', async (t) => {
    const world = await start(t)
    await world.setUp()
    assert.equal((await world.setUp()).status, 409, 'one stream at a time')
    world.transmitter.answers.set('/stream', [503, {}])
    assert.equal((await world.boss.post(`${world.path}/remove`)).status, 303)
    assert.equal(await world.stream(), undefined)
    world.transmitter.answers.clear()
    await world.setUp()
    assert.ok(await world.stream())
    const { services } = world.app.sallyport
    const which = { organizationId: world.app.acme.id, connectionId: world.connectionId }
    for (const act of ['disable', 'delete'] as const)
      await moveConnection(services, which, act, {}, world.app.clock.now())
    assert.equal(await world.stream(), undefined)
  })
})
