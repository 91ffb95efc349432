import assert from 'node:assert/strict'
import { after, beforeEach, describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { sql } from 'kysely'
import { tokenKey } from '../../src/lib/secrets.ts'
import { findSession } from '../../src/sessions/lookup.ts'
import { SessionMemory } from '../../src/sessions/memory.ts'
import { startTestApp, type TestApp } from '../_app.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

describe('what is stored of a session', () => {
  let app: TestApp
  beforeEach(async () => {
    await app?.close()
    app = await startTestApp()
  })
  after(() => app.close())

  it('S2-09 S3-39 S3-41a S3-41b S3-45c a row of typed columns: a hash of the token, unique, and the person’s id; nothing of the profile', async () => {
    const { db } = app.sallyport.services
    const { rows } = await sql<{ name: string; type: string }>`
      select column_name as name, data_type as type from information_schema.columns where table_name = 'sessions'`.execute(
      db,
    )
    const types = new Map(rows.map(({ name, type }) => [name, type]))
    assert.equal(types.get('id'), 'uuid')
    assert.equal(types.get('user_id'), 'uuid')
    assert.equal(types.get('token_hash'), 'bytea')
    assert.deepEqual(
      rows.filter(({ type }) => /json/.test(type)),
      [],
    )
    await app.signIn(app.browser(), 'alice')
    const session = await db.selectFrom('sessions').selectAll().executeTakeFirstOrThrow()
    assert.doesNotMatch(JSON.stringify({ ...session, token_hash: '' }), /alice|acme/i)
    assert.equal(session.token_hash.length, 32)
    const twice = db
      .insertInto('sessions')
      .values({ ...session, id: crypto.randomUUID(), flow_id: null })
      .execute()
    await assert.rejects(twice, /sessions_token_hash_key/)
  })

  it('a node remembers a session in a kilobyte, its key and its place in the order of use included', async () => {
    const { db, clock, lifetimes } = app.sallyport.services
    await app.signIn(app.browser(), 'alice')
    const { token_hash: hash } = await db
      .selectFrom('sessions')
      .select('token_hash')
      .executeTakeFirstOrThrow()
    const count = 1000
    const memory = new SessionMemory({ sessions: count, dead: 1 })
    const judging = { lifetimes, now: clock.now() }
    const load = async () => ({ live: true, session: await findSession(db, hash, judging) })
    const keys = Array.from({ length: count }, (_, i) => tokenKey(String(i)))
    for (let i = 0; i < count; i += 50)
      await Promise.all(keys.slice(i, i + 50).map((key) => memory.read(key, load, true)))
    assert.equal(memory.size, count)
    const full = heap()
    memory.clear(0)
    const each = (full - heap()) / count + keys[0]!.length + header
    assert.ok(each > 500 && each <= 1024, `${Math.round(each)} bytes`)
  })

  /** What a text takes besides its characters. */
  const header = 16

  function heap(): number {
    collect()
    collect()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }

  /** Runs with the database's own guards out of the way, as nothing but a fault of it could. */
  async function corrupt(statement: string): Promise<void> {
    const { db, node } = app.sallyport.services
    await sql.raw(statement).execute(db)
    node.memory.clear(node.memory.position)
  }

  const corruptions: Readonly<Record<string, string>> = {
    'a kind that nobody knows': `alter table sessions drop constraint sessions_kind_check; update sessions set kind = 'robot'`,
    'no end': `alter table sessions alter idle_ends_at drop not null; alter table sessions alter absolute_ends_at drop not null;
      update sessions set idle_ends_at = null, absolute_ends_at = null`,
    'no person': `alter table sessions alter user_id drop not null; update sessions set user_id = null`,
    'two rows of one token': `alter table sessions drop constraint sessions_token_hash_key; alter table sessions drop constraint sessions_flow_id_key;
      insert into sessions select (s).* from (select s #= hstore('id', gen_random_uuid()::text) as s from sessions s) x`,
  }
  for (const [what, statement] of Object.entries(corruptions)) {
    it(`FLT-05 a session with ${what} lets nobody in`, async () => {
      const browser = app.browser()
      await app.signIn(browser)
      await app.signIn(app.browser(), 'mallory')
      if (statement.includes('hstore'))
        await sql`create extension if not exists hstore`.execute(app.sallyport.services.db)
      await corrupt(statement)
      const answer = await browser.api('/me')
      assert.ok(answer.status >= 400, `${answer.status} ${await answer.text()}`)
    })
  }
})
