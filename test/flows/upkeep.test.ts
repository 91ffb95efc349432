import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { sql } from 'kysely'
import { purge } from '../../src/db/purge.ts'
import { purgeOld } from '../../src/flows/upkeep.ts'
import { days, hours, later } from '../../src/lib/clock.ts'
import { newId } from '../../src/lib/ids.ts'
import { startTestApp, type TestApp } from '../_app.ts'

async function started(t: TestContext): Promise<TestApp> {
  const app = await startTestApp()
  t.after(() => app.close())
  return app
}

/** A person and so many sessions, made in the database, each with a proof. */
async function fill(
  app: TestApp,
  count: number,
  ended: { absolute: Date; revoked?: Date },
): Promise<void> {
  const { db } = app.sallyport.services
  await app.signIn(app.browser(), 'zoe')
  const zoe = await db
    .selectFrom('sessions')
    .innerJoin('session_proofs', 'session_id', 'sessions.id')
    .select(['sessions.id', 'user_id', 'identity_id'])
    .orderBy('created_at', 'desc')
    .executeTakeFirstOrThrow()
  await sql`
    with made as (
      insert into sessions (id, token_hash, user_id, kind, authenticated_at, last_seen_at, idle_ends_at,
        absolute_ends_at, revoked_at, revoked_reason, created_at)
      select gen_random_uuid(), sha256(random()::text::bytea), ${zoe.user_id}, 'user', ${ended.absolute}, ${ended.absolute},
        ${ended.absolute}, ${ended.absolute}, ${ended.revoked ?? null}, ${ended.revoked ? 'logout' : null}, ${ended.absolute}
      from generate_series(1, ${count}) returning id)
    insert into session_proofs (session_id, organization_id, connection_id, identity_id, config_version, authenticated_at, proved_at, last_seen_at)
    select id, ${app.acme.id}, ${app.connectionId}, ${zoe.identity_id}, 1, ${ended.absolute}, ${ended.absolute}, ${ended.absolute} from made`.execute(
    db,
  )
}

async function count(
  app: TestApp,
  table: 'sessions' | 'session_proofs' | 'flows' | 'audit_events',
) {
  const { db } = app.sallyport.services
  const { n } = await db
    .selectFrom(table)
    .select(db.fn.countAll().as('n'))
    .executeTakeFirstOrThrow()
  return Number(n)
}

suite('what nobody needs any more', () => {
  test('S3-42 S3-53 SEED-10 expired and revoked sessions older than they are kept go, in batches; the others stay', async (t) => {
    const app = await started(t)
    const { services } = app.sallyport
    const now = app.clock.now()
    const kept = services.retention.sessions
    await fill(app, 6000, { absolute: later(now, -kept - hours(1)) })
    await fill(app, 4000, { absolute: later(now, days(1)), revoked: later(now, -kept - hours(1)) })
    await fill(app, 30, { absolute: later(now, -kept + hours(1)) })
    await fill(app, 30, { absolute: later(now, days(1)), revoked: later(now, -kept + hours(1)) })
    const events = await count(app, 'audit_events')
    const batches: number[] = []
    const old = { table: 'sessions', key: 'id', since: 'absolute_ends_at' }
    await purge(services.db, old, {
      before: later(now, -kept),
      onBatch: (_, rows) => batches.push(rows),
    })
    assert.ok(batches.length > 5 && Math.max(...batches) <= 500, String(batches))
    assert.deepEqual(await purgeOld(services, now), {
      expired_sessions: 0,
      revoked_sessions: 4000,
      flows: 0,
      known_browsers: 0,
      rate_limits: 0,
      used_once: 0,
      sso_exemptions: 0,
      invitations: 0,
      setup_links: 0,
      connection_verdicts: 0,
      connection_lockouts: 0,
      webhook_deliveries: 0,
      attempts: 0,
    })
    // Four sign-ins, and those that ended too short a time ago.
    assert.equal(await count(app, 'sessions'), 4 + 60)
    assert.equal(await count(app, 'session_proofs'), 4 + 60)
    assert.equal(await count(app, 'audit_events'), events, 'the audit is kept')
    assert.match(app.logged(), /"purged":\{"expired_sessions":0,"revoked_sessions":4000/)
  })

  test('a live session and a sign-in under way survive, however long the server runs', async (t) => {
    const app = await started(t)
    const browser = app.browser()
    await app.signIn(browser)
    const state = await app.begin(app.browser())
    await purgeOld(app.sallyport.services, app.clock.now())
    assert.equal((await browser.get('/me')).status, 200)
    assert.ok(state)
    assert.equal(await count(app, 'flows'), 2)
    await purgeOld(app.sallyport.services, later(app.clock.now(), days(3)))
    assert.equal(await count(app, 'flows'), 0)
  })

  test('a session that somebody holds is left for the next time, and nobody waits for it', async (t) => {
    const app = await started(t)
    const { services } = app.sallyport
    const now = app.clock.now()
    await fill(app, 50, { absolute: later(now, -days(30)) })
    await services.db.transaction().execute(async (tx) => {
      await sql`select id from sessions where absolute_ends_at < ${now} limit 1 for update`.execute(
        tx,
      )
      assert.equal((await purgeOld(services, now)).expired_sessions, 49)
    })
    assert.equal((await purgeOld(services, now)).expired_sessions, 1)
  })

  test('several nodes at once delete each row once, without waiting for one another', async (t) => {
    const app = await started(t)
    const { services } = app.sallyport
    const now = app.clock.now()
    await fill(app, 3000, { absolute: later(now, -days(30)) })
    const nodes = await Promise.all([1, 2, 3].map(() => purgeOld(services, now)))
    assert.equal(
      nodes.reduce((sum, { expired_sessions }) => sum + expired_sessions, 0),
      3000,
    )
  })

  test('stopping the server ends it after the batch under way', async (t) => {
    const app = await started(t)
    const { services } = app.sallyport
    const now = app.clock.now()
    await fill(app, 3000, { absolute: later(now, -days(30)) })
    const stop = new AbortController()
    const went = await purge(
      services.db,
      { table: 'sessions', key: 'id', since: 'absolute_ends_at' },
      { before: now, signal: stop.signal, onBatch: () => stop.abort() },
    )
    assert.equal(went, 100)
  })

  test('limits that have run out go', async (t) => {
    const app = await started(t)
    const { services } = app.sallyport
    const now = app.clock.now()
    for (const until of [later(now, -1000), later(now, 1000)])
      await services.db.insertInto('rate_limits').values({ key: newId(), used: 1, until }).execute()
    assert.equal((await purgeOld(services, now)).rate_limits, 1)
  })
})
