import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { suite, test, type TestContext } from 'node:test'
import { serveMetrics } from '../../src/http/metrics-server.ts'
import { Counter, Histogram, metrics, Read } from '../../src/lib/metrics.ts'
import { linesOf, sendToStatsd } from '../../src/lib/statsd.ts'
import { revokeSessionsOf } from '../../src/sessions/revoke.ts'
import { startTestApp, type TestApp } from '../_app.ts'

async function started(t: TestContext, env: Record<string, string> = {}): Promise<TestApp> {
  const app = await startTestApp({ env })
  t.after(() => app.close())
  return app
}

/** The numbers in a text for Prometheus, by name and labels. */
function read(text: string): ReadonlyMap<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))] as const
    }),
  )
}

/** What `work` adds to the numbers. */
async function added(app: TestApp, work: () => Promise<unknown>) {
  const before = read(await app.sallyport.metrics())
  await work()
  const after = read(await app.sallyport.metrics())
  return (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0)
}

suite('metrics', () => {
  test('S3-16 names follow the habits of Prometheus, and each has its help', () => {
    for (const { name, type, help, labels } of Object.values(metrics)) {
      assert.match(name, /^sallyport_[a-z_]+$/)
      assert.equal(name.endsWith('_total'), type === 'counter', name)
      if (type === 'histogram') assert.match(name, /_seconds$/)
      assert.match(help, /^[A-Z1].*\.$/)
      for (const label of labels) assert.match(label, /^[a-z]+$/)
    }
  })

  test('S3-24b requests, their phases and outcomes are counted by what the program calls them', async (t) => {
    const app = await started(t)
    const browser = app.browser()
    const grown = await added(app, async () => {
      await app.signIn(browser)
      await browser.get('/me')
      await browser.get('/me')
      await browser.get('/me?secret=canary-17')
      await browser.get('/canary-18/that/is/not/there')
    })
    assert.equal(
      grown('sallyport_request_duration_seconds_count{route="/me",method="GET",status="200"}'),
      3,
    )
    assert.equal(
      grown('sallyport_request_duration_seconds_count{route="not_found",method="",status="404"}'),
      1,
    )
    assert.equal(
      grown(
        'sallyport_request_duration_seconds_count{route="/sso/:connection/start",method="POST",status="200"}',
      ),
      1,
    )
    for (const phase of ['checks', 'lookup', 'decide', 'handler', 'effects'])
      assert.ok(grown(`sallyport_request_phase_seconds_count{phase="${phase}"}`) >= 4, phase)
    assert.equal(grown('sallyport_audit_events_total{action="login.succeeded"}'), 1)
    assert.ok(grown('sallyport_outcomes_total{outcome="go"}') >= 3)
    assert.ok(grown('sallyport_outcomes_total{outcome="fresh"}') >= 1)
    assert.ok(grown('sallyport_session_lookups_total{from="memory"}') >= 2)
    assert.ok(grown('sallyport_session_lookups_total{from="database"}') >= 1)
    const text = await app.sallyport.metrics()
    assert.doesNotMatch(text, /canary|alice|acme/i)
    assert.doesNotMatch(text, new RegExp(app.connectionId))
    assert.match(app.logged(), /"route":"\/me","status":200,"seconds":\{"checks":/)
  })

  test('no answer tells how long it took', async (t) => {
    const app = await started(t)
    const { headers } = await app.browser().get('/login')
    assert.deepEqual(
      [...headers.keys()].filter((name) => /timing|runtime|duration/i.test(name)),
      [],
    )
  })

  test('a revocation is counted with how long it waited, and what the node knows is read', async (t) => {
    const app = await started(t)
    const { services } = app.sallyport
    const browser = app.browser()
    await app.signIn(browser)
    await browser.get('/me')
    const values = read(await app.sallyport.metrics())
    assert.equal(values.get('sallyport_remembered_sessions'), 1)
    assert.equal(values.get('sallyport_lease_held'), 1)
    assert.ok(values.get('sallyport_audit_unlinked_events')! > 0)
    assert.ok(values.get('sallyport_database_connections{state="idle"}')! >= 1)
    const { user_id: userId } = await services.db
      .selectFrom('sessions')
      .select('user_id')
      .executeTakeFirstOrThrow()
    const grown = await added(app, () =>
      revokeSessionsOf(services, userId, { reason: 'logout', actor: { userId } }, app.clock.now()),
    )
    assert.equal(grown('sallyport_revocation_settle_seconds_count'), 1)
    assert.equal(grown('sallyport_revocation_settle_seconds_bucket{le="5"}'), 1)
  })

  test('a database that is away hides its own number and no other', async (t) => {
    const app = await started(t)
    app.line.cut()
    const text = await app.sallyport.metrics()
    assert.doesNotMatch(text, /^sallyport_audit_unlinked_events \d/m)
    assert.match(text, /^sallyport_remembered_sessions 0$/m)
  })

  test('a histogram counts cumulatively, and labels are quoted', () => {
    const histogram = new Histogram('sallyport_x_seconds', 'X.', ['a'], [1, 2])
    for (const seconds of [0.5, 1.5, 3]) histogram.observe(seconds, 'b')
    assert.deepEqual(
      histogram.samples().map(({ name, labels, value }) => [name.slice(12), labels['le'], value]),
      [
        ['seconds_bucket', '1', 1],
        ['seconds_bucket', '2', 2],
        ['seconds_bucket', '+Inf', 3],
        ['seconds_sum', undefined, 5],
        ['seconds_count', undefined, 3],
      ],
    )
    assert.deepEqual(new Counter('sallyport_y_total', 'Y.').samples(), [
      { name: 'sallyport_y_total', labels: {}, value: 0 },
    ])
  })
})

suite('the listener for metrics', () => {
  test('ADM-12 the numbers are on a listener of their own, and nowhere else', async (t) => {
    const app = await started(t)
    const server = await serveMetrics(app.sallyport.metrics, { host: '127.0.0.1', port: 0 })
    t.after(() => server.close())
    const at = `http://127.0.0.1:${server.port}`
    const answer = await fetch(`${at}/metrics`)
    assert.equal(answer.status, 200)
    assert.match(answer.headers.get('content-type')!, /^text\/plain; version=0\.0\.4/)
    const text = await answer.text()
    assert.match(text, /^# TYPE sallyport_outcomes_total counter$/m)
    assert.match(text, /^process_cpu_seconds_total /m)
    assert.equal((await fetch(at)).status, 404)
    assert.equal((await fetch(`${at}/login`)).status, 404)
    assert.equal((await fetch(`${at}/metrics`, { method: 'POST' })).status, 404)
    assert.equal((await app.browser().get('/metrics')).status, 404)
  })
})

suite('statsd', () => {
  test('S3-16 counters are sent as what was added, gauges as they stand, and nothing that did not change', () => {
    const keys = Object.entries(metrics).map(([, metric]) => metric)
    const sent = new Map<string, number>()
    const at = (value: number) =>
      keys.map(({ name }) => {
        if (name === 'sallyport_outcomes_total') return [{ name, labels: { outcome: 'go' }, value }]
        return name === 'sallyport_remembered_sessions' ? [{ name, labels: {}, value }] : []
      })
    assert.deepEqual(linesOf(at(5), sent), [
      'sallyport.outcomes_total.go:5|c',
      'sallyport.remembered_sessions:5|g',
    ])
    assert.deepEqual(linesOf(at(7), sent)[0], 'sallyport.outcomes_total.go:2|c')
    assert.deepEqual(linesOf(at(7), sent), ['sallyport.remembered_sessions:7|g'])
    assert.ok(keys.some((metric) => metric instanceof Read))
  })

  test('S3-16 they go out over UDP, and nobody minds when nobody is there', async (t) => {
    const app = await started(t)
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    t.mock.timers.enable({ apis: ['setInterval'] })
    const sources = {
      promised: () => ({}),
      troubled: async () => ({ outage: 1 }),
      overdue: () => 0,
      outcomes: () => ({ go: 3 }),
      lookups: () => ({ memory: 1 }),
      remembered: () => 4,
      lease: () => 1,
      unlinked: () => Promise.reject(new Error('the database is away')),
      connections: () => ({ used: 1 }),
    }
    const { port } = socket.address() as AddressInfo
    const stop = sendToStatsd(new URL(`udp://127.0.0.1:${port}`), sources)
    t.mock.timers.tick(10_000)
    const lines: string[] = []
    while (!lines.some((line) => line.startsWith('sallyport.database_connections')))
      lines.push(...String((await once(socket, 'message'))[0]).split('\n'))
    assert.ok(lines.includes('sallyport.outcomes_total.go:3|c'))
    assert.ok(lines.includes('sallyport.remembered_sessions:4|g'))
    assert.ok(lines.every((line) => /^sallyport\.[\w.-]+:-?[\d.e-]+\|[cg]$/.test(line)))
    const closed = once(socket, 'close')
    socket.close()
    await closed
    t.mock.timers.tick(10_000)
    stop()
    assert.equal((await app.browser().get('/login')).status, 200)
  })
})
