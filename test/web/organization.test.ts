import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { routes } from '../../src/routes.ts'
import { changeRole } from '../../src/sessions/revoke.ts'
import { organizationTabs } from '../../src/web/organization.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'
import { readPage } from './_page.ts'

describe('an organization’s pages', () => {
  let app: TestApp
  let owner: Browser
  let member: Browser

  before(async () => {
    app = await startTestApp()
    owner = app.browser()
    member = app.browser()
    await app.signIn(owner, 'olive')
    await app.signIn(member, 'mel')
    const { user } = (await (await owner.api('/me')).json()) as { user: { id: string } }
    const now = app.clock.now()
    const { services } = app.sallyport
    const promoted = { organizationId: app.acme.id, userId: user.id, role: 'owner' } as const
    await changeRole(services, promoted, {}, now)
  })
  after(() => app.close())

  it('every tab leads to a page, and is marked there', async () => {
    for (const { path, label } of organizationTabs) {
      assert.ok(
        routes.some((one) => one.method === 'GET' && one.path === `/organizations/:org${path}`),
      )
      const page = await readPage(await owner.get(`/organizations/acme${path}`))
      assert.equal(page.status, 200, label)
      const current = /<a\s+href="([^"]*)"\s+aria-current="page"/.exec(page.html)?.[1]
      assert.equal(current, `/organizations/acme${path}`)
    }
  })

  it('UIX-09 the shell says by which address an organization goes', async () => {
    const page = await readPage(await owner.get('/organizations/acme'))
    assert.match(page.text, /Acme acme/)
  })

  it('the overview counts members and shows the ways to sign in', async () => {
    const page = await readPage(await owner.get('/organizations/acme'))
    assert.equal(page.heading, 'Acme')
    assert.match(page.text, /in all 2 linked 2/)
    assert.match(page.text, /Acme SSO OpenID Connect In use/)
  })

  it('what needs attention is said first, with the way there', async () => {
    const { db } = app.sallyport.services
    await db
      .updateTable('memberships')
      .set({ link_state: 'revoked' })
      .where('role', '=', 'member')
      .execute()
    const page = await readPage(await owner.get('/organizations/acme'))
    assert.match(
      page.text,
      /Needs attention Your identity provider does not know 1 member any more/,
    )
    assert.match(page.text, /There is one owner/)
    assert.ok(page.links.includes('/organizations/acme/members?state=revoked'))
    await db.updateTable('memberships').set({ link_state: 'linked' }).execute()
  })

  it('a member sees the organization, and none of what is for its administrators', async () => {
    const page = await readPage(await member.get('/organizations/acme'))
    assert.equal(page.status, 200)
    assert.match(page.text, /You belong to it as member/)
    assert.ok(!page.links.some((link) => link.includes('/sessions')))
    assert.doesNotMatch(page.text, /in all/)
  })
})
