import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { findLeaks } from './_canaries.ts'
import { temporaryFolder } from './_folder.ts'

/*
 * The search itself runs when the run is over, in `_global.ts`: whatever any test has planted must not be in anything
 * that any application under test has logged (at debug) or audited, any program has printed, or the database's own
 * server has logged.
 */
test('SEED-77 SEC-06 a secret of any test that is in any log of the run is found, however it stands there', async () => {
  const folder = await temporaryFolder('canaries')
  const secret = 'hG4kq0Zt_9-WbXyR2mPfVQ'
  await writeFile(join(folder, '1.planted'), `${secret}\n`)
  const harmless = ['{"msg":"request refused"}', `{"other":"${secret.toLowerCase()}"}`, 'a@b']
  const leaks = [
    `{"cookie":"${secret}"}`,
    `{"url":"/sso/callback?code=${secret}&state=x"}`,
    `{"header":"__Host-Http-sallyport=${secret}; other=1"}`,
    `{"token":"eyJhbGciOiJub25lIn0.${secret}.x"}`,
    `{"to":"alice@acme.example"}`,
  ]
  await writeFile(join(folder, '2.printed'), [...harmless, ...leaks].join('\n'))
  assert.deepEqual(findLeaks(folder), leaks)
  const elsewhere = join(folder, 'postgres.log')
  await writeFile(elsewhere, `DETAIL: Key (token)=(${secret}) already exists.`)
  assert.equal(findLeaks(folder, [elsewhere]).length, leaks.length + 1)
})
