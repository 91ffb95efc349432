import assert from 'node:assert/strict'
import { it } from 'node:test'
import { sql } from 'kysely'
import { warnOfSecrets } from '../../src/flows/secret-upkeep.ts'
import { days } from '../../src/lib/clock.ts'
import { startTestApp } from '../_app.ts'
import { audited, signIn, startDirectory } from './_directory.ts'

it('SCM-01 administrators are told 30, 7 and 1 days before the last token of a directory runs out', async () => {
  await using app = await startTestApp()
  const { services } = app.sallyport
  await signIn(app, 'boss')
  await sql`update memberships set role = 'owner'`.execute(services.db)
  await sql`update user_emails set verified_at = now()`.execute(services.db)
  await startDirectory(app)
  const pass = async (count: number) => {
    for (let day = 0; day < count; day++) {
      await warnOfSecrets(services, app.clock.now())
      app.clock.advance(days(1))
    }
  }
  const told = async () =>
    (await app.mails())
      .filter(({ mail }) => mail === 'scim_token_expiring')
      .map(({ data }) => Number(data['days']))
  await pass(340)
  assert.deepEqual(await told(), [30])
  // With a newer one there is nothing to tell of; without it there is.
  await startDirectory(app)
  await pass(20)
  assert.deepEqual(await told(), [30])
  const newest = sql`select max(created_at) from scim_tokens`
  await sql`update scim_tokens set revoked_at = now() where created_at = (${newest})`.execute(
    services.db,
  )
  await pass(10)
  assert.deepEqual(await told(), [30, 7, 1])
  assert.equal((await audited(app, 'scim.token_expiring')).length, 3)
  assert.equal((await audited(app, 'connection.secret_expiring')).length, 0)
})
