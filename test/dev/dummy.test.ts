import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { openProvider } from '../../src/providers/index.ts'
import { dummyRoute, dummySettings, openWithDummy, seedDummy } from '../../dev/dummy.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'
import { refreshOf } from '../_browser.ts'

describe('a provider that says what it is told to', () => {
  let app: TestApp
  let connectionId: string
  before(async () => {
    app = await startTestApp({ routes: [dummyRoute], openProvider: openWithDummy })
    await seedDummy(app.sallyport.services, app.acme.id)
    await seedDummy(app.sallyport.services, app.acme.id)
    const dummies = await app.sallyport.services.db
      .selectFrom('connections')
      .select('id')
      .where('kind', '=', 'dummy')
      .execute()
    assert.equal(dummies.length, 1)
    connectionId = dummies[0]!.id
  })
  after(() => app.close())

  /** Signs in, pressing this of the answers. */
  async function signIn(browser: Browser, answer: string): Promise<Response> {
    const left = await browser.post(`/sso/${connectionId}/start`, { return_to: '/account' })
    const text = await (await browser.get(refreshOf(left).href)).text()
    const link = new RegExp(`href="([^"]+)">${answer}<`).exec(text)?.[1]
    return browser.get((link ?? assert.fail(text)).replaceAll('&amp;', '&'))
  }

  test('S1-03 it vouches for whom it is told to', async () => {
    const browser = app.browser()
    await signIn(browser, 'dana')
    const me = (await (await browser.get('/me')).json()) as { user: { name: string } }
    assert.equal(me.user.name, 'Dana')
  })

  test('S1-03 it refuses, says what is untrue, or does not answer, when it is told to', async () => {
    for (const [answer, status] of [
      ['no, thank you', 403],
      ['something untrue', 400],
      ['nothing', 503],
    ] as const)
      assert.equal((await signIn(app.browser(), answer)).status, status, answer)
  })

  test('what it was not told to say is no answer', async () => {
    const browser = app.browser()
    for (const code of ['mallory', '', 'constructor', '__proto__']) {
      const left = await browser.post(`/sso/${connectionId}/start`, { return_to: '/account' })
      const state = refreshOf(left).searchParams.get('state')
      const back = await browser.get(`/sso/${connectionId}/callback?code=${code}&state=${state}`)
      assert.equal(back.status, 400, code)
    }
  })

  test('asked again, it says that all is as it was', async () => {
    const context = { connectionId } as Parameters<typeof openWithDummy>[2]
    const { again } = openWithDummy('dummy', dummySettings, context)
    const subject = { issuer: 'https://dummy.example', subject: 'dana' }
    assert.equal((await again!.userinfo!('dummy', subject, false)).answer, 'still_true')
  })

  test('its page is there for no other connection', async () => {
    for (const id of [app.connectionId, 'x', '00000000-0000-7000-8000-000000000000'])
      assert.equal((await app.browser().get(`/dev/dummy/${id}?state=x`)).status, 404)
  })
})

test('AUT-09 what is published knows no provider that says what it is told to', async () => {
  const context = { connectionId: 'c' } as Parameters<typeof openProvider>[2]
  assert.throws(() => openProvider('dummy', dummySettings, context), { code: 'internal_error' })
  const { files } = JSON.parse(
    await readFile(new URL('../../package.json', import.meta.url), 'utf8'),
  ) as { files: string[] }
  assert.ok(!files.some((file) => /^(dev|src|\.)/.test(file)))
})
