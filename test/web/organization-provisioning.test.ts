import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { sql } from 'kysely'
import { setRole, type Role } from '../../src/accounts/organizations.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'
import { plant } from '../_canaries.ts'
import { audited, ScimClient, signIn, whoIs } from '../provisioning/_directory.ts'
import { readPage } from './_page.ts'

describe('provisioning, on its page', () => {
  let app: TestApp
  let owner: Browser
  let path: string
  before(async () => {
    app = await startTestApp()
    path = `/organizations/acme/connections/${app.connectionId}/provisioning`
    owner = await signedIn('owner', 'owner')
  })
  after(() => app.close())

  async function signedIn(name: string, role: Role): Promise<Browser> {
    const { browser } = await signIn(app, name)
    const { id: userId } = (await whoIs(browser))!
    await setRole(app.sallyport.services.db, { organizationId: app.acme.id, userId, role })
    // Read anew: no node has been told.
    return (await signIn(app, name)).browser
  }
  const show = async (browser = owner, rest = '') => readPage(await browser.get(path + rest))
  const tokenOn = (html: string) => /sp_scim_\w{32}_[\w-]{43}_\w{8}/.exec(html)?.[0]

  it('ADM-05 SCM-01 is switched on, and gives a token that is shown once', async () => {
    const off = await show()
    assert.match(off.text, /Provisioning for Acme SSO Off/)
    assert.doesNotMatch(off.text, /Tokens/)
    assert.equal((await owner.post(`${path}/tokens`)).status, 409, 'not while it is off')
    assert.equal((await owner.post(path, { choice: 'on', match: 'email' })).status, 400)
    assert.equal((await owner.post(path, { choice: 'on', match: 'userName' })).status, 303)
    const on = await show()
    assert.match(on.text, new RegExp(`${app.origin}/scim/v2/${app.connectionId}`))
    assert.match(on.text, /There is none/)
    const made = await readPage(await owner.post(`${path}/tokens`))
    const token = tokenOn(made.html)!
    plant(token)
    assert.equal((await new ScimClient(app, app.connectionId, token).get('/Users')).status, 200)
    const after = await show()
    assert.equal(tokenOn(after.html), undefined)
    assert.match(after.text, new RegExp(`${token.slice(36, 40)}.*by owner.*Last used just now`))
    for (const action of ['scim.switched_on', 'scim.token_made'])
      assert.equal((await audited(app, action)).length, 1, action)
    const second = await readPage(await owner.post(`${path}/tokens`))
    plant(tokenOn(second.html)!)
    assert.doesNotMatch((await show()).text, /Make a token/)
    assert.equal((await owner.post(`${path}/tokens`)).status, 409, 'two at a time')
    const [, first] = /name="token" value="([^"]+)"/.exec((await show()).html)!
    assert.equal((await owner.post(`${path}/tokens/withdraw`, { token: first! })).status, 303)
    assert.equal((await new ScimClient(app, app.connectionId, token).get('/Users')).status, 401)
    assert.equal((await owner.post(`${path}/tokens/withdraw`, { token: first! })).status, 404)
    assert.equal((await audited(app, 'scim.token_withdrawn')).length, 1)
    const section = await readPage(
      await owner.get(`/organizations/acme/connections/${app.connectionId}`),
    )
    assert.match(section.text, /says who belongs to your organization, by SCIM/)
  })

  async function directory(): Promise<ScimClient> {
    await sql`update scim_tokens set revoked_at = now()`.execute(app.sallyport.services.db)
    const { html } = await readPage(await owner.post(`${path}/tokens`))
    plant(tokenOn(html)!)
    return new ScimClient(app, app.connectionId, tokenOn(html)!)
  }

  it('SCM-06 shows whom the directory has put out, and lets an administrator let them in', async () => {
    const client = await directory()
    const { id } = await client.create('ada')
    await client.create('waiting')
    const { browser } = await signIn(app, 'ada')
    await client.setActive(id, false)
    assert.equal(await whoIs(browser), undefined)
    assert.match((await show()).text, /1are put out|are put out ?1/)
    assert.match((await show()).text, /Put out.* ada Deactivated/)
    assert.equal((await owner.post(`${path}/people/${id}/let-in`)).status, 303)
    assert.equal(await whoIs(browser), undefined, 'no session comes back')
    assert.equal((await signIn(app, 'ada')).status, 303)
    assert.doesNotMatch((await show()).text, /Deactivated/)
    assert.equal((await owner.post(`${path}/people/${id}/let-in`)).status, 404)
    assert.equal((await audited(app, 'scim.overruled')).length, 1)
    // The same word again is no new one; another one is.
    await client.setActive(id, false)
    const again = await signIn(app, 'ada')
    assert.equal(again.status, 303)
    await client.setActive(id, true)
    await client.setActive(id, false)
    assert.equal(await whoIs(again.browser), undefined)
    await client.send('DELETE', `/Users/${id}`)
    assert.match((await show()).text, /ada Deleted/)
    assert.equal((await owner.post(`${path}/people/${id}/let-in`)).status, 303)
    assert.equal((await signIn(app, 'ada')).status, 303)
  })

  it('ADM-08 an administrator does not let an owner back in', async () => {
    const client = await directory()
    const { id } = await client.create('second')
    await signedIn('second', 'owner')
    const admin = await signedIn('admin', 'admin')
    await client.setActive(id, false)
    assert.equal((await admin.post(`${path}/people/${id}/let-in`)).status, 403)
    assert.equal((await signIn(app, 'second')).status, 403)
    assert.equal((await owner.post(`${path}/people/${id}/let-in`)).status, 303)
    assert.equal((await signIn(app, 'second')).status, 303)
  })

  it('asks before it is switched off, and voids the tokens then', async () => {
    const client = await directory()
    const { id } = await client.create('gone')
    await client.create('later')
    await client.setActive(id, false)
    assert.match((await show(owner, '/off')).text, /Whom the directory has put out stays out/)
    await sql`update connections set provisioning = 'off'`.execute(app.sallyport.services.db)
    assert.equal((await owner.post(path, { choice: 'off' })).status, 303)
    assert.equal((await client.get('/Users')).status, 401)
    assert.equal((await signIn(app, 'gone')).status, 403)
    assert.equal((await signIn(app, 'later')).status, 403, 'whoever waited is not let in by it')
    assert.equal((await audited(app, 'scim.switched_off')).length, 1)
    await owner.post(path, { choice: 'on', match: 'userName' })
    assert.equal((await signIn(app, 'later')).status, 303)
  })

  it('says who is who, unless two would be one', async () => {
    const client = await directory()
    await client.create('x1', { externalId: 'same' })
    const { id } = await client.create('x2', { externalId: 'same' })
    const refused = await readPage(await owner.post(path, { choice: 'on', match: 'externalId' }))
    assert.equal(refused.status, 422)
    assert.match(refused.text, /Two entries/)
    await client.patch(id, [{ op: 'replace', path: 'externalId', value: 'x1' }])
    assert.equal((await owner.post(path, { choice: 'on', match: 'externalId' })).status, 303)
    assert.match((await show()).html, /value="externalId"\s+checked/)
    await client.setActive(id, false)
    assert.equal((await signIn(app, 'x1')).status, 403, 'it is the second that is called so now')
    assert.equal((await signIn(app, 'same')).status, 303)
    const taken = await client.send('POST', '/Users', { userName: 'x3', externalId: 'same' })
    assert.deepEqual([taken.status, taken.body.scimType], [409, 'uniqueness'])
  })
})
