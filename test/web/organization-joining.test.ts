import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { createOrganization } from '../../src/accounts/organizations.ts'
import { claimsFromLines, linesFromRules, rulesFromLines } from '../../src/accounts/rule-lines.ts'
import { minutes } from '../../src/lib/clock.ts'
import { changeRole } from '../../src/sessions/revoke.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'
import { readPage } from './_page.ts'

describe('who joins, as administrators choose it', () => {
  let app: TestApp
  let owner: Browser
  let member: Browser
  let foreign: string
  const joining = '/organizations/acme/joining'

  before(async () => {
    app = await startTestApp()
    owner = app.browser()
    member = app.browser()
    await app.signIn(owner, 'olive')
    await app.signIn(member, 'mel')
    const { user } = (await (await owner.api('/me')).json()) as { user: { id: string } }
    const { services } = app.sallyport
    const promoted = { organizationId: app.acme.id, userId: user.id, role: 'owner' } as const
    await changeRole(services, promoted, {}, app.clock.now())
    const globex = { slug: 'globex', name: 'Globex' }
    const { id } = await createOrganization(services.db, globex, app.clock.now())
    foreign = await app.connect({ organizationId: id })
  })
  after(() => app.close())

  const stored = async () => {
    const { db } = app.sallyport.services
    return db
      .selectFrom('connections')
      .innerJoin('organizations', 'organizations.id', 'connections.organization_id')
      .select(['provisioning', 'role_rules', 'default_role'])
      .where('connections.id', '=', app.connectionId)
      .executeTakeFirstOrThrow()
  }

  it('policy and rules are shown, tried and saved', async () => {
    const page = await readPage(await owner.get(joining))
    assert.match(page.text, /Acme SSO Everybody your provider lets through/)
    const one = `${joining}/${app.connectionId}`
    assert.ok(page.links.includes(one))
    assert.equal((await readPage(await owner.get(one))).heading, 'Joining through Acme SSO')

    const rules = 'admin: groups = IT & <Ops>\nmember: http://schemas.example/a?b = x=y'
    const form = { provisioning: 'invited', rules, claims: 'groups = Sales\ngroups = IT & <Ops>' }
    const before = await stored()
    const tried = await readPage(await owner.post(one, { ...form, choice: 'try' }))
    assert.equal(tried.status, 200)
    assert.match(tried.text, /Rule 1 fits: the role is Admin\./)
    const none = await readPage(
      await owner.post(one, { ...form, claims: 'groups = Ops', choice: 'try' }),
    )
    assert.match(none.text, /No rule fits: the role is Member, as for everybody who joins\./)
    assert.deepEqual(await stored(), before, 'trying saves nothing')

    assert.equal((await owner.post(one, { ...form, choice: 'save' })).status, 303)
    assert.deepEqual(await stored(), {
      provisioning: 'invited',
      default_role: 'member',
      role_rules: [
        { role: 'admin', claim: 'groups', value: 'IT & <Ops>' },
        { role: 'member', claim: 'http://schemas.example/a?b', value: 'x=y' },
      ],
    })
    const again = await readPage(await owner.get(one))
    assert.match(again.html, /admin: groups = IT &amp; &lt;Ops&gt;\nmember: http/)
    assert.match(again.html, /value="invited"\s+checked/)
  })

  it('ORG-07 what gives too much, or is no rule, is refused and nothing is saved', async () => {
    const one = `${joining}/${app.connectionId}`
    const before = await stored()
    for (const [rules, problem] of [
      ['owner: groups = Bosses', /Rule 1: A rule gives the role admin or member\./],
      ['member: a = b\nAdmin: groups = x', /Rule 2: A rule gives/],
      ['member,owner: groups = x', /Rule 1: A rule gives/],
      ['groups = x', /Rule 1: Write it like/],
    ] as const) {
      for (const choice of ['save', 'try']) {
        const page = await readPage(
          await owner.post(one, { provisioning: 'everybody', rules, choice }),
        )
        assert.equal(page.status, 422)
        assert.match(page.text, problem)
      }
    }
    const wrong = await owner.post(one, { provisioning: 'all', rules: '', choice: 'save' })
    assert.equal(wrong.status, 422)
    assert.deepEqual(await stored(), before)
  })

  it('ORG-01 members change nothing, nor administrators of another organization’s, nor anybody on an old sign-in', async () => {
    const one = `${joining}/${app.connectionId}`
    const before = await stored()
    const form = { provisioning: 'everybody', rules: '', choice: 'save' }
    for (const [method, path] of [
      ['get', joining],
      ['get', one],
      ['post', one],
    ] as const)
      assert.equal((await member[method](path, form)).status, 403, `${method} ${path}`)
    assert.equal((await owner.get(`${joining}/${foreign}`)).status, 404)
    assert.equal((await owner.post(`${joining}/${foreign}`, form)).status, 404)
    assert.equal((await owner.get(`${joining}/x`)).status, 404)
    app.clock.advance(minutes(11))
    assert.match((await owner.post(one, form)).headers.get('location')!, /\/login\?reauth=1/)
    assert.deepEqual(await stored(), before)
  })

  it('rules survive being written out and read again', () => {
    const rules = [
      { role: 'admin', claim: 'groups', value: 'a = b: c' },
      { role: 'member', claim: 'x y', value: 'Ü' },
    ] as const
    assert.deepEqual(rulesFromLines(linesFromRules(rules)), rules)
    assert.deepEqual(claimsFromLines(' a = 1 \n\nnonsense\na=2\r\ngroups = g'), {
      groups: ['g'],
      raw: { a: ['1', '2'], groups: ['g'] },
    })
  })
})
