import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { sql } from 'kysely'
import pg from 'pg'
import type { Db } from '../../src/db/open.ts'
import { driftAllowed, leaseFor, statementFor } from '../../src/sessions/lease.ts'
import { authenticate } from '../../src/sessions/authenticate.ts'
import { announce } from '../../src/sessions/revocations.ts'
import { acknowledgment } from '../../src/sessions/node.ts'
import { revokeSession } from '../../src/sessions/revoke.ts'
import { settle } from '../../src/sessions/settle.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import {
  askOnAndOn,
  makeSessions,
  startMember,
  until,
  type MadeSession,
  type Member,
} from './_members.ts'

const silence = leaseFor + statementFor + driftAllowed

describe('what a node may believe, rule by rule', () => {
  let app: TestApp
  let db: Db

  before(async () => {
    app = await startTestApp()
    db = app.sallyport.services.db
  })
  after(() => app.close())

  const end = (session: MadeSession) =>
    revokeSession(
      app.sallyport.services,
      session,
      'logout',
      { userId: session.userId },
      app.clock.now(),
    )

  /** Ends a session and announces it, without waiting for anybody. */
  const endUnsettled = ({ id }: MadeSession) =>
    db.transaction().execute(async (tx) => {
      await tx
        .updateTable('sessions')
        .set({ revoked_at: new Date(), revoked_reason: 'logout' })
        .where('id', '=', id)
        .execute()
      return announce(tx, [{ kind: 'session', id }])
    })

  /** Keeps the node's next renewal from ending: it has seen the database, and waits for its row. */
  async function holdRenewal(
    member: Member,
  ): Promise<{ release(): Promise<void>; renewed: Promise<void> }> {
    const [locked, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const lock = db.transaction().execute(async (tx) => {
      await sql`select from nodes for update`.execute(tx)
      locked.resolve()
      await released.promise
    })
    await locked.promise
    const renewed = member.node.renew()
    await until(async () => {
      const { rows } = await sql<{ waits: boolean }>`
        select exists (select from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'sallyport-node'
          and datname = current_database()) as waits`.execute(db)
      return rows[0]!.waits
    })
    return {
      renewed,
      async release() {
        released.resolve()
        await lock
      },
    }
  }

  /** A node that only renews when told, alone on the list, and a session that it remembers. */
  async function startWarm(t: Parameters<typeof startMember>[0], subject: string) {
    await app.sallyport.services.node.stop()
    await db.deleteFrom('nodes').execute()
    const member = await startMember(t, app, { timed: false, listen: false })
    const [session] = await makeSessions(app, subject, 1)
    assert.ok(await member.accepts(session!.token))
    assert.equal(member.node.memory.size, 1)
    return { member, session: session! }
  }

  it('it is waited for until it has applied what it has read', async (t) => {
    const member = await startMember(t, app)
    const [session] = await makeSessions(app, 'slow line', 1)
    assert.ok(await member.accepts(session!.token))
    member.line.slow(150)
    const asking = askOnAndOn(member, session!.token)
    await end(session!)
    asking.over()
    assert.equal(await member.accepts(session!.token), false)
    assert.equal((await asking.stop()).stale, 0)
  })

  it('a lease runs from the beginning of its renewal', async (t) => {
    const { member } = await startWarm(t, 'from the beginning')
    const held = await holdRenewal(member)
    member.clocks.pass(300)
    await held.release()
    await held.renewed
    member.clocks.pass(leaseFor - 300)
    assert.equal(member.node.lease.holds(), false)
  })

  it('a renewal that saw the database before the commit is waited for', async (t) => {
    const { member, session } = await startWarm(t, 'under way')
    const held = await holdRenewal(member)
    const position = await endUnsettled(session)
    const asking = askOnAndOn(member, session.token)
    const settled = settle(db, undefined, position)
    await held.release()
    await held.renewed
    await settled
    asking.over()
    assert.equal(await member.accepts(session.token), false)
    assert.equal((await asking.stop()).stale, 0)
  })

  it('a renewal that is answered too late gives no lease', async (t) => {
    const { member, session } = await startWarm(t, 'too late')
    member.clocks.pass(1000)
    const held = await holdRenewal(member)
    await endUnsettled(session)
    member.clocks.pass(1200)
    await held.release()
    await held.renewed
    assert.equal(member.node.lease.holds(), false)
    await member.node.renew()
    assert.ok(member.node.lease.holds())
  })

  it('a look applies what happened and says so, and gives no lease', async (t) => {
    const { member, session } = await startWarm(t, 'looking')
    const row = () => db.selectFrom('nodes').select(['at', 'position']).executeTakeFirstOrThrow()
    const before = await row()
    member.clocks.pass(leaseFor - 500)
    const position = await endUnsettled(session)
    await member.node.look()
    assert.ok(member.node.lease.holds())
    assert.equal(member.node.memory.position, position)
    assert.equal(await member.accepts(session.token), false)
    const after = await row()
    assert.deepEqual([after.at, Number(after.position)], [before.at, position])
    member.clocks.pass(500)
    assert.equal(member.node.lease.holds(), false)
  })

  it('a look without a lease, or by a node that is not on the list, renews', async (t) => {
    const { member } = await startWarm(t, 'no lease')
    member.clocks.pass(leaseFor)
    await member.node.look()
    assert.ok(member.node.lease.holds())
    await db.deleteFrom('nodes').execute()
    await member.node.look()
    assert.equal((await db.selectFrom('nodes').select('id').execute()).length, 1)
    assert.equal(member.node.memory.size, 0)
  })

  it('the operator is told once that leases cannot be renewed, and once that they can again', async (t) => {
    const told = () =>
      app
        .logged()
        .split('\n')
        .filter((line) => line.includes('leases ')).length
    const before = told()
    const { member } = await startWarm(t, 'told')
    member.line.cut()
    for (let i = 0; i < 3; i++) await member.node.renew()
    assert.equal(told(), before + 1)
    member.line.mend()
    for (let i = 0; i < 3; i++) await member.node.renew()
    assert.equal(told(), before + 2)
    assert.match(app.logged(), /leases cannot be renewed/)
    assert.match(app.logged(), /leases are renewed again/)
  })

  it('an acknowledgment does not wait for the disk, and what comes after it does', async (t) => {
    const { member } = await startWarm(t, 'unhurried')
    const client = new pg.Client(app.line.connection)
    await client.connect()
    t.after(() => client.end())
    const setting = async () =>
      (await client.query<{ synchronous_commit: string }>('show synchronous_commit')).rows[0]!
        .synchronous_commit
    await client.query('set synchronous_commit = on')
    const { rows } = await sql<{ id: string }>`select id from nodes`.execute(db)
    await client.query({ ...acknowledgment, values: [rows[0]!.id, 7] })
    assert.equal(await setting(), 'on')
    assert.match(acknowledgment.text, /'synchronous_commit', 'off', true/)
    await member.node.stop()
  })

  it('a registration gives the right to renew for as long as a lease, and no longer', async (t) => {
    const { member, session } = await startWarm(t, 'long silent')
    member.clocks.pass(leaseFor + 1)
    await sql`update nodes set at = at - ${silence + 1000} * interval '1 millisecond'`.execute(db)
    const held = await holdRenewal(member)
    await end(session)
    await held.release()
    await held.renewed
    assert.equal(await member.accepts(session.token), false)
  })

  it('a node that connects anew believes nothing from before, from the moment it asks to be registered', async (t) => {
    const { member, session } = await startWarm(t, 'anew')
    await sql`select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'sallyport-node' and datname = current_database()`.execute(db)
    await until(async () => {
      const { rows } = await sql<{ gone: boolean }>`
        select not exists (select from pg_stat_activity where application_name = 'sallyport-node' and datname = current_database()) as gone`.execute(
        db,
      )
      return rows[0]!.gone
    })
    assert.ok(await member.accepts(session.token), 'from memory, its lease holds')
    const position = await endUnsettled(session)
    member.line.slow(100)
    const asking = askOnAndOn(member, session.token)
    void member.node.renew()
    await settle(db, undefined, position)
    asking.over()
    assert.equal((await asking.stop()).stale, 0)
  })

  it('what was read while a registration was under way is forgotten with its answer', async (t) => {
    const { member, session } = await startWarm(t, 'between')
    member.clocks.pass(leaseFor + 1)
    member.line.silence(false)
    const renewed = member.node.renew()
    assert.equal(member.node.memory.size, 0)
    const { cookies } = member.services
    await authenticate({ ...member.services, db }, `${cookies.session}=${session.token}`)
    assert.equal(member.node.memory.size, 1)
    const position = await endUnsettled(session)
    member.line.mend()
    await renewed
    await until(async () => (await member.node.renew(), member.node.lease.holds()))
    assert.equal(member.node.memory.position, position)
    assert.equal(await member.accepts(session.token), false)
  })

  it('a revocation waits for a node that may still be reading, and not for one that must register first', async (t) => {
    const { session } = await startWarm(t, 'silent')
    const [next] = await makeSessions(app, 'silent too', 1)
    const took = async (silent: number, ended: MadeSession) => {
      await db.deleteFrom('nodes').execute()
      await sql`insert into nodes (id, at, position) values (gen_random_uuid(), clock_timestamp() - ${silent} * interval '1 millisecond', 0)`.execute(
        db,
      )
      const began = performance.now()
      await end(ended)
      return performance.now() - began
    }
    assert.ok((await took(silence - 300, session)) >= leaseFor + driftAllowed)
    assert.ok((await took(silence + 1, next!)) < leaseFor)
  })
})
