import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { sql } from 'kysely'
import { startTestApp, type TestApp } from '../_app.ts'

/** How the database fails, as a statement within the one that is asked. */
const faults: Readonly<Record<string, string>> = {
  'a deadlock': `raise exception 'deadlock' using errcode = '40P01'`,
  'a serialization failure': `raise exception 'serialization' using errcode = '40001'`,
  'a statement that took too long': `raise exception 'too long' using errcode = '57014'`,
  'a connection that is lost': 'perform pg_terminate_backend(pg_backend_pid())',
}

/** Everything that the commit of a first sign-in writes. */
const writes = [
  'insert on users',
  'insert on user_emails',
  'insert on identities',
  'insert on memberships',
  'insert on sessions',
  'insert on session_proofs',
  'update on flows',
  'insert on audit_events',
] as const

const made = [
  'users',
  'user_emails',
  'identities',
  'memberships',
  'sessions',
  'session_proofs',
] as const

describe('a database that fails in the middle of a commit', () => {
  let app: TestApp
  before(async () => {
    app = await startTestApp()
  })
  after(() => app.close())

  for (const [what, statement] of Object.entries(faults)) {
    for (const write of writes) {
      it(`FLT-04 FLT-09 ${what} at ${write}: nothing is left, the provider is not asked again, and a new start works`, async () => {
        const { db } = app.sallyport.services
        const browser = app.browser()
        const state = await app.begin(browser)
        const asked = app.provider.completed.length
        // Events are written on other occasions too; what is tested is the commit's own.
        const when = write.endsWith('audit_events') ? `when (new.action = 'session.created')` : ''
        const onlyOnce = write === 'update on flows' ? `when (new.consumed_at is not null)` : when
        await sql
          .raw(
            `create function fail() returns trigger language plpgsql as $$ begin ${statement}; return new; end $$;
             create trigger fail before ${write} for each row ${onlyOnce} execute function fail()`,
          )
          .execute(db)
        try {
          const failed = await app.comeBack(browser, state)
          assert.equal(failed.status, 503)
          assert.ok(Number(failed.headers.get('retry-after')) > 0)
          assert.equal((await browser.api('/me')).status, 401)
          for (const table of made)
            assert.deepEqual(await db.selectFrom(table).selectAll().execute(), [], table)
          const again = await app.comeBack(browser, state)
          assert.ok(again.status >= 400, String(again.status))
          assert.equal(app.provider.completed.length, asked + 1, 'one token request for one code')
        } finally {
          await sql.raw('drop function fail cascade').execute(db)
        }
        await app.signIn(browser)
        assert.equal((await browser.api('/me')).status, 200)
        await sql`truncate users cascade`.execute(db)
        app.sallyport.services.node.memory.clear(app.sallyport.services.node.memory.position)
      })
    }
  }
})
