import assert from 'node:assert/strict'
import { sql } from 'kysely'
import { after, afterEach, before, beforeEach, suite, test, type TestContext } from 'node:test'
import { createUser } from '../../src/accounts/users.ts'
import { addMember, createOrganization } from '../../src/accounts/organizations.ts'
import { sealGrant } from '../../src/accounts/grants.ts'
import { setWebhook } from '../../src/accounts/webhooks.ts'
import { run } from '../../src/cli.ts'
import { newId } from '../../src/lib/ids.ts'
import { startTestApp, testSettings, type TestApp } from '../_app.ts'
import { startProgram } from '../_program.ts'
import { startHostileProvider, type HostileProvider } from '../hostile-provider.ts'

suite('verification from the command line', () => {
  let app: TestApp
  let hostile: HostileProvider
  let env: Record<string, string>
  let connectionId: string

  before(async () => {
    hostile = await startHostileProvider()
  })
  after(() => hostile.close())
  beforeEach(async () => {
    hostile.reset()
    app = await startTestApp({ realProviders: true })
    const { issuer, clientId, clientSecret } = hostile
    const settings = { issuer, clientId, clientSecret, clientAuth: 'client_secret_basic' }
    await sql`update connections set state = 'disabled'`.execute(app.sallyport.services.db)
    connectionId = await app.connect({ name: 'Work', settings })
    const { user, port, database } = app.line.connection
    env = {
      ...testSettings(app.origin),
      DATABASE_URL: `postgres://${user}@127.0.0.1:${port}/${database}`,
    }
  })
  afterEach(() => app.close())

  /** People whose grants this provider has never given. */
  async function people(count: number): Promise<readonly string[]> {
    const { db, sealer } = app.sallyport.services
    const at = new Date()
    const ids = Array.from({ length: count }, () => newId())
    for (const [n, id] of ids.entries()) {
      const userId = await createUser(db, { name: `Person ${n}` }, at)
      await addMember(db, { organizationId: app.acme.id, userId, role: 'member' }, at)
      const granted = sealGrant(sealer, id, { accessToken: 'at', refreshToken: `never-${n}` })
      await sql`
        insert into identities (id, connection_id, issuer, subject, user_id, linked_at, last_verified_at, granted, granted_under, rung, check_at)
        values (${id}, ${connectionId}, ${hostile.issuer}, ${`s${n}`}, ${userId}, ${at}, ${at}, ${granted}, 1, 'refresh', ${at})`.execute(
        db,
      )
    }
    return ids
  }

  async function ran(t: TestContext, ...args: string[]) {
    const said: string[] = []
    const log = t.mock.method(console, 'log', (text: string) => void said.push(text))
    const error = t.mock.method(console, 'error', (text: string) => void said.push(text))
    try {
      return { code: await run(args, env), said: said.join('\n') }
    } finally {
      log.mock.restore()
      error.mock.restore()
    }
  }

  const verdicts = async () =>
    (
      await sql<{ verdict: string | null; n: number }>`
        select verdict, count(*)::int as n from identities group by verdict order by verdict`.execute(
        app.sallyport.services.db,
      )
    ).rows

  test('verify asks about everybody of a connection, by its name or id, and says what came of it', async (t) => {
    await people(3)
    const { code, said } = await ran(t, 'verify', '--connection', 'Work')
    assert.deepEqual([code, said], [0, '3 no longer true: they are out'])
    assert.deepEqual(await verdicts(), [{ verdict: 'no_longer_true', n: 3 }])
    const again = await ran(t, 'verify', '--connection', connectionId, '--org', 'acme')
    assert.deepEqual(again, { code: 0, said: '"Work": nobody can be asked about.' })
  })

  test('verify ends with 1 when the provider refuses our questions, and leaves the others for later', async (t) => {
    await people(2)
    hostile.twist({
      answer: {
        token: (response) =>
          response
            .writeHead(401, { 'content-type': 'application/json' })
            .end('{"error":"invalid_client"}'),
      },
    })
    const { code, said } = await ran(t, 'verify', '--connection', 'Work')
    assert.equal(code, 1)
    assert.match(said, /could not tell: the provider refuses our questions/)
    assert.match(said, /Of \d the provider could not tell\./)
  })

  test('VER-13 verify ends with 1 when the brake holds, and doctor says so', async (t) => {
    await people(14)
    const { code, said } = await ran(t, 'verify', '--connection', 'Work')
    assert.equal(code, 1)
    assert.match(said, /9 no longer true: they are out/)
    assert.match(said, /5 no longer true, held by the brake/)
    assert.match(said, /The brake holds/)
    const looked = await ran(t, 'doctor')
    assert.equal(looked.code, 1)
    assert.match(looked.said, /connections: “Work” of acme: the brake holds 5 verdicts since/)
  })

  test('verify refuses what is no connection in use, or could be several', async (t) => {
    const { db, clock } = app.sallyport.services
    const none = await ran(t, 'verify', '--connection', 'Nothing', '--org', 'acme')
    assert.deepEqual(none, { code: 1, said: 'There is no connection "Nothing" in "acme".' })
    const off = await ran(t, 'verify', '--connection', app.connectionId)
    assert.match(off.said, /is not in use/)
    const other = await createOrganization(db, { slug: 'other', name: 'Other' }, clock.now())
    const twin = await app.connect({ name: 'Work', organizationId: other.id })
    const several = await ran(t, 'verify', '--connection', 'Work')
    assert.equal(several.code, 1)
    assert.match(several.said, new RegExp(`${connectionId} of acme\n  ${twin} of other`))
  })

  test('doctor finds nothing wrong where nothing is, and says what is', async (t) => {
    const { db, sealer } = app.sallyport.services
    await sql`insert into recurring_jobs (name, began_at) values ('verification', now())`.execute(
      db,
    )
    const well = await ran(t, 'doctor')
    assert.deepEqual(
      [well.code, well.said],
      [
        0,
        [
          'settings',
          'database',
          'schema',
          'clock',
          'background work',
          'queue',
          'connections',
          'certificates',
          'client secrets',
          'webhooks',
          'mail',
        ]
          .map((what) => `ok  ${what}`)
          .join('\n'),
      ],
    )
    await sql`update recurring_jobs set began_at = now() - interval '6 minutes'`.execute(db)
    await sql`
      update connection_checks set failing_since = now(), failing_reason = 'token: status 503' where connection_id = ${connectionId}`.execute(
      db,
    )
    await sql`
      update connections set secret_ends_at = now() + interval '5 days' where id = ${connectionId}`.execute(
      db,
    )
    const by = { organizationId: app.acme.id, actorId: newId(), requestId: 'r' }
    await setWebhook(db, sealer, { ...by, url: 'https://hooks.example/' }, new Date())
    await sql`
      insert into webhook_deliveries (id, organization_id, event, body, state, tried_at, created_at)
      values (${newId()}, ${app.acme.id}, 'webhook.test', '{}', 'failed', now(), now())`.execute(db)
    const ill = await ran(t, 'doctor')
    assert.equal(ill.code, 1)
    for (const says of [
      /!! {2}background work: No process does it since /,
      /!! {2}connections: “Work” of acme does not answer since .*\(token: status 503\)\./,
      /!! {2}client secrets: The client secret of “Work” of acme runs out on /,
      /!! {2}webhooks: That of acme did not take 1 messages within a day\./,
      /4 things are wrong\.$/,
    ])
      assert.match(ill.said, says)
  })

  test('doctor stops at a database that this program does not fit, and changes nothing there', async (t) => {
    const { db } = app.sallyport.services
    await sql`delete from kysely_migration where name = '0023_steering_verification'`.execute(db)
    const { code, said } = await ran(t, 'doctor')
    assert.equal(code, 1)
    assert.match(
      said,
      /!! {2}schema: It is older than this program \(0023_steering_verification are missing\)/,
    )
    assert.doesNotMatch(said, /queue/)
  })

  test(
    'worker asks, and at SIGTERM ends within ten seconds and gives its leases back, even where a provider never answers',
    { timeout: 60_000 },
    async (t) => {
      hostile.twist({ answer: { token: () => {} } })
      await people(18)
      const worker = startProgram(t, ['bin/sallyport.js', 'worker'], env)
      await worker.says('The worker is ready')
      for (let i = 0; hostile.count('token') < 12 && i < 400; i++)
        await new Promise((resolve) => setTimeout(resolve, 50))
      const asked = performance.now()
      assert.equal(await worker.stop('SIGTERM'), 0)
      assert.ok(performance.now() - asked < 10_000)
      const { rows } = await sql`
        select count(*) filter (where lease is not null)::int as leased,
          count(*) filter (where check_at <= now() and refresh_intent is null)::int as "givenBack",
          count(*) filter (where refresh_intent is not null)::int as presented
        from identities`.execute(app.sallyport.services.db)
      assert.deepEqual(rows, [{ leased: 0, givenBack: 6, presented: 12 }])
      hostile.reset()
    },
  )

  test('a server may leave the background work to others', { timeout: 60_000 }, async (t) => {
    for (const [args, worker] of [
      [[], true],
      [['--no-worker'], false],
    ] as const) {
      const server = startProgram(t, ['bin/sallyport.js', 'serve', ...args], { ...env, PORT: '0' })
      await server.says('Sallyport is ready')
      assert.match(server.output(), new RegExp(`"worker":${worker}`))
      assert.equal(await server.stop('SIGTERM'), 0)
    }
  })
})
