import assert from 'node:assert/strict'
import { createHmac, createPublicKey } from 'node:crypto'
import { after, before, beforeEach, describe, it, type TestContext } from 'node:test'
import { sql } from 'kysely'
import { days, hours, minutes, seconds } from '../../src/lib/clock.ts'
import { cookieNames } from '../../src/sessions/cookies.ts'
import { changeRole } from '../../src/sessions/revoke.ts'
import { checkDue } from '../../src/verification/worker.ts'
import { Tally } from '../../src/verification/tally.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'
import {
  startTransmitter,
  type EventName,
  type EventParts,
  type Transmitter,
} from '../_transmitter.ts'
import { createSigner } from '../hostile-provider.ts'
import { startMember } from '../sessions/_members.ts'
import { createAgain, gone } from '../verification/_verifying.ts'

const issuer = 'https://idp.example'
const settings = { issuer, clientId: 'c', clientSecret: 's', clientAuth: 'client_secret_basic' }

describe('a transmitter pushes what has happened', () => {
  let app: TestApp
  let transmitter: Transmitter
  let connectionId: string
  let path: string
  let boss: Browser
  let n = 0

  before(async () => {
    app = await startTestApp()
    app.provider.again = createAgain()
    connectionId = await app.connect({ settings, name: 'With signals' })
    const deliver = (request: Request) => app.rim.send(request)
    transmitter = await startTransmitter({ now: () => app.clock.now(), deliver })
    boss = app.browser()
    await app.signIn(boss, 'boss', { connectionId })
    const { user } = (await (await boss.api('/me')).json()) as { user: { id: string } }
    const owner = { organizationId: app.acme.id, userId: user.id, role: 'owner' } as const
    await changeRole(app.sallyport.services, owner, {}, app.clock.now())
    path = `/organizations/acme/connections/${connectionId}/signals`
    const { issuer: at, accessToken: token } = transmitter
    const made = await boss.post(`${path}/set-up`, { issuer: at, token, delivery: 'push' })
    assert.equal(made.status, 303, await made.text())
  })
  after(async () => {
    await app.close()
    await transmitter.close()
  })
  beforeEach(() => {
    app.sallyport.services.quiet.clear()
    app.clock.advance(seconds(1))
  })

  const me = (subject: string) => ({ format: 'iss_sub', iss: issuer, sub: subject })
  const db = () => app.sallyport.services.db
  const statusOf = async (browser: Browser) => (await browser.api('/me')).status
  /** Somebody signed in through the provider's session of that name. */
  const signIn = async (subject: string, providerSession?: string): Promise<Browser> => {
    app.clock.advance(seconds(1))
    const grant = { accessToken: `at-${subject}`, refreshToken: `${subject}.1` }
    app.provider.people.set(subject, { grant, ...(providerSession && { providerSession }) })
    const browser = app.browser()
    await app.signIn(browser, subject, { connectionId })
    assert.equal(await statusOf(browser), 200)
    return browser
  }
  /** The administrator, who has just signed in. */
  const administrator = async () => {
    await app.signIn(boss, 'boss', { connectionId })
    return boss
  }
  const someone = () => `person-${++n}`
  const send = (event: EventName | string, subject: unknown, parts: EventParts = {}) =>
    transmitter.push(transmitter.event(event, subject, parts))
  const identity = async (subject: string) => {
    const { rows } = await sql<{
      id: string
      check_at: Date | null
      verdict: string
      signal_disabled_at: Date | null
      claims: object
      granted: Buffer | null
    }>`select * from identities where connection_id = ${connectionId} and subject = ${subject}`.execute(
      db(),
    )
    return rows[0]!
  }
  const audited = async (action: string) => {
    const { rows } = await sql<{ target: string; data: Record<string, string> }>`
      select target, data from audit_events where action = ${action} order by id`.execute(db())
    return rows
  }
  const stream = async () => {
    const { rows } = await sql<{
      verified_at: Date | null
      status: string
      last_event: string
      failing_since: Date | null
    }>`select * from signal_streams where connection_id = ${connectionId}`.execute(db())
    return rows[0]!
  }

  it('BCL-11 setting up asks for a stream, keeps its secrets sealed, and the verification event shows that it works', async () => {
    assert.equal(transmitter.stream?.endpoint, `${app.origin}/ssf/${connectionId}`)
    assert.ok(transmitter.stream.events.some((type) => type.endsWith('/session-revoked')))
    assert.match(transmitter.stream.authorization ?? '', /^Bearer ssf_[\w-]{43}$/)
    assert.ok((await stream()).verified_at)
    const { rows } = await sql<{ all: string }>`
      select s::text || encode(s.settings, 'escape') as all from signal_streams s`.execute(db())
    assert.doesNotMatch(rows[0]!.all, /transmitter-access-token|ssf_/)
    const page = await (await (await administrator()).get(path)).text()
    assert.match(page, /Shared signals arrive/)
    assert.doesNotMatch(page, /transmitter-access-token/)
    assert.deepEqual(
      (await audited('signals.set_up')).map(({ target }) => target),
      [connectionId],
    )
    assert.equal((await audited('signals.verified')).length, 1)
  })

  it('BCL-10 session-revoked: 202, and by then no node lets the person in; others are none the wiser', async (t: TestContext) => {
    const member = await startMember(t, app)
    const names = cookieNames(new URL(app.origin))
    const [subject, other] = [someone(), someone()]
    const [one, two, bystander] = [
      await signIn(subject),
      await signIn(subject),
      await signIn(other),
    ]
    const tokens = [one, two].map((browser) => browser.cookies.get(names.session)!)
    assert.deepEqual(await Promise.all(tokens.map((token) => member.accepts(token))), [true, true])
    const answer = await send('sessionRevoked', me(subject))
    assert.deepEqual([answer.status, await answer.text()], [202, ''])
    assert.deepEqual(await Promise.all(tokens.map((token) => member.accepts(token))), [
      false,
      false,
    ])
    assert.deepEqual(
      [await statusOf(one), await statusOf(two), await statusOf(bystander)],
      [401, 401, 200],
    )
    const told = (await audited('signal.received')).at(-1)!
    assert.equal(told.target, (await identity(subject)).id)
    assert.deepEqual([told.data['event'], told.data['came']], ['session-revoked', 'ended'])
    assert.equal((await stream()).last_event, 'session-revoked')
    assert.equal(await statusOf(await signIn(subject)), 200, 'they may sign in again')
  })

  it('BCL-10 session-revoked with a session’s name ends that one, of that person', async () => {
    const [subject, other] = [someone(), someone()]
    const [one, two] = [await signIn(subject, 'sid-1'), await signIn(subject, 'sid-2')]
    const theirs = await signIn(other, 'sid-1')
    const session = { format: 'opaque', id: 'sid-1' }
    const named = { format: 'complex', user: me(subject), session }
    assert.equal((await send('sessionRevoked', named)).status, 202)
    assert.deepEqual(
      [await statusOf(one), await statusOf(two), await statusOf(theirs)],
      [401, 200, 200],
    )
    assert.equal((await send('sessionRevoked', { format: 'complex', session })).status, 202)
    assert.deepEqual([await statusOf(two), await statusOf(theirs)], [200, 401])
  })

  it('BCL-10 an opaque subject is what the connection’s own provider calls somebody; aliases may hold one name only', async () => {
    const [one, two] = [someone(), someone()]
    const [first, second] = [await signIn(one), await signIn(two)]
    assert.equal((await send('sessionRevoked', { format: 'opaque', id: one })).status, 202)
    const both = { format: 'aliases', identifiers: [me(one), me(two)] }
    assert.equal((await send('sessionRevoked', both)).status, 400)
    assert.deepEqual([await statusOf(first), await statusOf(second)], [401, 200])
    const mail = { format: 'email', email: 'x@acme.example' }
    const alias = { format: 'aliases', identifiers: [mail, me(two)] }
    assert.equal((await send('sessionRevoked', alias)).status, 202)
    assert.equal(await statusOf(second), 401)
  })

  it('BCL-10 what happened before somebody signed in ends nothing, however late it comes', async () => {
    const subject = someone()
    const happened = Math.floor(app.clock.now().getTime() / 1000)
    app.clock.advance(minutes(5))
    const browser = await signIn(subject)
    const late = { payload: { event_timestamp: happened } }
    assert.equal((await send('sessionRevoked', me(subject), late)).status, 202)
    assert.equal(await statusOf(browser), 200)
    const inMilliseconds = { payload: { event_timestamp: happened * 1000 } }
    assert.equal((await send('sessionRevoked', me(subject), inMilliseconds)).status, 202)
    assert.equal(await statusOf(browser), 200)
    const ahead = { payload: { event_timestamp: happened + 1e9 } }
    assert.equal((await send('sessionRevoked', me(subject), ahead)).status, 202)
    assert.equal(await statusOf(browser), 401, 'the future is now')
  })

  it('BCL-10 a sign-in under way when sessions are revoked does not slip past, not even the first one', async () => {
    const subject = someone()
    const browser = app.browser()
    const state = await app.begin(browser, { connectionId })
    assert.equal((await send('sessionRevoked', me(subject))).status, 202)
    await app.comeBack(browser, state, subject, connectionId)
    assert.equal(await statusOf(browser), 401)
    app.clock.advance(seconds(2))
    await signIn(subject)
  })

  /** Does both at the same moment, each in turn first in line for what they are about. */
  async function collide(
    subject: string,
    first: () => Promise<unknown>,
    second: () => Promise<unknown>,
  ) {
    let done: Promise<unknown>[] = []
    await db()
      .transaction()
      .execute(async (tx) => {
        await sql`select from identities where connection_id = ${connectionId} and subject = ${subject}
          for update`.execute(tx)
        for (const [n, act] of [first, second].entries()) {
          done = [...done, act()]
          for (let waiting = 0; waiting <= n;) {
            const { rows } = await sql<{ n: number }>`
              select count(*)::int as n from pg_stat_activity
              where datname = current_database() and wait_event_type = 'Lock'`.execute(db())
            waiting = rows[0]!.n
          }
        }
      })
    await Promise.all(done)
  }
  for (const event of ['sessionRevoked', 'disabled'] as const)
    for (const order of ['before', 'after'] as const)
      it(`BCL-06 BCL-10 ${event} that is carried out just ${order} a sign-in commits leaves no session`, async () => {
        const subject = someone()
        await signIn(subject)
        app.clock.advance(seconds(1))
        const browser = app.browser()
        const state = await app.begin(browser, { connectionId })
        const come = () => app.comeBack(browser, state, subject, connectionId)
        const say = async () => assert.equal((await send(event, me(subject))).status, 202)
        await (order === 'before' ? collide(subject, say, come) : collide(subject, come, say))
        assert.equal(await statusOf(browser), 401)
      })

  it('BCL-10 account-disabled keeps the person out until account-enabled gives back the right to sign in, and only that', async () => {
    const subject = someone()
    const browser = await signIn(subject)
    assert.equal((await send('disabled', me(subject))).status, 202)
    assert.equal(await statusOf(browser), 401)
    const row = await identity(subject)
    assert.deepEqual([row.verdict, row.granted, row.check_at], ['no_longer_true', null, null])
    const again = app.browser()
    const refused = await app.signIn(again, subject, { connectionId })
    assert.equal(refused.status, 403)
    assert.match(await refused.text(), /suspended/)
    const { rows } = await sql<{ link_state: string; link_reason: string }>`
      select link_state, link_reason from memberships m join identities i on i.user_id = m.user_id
      where i.id = ${row.id}`.execute(db())
    assert.deepEqual(rows[0], { link_state: 'revoked', link_reason: 'signal: account-disabled' })
    app.clock.advance(seconds(2))
    assert.equal((await send('enabled', me(subject))).status, 202)
    assert.equal(await statusOf(browser), 401, 'what has ended stays ended')
    assert.equal(await statusOf(await signIn(subject)), 200)
    const came = (await audited('signal.received')).slice(-2).map(({ data }) => data['came'])
    assert.deepEqual(came, ['disabled', 'enabled'])
  })

  it('BCL-10 events about an account count in the order in which they happened', async () => {
    const subject = someone()
    await signIn(subject)
    const at = Math.floor(app.clock.now().getTime() / 1000)
    const when = (event_timestamp: number) => ({ payload: { event_timestamp } })
    app.clock.advance(minutes(3))
    assert.equal((await send('enabled', me(subject), when(at + 30))).status, 202)
    assert.equal((await send('disabled', me(subject), when(at + 20))).status, 202)
    assert.equal((await identity(subject)).signal_disabled_at, null)
    assert.equal((await send('disabled', me(subject), when(at + 40))).status, 202)
    assert.equal((await send('enabled', me(subject), when(at + 35))).status, 202)
    assert.ok((await identity(subject)).signal_disabled_at)
    const reasons = (await audited('signal.ignored')).slice(-2).map(({ data }) => data['reason'])
    assert.deepEqual(reasons, ['outdated', 'outdated'])
  })

  it('BCL-10 the provider has vouched for somebody since they were disabled: they are asked about, and not thrown out', async () => {
    const subject = someone()
    const happened = Math.floor(app.clock.now().getTime() / 1000)
    app.clock.advance(minutes(5))
    const browser = await signIn(subject)
    const late = { payload: { event_timestamp: happened } }
    assert.equal((await send('disabled', me(subject), late)).status, 202)
    assert.equal(await statusOf(browser), 200)
    assert.ok((await identity(subject)).check_at! <= app.clock.now())
  })

  it('BCL-10 account-purged is for good: nothing shown of the person is left, and nothing brings the account back', async () => {
    const subject = someone()
    const browser = await signIn(subject)
    assert.equal((await send('purged', me(subject))).status, 202)
    assert.equal(await statusOf(browser), 401)
    assert.deepEqual((await identity(subject)).claims, {})
    app.clock.advance(seconds(2))
    assert.equal((await send('enabled', me(subject))).status, 202)
    const refused = await app.signIn(app.browser(), subject, { connectionId })
    assert.equal(refused.status, 403)
  })

  it('BCL-10 token-claims-change has the provider asked at once; its word decides, not the event’s', async () => {
    const subject = someone()
    const browser = await signIn(subject)
    const claims = { payload: { claims: { role: 'owner', email: 'boss@acme.example' } } }
    assert.equal((await send('claimsChange', me(subject), claims)).status, 202)
    assert.equal(await statusOf(browser), 200)
    assert.ok((await identity(subject)).check_at! <= app.clock.now())
    const again = app.provider.again as ReturnType<typeof createAgain>
    again.onRefresh = () => gone
    await checkDue({ ...app.sallyport.services, tally: new Tally() })
    assert.equal(await statusOf(browser), 401)
    again.onRefresh = createAgain().onRefresh
  })

  it('BCL-10 where nobody can be asked, a change has the person sign in again', async () => {
    const subject = someone()
    app.provider.people.set(subject, {})
    const browser = app.browser()
    await app.signIn(browser, subject, { connectionId })
    assert.equal((await send('claimsChange', me(subject))).status, 202)
    assert.equal(await statusOf(browser), 401)
  })

  /** What each of the other events comes to. */
  const comesTo: readonly [EventName, Record<string, string>, 'out' | 'asked' | 'nothing'][] = [
    ['credentialChange', { change_type: 'revoke' }, 'out'],
    ['credentialChange', { change_type: 'delete' }, 'out'],
    ['credentialChange', { change_type: 'update' }, 'asked'],
    ['assuranceChange', { change_direction: 'decrease' }, 'out'],
    ['assuranceChange', { change_direction: 'increase' }, 'nothing'],
    ['complianceChange', { current_status: 'not-compliant' }, 'out'],
    ['complianceChange', { current_status: 'compliant' }, 'nothing'],
    ['sessionEstablished', {}, 'nothing'],
  ]
  for (const [event, payload, outcome] of comesTo) {
    it(`BCL-10 ${event} ${JSON.stringify(payload)}: ${outcome}`, async () => {
      const subject = someone()
      const browser = await signIn(subject)
      assert.equal((await send(event, me(subject), { payload })).status, 202)
      assert.equal(await statusOf(browser), outcome === 'out' ? 401 : 200)
      const due = (await identity(subject)).check_at! <= app.clock.now()
      assert.equal(due, outcome === 'asked')
    })
  }

  it('BCL-10 an event that nobody knows is taken, ignored, and told once', async () => {
    const before = (await audited('signal.ignored')).length
    for (let i = 0; i < 3; i++)
      assert.equal((await send('https://example.com/event/weather', me('x'))).status, 202)
    assert.equal((await audited('signal.ignored')).length, before + 1)
  })

  it('BCL-09 whom nobody here knows is answered like everybody else', async () => {
    for (const event of [
      'sessionRevoked',
      'disabled',
      'enabled',
      'purged',
      'claimsChange',
    ] as const)
      assert.equal((await send(event, me('nobody'))).status, 202)
    const { rows } = await sql`select from identities where subject = 'nobody'`.execute(db())
    assert.equal(rows.length, 0)
    assert.equal((await audited('signal.ignored')).at(-1)!.data['reason'], 'unknown subject')
  })

  it('BCL-09 the same event counts once, however often and at the same time it comes', async () => {
    const subject = someone()
    const token = transmitter.event('sessionRevoked', me(subject))
    const browser = await signIn(subject)
    const before = (await audited('signal.received')).length
    const answers = await Promise.all(Array.from({ length: 10 }, () => transmitter.push(token)))
    assert.ok(answers.every(({ status }) => status === 202))
    assert.equal((await audited('signal.received')).length, before + 1)
    assert.equal(await statusOf(browser), 401)
    const later = await signIn(subject)
    assert.equal((await transmitter.push(token)).status, 202)
    assert.equal(await statusOf(later), 200)
  })

  it('BCL-09 the same names at another connection are somebody else’s', async () => {
    const subject = someone()
    const browser = app.browser()
    const other = await app.connect({ settings, name: 'Another' })
    await app.signIn(browser, subject, { connectionId: other })
    assert.equal((await send('disabled', me(subject))).status, 202)
    assert.equal(await statusOf(browser), 200)
  })

  /** What an event may not be: what is sent, and the one word that is answered. */
  const wrong: Readonly<Record<string, [word: string, make: (subject: string) => string]>> = {
    'another issuer': [
      'invalid_issuer',
      (s) => make(s, { claims: { iss: 'https://elsewhere.example' } }),
    ],
    'another audience': ['invalid_audience', (s) => make(s, { claims: { aud: 'somebody-else' } })],
    'no audience': ['invalid_audience', (s) => make(s, { claims: { aud: undefined } })],
    'a key of somebody else’s': ['invalid_key', (s) => make(s, { signer: stranger })],
    'a key of somebody else’s under a known name': [
      'invalid_key',
      (s) => make(s, { signer: stranger, header: { kid: transmitter.signer.kid } }),
    ],
    'a wrong signature': ['invalid_key', (s) => `${make(s).slice(0, -6)}AAAAAA`],
    'alg none': [
      'invalid_key',
      (s) =>
        `${make(s, { header: { alg: 'none' } })
          .split('.')
          .slice(0, 2)
          .join('.')}.AAAA`,
    ],
    'no signature': [
      'invalid_request',
      (s) =>
        `${make(s, { header: { alg: 'none' } })
          .split('.')
          .slice(0, 2)
          .join('.')}.`,
    ],
    'a shared secret that is the public key': ['invalid_key', (s) => withHs256(make(s))],
    'the type of another token': ['invalid_request', (s) => make(s, { header: { typ: 'JWT' } })],
    'the type of a logout token': [
      'invalid_request',
      (s) => make(s, { header: { typ: 'logout+jwt' } }),
    ],
    'no type': ['invalid_request', (s) => make(s, { header: { typ: undefined } })],
    'an extension to be understood': [
      'invalid_request',
      (s) => make(s, { header: { crit: ['x'], x: 1 } }),
    ],
    'a sub': ['invalid_request', (s) => make(s, { claims: { sub: s } })],
    'an exp': ['invalid_request', (s) => make(s, { claims: { exp: 9e9 } })],
    'a nonce': ['invalid_request', (s) => make(s, { claims: { nonce: 'n' } })],
    'no jti': ['invalid_request', (s) => make(s, { claims: { jti: undefined } })],
    'no iat': ['invalid_request', (s) => make(s, { claims: { iat: undefined } })],
    'an iat of long ago': ['invalid_request', (s) => make(s, { claims: { iat: 1 } })],
    'an iat of tomorrow': [
      'invalid_request',
      (s) => make(s, { claims: { iat: app.clock.now().getTime() / 1000 + 86_400 } }),
    ],
    'no events': ['invalid_request', (s) => make(s, { claims: { events: {} } })],
    'two events': ['invalid_request', (s) => make(s, { claims: { events: { a: {}, b: {} } } })],
    'an event that is no object': [
      'invalid_request',
      (s) => make(s, { claims: { events: { a: true } } }),
    ],
    'no subject': ['invalid_request', (s) => make(s, { claims: { sub_id: undefined } })],
    'a time that is none': [
      'invalid_request',
      (s) => make(s, { payload: { event_timestamp: 'now' } }),
    ],
    'a subject without a format': [
      'invalid_request',
      (s) => make(s, { claims: { sub_id: { sub: s } } }),
    ],
    'a subject by address': [
      'invalid_request',
      (s) => make(s, { claims: { sub_id: { format: 'email', email: `${s}@acme.example` } } }),
    ],
    'a user by address': [
      'invalid_request',
      (s) =>
        make(s, {
          claims: {
            sub_id: { format: 'complex', user: { format: 'email', email: `${s}@acme.example` } },
          },
        }),
    ],
    'nobody in it': [
      'invalid_request',
      (s) => make(s, { claims: { sub_id: { format: 'complex', device: me(s) } } }),
    ],
    'something that is no token': ['invalid_request', () => 'hello'],
    nothing: ['invalid_request', () => ''],
  }
  const stranger = createSigner('RS256')
  const make = (subject: string, parts: EventParts = {}) =>
    transmitter.event('disabled', me(subject), parts)
  const withHs256 = (token: string) => {
    const { kid, jwk } = transmitter.signer
    const pem = createPublicKey({ key: jwk as never, format: 'jwk' }).export({
      format: 'pem',
      type: 'spki',
    })
    const header = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'secevent+jwt', kid }))
    const input = `${header.toString('base64url')}.${token.split('.')[1]}`
    return `${input}.${createHmac('sha256', pem).update(input).digest('base64url')}`
  }
  for (const [what, [word, token]] of Object.entries(wrong)) {
    it(`BCL-09 an event with ${what} is refused (${word}), and changes nothing`, async () => {
      const subject = someone()
      const browser = await signIn(subject)
      const answer = await transmitter.push(token(subject))
      assert.equal(answer.status, 400)
      assert.match(answer.headers.get('content-type') ?? '', /^application\/json/)
      assert.equal(answer.headers.get('cache-control'), 'no-store')
      const said = (await answer.json()) as { err: string; description: string }
      assert.equal(said.err, word)
      assert.doesNotMatch(said.description, /acme\.example|person-/)
      assert.equal(await statusOf(browser), 200)
      assert.equal((await identity(subject)).signal_disabled_at, null)
      assert.equal((await audited('signal.refused')).at(-1)!.data['err'], word)
    })
  }

  it('BCL-09 an address never selects anybody: the answer is the same whether or not somebody has it', async () => {
    const subject = someone()
    await signIn(subject)
    const answers = []
    for (const email of [`${subject}@acme.example`, 'nobody@acme.example']) {
      const answer = await send('disabled', { format: 'email', email })
      answers.push([answer.status, await answer.text()])
    }
    assert.deepEqual(answers[0], answers[1])
  })

  it('BCL-09 whoever does not authenticate as agreed is told so with 401, before anything is read', async () => {
    const subject = someone()
    const browser = await signIn(subject)
    const token = make(subject)
    const agreed = transmitter.stream!.authorization!
    for (const authorization of ['', 'Bearer wrong', agreed.slice(0, -1), `${agreed}x`]) {
      const answer = await transmitter.push(token, { authorization })
      assert.equal(answer.status, 401)
      assert.equal(((await answer.json()) as { err: string }).err, 'authentication_failed')
    }
    assert.equal(await statusOf(browser), 200)
    assert.equal((await audited('signal.refused')).at(-1)!.data['err'], 'authentication_failed')
  })

  it('BCL-09 another type, a huge body, another method, a connection without a stream: refused, cookies or not', async () => {
    const subject = someone()
    const browser = await signIn(subject)
    const token = make(subject)
    const json = await transmitter.push(token, { 'content-type': 'application/json' })
    assert.equal(json.status, 415)
    assert.equal((await transmitter.push('x'.repeat(17 * 1024))).status, 413)
    assert.equal((await browser.get(`/ssf/${connectionId}`)).status, 405)
    const { authorization } = transmitter.stream!
    const headers = { 'content-type': 'application/secevent+jwt', authorization: authorization! }
    for (const other of [app.connectionId, 'unknown', '01890000-0000-7000-8000-00000000dead']) {
      const init = { method: 'POST', headers, body: token }
      assert.equal((await browser.request(`/ssf/${other}`, init)).status, 404)
    }
    assert.equal(await statusOf(browser), 200)
  })

  it('BCL-09 a member of the subject that must be understood and is not has the event refused', async () => {
    transmitter.twist = (metadata) => ({ ...metadata, critical_subject_members: ['tenant'] })
    app.clock.advance(minutes(11))
    const subject = someone()
    const browser = await signIn(subject)
    const tenant = { format: 'opaque', id: 't' }
    const refused = await send('disabled', { format: 'complex', user: me(subject), tenant })
    assert.equal(refused.status, 400)
    const device = { format: 'opaque', id: 'd' }
    assert.equal(await statusOf(browser), 200)
    const taken = await send('disabled', { format: 'complex', user: me(subject), device })
    assert.equal(taken.status, 202)
    assert.equal(await statusOf(browser), 401)
    transmitter.twist = undefined
    app.clock.advance(minutes(11))
  })

  it('BCL-11 a transmitter whose keys cannot be had is asked to send again', async () => {
    const subject = someone()
    const browser = await signIn(subject)
    transmitter.answers.set('/jwks', [503, {}])
    app.clock.advance(minutes(11))
    const answer = await transmitter.push(make(subject))
    assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, '30'])
    transmitter.answers.clear()
    assert.equal((await transmitter.push(make(subject))).status, 202)
    assert.equal(await statusOf(browser), 401)
  })

  it('BCL-11 a verification event counts with the state that was asked for, once, and for this stream', async () => {
    const verified = (await stream()).verified_at!
    app.clock.advance(seconds(5))
    const ofStream = { format: 'opaque', id: transmitter.streamId }
    const verify = (subject: unknown, payload: Record<string, unknown>) =>
      send('verification', subject, { payload })
    transmitter.state = () => 'another'
    await administrator()
    assert.equal((await boss.post(`${path}/verify`)).status, 303)
    assert.deepEqual((await stream()).verified_at, verified)
    transmitter.state = undefined
    const wrongState = await verify(ofStream, { state: 'made-up' })
    assert.equal(((await wrongState.json()) as { err: string }).err, 'invalid_state')
    const again = await verify(ofStream, { state: 'made-up' })
    assert.equal(again.status, 400)
    const elsewhere = { format: 'opaque', id: 'stream-2' }
    assert.equal((await verify(elsewhere, {})).status, 400)
    const paused = { payload: { status: 'paused' } }
    assert.equal((await send('streamUpdated', elsewhere, paused)).status, 400)
    assert.equal((await stream()).status, 'enabled')
    assert.equal((await verify(ofStream, {})).status, 202, 'one that nobody asked for')
    assert.deepEqual((await stream()).verified_at, verified)
    assert.equal((await boss.post(`${path}/verify`)).status, 303)
    assert.ok((await stream()).verified_at! > verified)
  })

  it('BCL-11 a stream that is paused or disabled alarms administrators once, and once when it goes on', async () => {
    const ofStream = { format: 'opaque', id: transmitter.streamId }
    const update = (status: string) =>
      send('streamUpdated', ofStream, { payload: { status, reason: 'maintenance' } })
    const alarms = async () => [
      (await audited('verification.alarm')).length,
      (await audited('verification.all_clear')).length,
    ]
    const [begun, over] = (await alarms()) as [number, number]
    assert.equal((await update('paused')).status, 202)
    assert.equal((await update('paused')).status, 202)
    assert.deepEqual(await alarms(), [begun + 1, over])
    assert.match(
      await (await (await administrator()).get(path)).text(),
      /has paused its shared signals/,
    )
    assert.equal((await update('enabled')).status, 202)
    assert.deepEqual(await alarms(), [begun + 1, over + 1])
    assert.equal((await update('dancing')).status, 400)
    assert.equal((await stream()).status, 'enabled')
  })

  it('BCL-09 how much of it all is remembered is bounded: what is used once goes when no token could come again', async () => {
    const { rows } = await sql<{ longest: Date }>`
      select max(until) as longest from used_once where kind = 'signal'`.execute(db())
    const bound = app.clock.now().getTime() + days(7) + hours(1)
    assert.ok(rows[0]!.longest.getTime() < bound)
  })

  it('giving signals up asks first, tells the transmitter, and lets those in again whom only signals kept out', async () => {
    const [subject, purged] = [someone(), someone()]
    await signIn(subject)
    await signIn(purged)
    assert.equal((await send('disabled', me(subject))).status, 202)
    assert.equal((await send('purged', me(purged))).status, 202)
    await administrator()
    assert.match(await (await boss.get(`${path}/remove`)).text(), /Give shared signals up\?/)
    const token = make(subject)
    const headers = { authorization: transmitter.stream!.authorization! }
    assert.equal((await boss.post(`${path}/remove`)).status, 303)
    assert.equal(transmitter.stream, undefined)
    const to = `${app.origin}/ssf/${connectionId}`
    const type = { 'content-type': 'application/secevent+jwt' }
    const sent = new Request(to, { method: 'POST', body: token, headers: { ...headers, ...type } })
    assert.equal((await app.rim.send(sent)).status, 404)
    app.clock.advance(seconds(2))
    await signIn(subject)
    assert.equal((await app.signIn(app.browser(), purged, { connectionId })).status, 403)
  })
})
