import assert from 'node:assert/strict'
import { after, before, suite, test, type TestContext } from 'node:test'
import { run } from '../../src/cli.ts'
import { newId } from '../../src/lib/ids.ts'
import { startTestApp, testSettings, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'

suite('ending sessions from the command line, while a server runs', () => {
  let app: TestApp
  let env: Record<string, string>

  before(async () => {
    app = await startTestApp()
    const { user, port, database } = app.line.connection
    env = {
      ...testSettings(app.origin),
      DATABASE_URL: `postgres://${user}@127.0.0.1:${port}/${database}`,
    }
  })
  after(() => app.close())

  async function ran(t: TestContext, ...args: string[]) {
    const said: string[] = []
    const log = t.mock.method(console, 'log', (text: string) => void said.push(text))
    const error = t.mock.method(console, 'error', (text: string) => void said.push(text))
    try {
      return { code: await run(['sessions', ...args], env), said: said.join('\n') }
    } finally {
      log.mock.restore()
      error.mock.restore()
    }
  }
  const signedIn = async (subject: string, connectionId = app.connectionId) => {
    const browser = app.browser()
    await app.signIn(browser, subject, { connectionId })
    assert.equal(await status(browser), 200)
    return browser
  }
  const status = async (browser: Browser) => (await browser.api('/me')).status
  const personOf = async (browser: Browser) =>
    ((await (await browser.api('/me')).json()) as { user: { id: string } }).user.id

  test('one person’s, one connection’s, one organization’s: each is refused when the command is done', async (t) => {
    const second = await app.connect({ name: 'Second' })
    const [ann, ben, cay] = [
      await signedIn('ann'),
      await signedIn('ben', second),
      await signedIn('cay'),
    ]
    assert.deepEqual(await ran(t, 'end', '--person', await personOf(ann)), {
      code: 0,
      said: '1 session ended.',
    })
    assert.deepEqual(await Promise.all([ann, ben, cay].map(status)), [401, 200, 200])
    assert.equal((await ran(t, 'end', '--connection', second)).code, 0)
    assert.deepEqual(await Promise.all([ben, cay].map(status)), [401, 200])
    assert.equal((await ran(t, 'end', '--organization', 'acme')).code, 0)
    assert.equal(await status(cay), 401)
  })

  test('CLK-02 everything: what an older backup has brought back to life, and sign-ins under way', async (t) => {
    const browsers = [await signedIn('dan'), await signedIn('eve')]
    const starting = app.browser()
    const state = await app.begin(starting)
    assert.deepEqual(await ran(t, 'end', '--everything'), { code: 0, said: '2 sessions ended.' })
    assert.deepEqual(await Promise.all(browsers.map(status)), [401, 401])
    assert.equal((await app.comeBack(starting, state, 'dan')).status, 400)
    const { db } = app.sallyport.services
    const told = db.selectFrom('audit_events').select('data').where('action', '=', 'sessions.ended')
    const { data } = await told.orderBy('id', 'desc').limit(1).executeTakeFirstOrThrow()
    assert.deepEqual(data, { of: 'everything', sessions: 2, flows: 1 })
    assert.equal(await status(await signedIn('dan')), 200)
  })

  test('a locked person is asked to confirm that it is them', async (t) => {
    const browser = await signedIn('fay')
    assert.equal((await ran(t, 'lock', '--person', await personOf(browser))).code, 0)
    const refused = await browser.api('/me')
    assert.equal(((await refused.json()) as { code: string }).code, 'reauth_required')
  })

  test('whose has to be said, once, and to exist', async (t) => {
    for (const args of [[], ['--everything', '--person', newId()], ['--person', 'nobody']])
      assert.equal((await ran(t, 'end', ...args)).code, 2, args.join(' '))
    for (const args of [
      ['--organization', 'nowhere'],
      ['--connection', newId()],
    ]) {
      const { code, said } = await ran(t, 'end', ...args)
      assert.equal(code, 1)
      assert.match(said, /^There is no /)
    }
  })
})
