import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { presets, readAnswers } from '../../src/providers/presets.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import { plant } from '../_canaries.ts'
import { refreshOf, type Browser } from '../_browser.ts'
import { startGitHub, type GitHub } from '../_github.ts'

describe('signing in with GitHub, from the first page to the session', () => {
  let app: TestApp
  let github: GitHub
  let connection: string

  before(async () => {
    app = await startTestApp({ realProviders: true })
    github = await startGitHub()
    const { clientId, clientSecret } = github
    const answers = { organization: 'acme', organizationId: '9919', clientId, clientSecret }
    const settings = github.here(readAnswers(presets.github, answers))
    connection = await app.connect({ kind: 'oauth2', name: 'GitHub', settings })
  })
  after(async () => {
    plant(...github.canaries)
    await github.close()
    await app.close()
  })
  beforeEach(() => github.reset())

  async function signIn(browser: Browser): Promise<Response> {
    const left = await browser.post(`/sso/${connection}/start`, { return_to: '/account' })
    const { pathname, search } = github.visit(refreshOf(left))
    return browser.get(`${pathname}${search}`)
  }

  async function count(
    table: 'users' | 'identities' | 'sessions' | 'memberships',
  ): Promise<number> {
    const rows = await app.sallyport.services.db.selectFrom(table).selectAll().execute()
    return rows.length
  }

  it('S1-04 opens a session for a member, and knows them again under another name and address', async () => {
    const browser = app.browser()
    const arrived = await signIn(browser)
    assert.deepEqual([arrived.status, arrived.headers.get('location')], [303, '/account'])
    const { user } = (await (await browser.api('/me')).json()) as {
      user: { id: string; name: string }
    }
    assert.equal(user.name, 'Ada')
    const before = await count('users')

    github.user = { id: 583231, login: 'lovelace', name: 'Ada L', email: null }
    github.emails = [{ email: 'ada@new.example', primary: true, verified: true }]
    const other = app.browser()
    await signIn(other)
    const again = (await (await other.api('/me')).json()) as { user: { id: string } }
    assert.equal(again.user.id, user.id)
    assert.equal(await count('users'), before)
  })

  it('SSO-148 somebody else with the same login and address is somebody else', async () => {
    const first = app.browser()
    await signIn(first)
    const known = (await (await first.api('/me')).json()) as { user: { id: string } }
    github.user = { id: 666, login: 'ada', name: 'Ada', email: 'ada@example.com' }
    const browser = app.browser()
    await signIn(browser)
    const me = await browser.api('/me')
    const { user } = (await me.json()) as { user?: { id: string } }
    assert.notEqual(user?.id, known.user.id)
  })

  const refusals: readonly [string, () => void, number][] = [
    ['somebody who is no member', () => (github.memberships = {}), 403],
    [
      'somebody who is only invited',
      () => (github.memberships['acme'] = { state: 'pending', organization: { id: 9919 } }),
      403,
    ],
    ['anybody while the interface refuses to answer', () => (github.scopes = []), 503],
    ['somebody without a number', () => (github.user = { login: 'x' }), 400],
  ]

  for (const [whom, arrange, status] of refusals) {
    it(`lets ${whom} nowhere: ${status}, and nothing is written`, async () => {
      const tables = ['users', 'identities', 'sessions', 'memberships'] as const
      const before = await Promise.all(tables.map(count))
      github.user = { id: 4711, login: 'eve', email: 'eve@example.com' }
      arrange()
      const browser = app.browser()
      const arrived = await signIn(browser)
      assert.equal(arrived.status, status)
      assert.equal((await browser.api('/me')).status, 401)
      assert.deepEqual(await Promise.all(tables.map(count)), before)
      const text = await arrived.text()
      assert.ok(!text.includes('membership'), 'the reason is for the log')
      assert.equal(arrived.headers.get('retry-after') !== null, status === 503)
    })
  }
})
