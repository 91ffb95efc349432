import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { sql } from 'kysely'
import type { Db } from '../../src/db/open.ts'
import { announce, lastPosition, prune, type Target } from '../../src/sessions/revocations.ts'
import { revokeSession } from '../../src/sessions/revoke.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import { makeSessions, startMember, until } from './_members.ts'

const everything: Target = { kind: 'everything' }

describe('the list of revocations', () => {
  let app: TestApp
  let db: Db

  before(async () => {
    app = await startTestApp()
    db = app.sallyport.services.db
  })
  after(() => app.close())

  const announced = (count: number) =>
    db.transaction().execute((tx) => announce(tx, Array<Target>(count).fill(everything)))
  const positions = async () =>
    (await db.selectFrom('revocations').select('id').orderBy('id').execute()).map(({ id }) =>
      Number(id),
    )
  const age = (table: string, by: string) =>
    sql`update ${sql.table(table)} set at = at - ${by}::interval`.execute(db)
  /** Entries never change, so an old one has to be written as such. */
  async function ageRevocations(by: string): Promise<void> {
    await sql`alter table revocations disable trigger all`.execute(db)
    await age('revocations', by)
    await sql`alter table revocations enable trigger all`.execute(db)
  }

  it('positions have no gaps, whatever is rolled back', async () => {
    const first = await lastPosition(db)
    assert.equal(await announced(3), first + 3)
    await assert.rejects(
      db.transaction().execute(async (tx) => {
        await announce(tx, [everything])
        throw new Error('changed our mind')
      }),
    )
    assert.equal(await announced(1), first + 4)
    assert.equal(await lastPosition(db), first + 4)
    assert.deepEqual(
      (await positions()).slice(-4),
      [1, 2, 3, 4].map((i) => first + i),
    )
    assert.equal(await announced(0), 0)
  })

  it('COH-06 of two revocations that end in the opposite order of their beginning, neither is missed', async (t) => {
    const member = await startMember(t, app)
    const [one, two] = await makeSessions(app, 'opposite', 2)
    for (const { token } of [one!, two!]) assert.ok(await member.accepts(token))
    const end = (tx: Db, id: string) =>
      tx
        .updateTable('sessions')
        .set({ revoked_at: new Date(), revoked_reason: 'logout' })
        .where('id', '=', id)
        .execute()

    const begun = Promise.withResolvers<void>()
    const mayEnd = Promise.withResolvers<void>()
    const slow = db.transaction().execute(async (tx) => {
      await end(tx, one!.id)
      begun.resolve()
      await mayEnd.promise
      return announce(tx, [{ kind: 'session', id: one!.id }])
    })
    await begun.promise
    const quick = await db.transaction().execute(async (tx) => {
      await end(tx, two!.id)
      return announce(tx, [{ kind: 'session', id: two!.id }])
    })
    await member.node.renew()
    assert.equal(member.node.memory.position, quick)
    assert.deepEqual(
      [await member.accepts(one!.token), await member.accepts(two!.token)],
      [true, false],
    )
    mayEnd.resolve()
    assert.equal(await slow, quick + 1, 'positions rise in the order of commits')
    await member.node.renew()
    assert.equal(await member.accepts(one!.token), false)
  })

  it('COH-06 whoever has a position holds back the others until the commit', async (t) => {
    const member = await startMember(t, app)
    const mayEnd = Promise.withResolvers<void>()
    const has = Promise.withResolvers<number>()
    const first = db.transaction().execute(async (tx) => {
      has.resolve(await announce(tx, [everything]))
      await mayEnd.promise
    })
    const position = await has.promise
    const second = announced(1)
    await until(async () => {
      const { rows } = await sql<{ waits: boolean }>`
        select exists (select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()) as waits`.execute(
        db,
      )
      return rows[0]!.waits
    })
    await member.node.renew()
    assert.equal(member.node.memory.position, position - 1)
    mayEnd.resolve()
    await first
    assert.equal(await second, position + 1)
  })

  it('what is older than an hour goes, a batch at a time; the rest stays, and so does the last position', async () => {
    await announced(2500)
    await ageRevocations('61 minutes')
    const last = await announced(3)
    await prune(db)
    assert.deepEqual(await positions(), [last - 2, last - 1, last])
    assert.equal(await lastPosition(db), last)
    assert.equal(await announced(1), last + 1)
  })

  it('a node that has been silent for an hour goes from the list, one that renews stays', async (t) => {
    await sql`insert into nodes (id, at, position) values (gen_random_uuid(), clock_timestamp() - interval '61 minutes', 0),
      (gen_random_uuid(), clock_timestamp() - interval '59 minutes', 0)`.execute(db)
    const member = await startMember(t, app)
    const count = async () =>
      Number(
        (await db.selectFrom('nodes').select(db.fn.countAll().as('n')).executeTakeFirstOrThrow()).n,
      )
    const before = await count()
    await prune(db)
    assert.equal(await count(), before - 1)
    assert.ok(member.node.lease.holds())
  })

  it('a node that was away while what it has not read was pruned registers anew, and misses nothing', async (t) => {
    const member = await startMember(t, app, { listen: false })
    const [session] = await makeSessions(app, 'pruned', 1)
    assert.ok(await member.accepts(session!.token))
    member.line.silence()
    const { services } = app.sallyport
    await revokeSession(services, session!, 'logout', { userId: session!.userId }, app.clock.now())
    await ageRevocations('2 hours')
    await prune(db)
    member.line.mend()
    await until(async () => (await member.node.renew(), member.node.lease.holds()))
    assert.equal(member.node.memory.position, await lastPosition(db))
    assert.equal(await member.accepts(session!.token), false)
  })

  it('a node that finds a gap before it was away for long forgets and registers anew', async (t) => {
    const member = await startMember(t, app, { listen: false })
    const [session] = await makeSessions(app, 'gap', 1)
    assert.ok(await member.accepts(session!.token))
    await db
      .updateTable('sessions')
      .set({ revoked_at: new Date(), revoked_reason: 'logout' })
      .where('id', '=', session!.id)
      .execute()
    await db.transaction().execute(async (tx) => {
      await announce(tx, [{ kind: 'session', id: session!.id }])
      await tx.deleteFrom('revocations').execute()
    })
    await member.node.renew()
    assert.equal(member.node.memory.size, 0)
    assert.equal(await member.accepts(session!.token), false)
    assert.ok(member.node.lease.holds())
  })
})
