import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { sql } from 'kysely'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { CheckPoint } from '../../src/verification/check.ts'
import { startTestApp, testSettings } from '../_app.ts'
import { refreshOf } from '../_browser.ts'
import { startHostileProvider } from '../hostile-provider.ts'
import type { Doom } from './_doomed.ts'

const program = fileURLToPath(new URL('_doomed.ts', import.meta.url))

async function work(doom: Doom): Promise<string> {
  const child = spawn(process.execPath, [program, JSON.stringify(doom)], { stdio: 'inherit' })
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  return signal ?? String(code)
}

/** What stands in the database after the death, and after a worker that lives: whether the token counts as presented. */
const table: readonly [CheckPoint, string][] = [
  ['leased', 'still_true'],
  ['intended', 'could_not_tell'],
  ['answered', 'could_not_tell'],
  ['kept', 'still_true'],
  ['judged', 'still_true'],
  ['settled', 'still_true'],
]

describe('a worker that is killed', () => {
  for (const [point, after] of table) {
    it(`VER-08 RFT-13 when it is ${point}: no token is presented twice, nobody is out, and the next one goes on`, async () => {
      let now = new Date('2026-06-01T12:00:00Z')
      const hostile = await startHostileProvider({ now: () => now })
      await using app = await startTestApp({ realProviders: true })
      try {
        const { issuer, clientId, clientSecret } = hostile
        const settings = { issuer, clientId, clientSecret, clientAuth: 'client_secret_basic' }
        const connectionId = await app.connect({ settings })
        const browser = app.browser()
        const leaving = await browser.post(`/sso/${connectionId}/start`)
        const back = hostile.visit(refreshOf(leaving))
        assert.equal((await browser.get(`${back.pathname}${back.search}`)).status, 303)

        now = new Date()
        const database = app.line.connection as Doom['database']
        const doom = { database, settings: testSettings(app.origin) }
        assert.equal(await work({ ...doom, at: point }), 'SIGKILL')
        const { db } = app.sallyport.services
        // Its lease ends.
        await sql`update identities set check_at = now() where lease is not null`.execute(db)
        assert.equal(await work(doom), '0')
        assert.equal(hostile.reuses, 0)
        const { rows } = await sql<Record<string, unknown>>`
          select i.verdict, i.lease, m.link_state, (select count(*) from sessions where revoked_at is not null)::int as out
          from identities i join memberships m on m.user_id = i.user_id`.execute(db)
        assert.deepEqual(rows, [{ verdict: after, lease: null, link_state: 'linked', out: 0 }])
      } finally {
        await hostile.close()
      }
    })
  }
})
