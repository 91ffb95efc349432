import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { addMember } from '../../src/accounts/organizations.ts'
import { ConfigError, readConfig } from '../../src/lib/config.ts'
import { minutes } from '../../src/lib/clock.ts'
import { startTestApp, testSettings, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'
import { makeAccount, signInByMail } from '../_by-mail.ts'
import { readPage } from './_page.ts'

const env = { SALLYPORT_PERSONAL_SIGN_IN: 'members', SALLYPORT_ORGANIZATIONS: 'anybody' }

describe('making an organization', () => {
  let app: TestApp
  let owner: Browser
  let ownerId: string
  before(async () => {
    app = await startTestApp({ env })
    ownerId = await makeAccount(app, 'Olive Owner', 'olive@example.com')
    owner = app.browser()
    await signInByMail(app, owner, 'olive@example.com')
  })
  after(() => app.close())

  it('whoever is signed in by themself makes one, owns it, and is in it at once', async () => {
    const form = await readPage(await owner.get('/organizations/new'))
    assert.equal(form.heading, 'New organization')
    const made = await owner.post('/organizations', { name: ' Beta Büro ', slug: 'Beta' })
    assert.deepEqual([made.status, made.headers.get('location')], [303, '/organizations/beta'])
    const page = await readPage(await owner.get('/organizations/beta'))
    assert.deepEqual([page.status, page.heading], [200, 'Beta Büro'])
    const created = await app.sallyport.services.db
      .selectFrom('audit_events')
      .select('actor_id')
      .where('action', '=', 'organization.created')
      .orderBy('id', 'desc')
      .executeTakeFirstOrThrow()
    assert.equal(created.actor_id, ownerId)
  })

  it('a slug that is taken, ours or none, and a name that is none, are told of beside the form', async () => {
    for (const [name, slug, told] of [
      ['Acme', 'acme', /already an organization/],
      ['New', 'new', /address of our own/],
      ['Odd', 'a b', /no slug/],
      ['https://evil.example', 'fine', /at most 64 characters/],
      ['\u202eevil', 'fine', /at most 64 characters/],
      ['', 'fine', /at most 64 characters/],
    ] as const) {
      const page = await readPage(await owner.post('/organizations', { name, slug }))
      assert.deepEqual([page.status, told.test(page.text)], [422, true], page.text)
    }
  })

  it('ORG-04 whoever came through another organization’s provider signs in by themself first', async () => {
    const other = app.browser()
    await app.signIn(other, 'alice')
    const page = await readPage(await other.get('/organizations/new'))
    assert.match(page.text, /sign in with it/)
    assert.equal((await other.post('/organizations', { name: 'X', slug: 'x' })).status, 403)
  })

  it('nobody makes one without a recent sign-in, nor many a day', async () => {
    const statuses = []
    for (let i = 0; i < 5; i++)
      statuses.push((await owner.post('/organizations', { name: `N${i}`, slug: `n${i}` })).status)
    assert.deepEqual(statuses, [303, 303, 303, 303, 429])
    app.clock.advance(minutes(11))
    const late = await owner.post('/organizations', { name: 'Late', slug: 'late' })
    assert.match(late.headers.get('location') ?? '', /reauth=1/)
  })

  it('is not there where it is switched off, and needs a way in that needs no organization', async () => {
    await using off = await startTestApp()
    const browser = off.browser()
    await off.signIn(browser)
    assert.equal((await browser.get('/organizations/new')).status, 404)
    assert.equal((await browser.post('/organizations', { name: 'A', slug: 'a' })).status, 404)
    assert.throws(
      () =>
        readConfig({ ...testSettings('https://app.example'), SALLYPORT_ORGANIZATIONS: 'anybody' }),
      (error: unknown) =>
        error instanceof ConfigError && /SALLYPORT_PERSONAL_SIGN_IN is off/.test(error.message),
    )
  })
})

describe('leaving an organization', () => {
  let app: TestApp
  before(async () => (app = await startTestApp({ env })))
  after(() => app.close())

  const acme = () => app.acme.id

  it('whoever wants to go may, without having proven anything to it, and is asked first', async () => {
    const { db } = app.sallyport.services
    const userId = await makeAccount(app, 'Lea', 'lea@example.com')
    await addMember(db, { organizationId: acme(), userId, role: 'member' }, app.clock.now())
    await db
      .updateTable('organizations')
      .set({ sso_required_since: app.clock.now() })
      .where('id', '=', acme())
      .execute()
    const browser = app.browser()
    await signInByMail(app, browser, 'lea@example.com')
    const account = await readPage(await browser.get('/account'))
    const link = account.links.find((one) => one.endsWith('/leave'))!
    assert.match(account.text, /It asks for its own sign-in/)
    const asked = await readPage(await browser.get(link))
    assert.match(asked.text, /has to invite you again/)
    assert.equal((await browser.post(link)).status, 303)
    const row = await db
      .selectFrom('memberships')
      .select(['removed_at', 'removed_reason'])
      .where('user_id', '=', userId)
      .executeTakeFirstOrThrow()
    assert.equal(row.removed_reason, 'left')
    assert.equal((await browser.get(link)).status, 404)
    assert.equal((await browser.post(link)).status, 404)
  })

  it('ADM-08 not the last owner, and nobody else for them', async () => {
    const { db } = app.sallyport.services
    const userId = await makeAccount(app, 'Last', 'last@example.com')
    const browser = app.browser()
    await signInByMail(app, browser, 'last@example.com')
    await browser.post('/organizations', { name: 'Mine', slug: 'mine' })
    const { id } = await db
      .selectFrom('organizations')
      .select('id')
      .where('slug', '=', 'mine')
      .executeTakeFirstOrThrow()
    assert.equal((await browser.post(`/account/organizations/${id}/leave`)).status, 409)
    const stranger = app.browser()
    await app.signIn(stranger, 'stranger')
    assert.equal((await stranger.post(`/account/organizations/${id}/leave`)).status, 404)
    const still = await db
      .selectFrom('memberships')
      .select('removed_at')
      .where('user_id', '=', userId)
      .executeTakeFirstOrThrow()
    assert.equal(still.removed_at, null)
  })
})

describe('an organization’s policy', () => {
  let app: TestApp
  let browser: Browser
  before(async () => {
    app = await startTestApp({ env })
    await makeAccount(app, 'Polly', 'polly@example.com')
    browser = app.browser()
    await signInByMail(app, browser, 'polly@example.com')
    await browser.post('/organizations', { name: 'Prime', slug: 'prime' })
  })
  after(() => app.close())
  const row = () =>
    app.sallyport.services.db
      .selectFrom('organizations')
      .selectAll()
      .where('slug', '=', 'prime')
      .executeTakeFirstOrThrow()
  const post = (path: string, form: Record<string, string>) =>
    browser.post(`/organizations/prime/policy/${path}`, form)

  it('limits of sessions are saved, shown, hold at once, and are in the audit', async () => {
    const saved = await post('sessions', {
      idleMinutes: '15',
      absoluteMinutes: '',
      reauthMinutes: '',
      keepSignedIn: 'yes',
    })
    assert.equal(saved.status, 303)
    const { idle_minutes, absolute_minutes, keep_signed_in } = await row()
    assert.deepEqual([idle_minutes, absolute_minutes, keep_signed_in], [15, null, true])
    const page = await readPage(await browser.get('/organizations/prime/policy'))
    assert.match(page.html, /name="idleMinutes"[^>]*value="15"/)
    const audit = await readPage(await browser.get('/organizations/prime/audit'))
    assert.match(audit.text, /organization\.policy_changed.*idleMinutes: 15/)
  })

  it('a limit that is none, or out of bounds, changes nothing', async () => {
    const before = await row()
    for (const idleMinutes of ['4', '43201', '-5', '5.5', '1e2', 'x'])
      assert.equal((await post('sessions', { idleMinutes })).status, 422, idleMinutes)
    assert.deepEqual(await row(), before)
  })

  it('ORG-07 new members become members or admins, never owners', async () => {
    assert.equal((await post('members', { defaultRole: 'admin' })).status, 303)
    assert.equal((await row()).default_role, 'admin')
    for (const defaultRole of ['owner', 'Admin', 'admin,owner', ''])
      assert.equal((await post('members', { defaultRole })).status, 400, defaultRole)
    assert.equal((await row()).default_role, 'admin')
  })

  it('its name is changed and its address stays', async () => {
    assert.equal((await post('name', { name: 'Prime Time' })).status, 303)
    assert.equal((await post('name', { name: 'https://evil' })).status, 422)
    assert.deepEqual([(await row()).name, (await row()).slug], ['Prime Time', 'prime'])
  })
})

describe('members for programs', () => {
  it('S1-19 flags say whether a member is linked, and whether the provider has disowned them', async () => {
    await using app = await startTestApp()
    const browser = app.browser()
    await app.signIn(browser, 'alice')
    await app.signIn(app.browser(), 'bob')
    const { db } = app.sallyport.services
    await db.updateTable('memberships').set({ role: 'owner' }).execute()
    const { members } = (await (await browser.api('/api/organizations/acme/members')).json()) as {
      members: { name: string; flags: Record<string, boolean> }[]
    }
    assert.deepEqual(
      members.map(({ name, flags }) => [name, flags]),
      ['alice', 'bob'].map((name) => [name, { 'sso:linked': true, 'sso:invalid': false }]),
    )
    await db
      .updateTable('memberships')
      .set({ link_state: 'revoked' })
      .where('user_id', 'in', db.selectFrom('users').select('id').where('name', '=', 'bob'))
      .execute()
    const answer = await browser.api('/api/organizations/acme/members?state=revoked')
    const revoked = (await answer.json()) as { members: { flags: unknown }[] }
    assert.deepEqual(
      revoked.members.map(({ flags }) => flags),
      [{ 'sso:linked': false, 'sso:invalid': true }],
    )
  })
})
