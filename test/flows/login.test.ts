import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { startTestApp } from '../_app.ts'

describe('signing in', () => {
  it('S0-18 leads to the provider and back to the page first asked for, signed in', async () => {
    await using app = await startTestApp()
    const browser = app.browser()
    const arrived = await app.signIn(browser, 'alice', { returnTo: '/account?tab=2' })
    assert.equal(arrived.status, 303)
    assert.equal(arrived.headers.get('location'), '/account?tab=2')
    const me = await browser.api('/me')
    assert.equal(me.status, 200)
    const { user, organizations } = (await me.json()) as { user: { name: string }; organizations: { slug: string; role: string }[] }
    assert.equal(user.name, 'alice')
    assert.deepEqual(organizations.map(({ slug, role }) => [slug, role]), [['acme', 'member']])
  })
})
