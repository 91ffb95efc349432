import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { sql, type RawBuilder } from 'kysely'
import type { Db } from '../../src/db/open.ts'
import { newId } from '../../src/lib/ids.ts'
import { letInPersonallyIn } from '../../src/sessions/personal-proofs.ts'
import { startTestApp } from '../_app.ts'
import { askOnAndOn, startMember, until } from '../sessions/_members.ts'
import { audited, signIn, startDirectory, whoIs } from './_directory.ts'

describe('a directory against everybody else', () => {
  it('SCM-06 from the answer on, none of three nodes accepts the session', async (t) => {
    await using app = await startTestApp()
    const directory = await startDirectory(app)
    const members = await Promise.all([1, 2, 3].map(() => startMember(t, app)))
    for (let round = 0; round < 5; round++) {
      const name = `ada${round}`
      const { id } = await directory.create(name)
      const { browser } = await signIn(app, name)
      const token = browser.cookies.get(app.sallyport.services.cookies.session)!
      for (const member of members) assert.ok(await member.accepts(token))
      const asking = members.map((member) => askOnAndOn(member, token))
      const { status } = await (round % 2 === 0
        ? directory.setActive(id, false)
        : directory.send('DELETE', `/Users/${id}`))
      assert.ok(status < 300)
      for (const one of asking) one.over()
      for (const one of asking) {
        const { asked, stale } = await one.stop()
        assert.ok(asked > 0)
        assert.equal(stale, 0)
      }
    }
  })

  it('SCM-07 a sign-in that is under way when its person is put out comes to nothing, whichever is first', async () => {
    await using app = await startTestApp()
    const { db } = app.sallyport.services
    const directory = await startDirectory(app)
    for (let round = 0; round < 12; round++) {
      const name = `bob${round}`
      const { id } = await directory.create(name)
      // Known here already, or new: both ways lead in.
      if (round % 2 === 0) await signIn(app, name)
      const browser = app.browser()
      const state = await app.begin(browser)
      const [came, put] = await Promise.all([
        app.comeBack(browser, state, name),
        directory.setActive(id, false),
      ])
      assert.equal(put.status, 200)
      assert.ok([303, 403].includes(came.status), String(came.status))
      assert.equal(await whoIs(browser), undefined, `round ${round}: ${came.status}`)
      const { rows } = await sql`
        select from session_proofs p join sessions s on s.id = p.session_id join identities i on i.user_id = s.user_id
        where i.subject = ${name}`.execute(db)
      assert.equal(rows.length, 0, 'nothing is left that could come back')
      await directory.setActive(id, true)
      assert.equal(await whoIs(browser), undefined)
    }
  })

  it('SCM-07 held between the provider’s answer and the commit, a sign-in is too late', async () => {
    await using app = await startTestApp()
    const directory = await startDirectory(app)
    const { id } = await directory.create('eve')
    const browser = app.browser()
    const state = await app.begin(browser)
    const [held, release] = barrier()
    app.provider.hold = () => held
    const coming = app.comeBack(browser, state, 'eve')
    while (app.provider.completed.length === 0) await new Promise(setImmediate)
    assert.equal((await directory.setActive(id, false)).status, 200)
    release()
    assert.equal((await coming).status, 403)
    assert.equal(await whoIs(browser), undefined)
    assert.deepEqual((await audited(app, 'user.registered')).length, 0)
  })

  it('SCM-07 a sign-in through the organization’s other connection that comes second is refused, and leaves nothing', async () => {
    await using app = await startTestApp()
    const { db } = app.sallyport.services
    const directory = await startDirectory(app)
    const second = await app.connect({ name: 'Second' })
    const { id } = await directory.create('fay')
    const me = await whoIs((await signIn(app, 'fay')).browser)
    const identity = newId()
    await sql`
      insert into identities (id, connection_id, issuer, subject, user_id, linked_at, last_verified_at)
      values (${identity}, ${second}, 'https://idp.example', 'fay', ${me!.id}, now(), now())`.execute(
      db,
    )
    const browser = app.browser()
    const state = await app.begin(browser, { connectionId: second })
    const release = await hold(db, sql`select from identities where id = ${identity} for update`)
    const putting = directory.setActive(id, false)
    await until(async () => (await waiting(db)) === 1)
    const coming = app.comeBack(browser, state, 'fay', second)
    await until(async () => (await waiting(db)) === 2)
    await release()
    assert.equal((await putting).status, 200)
    assert.equal((await coming).status, 403)
    await directory.setActive(id, true)
    assert.equal(await whoIs(browser), undefined)
  })

  it('SCM-07 nor does what they proved by themself meanwhile', async () => {
    await using app = await startTestApp()
    const { db, clock } = app.sallyport.services
    const directory = await startDirectory(app)
    const { id } = await directory.create('gus')
    const me = await whoIs((await signIn(app, 'gus')).browser)
    const session = newId()
    await sql`
      insert into sessions (id, token_hash, user_id, kind, personal_method, personal_since, personal_until,
        authenticated_at, last_seen_at, idle_ends_at, absolute_ends_at, created_at)
      select ${session}, '\\x01', user_id, kind, 'mail', created_at, absolute_ends_at, authenticated_at, last_seen_at,
        idle_ends_at, absolute_ends_at, created_at from sessions where user_id = ${me!.id}`.execute(
      db,
    )
    const release = await hold(
      db,
      sql`select from sessions where user_id = ${me!.id} and id <> ${session} for update`,
    )
    const putting = directory.setActive(id, false)
    await until(async () => (await waiting(db)) === 1)
    const proving = db
      .transaction()
      .execute((tx) => letInPersonallyIn(tx, session, clock.now()))
      .then(() => true)
    await until(async () => (await waiting(db)) === 2 || (await Promise.race([proving, false])))
    await release()
    assert.equal((await putting).status, 200)
    await proving
    const { rows } = await sql`select from session_proofs where session_id = ${session}`.execute(db)
    assert.equal(rows.length, 0)
  })

  it('SCM-07 whoever is named as out while they first sign in is out', async () => {
    await using app = await startTestApp()
    const { db } = app.sallyport.services
    const directory = await startDirectory(app)
    const browser = app.browser()
    const state = await app.begin(browser)
    const release = await hold(db, sql`lock table session_proofs in share mode`)
    const coming = app.comeBack(browser, state, 'hal')
    await until(async () => (await waiting(db)) === 1)
    const naming = directory.create('hal', { active: false })
    await until(async () => (await waiting(db)) === 2 || (await Promise.race([naming, false])))
    await release()
    assert.equal((await coming).status, 303)
    await naming
    assert.equal(await whoIs(browser), undefined)
  })

  it('SCM-07 LNK-08 linking and being put out at once: out', async () => {
    await using app = await startTestApp()
    const { db } = app.sallyport.services
    const directory = await startDirectory(app)
    const second = await app.connect({ name: 'Second' })
    for (let round = 0; round < 8; round++) {
      const name = `dan${round}`
      const { browser } = await signIn(app, name, second)
      const { id } = await directory.create(name)
      const left = await browser.post(`/sso/${app.connectionId}/link`)
      const state = /state=([^&"]+)/.exec(left.headers.get('refresh') ?? '')?.[1]
      assert.ok(state, String(left.status))
      const asked = await app.comeBack(browser, state, name)
      const question = new URL(asked.headers.get('location') ?? '/link', app.origin)
      const page = await browser.get(`${question.pathname}${question.search}`)
      const fields = Object.fromEntries(
        [...(await page.text()).matchAll(/<input type="hidden" name="(\w+)" value="([^"]*)"/g)].map(
          ([, key, value]) => [key!, value!],
        ),
      )
      await Promise.all([
        browser.post('/link', { ...fields, choice: 'link' }),
        directory.setActive(id, false),
      ])
      const { rows } = await sql<{ bound: boolean; out: boolean }>`
        select r.user_id is not null as bound, m.removed_reason = 'deactivated' as out
        from scim_users r join identities i on i.subject = ${name} and i.connection_id = ${second}
        join memberships m on m.user_id = i.user_id where r.id = ${id}`.execute(db)
      const { bound, out } = rows[0]!
      if (bound) assert.equal(out, true)
      if (bound) assert.equal(await whoIs(browser), undefined)
    }
  })
})

function barrier(): [Promise<void>, () => void] {
  const { promise, resolve } = Promise.withResolvers<void>()
  return [promise, resolve]
}

/** Holds rows until it is told to let go. */
async function hold(db: Db, rows: RawBuilder<unknown>): Promise<() => Promise<void>> {
  const [held, release] = barrier()
  const [holding, holds] = barrier()
  const over = db.transaction().execute(async (tx) => {
    await rows.execute(tx)
    holds()
    await held
  })
  await holding
  return async () => {
    release()
    await over
  }
}

/** How many statements wait for somebody. */
async function waiting(db: Db): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`.execute(db)
  return rows[0]!.n
}
