import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { createOrganization } from '../../src/accounts/organizations.ts'
import { requestsPerShare } from '../../src/http/handler.ts'
import { startTestApp, type TestApp } from '../_app.ts'

describe('a flood for one organization', () => {
  let app: TestApp
  before(async () => {
    app = await startTestApp()
    const globex = { slug: 'globex', name: 'Globex' }
    await createOrganization(app.sallyport.services.db, globex, app.clock.now())
  })
  after(() => app.close())

  const ask = (slug: string) =>
    app.sallyport.fetch(
      new Request(`${app.origin}/login/${slug}`, { headers: { accept: 'text/html' } }),
    )

  it('FLT-10 is answered as far as its share goes, and others are let through', async () => {
    const flood = Array.from({ length: 3 * requestsPerShare }, () => ask('acme'))
    const other = await ask('globex')
    assert.equal(other.status, 200)
    const answers = await Promise.all(flood)
    const refused = answers.filter(({ status }) => status === 503)
    assert.equal(refused.length, 2 * requestsPerShare)
    for (const { headers } of refused) assert.equal(headers.get('retry-after'), '5')
    assert.equal(answers.filter(({ status }) => status === 200).length, requestsPerShare)
    assert.equal((await ask('acme')).status, 200)
  })
})
