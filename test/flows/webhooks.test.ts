import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { sql } from 'kysely'
import { after, before, beforeEach, describe, it } from 'node:test'
import { postEvent, setWebhook } from '../../src/accounts/webhooks.ts'
import { queues, queueSchema } from '../../src/db/queue.ts'
import { warnOfSecrets } from '../../src/flows/secret-upkeep.ts'
import { deliverWebhook, signWebhook } from '../../src/flows/webhooks.ts'
import { days, minutes } from '../../src/lib/clock.ts'
import { changeRole } from '../../src/sessions/revoke.ts'
import { away, startVerifying, type Verifying } from '../verification/_verifying.ts'
import { readPage } from '../web/_page.ts'

interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

describe('the webhook', () => {
  let receiver: Server
  let url: string
  let status = 204
  const received: Received[] = []

  before(async () => {
    receiver = createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += String(chunk)
      received.push({ headers: request.headers, body })
      response.writeHead(status).end()
    }).listen(0, '127.0.0.1')
    await once(receiver, 'listening')
    url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`
  })
  after(() => receiver.close())
  beforeEach(() => {
    status = 204
    received.length = 0
  })

  /** Everything that waits in the queue, as a worker would. Answers how many failed. */
  async function deliverAll(v: Verifying): Promise<number> {
    const { rows } = await sql<{ id: string }>`
      select data->>'id' as id from ${sql.table(`${queueSchema}.job`)} where name = 'webhook' order by 1`.execute(
      v.services.db,
    )
    const done = await Promise.allSettled(
      rows.map(({ id }) => deliverWebhook(v.app.sallyport.services, { id })),
    )
    return done.filter((one) => one.status === 'rejected').length
  }

  async function owner(v: Verifying, role: 'owner' | 'admin' = 'owner') {
    const browser = await v.signIn('boss', null)
    const { user_id: userId } = await v.identity('boss')
    await changeRole(
      v.services,
      { organizationId: v.app.acme.id, userId, role },
      {},
      v.app.clock.now(),
    )
    return browser
  }

  async function hooked(v: Verifying): Promise<string> {
    const by = { organizationId: v.app.acme.id, actorId: v.app.acme.id, requestId: 'r' }
    const set = { ...by, url }
    return setWebhook(v.services.db, v.services.sealer, set, v.app.clock.now())
  }

  const states = async (v: Verifying) =>
    (
      await sql<{ event: string; state: string; answer: string | null; tries: number }>`
        select event, state, answer, tries from webhook_deliveries order by id`.execute(
        v.services.db,
      )
    ).rows

  it('is set by an owner, who sees the secret once; a test message is signed with it', async () => {
    await using v = await startVerifying()
    const browser = await owner(v)
    const page = await readPage(await browser.post('/organizations/acme/alarms', { url }))
    const [, secret = ''] = /whsec_([A-Za-z0-9+/=]+)/.exec(page.html) ?? []
    assert.equal(Buffer.from(secret, 'base64').length, 32)
    const shown = await readPage(await browser.get('/organizations/acme/alarms'))
    assert.doesNotMatch(shown.html, /whsec_/)
    assert.equal((await browser.post('/organizations/acme/alarms/test')).status, 303)
    assert.equal(await deliverAll(v), 0)
    const [{ headers, body }] = received as [Received]
    const key = Buffer.from(secret, 'base64')
    const [id, timestamp] = [headers['webhook-id'], headers['webhook-timestamp']]
    const expected = createHmac('sha256', key).update(`${String(id)}.${String(timestamp)}.${body}`)
    assert.equal(headers['webhook-signature'], `v1,${expected.digest('base64')}`)
    assert.equal(timestamp, String(Math.floor(v.app.clock.now().getTime() / 1000)))
    const { type, data } = JSON.parse(body) as { type: string; data: Record<string, unknown> }
    assert.equal(type, 'webhook.test')
    assert.deepEqual(data['organization'], { id: v.app.acme.id, slug: 'acme' })
    const listed = await readPage(await browser.get('/organizations/acme/alarms'))
    assert.match(listed.text, /An owner has pressed the button.*204.*Delivered/)
    const stored = await sql<{ secret: Buffer }>`select secret from webhooks`.execute(v.services.db)
    assert.ok(!stored.rows[0]!.secret.includes(Buffer.from(secret)))
    assert.equal((await v.audited('webhook.set')).length, 1)
    assert.equal((await v.audited('webhook.tested')).length, 1)
  })

  it('the signature is that of the specification’s own example', () => {
    const key = Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64')
    const message = {
      id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      timestamp: '1614265330',
      body: '{"test": 2432232314}',
    }
    assert.equal(signWebhook(key, message), 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
  })

  it('an admin sees that there is one, and changes nothing', async () => {
    await using v = await startVerifying()
    await hooked(v)
    const browser = await owner(v, 'admin')
    const page = await readPage(await browser.get('/organizations/acme/alarms'))
    assert.match(page.text, /Only owners change that/)
    assert.doesNotMatch(page.html, /\/hook/)
    for (const [path, form] of [
      ['', { url }],
      ['/test', {}],
      ['/remove', {}],
    ] as const)
      assert.equal((await browser.post(`/organizations/acme/alarms${path}`, form)).status, 403)
  })

  for (const wrong of [
    '',
    'hook',
    'ftp://example.com/',
    'https://10.0.0.1/',
    'https://u:p@example.com/',
  ])
    it(`refuses ${JSON.stringify(wrong)} as its address`, async () => {
      await using v = await startVerifying()
      const browser = await owner(v)
      const answer = await browser.post('/organizations/acme/alarms', { url: wrong })
      assert.equal(answer.status, 422)
      assert.equal((await v.audited('webhook.set')).length, 0)
    })

  it('what is not taken is tried again, with the same id, and given up in the end', async () => {
    await using v = await startVerifying()
    await hooked(v)
    const event = { event: 'webhook.test', data: {} } as const
    await postEvent(v.services.db, v.app.acme.id, event, v.app.clock.now())
    status = 500
    assert.equal(await deliverAll(v), 1)
    assert.deepEqual(await states(v), [
      { event: 'webhook.test', state: 'waiting', answer: '500', tries: 1 },
    ])
    status = 200
    assert.equal(await deliverAll(v), 0)
    assert.equal(await deliverAll(v), 0)
    assert.equal(received.length, 2)
    assert.equal(received[0]!.headers['webhook-id'], received[1]!.headers['webhook-id'])
    assert.equal(received[0]!.body, received[1]!.body)
    assert.equal((await states(v))[0]!.state, 'delivered')

    await postEvent(v.services.db, v.app.acme.id, event, v.app.clock.now())
    status = 503
    for (let i = 0; i <= queues.webhook.retries!; i++) await deliverAll(v)
    assert.deepEqual((await states(v))[1], {
      event: 'webhook.test',
      state: 'failed',
      answer: '503',
      tries: queues.webhook.retries! + 1,
    })
  })

  it('one that is gone, or taken away, gets nothing more', async () => {
    await using v = await startVerifying()
    await hooked(v)
    const event = { event: 'webhook.test', data: {} } as const
    await postEvent(v.services.db, v.app.acme.id, event, v.app.clock.now())
    status = 410
    assert.equal(await deliverAll(v), 0)
    await postEvent(v.services.db, v.app.acme.id, event, v.app.clock.now())
    const browser = await owner(v)
    await readPage(await browser.get('/organizations/acme/alarms/remove'))
    assert.equal((await browser.post('/organizations/acme/alarms/remove')).status, 303)
    assert.equal(await deliverAll(v), 0)
    assert.deepEqual(
      (await states(v)).map(({ state, answer }) => [state, answer]),
      [
        ['failed', '410'],
        ['failed', 'removed'],
      ],
    )
    await postEvent(v.services.db, v.app.acme.id, event, v.app.clock.now())
    assert.equal((await states(v)).length, 2)
    assert.equal((await v.audited('webhook.removed')).length, 1)
  })

  it('VER-05 an outage is posted once when it begins and once when it ends, not once an identity; no token, no address', async () => {
    await using v = await startVerifying()
    await hooked(v)
    for (const one of ['a', 'b', 'c']) await v.signIn(one)
    const rotating = v.again.onRefresh
    v.again.onRefresh = () => away
    v.app.clock.advance(minutes(67))
    for (let i = 0; i < 4; i++) {
      await v.rounds()
      v.app.clock.advance(minutes(10))
    }
    v.again.onRefresh = rotating
    v.app.clock.advance(minutes(60))
    await v.rounds()
    await deliverAll(v)
    const bodies = received.map(
      ({ body }) => JSON.parse(body) as { type: string; data: Record<string, unknown> },
    )
    assert.deepEqual(bodies.map(({ type }) => type).sort(), ['outage.began', 'outage.ended'])
    assert.equal(bodies[0]!.data['connection'], v.app.connectionId)
    for (const { body } of received) {
      assert.doesNotMatch(body, /@|\.1"|token|secret/)
      assert.match(body, /organizations\/acme\/health/)
    }
  })

  it('a client secret that runs out is told of 30, 7 and 1 days ahead, once each, by mail and webhook', async () => {
    await using v = await startVerifying()
    await hooked(v)
    const browser = await owner(v)
    await sql`update user_emails set verified_at = now()`.execute(v.services.db)
    const { connectionId } = v.app
    const ends = new Date(v.app.clock.now().getTime() + days(40)).toISOString().slice(0, 10)
    const connection = `/organizations/acme/connections/${connectionId}`
    assert.match((await readPage(await browser.get(connection))).text, /The client secret’s end/)
    assert.equal((await browser.post(`${connection}/secret-end`, { endsOn: ends })).status, 303)
    assert.match(
      (await readPage(await browser.get(connection))).text,
      /It runs out in 39 days|It runs out in 40 days/,
    )
    assert.equal((await browser.post(`${connection}/secret-end`, { endsOn: 'soon' })).status, 422)
    assert.equal(
      (await browser.post(`${connection}/secret-end`, { endsOn: '2999-01-01' })).status,
      422,
    )
    for (let day = 0; day < 45; day++) {
      await warnOfSecrets(v.app.sallyport.services, v.app.clock.now())
      v.app.clock.advance(days(1))
    }
    const mails = (await v.app.mails()).filter(({ mail }) => mail === 'secret_expiring')
    assert.deepEqual(
      mails.map(({ data }) => Number(data['days'])),
      [30, 7, 1],
    )
    await deliverAll(v)
    assert.deepEqual(
      received.map(({ body }) => (JSON.parse(body) as { type: string }).type),
      ['client_secret.expiring', 'client_secret.expiring', 'client_secret.expiring'],
    )
    assert.equal((await v.audited('connection.secret_expiring')).length, 3)
    assert.equal((await v.audited('connection.secret_end_set')).length, 1)
  })

  it('an end that is near when it is noted is told of once', async () => {
    await using v = await startVerifying()
    await owner(v)
    await sql`update user_emails set verified_at = now()`.execute(v.services.db)
    const ends = new Date(v.app.clock.now().getTime() + days(3))
    await v.connection({ secret_ends_at: ends })
    await warnOfSecrets(v.app.sallyport.services, v.app.clock.now())
    await warnOfSecrets(v.app.sallyport.services, v.app.clock.now())
    const mails = (await v.app.mails()).filter(({ mail }) => mail === 'secret_expiring')
    assert.deepEqual(
      mails.map(({ data }) => Number(data['days'])),
      [7],
    )
  })
})
