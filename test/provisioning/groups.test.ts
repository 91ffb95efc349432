import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { sql } from 'kysely'
import { saveRoleRules } from '../../src/accounts/roles.ts'
import { setRole } from '../../src/accounts/organizations.ts'
import { newId } from '../../src/lib/ids.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import { signIn, startDirectory, whoIs, type Json, type ScimClient } from './_directory.ts'

describe('a directory’s groups', () => {
  let app: TestApp
  let directory: ScimClient
  let names = 0
  const fresh = (stem: string) => `${stem}${++names}`
  before(async () => {
    app = await startTestApp()
    directory = await startDirectory(app)
    await sql`update connections set provisioning = 'off'`.execute(app.sallyport.services.db)
    await saveRules([{ claim: 'groups', value: 'Admins', role: 'admin' }])
  })
  after(() => app.close())

  async function saveRules(rules: unknown): Promise<void> {
    const { db, clock } = app.sallyport.services
    const actor = { organizationId: app.acme.id, actorId: newId() }
    const saved = await saveRoleRules(
      db,
      actor,
      { connectionId: app.connectionId, rules },
      clock.now(),
    )
    assert.ok(saved)
  }
  const role = async (subject: string) => {
    const { rows } = await sql<{ role: string }>`
      select m.role from memberships m join identities i on i.user_id = m.user_id where i.subject = ${subject}`.execute(
      app.sallyport.services.db,
    )
    return rows[0]?.role
  }
  const put = (id: string, ids: readonly string[]) =>
    directory.patch(
      id,
      [{ op: 'replace', path: 'members', value: ids.map((value) => ({ value })) }],
      'Groups',
    )

  it('are made, read, renamed and dissolved', async () => {
    const one = await directory.create(fresh('one'), { displayName: 'One' })
    const made = await directory.makeGroup('Team', [one.id])
    const $ref = `${app.origin}${directory.base}/Users/${one.id}`
    assert.deepEqual(made.members, [{ value: one.id, display: 'One', type: 'User', $ref }])
    const path = `/Groups/${made.id}`
    assert.deepEqual((await directory.get(path)).body, made)
    const shown = (await directory.get(`/Users/${one.id}`)).body
    assert.deepEqual(shown.groups, [
      {
        value: made.id,
        display: 'Team',
        type: 'direct',
        $ref: `${app.origin}${directory.base}${path}`,
      },
    ])
    const again = await directory.send('POST', '/Groups', { displayName: 'TEAM' })
    assert.deepEqual([again.status, again.body.scimType], [409, 'uniqueness'])
    assert.equal((await directory.send('POST', '/Groups', {})).status, 400)
    const replaced = await directory.send('PUT', path, { displayName: 'Team 2', members: [] })
    assert.deepEqual([replaced.status, replaced.body.members], [200, []])
    assert.equal(replaced.headers.get('etag'), 'W/"2"')
    const stale = await directory.send('PUT', path, { displayName: 'x' }, { 'if-match': 'W/"1"' })
    assert.equal(stale.status, 412)
    assert.equal((await directory.send('DELETE', path)).status, 204)
    assert.equal((await directory.get(path)).status, 404)
    assert.equal((await directory.get(`/Users/${one.id}`)).body.groups, undefined)
  })

  it('SCM-05 ORG-07 give roles by an explicit rule only, at once, and take them away again', async () => {
    const name = fresh('ada')
    const { id } = await directory.create(name)
    const { browser } = await signIn(app, name)
    assert.equal(await role(name), 'member')
    const others = await directory.makeGroup('owner', [id])
    const admins = await directory.makeGroup('Admins', [id])
    assert.equal(await role(name), 'admin')
    const organizations = async () => (await whoIs(browser))!.organizations
    assert.deepEqual(
      (await organizations()).map((one) => one.role),
      ['admin'],
      'in the session too',
    )
    await put(admins.id, [])
    assert.deepEqual(
      (await organizations()).map((one) => one.role),
      ['member'],
    )
    // A group that is renamed to one that a rule names is that one.
    await directory.patch(
      others.id,
      [{ op: 'replace', value: { displayName: 'Admins 2' } }],
      'Groups',
    )
    assert.equal(await role(name), 'member')
    await directory.send('DELETE', `/Groups/${admins.id}`)
    await directory.patch(
      others.id,
      [{ op: 'replace', value: { displayName: 'Admins' } }],
      'Groups',
    )
    assert.equal(await role(name), 'admin')
    await directory.send('DELETE', `/Groups/${others.id}`)
    assert.equal(await role(name), 'member')
    await assert.rejects(() => saveRules([{ claim: 'groups', value: 'x', role: 'owner' }]))
  })

  it('ORG-07 whoever is in the group when they first sign in begins in its role', async () => {
    const name = fresh('bea')
    const { id } = await directory.create(name)
    const { id: admins } = await directory.makeGroup('Admins', [id])
    await signIn(app, name)
    assert.equal(await role(name), 'admin')
    // What the provider says at a sign-in counts beside it, and not instead.
    app.provider.people.set(name, { claims: { name, groups: ['Others'] } })
    await signIn(app, name)
    assert.equal(await role(name), 'admin')
    await directory.setActive(id, false)
    await directory.setActive(id, true)
    await signIn(app, name)
    assert.equal(await role(name), 'admin')
    await directory.send('DELETE', `/Groups/${admins}`)
  })

  it('ORG-07 an owner stays one, and so does whoever got a role by hand', async () => {
    const { db } = app.sallyport.services
    const names = [fresh('owner'), fresh('hand')]
    const ids = []
    for (const name of names) {
      ids.push((await directory.create(name)).id)
      const me = await whoIs((await signIn(app, name)).browser)
      const given = name.startsWith('owner') ? 'owner' : 'admin'
      await setRole(db, { organizationId: app.acme.id, userId: me!.id, role: given })
    }
    const admins = await directory.makeGroup('Admins', ids)
    await put(admins.id, [])
    assert.deepEqual([await role(names[0]!), await role(names[1]!)], ['owner', 'admin'])
    await directory.send('DELETE', `/Groups/${admins.id}`)
  })

  it('SCM-04 hold this directory’s people and nobody else', async () => {
    const { id } = await directory.create(fresh('cara'))
    const made = await directory.makeGroup(fresh('g'), [id])
    for (const value of [newId(), 'x', made.id, { a: 1 }]) {
      const add = { op: 'add', path: 'members', value: [{ value }] }
      const answer = await directory.patch(made.id, [add], 'Groups')
      assert.equal(answer.status, 400, JSON.stringify(value))
    }
    await directory.send('DELETE', `/Users/${id}`)
    assert.deepEqual((await directory.get(`/Groups/${made.id}`)).body.members, [])
    const back = await directory.patch(
      made.id,
      [{ op: 'add', path: 'members', value: [{ value: id }] }],
      'Groups',
    )
    assert.equal(back.status, 400, 'whoever was deleted is nobody')
  })

  it('SCM-09 are large, and a page of large ones is small', async () => {
    const { db, clock } = app.sallyport.services
    const ids = Array.from({ length: 3000 }, () => newId())
    const rows = ids.map((id) => ({
      id,
      connection_id: app.connectionId,
      user_name: id,
      folded: id,
      active: true,
      created_at: clock.now(),
      changed_at: clock.now(),
    }))
    for (let i = 0; i < rows.length; i += 1000)
      await db
        .insertInto('scim_users')
        .values(rows.slice(i, i + 1000))
        .execute()
    const large = await directory.makeGroup('Everybody', ids)
    assert.equal(large.members.length, 3000)
    const out = { op: 'remove', path: `members[value eq "${ids[7]}"]` }
    assert.equal((await directory.patch(large.id, [out], 'Groups')).status, 204)
    const { body } = await directory.get(`/Groups/${large.id}`)
    assert.equal(body.members.length, 2999)
    for (let i = 0; i < 25; i++) await directory.makeGroup(fresh('small'))
    const page = async (query: string) =>
      (await directory.get(`/Groups?${query}`)).body.Resources.length as number
    assert.equal(await page('count=200'), 20)
    assert.ok((await page('count=200&excludedAttributes=members')) > 25)
    const found: readonly Json[] = await directory.find('Groups', `members.value eq "${ids[8]}"`)
    assert.deepEqual(
      found.map(({ displayName }) => displayName),
      ['Everybody'],
    )
  })
})
