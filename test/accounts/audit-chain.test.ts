import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test, type TestContext } from 'node:test'
import { sql } from 'kysely'
import { recordEvent } from '../../src/accounts/audit.ts'
import {
  canonical,
  countWaiting,
  exportEvents,
  linkEvents,
  verifyChain,
  type Verification,
} from '../../src/accounts/audit-chain.ts'
import { createOrganization } from '../../src/accounts/organizations.ts'
import { openDatabase, type Db } from '../../src/db/open.ts'
import { newId } from '../../src/lib/ids.ts'
import { createTestDatabase } from '../_database.ts'

const now = new Date('2026-06-01T12:00:00Z')

/** A database with so many linked events. */
async function linked(t: TestContext, count = 5) {
  const database = await createTestDatabase()
  t.after(() => database.drop())
  for (let i = 1; i <= count; i++) await record(database.db, i)
  await linkEvents(database.db)
  return database
}

function record(db: Db, i: number): Promise<void> {
  const data = { zebra: i, ant: `event ${i}`, nothing: null }
  return recordEvent(db, { action: 'flow.started', target: `target ${i}`, data }, now)
}

/** Changes what the database itself forbids to change. */
async function tamper(db: Db, statement: string): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await sql`set local session_replication_role = replica`.execute(tx)
    await sql.raw(statement).execute(tx)
  })
}

async function eventAt(db: Db, n: number): Promise<string> {
  const link = await db
    .selectFrom('audit_links')
    .select('event_id')
    .where('n', '=', String(n))
    .executeTakeFirstOrThrow()
  return link.event_id
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  return Array.fromAsync(items)
}

function assertBroken(found: Verification, n: number, eventId: string | null): void {
  assert.equal(found.whole, false)
  assert.deepEqual({ n: found.n, eventId: found.eventId }, { n, eventId })
}

suite('the chain of the audit', () => {
  test('SEC-08 every committed event is linked, in order, and the whole is found whole', async (t) => {
    const { db } = await linked(t, 1200)
    const found = await verifyChain(db)
    assert.ok(found.whole)
    assert.equal(found.head.n, 1200)
    assert.equal(found.waiting, 0)
    const events = await all(exportEvents(db))
    assert.deepEqual(
      events.map(({ n }) => n),
      Array.from({ length: 1200 }, (_, i) => i + 1),
    )
    assert.deepEqual((events[0]!.event.data as { zebra: number }).zebra, 1)
  })

  test('anybody can check an export: each hash is made of the one before and the event', async (t) => {
    const { db } = await linked(t)
    let last = Buffer.alloc(0)
    for await (const { hash, event } of exportEvents(db)) {
      last = createHash('sha256').update(last).update(canonical(event)).digest()
      assert.equal(hash, last.toString('hex'))
    }
    const [first] = await all(exportEvents(db))
    assert.equal(
      canonical(first!.event),
      `{"id":"${first!.event.id}","at":"2026-06-01T12:00:00.000000Z","action":"flow.started","outcome":"ok","organization":null,"actor":null,"target":"target 1","request":null,"data":{"ant":"event 1","nothing":null,"zebra":1}}`,
    )
  })

  const changes: Readonly<Record<string, string>> = {
    'its data': `data = '{"zebra": 99}'`,
    'its time, by a microsecond': `at = at + interval '1 microsecond'`,
    'its action': `action = 'login.succeeded'`,
    'its outcome': `outcome = 'deny'`,
    'who did it': `actor_id = gen_random_uuid()`,
    'whose organization it was': `organization_id = gen_random_uuid()`,
    'what it was done to': `target = 'another'`,
    'its request': `request_id = 'another'`,
  }
  for (const [what, change] of Object.entries(changes)) {
    test(`SEC-08 an event is changed (${what}): it is named`, async (t) => {
      const { db } = await linked(t)
      const id = await eventAt(db, 3)
      await tamper(db, `update audit_events set ${change} where id = '${id}'`)
      assertBroken(await verifyChain(db), 3, id)
    })
  }

  test('SEC-08 an event is removed: its place is named', async (t) => {
    const { db } = await linked(t)
    const id = await eventAt(db, 2)
    await tamper(db, `delete from audit_events where id = '${id}'`)
    assertBroken(await verifyChain(db), 2, id)
  })

  test('SEC-08 an event is removed with its link', async (t) => {
    const { db } = await linked(t)
    const [id, next] = [await eventAt(db, 2), await eventAt(db, 3)]
    await tamper(
      db,
      `delete from audit_events where id = '${id}'; delete from audit_links where n = 2`,
    )
    assertBroken(await verifyChain(db), 2, next)
  })

  test('SEC-08 an event is removed with its link, and the later ones moved up', async (t) => {
    const { db } = await linked(t)
    const [id, next] = [await eventAt(db, 2), await eventAt(db, 3)]
    await tamper(
      db,
      `delete from audit_events where id = '${id}'; delete from audit_links where n = 2;
       update audit_links set n = -(n - 1) where n > 2; update audit_links set n = -n where n < 0;
       update audit_head set n = 4`,
    )
    assertBroken(await verifyChain(db), 2, next)
  })

  test('SEC-08 the last link is removed: the head knows better', async (t) => {
    const { db } = await linked(t)
    await tamper(db, 'delete from audit_links where n = 5')
    assertBroken(await verifyChain(db), 5, null)
  })

  test('SEC-08 the tail is cut off with everything that tells of it: a head that was noted knows better', async (t) => {
    const { db } = await linked(t)
    const before = await verifyChain(db)
    assert.ok(before.whole)
    const [fourth, fifth] = [await eventAt(db, 4), await eventAt(db, 5)]
    await tamper(
      db,
      `delete from audit_events where id in ('${fourth}', '${fifth}'); delete from audit_links where n > 3;
       update audit_head set n = 3, hash = (select hash from audit_links where n = 3)`,
    )
    assert.ok((await verifyChain(db)).whole, 'nothing inside tells')
    assertBroken(await verifyChain(db, { expected: before.head }), 4, null)
    await record(db, 6)
    await record(db, 7)
    await linkEvents(db)
    assertBroken(await verifyChain(db, { expected: before.head }), 5, await eventAt(db, 5))
  })

  test('SEC-08 two events have changed places', async (t) => {
    const { db } = await linked(t)
    const [second, fourth] = [await eventAt(db, 2), await eventAt(db, 4)]
    const spare = newId()
    await tamper(
      db,
      `update audit_links set event_id = '${spare}' where n = 2; update audit_links set event_id = '${second}' where n = 4;
       update audit_links set event_id = '${fourth}' where n = 2`,
    )
    assertBroken(await verifyChain(db), 2, fourth)
  })

  test('SEC-08 an event that was kept from the chain is found', async (t) => {
    const { db } = await linked(t)
    await record(db, 6)
    await tamper(db, 'delete from audit_unlinked')
    const found = await verifyChain(db)
    assert.equal(found.whole, false)
    assert.match(found.problem, /neither linked nor waiting/)
  })

  test('SEC-08 the database refuses to change a link, or an event', async (t) => {
    const { db } = await linked(t)
    const refused = /is not allowed/
    await assert.rejects(sql`update audit_links set n = n + 10`.execute(db), refused)
    await assert.rejects(sql`delete from audit_links`.execute(db), refused)
    await assert.rejects(sql`update audit_events set action = 'x'`.execute(db), refused)
    await assert.rejects(sql`delete from audit_events`.execute(db), refused)
  })

  test('a transaction under way holds nobody up, and its event is linked when it commits', async (t) => {
    const { db } = await linked(t, 0)
    await db.transaction().execute(async (tx) => {
      await record(tx, 1)
      await record(db, 2)
      assert.equal(await linkEvents(db), 1)
    })
    assert.equal(await countWaiting(db), 1)
    assert.equal(await linkEvents(db), 1)
    assert.ok((await verifyChain(db)).whole)
    assert.deepEqual(
      (await all(exportEvents(db))).map(({ event }) => event.target),
      ['target 2', 'target 1'],
    )
  })

  test('several nodes that link at once make one chain', async (t) => {
    const { db, connection } = await linked(t, 0)
    for (let i = 0; i < 1100; i++) await record(db, i)
    const nodes = [1, 2, 3].map(() => openDatabase(connection, { pool: 1 }))
    t.after(() => Promise.all(nodes.map((node) => node.destroy())))
    const counts = await Promise.all(nodes.map((node) => linkEvents(node)))
    assert.equal(
      counts.reduce((a, b) => a + b),
      1100,
    )
    const found = await verifyChain(db)
    assert.ok(found.whole)
    assert.equal(found.head.n, 1100)
  })

  test('an export is of a time, or of one organization', async (t) => {
    const { db } = await linked(t, 2)
    const acme = await createOrganization(db, { slug: 'acme', name: 'Acme' }, now)
    const later = new Date('2026-06-02T12:00:00Z')
    await recordEvent(db, { action: 'flow.started', organizationId: acme.id }, later)
    await linkEvents(db)
    const targets = async (filter: Parameters<typeof exportEvents>[1]) =>
      (await all(exportEvents(db, filter))).map(({ n }) => n)
    const ofAcme = await targets({ organizationId: acme.id })
    assert.ok(ofAcme.includes(4) && !ofAcme.includes(1))
    assert.deepEqual(await targets({ from: later }), [4])
    assert.deepEqual(await targets({ to: new Date('2026-06-01T12:00:00Z') }), [])
  })
})
