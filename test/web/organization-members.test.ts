import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { listMembers } from '../../src/accounts/members.ts'
import { addMember, createOrganization, type Role } from '../../src/accounts/organizations.ts'
import { createUser, suspendUser } from '../../src/accounts/users.ts'
import { addVerifiedEmail } from '../../src/accounts/emails.ts'
import { mailConnectionRemoved } from '../../src/flows/organization-mails.ts'
import { findConnection } from '../../src/accounts/connections.ts'
import { minutes, hours } from '../../src/lib/clock.ts'
import { changeMembership } from '../../src/sessions/membership.ts'
import { changeRole } from '../../src/sessions/revoke.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'
import { readPage } from './_page.ts'

describe('members of an organization', () => {
  let app: TestApp
  let n = 0
  let slug: string
  let organizationId: string
  let connectionId: string

  before(async () => {
    app = await startTestApp()
  })
  after(() => app.close())
  beforeEach(async () => {
    const { db, clock } = app.sallyport.services
    app.clock.advance(minutes(11))
    slug = `org-${++n}`
    const made = await createOrganization(db, { slug, name: `Org ${n}` }, clock.now())
    organizationId = made.id
    connectionId = await app.connect({ organizationId, name: 'Its SSO' })
  })

  const idOf = async (browser: Browser) =>
    ((await (await browser.api('/me')).json()) as { user: { id: string } }).user.id
  /** Signed in through the organization's own connection, in a role. */
  const as = async (role: Role, subject = `${role}-${n}`) => {
    const browser = app.browser()
    await app.signIn(browser, subject, { connectionId })
    const userId = await idOf(browser)
    await changeRole(app.sallyport.services, { organizationId, userId, role }, {}, app.clock.now())
    return { browser, userId }
  }
  const unlinked = async (name: string, address?: string) => {
    const { db, clock } = app.sallyport.services
    const userId = await createUser(db, { name }, clock.now())
    if (address) await addVerifiedEmail(db, { userId, address, primary: true }, clock.now())
    await addMember(db, { organizationId, userId, role: 'member' }, clock.now())
    return userId
  }
  const roleOf = async (userId: string) => {
    const row = await app.sallyport.services.db
      .selectFrom('memberships')
      .select(['role', 'removed_at', 'removed_reason'])
      .where('organization_id', '=', organizationId)
      .where('user_id', '=', userId)
      .executeTakeFirstOrThrow()
    return row.removed_at ? row.removed_reason : row.role
  }
  const setRole = (by: Browser, userId: string, role: string) =>
    by.post(`/organizations/${slug}/members/${userId}/role`, { role })
  const remove = (by: Browser, userId: string) =>
    by.post(`/organizations/${slug}/members/${userId}/remove`)

  it('are listed by name with role and link, narrowed down by state and by name, and nobody else’s', async () => {
    const { browser } = await as('owner')
    await unlinked('Zoe 100% Zest')
    await unlinked('Yves')
    const all = await readPage(await browser.get(`/organizations/${slug}/members`))
    assert.match(all.text, /Everybody 3 Linked 1\s*Not linked 2/)
    const few = await readPage(await browser.get(`/organizations/${slug}/members?state=unlinked`))
    assert.deepEqual(
      few.html
        .match(/<bdi>(Zoe 100% Zest|Yves|owner-\d+)<\/bdi>/g)
        ?.filter((one) => !one.includes('owner')),
      ['<bdi>Yves</bdi>', '<bdi>Zoe 100% Zest</bdi>'],
    )
    const one = await readPage(await browser.get(`/organizations/${slug}/members?name=0%25+z`))
    assert.match(one.text, /Zoe/)
    assert.doesNotMatch(one.text, /Yves/)
    const none = await readPage(await browser.get(`/organizations/${slug}/members?name=_`))
    assert.match(none.text, /Nobody\./, 'a sign that matches anything matches itself only')
  })

  it('ten thousand are listed a page at a time, each once', async () => {
    const { db, clock } = app.sallyport.services
    const now = clock.now()
    const people = Array.from({ length: 10_000 }, (_, i) => ({
      id: crypto.randomUUID(),
      name: `Name ${i % 100}`,
      kind: 'person' as const,
      created_at: now,
    }))
    for (let from = 0; from < people.length; from += 2000) {
      const some = people.slice(from, from + 2000)
      await db.insertInto('users').values(some).execute()
      await db
        .insertInto('memberships')
        .values(
          some.map(({ id }) => ({
            id: crypto.randomUUID(),
            organization_id: organizationId,
            user_id: id,
            role: 'member',
            link_since: now,
          })),
        )
        .execute()
    }
    const seen = new Set<string>()
    let after: string | undefined
    for (;;) {
      const { members, next } = await listMembers(db, organizationId, { after, limit: 1000 })
      for (const { userId } of members) seen.add(userId)
      if (next === null) break
      after = next
    }
    assert.equal(seen.size, 10_000)
    const { browser } = await as('owner')
    const page = await readPage(await browser.get(`/organizations/${slug}/members`))
    assert.match(page.html, /href="[^"]*after=[^"]*">Show more/)
    const second = page.links.find((link) => link.includes('after='))!
    assert.equal((await browser.get(second.replaceAll('&amp;', '&'))).status, 200)
  })

  it('ORG-01 the list begins nowhere that another organization’s member is', async () => {
    const { browser } = await as('owner')
    const stranger = await createUser(app.sallyport.services.db, { name: 'A' }, app.clock.now())
    const page = await readPage(
      await browser.get(`/organizations/${slug}/members?after=${stranger}`),
    )
    assert.match(page.text, /Nobody\./)
  })

  it('ORG-01 a person of another organization is nobody here', async () => {
    const { browser } = await as('owner')
    const other = app.browser()
    await app.signIn(other, `stranger-${n}`)
    const id = await idOf(other)
    for (const path of ['', '/remove'])
      assert.equal((await browser.get(`/organizations/${slug}/members/${id}${path}`)).status, 404)
    assert.equal((await setRole(browser, id, 'admin')).status, 404)
    assert.equal((await remove(browser, id)).status, 404)
    assert.equal((await browser.get(`/organizations/${slug}/members/x`)).status, 404)
  })

  it('ADM-08 an owner makes an admin and an owner; an admin makes no owner and changes none', async () => {
    const owner = await as('owner')
    const admin = await as('admin')
    const member = await as('member')
    assert.equal((await setRole(owner.browser, member.userId, 'admin')).status, 303)
    assert.equal(await roleOf(member.userId), 'admin')
    assert.equal((await setRole(admin.browser, member.userId, 'owner')).status, 403)
    assert.equal((await setRole(admin.browser, admin.userId, 'owner')).status, 403)
    assert.equal((await setRole(admin.browser, owner.userId, 'member')).status, 403)
    assert.equal((await remove(admin.browser, owner.userId)).status, 403)
    assert.deepEqual(
      [await roleOf(owner.userId), await roleOf(admin.userId), await roleOf(member.userId)],
      ['owner', 'admin', 'admin'],
    )
    const page = await readPage(
      await admin.browser.get(`/organizations/${slug}/members/${owner.userId}`),
    )
    assert.match(page.text, /Only an owner can change/)
    assert.doesNotMatch(page.html, /value="owner"/)
  })

  it('ORG-07 roles that are none, or several, are refused', async () => {
    const owner = await as('owner')
    const member = await as('member')
    for (const role of ['', 'Owner', 'member,owner', 'root', 'constructor'])
      assert.equal((await setRole(owner.browser, member.userId, role)).status, 400, role)
    assert.equal(await roleOf(member.userId), 'member')
  })

  it('ADM-08 the last owner stays one; a suspended owner does not count', async () => {
    const owner = await as('owner')
    assert.equal((await setRole(owner.browser, owner.userId, 'member')).status, 409)
    assert.equal((await remove(owner.browser, owner.userId)).status, 409)
    const second = await as('owner', `second-${n}`)
    await suspendUser(app.sallyport.services.db, second.userId, app.clock.now())
    assert.equal((await remove(owner.browser, owner.userId)).status, 409)
    assert.equal(await roleOf(owner.userId), 'owner')
  })

  it('ADM-08 of two owners who demote each other at once, one stays', async () => {
    const [a, b] = [await as('owner'), await as('owner', `second-${n}`)]
    const demote = (userId: string, actorId: string) =>
      changeMembership(
        app.sallyport.services,
        { organizationId, userId, role: 'member', actorId },
        'test',
        app.clock.now(),
      )
    const results = await Promise.all([demote(a.userId, b.userId), demote(b.userId, a.userId)])
    assert.equal(results.filter((one) => one === null).length, 1)
    assert.deepEqual([await roleOf(a.userId), await roleOf(b.userId)].toSorted(), [
      'member',
      'owner',
    ])
  })

  it('ADM-08 whoever is no member, or a plain one, changes nobody, whatever let them ask', async () => {
    const owner = await as('owner')
    const member = await as('member')
    const stranger = await createUser(app.sallyport.services.db, { name: 'S' }, app.clock.now())
    const asked = (actorId: string, role: Role | null) =>
      changeMembership(
        app.sallyport.services,
        { organizationId, userId: owner.userId, role, actorId },
        'test',
        app.clock.now(),
      )
    assert.equal(await asked(stranger, null), 'not_a_member')
    assert.equal(await asked(member.userId, 'admin'), 'role_too_high')
    const other = await as('member', `other-${n}`)
    const change = { organizationId, userId: other.userId, role: null, actorId: member.userId }
    const { services } = app.sallyport
    assert.equal(await changeMembership(services, change, 'test', app.clock.now()), 'role_too_high')
  })

  it('an admin who removes themself has left', async () => {
    await as('owner')
    const admin = await as('admin')
    const answer = await remove(admin.browser, admin.userId)
    assert.equal(answer.headers.get('location'), '/account')
    assert.equal(await roleOf(admin.userId), 'left')
  })

  it('a role that somebody chose is not the provider’s to change any more', async () => {
    const { db } = app.sallyport.services
    const owner = await as('owner')
    const member = await as('member')
    await db
      .updateTable('memberships')
      .set({ role_from: 'provider' })
      .where('user_id', '=', member.userId)
      .execute()
    await setRole(owner.browser, member.userId, 'admin')
    const row = await db
      .selectFrom('memberships')
      .select(['role', 'role_from'])
      .where('user_id', '=', member.userId)
      .where('organization_id', '=', organizationId)
      .executeTakeFirstOrThrow()
    assert.deepEqual(row, { role: 'admin', role_from: 'application' })
  })

  it('ORG-05 removing somebody asks, says what it does, and ends what their sessions prove at once', async () => {
    const owner = await as('owner')
    const member = await as('member')
    const path = `/organizations/${slug}/members/${member.userId}/remove`
    const asked = await readPage(await owner.browser.get(path))
    assert.match(asked.text, /ends at once/)
    assert.equal(await roleOf(member.userId), 'member', 'asking changes nothing')
    assert.equal((await owner.browser.post(path)).status, 303)
    assert.equal(await roleOf(member.userId), 'removed')
    assert.equal((await member.browser.api('/me')).status, 401)
    const back = await app.signIn(app.browser(), `member-${n}`, { connectionId })
    assert.equal(back.status, 403)
  })

  it('needs a recent sign-in to change anybody, not to look', async () => {
    const owner = await as('owner')
    const member = await as('member')
    app.clock.advance(minutes(11))
    assert.equal((await owner.browser.get(`/organizations/${slug}/members`)).status, 200)
    const answer = await setRole(owner.browser, member.userId, 'admin')
    assert.match(answer.headers.get('location') ?? '', /\/login\?reauth=1/)
    assert.equal(await roleOf(member.userId), 'member')
  })

  it('S0-20 everybody who is not linked and has a verified address is mailed, once a day', async () => {
    const owner = await as('owner')
    await unlinked('Una', `una-${n}@example.com`)
    await unlinked('Mute')
    await suspendUser(
      app.sallyport.services.db,
      await unlinked('Gone', `gone-${n}@example.com`),
      app.clock.now(),
    )
    const before = (await app.mails()).length
    const path = `/organizations/${slug}/members/remind`
    const page = await readPage(await owner.browser.post(path))
    assert.match(page.text, /One member was mailed\. One has no verified address/)
    const [mail, ...rest] = (await app.mails()).slice(before)
    assert.deepEqual(rest, [])
    assert.equal(mail?.mail, 'link_account')
    assert.equal(mail.to, `una-${n}@example.com`)
    const { organization, provider, by } = mail.data
    assert.deepEqual([organization, provider, by], [`Org ${n}`, 'Its SSO', `owner-${n}`])
    await owner.browser.post(path)
    assert.equal((await app.mails()).length, before + 1, 'not twice')
    app.clock.advance(hours(1))
  })

  it('who signed in through a connection that goes is told, and whether another is left', async () => {
    const { db } = app.sallyport.services
    const member = await as('member')
    const address = `member-${n}@example.com`
    await addVerifiedEmail(db, { userId: member.userId, address, primary: false }, app.clock.now())
    const connection = (await findConnection(db, connectionId))!
    const before = (await app.mails()).length
    const sent = await db
      .transaction()
      .execute((tx) => mailConnectionRemoved(tx, app.sallyport.services, connection))
    assert.equal(sent, 1)
    const [mail] = (await app.mails()).slice(before)
    assert.deepEqual(
      [mail?.mail, mail?.to, mail?.data['provider']],
      ['connection_removed', address, 'Its SSO'],
    )
  })
})

describe('invitations on an organization’s pages', () => {
  let app: TestApp
  let browser: Browser
  before(async () => {
    app = await startTestApp()
    browser = app.browser()
    await app.signIn(browser, 'olive')
    const { user } = (await (await browser.api('/me')).json()) as { user: { id: string } }
    const member = { organizationId: app.acme.id, userId: user.id, role: 'admin' } as const
    await changeRole(app.sallyport.services, member, {}, app.clock.now())
  })
  after(() => app.close())
  const path = '/organizations/acme/invitations'

  it('S0-20 an invitation is mailed in the words of who invites, and listed until it is withdrawn', async () => {
    const sent = await browser.post(path, { address: 'new@example.com', role: 'member' })
    assert.equal(sent.status, 303)
    const mail = (await app.mails()).at(-1)!
    assert.deepEqual([mail.mail, mail.to], ['invitation', 'new@example.com'])
    assert.deepEqual(
      [mail.data['organization'], mail.data['by'], mail.data['role']],
      ['Acme', 'olive', 'member'],
    )
    const page = await readPage(await browser.get(path))
    assert.match(page.text, /new@example.com member/)
    assert.ok(!page.html.includes(mail.data['link']!.split('/').at(-1)!), 'the link is mailed only')
    const withdraw = page.links.find((link) => link.endsWith('/withdraw'))!
    assert.equal((await browser.post(withdraw)).status, 303)
    assert.equal((await browser.post(withdraw)).status, 404)
    assert.match((await readPage(await browser.get(path))).text, /Not accepted yet None/)
  })

  it('ORG-10 sending it again makes a new link, and the old one is dead', async () => {
    await browser.post(path, { address: 'again@example.com', role: 'member' })
    const first = (await app.mails()).at(-1)!.data['link']
    const page = await readPage(await browser.get(path))
    const again = page.links.find((link) => link.endsWith('/again'))!
    assert.equal((await browser.post(again)).status, 303)
    const second = (await app.mails()).at(-1)!.data['link']
    assert.notEqual(first, second)
    const rows = await app.sallyport.services.db
      .selectFrom('invitations')
      .select('withdrawn_at')
      .where('folded', '=', 'again@example.com')
      .orderBy('created_at')
      .orderBy('id')
      .execute()
    assert.deepEqual(rows.map((row) => row.withdrawn_at !== null).toSorted(), [false, true])
  })

  it('what cannot be is said beside the form, with what was typed', async () => {
    const wrong = await readPage(await browser.post(path, { address: 'no<b>body', role: 'member' }))
    assert.equal(wrong.status, 422)
    assert.match(wrong.html, /value="no&lt;b&gt;body"/)
    assert.match(wrong.text, /That is no e-mail address/)
    await browser.post(path, { address: 'twice@example.com', role: 'member' })
    const twice = await browser.post(path, { address: 'Twice@example.com', role: 'member' })
    assert.match((await readPage(twice)).text, /invited already/)
  })

  it('where no mail is sent nobody is invited, and the page says so', async () => {
    await using mute = await startTestApp({ mailer: null })
    const owner = mute.browser()
    await mute.signIn(owner, 'olive')
    await mute.sallyport.services.db.updateTable('memberships').set({ role: 'owner' }).execute()
    assert.match((await readPage(await owner.get(path))).text, /sends no mail/)
    assert.equal((await owner.post(path, { address: 'a@example.com', role: 'member' })).status, 400)
  })

  it('UIX-09 whoever is invited reads by which address the organization goes, and what it has proven to own', async () => {
    const { db } = app.sallyport.services
    const now = app.clock.now()
    const domain = (name: string, verified: Date | null) => ({
      id: crypto.randomUUID(),
      organization_id: app.acme.id,
      domain: name,
      token: name,
      verified_at: verified,
      last_proved_at: verified,
      created_at: now,
    })
    await db
      .insertInto('domains')
      .values([domain('acme.example', now), domain('claimed.example', null)])
      .execute()
    await browser.post(path, { address: 'wary@example.com', role: 'member' })
    const { pathname } = new URL((await app.mails()).at(-1)!.data['link']!)
    const page = await readPage(await app.browser().get(pathname))
    assert.match(page.text, /of Acme \(acme, which owns acme\.example\)/)
    assert.doesNotMatch(page.text, /claimed\.example/)
  })

  it('ADM-08 an admin invites no owner', async () => {
    const answer = await browser.post(path, { address: 'boss@example.com', role: 'owner' })
    assert.equal(answer.status, 422)
    assert.doesNotMatch((await readPage(await browser.get(path))).text, /boss@/)
  })

  it('one address is not mailed without end', async () => {
    const statuses: number[] = []
    for (let i = 0; i < 5; i++) {
      await browser.post(path, { address: 'flood@example.com', role: 'member' })
      const page = await readPage(await browser.get(path))
      const row = /flood@example\.com[\s\S]*?action="([^"]*\/withdraw)"/.exec(page.html)?.[1]
      statuses.push(row ? (await browser.post(row)).status : 0)
    }
    assert.deepEqual(statuses, [303, 303, 303, 0, 0])
  })
})
