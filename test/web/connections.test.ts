import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { startDevelopmentProvider, type DevelopmentProvider } from '../../dev/provider.ts'
import { findConnection, readSettings } from '../../src/accounts/connections.ts'
import { createOrganization, type Role } from '../../src/accounts/organizations.ts'
import { hours, minutes } from '../../src/lib/clock.ts'
import { changeRole, suspendPerson } from '../../src/sessions/revoke.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import { refreshOf, type Browser } from '../_browser.ts'

describe('setting a connection up', () => {
  let app: TestApp
  let provider: DevelopmentProvider
  let n = 0
  let slug: string
  let organizationId: string
  let base: string
  /** Through which administrators sign in; it is not the one that is set up. */
  let door: string

  before(async () => {
    provider = await startDevelopmentProvider({ redirectUris: [] })
    app = await startTestApp()
  })
  after(async () => {
    await app.close()
    await provider.close()
  })
  beforeEach(async () => {
    const { db, clock } = app.sallyport.services
    app.clock.advance(minutes(11))
    slug = `org-${++n}`
    base = `/organizations/${slug}/connections`
    const made = await createOrganization(db, { slug, name: `Org ${n}` }, clock.now())
    organizationId = made.id
    door = await app.connect({ organizationId, name: 'The door' })
  })

  const services = () => app.sallyport.services
  const joiningOf = (id: string) => `/organizations/${slug}/joining/${id}`
  const idOf = async (browser: Browser) =>
    ((await (await browser.api('/me')).json()) as { user: { id: string } }).user.id
  const as = async (role: Role, subject = `${role}-${n}`) => {
    const browser = app.browser()
    await app.signIn(browser, subject, { connectionId: door })
    const userId = await idOf(browser)
    await changeRole(services(), { organizationId, userId, role }, {}, app.clock.now())
    return { browser, userId }
  }
  const good = () => ({
    issuer: provider.issuer,
    clientId: provider.clientId,
    clientSecret: provider.clientSecret,
  })
  const draft = async (browser: Browser): Promise<string> => {
    const begun = await browser.post(base, { preset: 'oidc', name: 'Fresh' })
    const to = begun.headers.get('location') ?? assert.fail(await begun.text())
    return /connections\/([^/]+)\/settings$/.exec(to)?.[1] ?? assert.fail(to)
  }
  const drafted = async (browser: Browser): Promise<string> => {
    const id = await draft(browser)
    const saved = await browser.post(`${base}/${id}/settings`, good())
    assert.equal(saved.status, 303, await saved.text())
    return id
  }
  const beginTest = async (browser: Browser, path: string): Promise<string> =>
    refreshOf(await browser.post(`${path}/test`)).searchParams.get('state') ?? assert.fail()
  /** All the way through a test sign-in; answers the page that shows how it went. */
  const test = async (
    browser: Browser,
    id: string,
    subject = 'somebody',
    path = `${base}/${id}`,
  ) => {
    const state = await beginTest(browser, path)
    const back = await app.comeBack(browser, state, subject, id)
    const to = back.headers.get('location') ?? assert.fail(await back.text())
    assert.ok(to.startsWith(`${path}/test?state=`), to)
    const shown = await browser.get(to)
    return { state, status: shown.status, page: await shown.text() }
  }
  const stateOf = async (id: string) => (await findConnection(services().db, id))?.state
  const activate = async (browser: Browser): Promise<string> => {
    const id = await drafted(browser)
    await test(browser, id)
    assert.equal((await browser.post(`${base}/${id}/activate`)).status, 303)
    return id
  }
  const actions = async () =>
    (
      await services()
        .db.selectFrom('audit_events')
        .select('action')
        .where('organization_id', '=', organizationId)
        .orderBy('id')
        .execute()
    ).map(({ action }) => action)

  it('SSO-112 S0-19 goes from draft to tested to active, and says what comes next', async () => {
    const { browser } = await as('admin')
    const id = await draft(browser)
    const page = await (await browser.get(`${base}/${id}/settings`)).text()
    assert.match(page, new RegExp(`${app.origin}/sso/${id}/callback`))
    assert.equal((await browser.post(`${base}/${id}/settings`, good())).status, 303)
    const ready = await (await browser.get(`${base}/${id}`)).text()
    assert.match(ready, /Test it/)
    assert.match(ready, new RegExp(provider.issuer))
    assert.match(ready, /set, and never shown/)
    assert.equal(await stateOf(id), 'draft')
    const { page: shown } = await test(browser, id, 'alice')
    assert.match(shown, /The test sign-in worked/)
    assert.match(shown, /alice@acme\.example/)
    assert.equal(await stateOf(id), 'tested')
    assert.equal((await browser.post(`${base}/${id}/activate`)).status, 303)
    assert.equal(await stateOf(id), 'active')
    const done = await actions()
    const expected = ['created', 'saved', 'tested', 'activated'].map((what) => `connection.${what}`)
    assert.deepEqual(done.filter((action) => action.startsWith('connection.')).slice(-4), expected)
  })

  it('ADM-02 only settings that were tested can be switched on', async () => {
    const { browser } = await as('admin')
    const id = await drafted(browser)
    assert.equal((await browser.post(`${base}/${id}/activate`)).status, 409)
    await test(browser, id)
    // Other settings: what was tested is not what would be used.
    assert.equal((await browser.post(`${base}/${id}/settings`, good())).status, 303)
    assert.equal(await stateOf(id), 'draft')
    assert.equal((await browser.post(`${base}/${id}/activate`)).status, 409)
    assert.equal(await stateOf(id), 'draft')
  })

  it('ADM-02 a test of earlier settings, finished after others were saved, tests nothing', async () => {
    const { browser } = await as('admin')
    const id = await drafted(browser)
    const state = await beginTest(browser, `${base}/${id}`)
    await browser.post(`${base}/${id}/settings`, good())
    await app.comeBack(browser, state, 'alice', id)
    assert.equal(await stateOf(id), 'draft')
    assert.equal((await browser.post(`${base}/${id}/activate`)).status, 409)
  })

  it('ADM-02 PIP-13 CSR-08 a test counts only for the administrator who began it, in the same browser, while they are one', async () => {
    const { browser, userId } = await as('admin')
    const { browser: other } = await as('admin', `other-${n}`)
    const id = await drafted(browser)
    const state = await beginTest(browser, `${base}/${id}`)
    // Another browser.
    assert.equal((await app.comeBack(other, state, 'alice', id)).status, 400)
    // Signed out in the meantime.
    const left = browser.clone()
    left.cookies.delete([...left.cookies.keys()].find((name) => name.includes('Http'))!)
    await app.comeBack(left, state, 'alice', id)
    assert.equal(await stateOf(id), 'draft')
    // An administrator no more.
    const second = await beginTest(browser, `${base}/${id}`)
    await changeRole(services(), { organizationId, userId, role: 'member' }, {}, app.clock.now())
    await app.comeBack(browser, second, 'alice', id)
    assert.equal(await stateOf(id), 'draft')
  })

  it('S0-17 SSO-115 a test that fails says which check it was and how to mend it, and leaves a draft', async () => {
    const { browser } = await as('admin')
    const id = await drafted(browser)
    app.provider.refuseNext('sso_failed', 'token: invalid_client')
    const { page } = await test(browser, id)
    assert.match(page, /did not work/)
    assert.match(page, /does not accept the client id and secret/)
    assert.match(page, /<code><bdi>token: invalid_client<\/bdi><\/code\s*>/)
    assert.equal(await stateOf(id), 'draft')
    const reference = /Reference <code>([^<]+)</.exec(page)?.[1]
    const told = await browser.get(`/organizations/${slug}/sign-ins/${reference}`)
    assert.match(await told.text(), /Test sign-in: refused/)
  })

  it('a test signs nobody in and links nothing', async () => {
    const { browser, userId } = await as('admin')
    const id = await drafted(browser)
    await test(browser, id, 'stranger')
    assert.equal(await idOf(browser), userId)
    const linked = await services()
      .db.selectFrom('identities')
      .select('id')
      .where('connection_id', '=', id)
      .execute()
    assert.deepEqual(linked, [])
  })

  it('S0-05 PIP-15 a test is not a sign-in, and a sign-in is not a test', async () => {
    const { browser } = await as('admin')
    const id = await activate(browser)
    const login = await app.begin(app.browser(), { connectionId: id })
    const shown = await browser.get(`${base}/${id}/test?state=${login}`)
    assert.doesNotMatch(await shown.text(), /worked/)
    const state = await beginTest(browser, `${base}/${id}`)
    assert.equal((await browser.get(`/sso/${id}/continue?state=${state}`)).status, 400)
    assert.equal((await browser.get(`/register?state=${state}`)).status, 400)
  })

  it('S0-19 SSO-117 what was tested is linked to the administrator who began, never by its address, and only when they say so', async () => {
    const { browser, userId } = await as('owner')
    const id = await drafted(browser)
    app.provider.people.set('victim', { claims: { name: 'V', email: 'bob@acme.example' } })
    const { state } = await test(browser, id, 'victim')
    const linked = await browser.post(`${base}/${id}/test/own`, { state })
    assert.equal(linked.status, 303)
    // Pressed twice.
    assert.equal((await browser.post(`${base}/${id}/test/own`, { state })).status, 303)
    const rows = await services()
      .db.selectFrom('identities')
      .select(['user_id', 'subject'])
      .where('connection_id', '=', id)
      .execute()
    assert.deepEqual(rows, [{ user_id: userId, subject: 'victim' }])
    const member = await services()
      .db.selectFrom('memberships')
      .select('link_state')
      .where('user_id', '=', userId)
      .where('organization_id', '=', organizationId)
      .executeTakeFirst()
    assert.equal(member?.link_state, 'linked')
  })

  it('S0-19 CVE-2026-42354 another administrator does not get what one has tested', async () => {
    const { browser } = await as('owner')
    const { browser: other } = await as('admin', `other-${n}`)
    const id = await drafted(browser)
    const { state } = await test(browser, id, 'alice')
    assert.equal((await other.post(`${base}/${id}/test/own`, { state })).status, 400)
    assert.doesNotMatch(
      await (await other.get(`${base}/${id}/test?state=${state}`)).text(),
      /alice/,
    )
    // The same browser, and somebody else signed in there by now.
    const shared = browser.clone()
    const session = [...other.cookies].find(([name]) => name.includes('Http'))!
    shared.cookies.set(...session)
    assert.equal((await shared.post(`${base}/${id}/test/own`, { state })).status, 400)
    const rows = await services()
      .db.selectFrom('identities')
      .select('id')
      .where('connection_id', '=', id)
      .execute()
    assert.deepEqual(rows, [])
  })

  it('LNK-05 an identity that is somebody else’s stays theirs', async () => {
    const { browser } = await as('owner')
    const { browser: other } = await as('admin', `other-${n}`)
    const id = await drafted(browser)
    const first = await test(browser, id, 'alice')
    await browser.post(`${base}/${id}/test/own`, { state: first.state })
    const second = await test(other, id, 'alice')
    const refused = await other.post(`${base}/${id}/test/own`, { state: second.state })
    assert.equal(refused.status, 409)
    const third = await test(browser, id, 'another')
    assert.equal((await browser.post(`${base}/${id}/test/own`, { state: third.state })).status, 409)
  })

  it('settings that cannot work are told in sentences, and nothing is saved', async () => {
    const { browser } = await as('admin')
    const id = await draft(browser)
    const wrong = { ...good(), issuer: `${provider.issuer}/nowhere` }
    const refused = await browser.post(`${base}/${id}/settings`, wrong)
    const page = await refused.text()
    assert.equal(refused.status, 422)
    assert.match(page, /issuer: Its discovery document cannot be read/)
    assert.doesNotMatch(page, new RegExp(provider.clientSecret))
    assert.match(page, /nowhere/)
    const empty = await (await browser.post(`${base}/${id}/settings`, {})).text()
    assert.match(empty, /clientId: Fill this in/)
    assert.deepEqual(await readSettings(services().db, services().sealer, id), {})
    assert.match(await (await browser.get(`${base}/${id}`)).text(), /Enter what the provider gives/)
  })

  it('ADM-05 a secret is never shown again, and stays when it is left empty', async () => {
    const { browser } = await as('admin')
    const id = await drafted(browser)
    for (const rest of ['', '/settings'])
      assert.doesNotMatch(
        await (await browser.get(`${base}/${id}${rest}`)).text(),
        new RegExp(provider.clientSecret),
      )
    const { clientSecret, ...others } = good()
    assert.equal((await browser.post(`${base}/${id}/settings`, others)).status, 303)
    const settings = (await readSettings(services().db, services().sealer, id)) as object
    assert.equal('clientSecret' in settings && settings.clientSecret, clientSecret)
  })

  it('LNK-12 a connection through which people are linked keeps its provider', async () => {
    const { browser } = await as('owner')
    const second = await startDevelopmentProvider({ redirectUris: [] })
    try {
      const id = await activate(browser)
      await app.signIn(app.browser(), 'carol', { connectionId: id })
      await browser.post(joiningOf(id), { provisioning: 'everybody', rules: '' })
      await app.signIn(app.browser(), 'carol', { connectionId: id })
      const { issuer, clientId, clientSecret } = second
      const changed = await browser.post(`${base}/${id}/settings`, {
        issuer,
        clientId,
        clientSecret,
      })
      assert.equal(changed.status, 422)
      assert.match(await changed.text(), /Make a second connection/)
      // A draft that nobody is linked through may go anywhere.
      const fresh = await drafted(browser)
      const moved = { issuer, clientId, clientSecret }
      assert.equal((await browser.post(`${base}/${fresh}/settings`, moved)).status, 303)
    } finally {
      await second.close()
    }
  })

  it('new settings of a connection in use wait until they are tested, and nobody is kept out meanwhile', async () => {
    const { browser } = await as('owner')
    const id = await activate(browser)
    await browser.post(joiningOf(id), { provisioning: 'everybody', rules: '' })
    const carol = app.browser()
    await app.signIn(carol, 'carol', { connectionId: id })
    const before = (await findConnection(services().db, id))!.configVersion
    assert.equal((await browser.post(`${base}/${id}/settings`, good())).status, 303)
    assert.equal((await findConnection(services().db, id))?.configVersion, before)
    assert.equal((await carol.get('/account')).status, 200)
    const version = String(before + 1)
    assert.equal((await browser.post(`${base}/${id}/versions`, { version })).status, 409)
    await test(browser, id)
    assert.match(await (await browser.get(`${base}/${id}`)).text(), /Use the new settings/)
    assert.equal((await browser.post(`${base}/${id}/versions`, { version })).status, 303)
    assert.equal((await findConnection(services().db, id))?.configVersion, before + 1)
    assert.equal(await stateOf(id), 'active')
    assert.equal((await carol.get('/account')).status, 303)
  })

  it('SSO-121 switching off asks, ends what sessions prove through it, and keeps who is linked', async () => {
    const { browser } = await as('owner')
    const id = await activate(browser)
    await browser.post(joiningOf(id), { provisioning: 'everybody', rules: '' })
    const carol = app.browser()
    await app.signIn(carol, 'carol', { connectionId: id })
    const asks = await (await browser.get(`${base}/${id}/disable`)).text()
    assert.match(asks, /1 member is linked through\s+it, and <strong>1<\/strong>/)
    assert.doesNotMatch(asks, /requires its own sign-in/)
    const { db, clock } = services()
    const required = (at: Date | null) =>
      db
        .updateTable('organizations')
        .set({ sso_required_since: at })
        .where('id', '=', organizationId)
        .execute()
    await required(clock.now())
    const warns = await (await browser.get(`${base}/${id}/disable`)).text()
    assert.match(
      warns,
      /requires its own sign-in.*\s+With this, \d+ of \d+ members cannot get in any/,
    )
    await required(null)
    assert.equal(await stateOf(id), 'active')
    assert.equal((await browser.post(`${base}/${id}/disable`)).status, 303)
    assert.equal((await carol.get('/account')).status, 303)
    assert.equal((await carol.post(`/sso/${id}/start`)).status, 403)
    assert.equal((await browser.post(`${base}/${id}/enable`)).status, 303)
    // What ended stays ended; who is linked is who they were.
    assert.equal((await carol.get('/account')).status, 303)
    await app.signIn(carol, 'carol', { connectionId: id })
    assert.equal((await carol.get('/account')).status, 200)
  })

  it('LNK-10 deleting leaves nothing to sign in through, and the same provider begins from nothing', async () => {
    const { browser } = await as('owner')
    const id = await activate(browser)
    await browser.post(joiningOf(id), { provisioning: 'everybody', rules: '' })
    await app.signIn(app.browser(), 'carol', { connectionId: id })
    assert.equal((await browser.post(`${base}/${id}/delete`)).status, 409)
    await browser.post(`${base}/${id}/disable`)
    assert.equal((await browser.post(`${base}/${id}/delete`)).status, 303)
    assert.equal((await browser.get(`${base}/${id}`)).status, 404)
    assert.equal((await app.browser().post(`/sso/${id}/start`)).status, 404)
    const { rows: kept } = {
      rows: await services()
        .db.selectFrom('connection_versions')
        .select('version')
        .where('connection_id', '=', id)
        .execute(),
    }
    assert.deepEqual(kept, [])
    const again = await activate(browser)
    assert.notEqual(again, id)
    const back = await app.signIn(app.browser(), 'carol', { connectionId: again })
    assert.equal(back.status, 403)
  })

  it('transitions there are no others: every act in every state', async () => {
    const { browser } = await as('owner')
    const allowed: Record<string, string[]> = {
      draft: ['delete'],
      tested: ['activate', 'delete'],
      active: ['disable'],
      disabled: ['enable', 'delete'],
    }
    for (const [state, acts] of Object.entries(allowed))
      for (const act of ['activate', 'enable', 'disable', 'delete']) {
        const id = await app.connect({ organizationId, state: 'draft' })
        await services()
          .db.updateTable('connections')
          .set({ state, tested_version: 1 })
          .where('id', '=', id)
          .execute()
        const { status } = await browser.post(`${base}/${id}/${act}`)
        assert.equal(status, acts.includes(act) ? 303 : 409, `${act} when ${state}`)
      }
  })

  it('who would be locked out is shown before anything is required', async () => {
    const { browser } = await as('owner')
    const id = await activate(browser)
    await browser.post(joiningOf(id), { provisioning: 'everybody', rules: '' })
    await app.signIn(app.browser(), `new-${n}`, { connectionId: id })
    const page = await (await browser.get(`${base}/${id}/people`)).text()
    assert.match(page, /<strong>1<\/strong> of 2 members could go on/)
    assert.match(page, new RegExp(`<bdi>owner-${n}</bdi>`))
    assert.match(page, /Signs in through <bdi>The door<\/bdi> now/)
    const door_ = await (await browser.get(`${base}/${door}/people`)).text()
    assert.match(door_, new RegExp(`<bdi>new-${n}</bdi>`))
  })

  it('role rules are shown at work in a test', async () => {
    const { browser } = await as('owner')
    const id = await drafted(browser)
    const saved = await browser.post(joiningOf(id), {
      provisioning: 'invited',
      rules: 'admin: groups = it',
    })
    assert.equal(saved.status, 303)
    assert.match(await (await browser.get(`${base}/${id}`)).text(), /Whoever you invite/)
    app.provider.people.set('alice', { claims: { name: 'Alice', groups: ['it'] } })
    const shown = await test(browser, id, 'alice')
    assert.match(shown.page, /admin, by rule 1/)
  })

  it('is renamed', async () => {
    const { browser } = await as('admin')
    const id = await draft(browser)
    assert.equal((await browser.post(`${base}/${id}/rename`, { name: ' New  ' })).status, 303)
    assert.equal((await findConnection(services().db, id))?.name, 'New')
    assert.equal((await browser.post(`${base}/${id}/rename`, { name: ' ' })).status, 400)
  })

  it('SSO-127 a provider that there is none of is refused', async () => {
    const { browser } = await as('admin')
    assert.equal((await browser.post(base, { preset: 'constructor' })).status, 400)
  })

  it('ADM-01 SSO-118 nobody reaches another organization’s connection below their own address, nor any without a recent sign-in', async () => {
    const { browser } = await as('owner')
    const id = await drafted(browser)
    const acts = [
      'settings',
      'test',
      'test/own',
      'activate',
      'enable',
      'disable',
      'delete',
      'rename',
      'versions',
      'links',
      'links/withdraw',
    ]
    // The connection of another organization, below one's own address.
    const elsewhere = app.connectionId
    assert.equal((await browser.get(`${base}/${elsewhere}`)).status, 404)
    for (const act of acts)
      assert.equal((await browser.post(`${base}/${elsewhere}/${act}`)).status, 404, act)
    app.clock.advance(hours(1))
    assert.equal((await browser.get(`${base}/${id}`)).status, 303)
    assert.equal(await stateOf(id), 'draft')
  })

  describe('by a set-up link', () => {
    const make = async (browser: Browser, id: string): Promise<string> => {
      const page = await (await browser.post(`${base}/${id}/links`)).text()
      return /\/setup\/([\w-]{43})</.exec(page)?.[1] ?? assert.fail(page)
    }

    it('somebody without an account enters the settings and tests them, and can do nothing else', async () => {
      const { browser } = await as('owner')
      const id = await draft(browser)
      const token = await make(browser, id)
      const it = app.browser()
      const path = `/setup/${token}`
      assert.match(await (await it.get(path)).text(), /Enter the settings/)
      assert.equal((await it.post(`${path}/settings`, good())).status, 303)
      const { page } = await test(it, id, 'alice', path)
      assert.match(page, /The test sign-in worked/)
      assert.doesNotMatch(page, /Link it to my account/)
      // It worked, and yet only an administrator's own test lets it be switched on.
      assert.equal(await stateOf(id), 'draft')
      assert.match(await (await browser.get(`${base}/${id}`)).text(), /A test by way of it worked/)
      assert.equal((await it.post(`${base}/${id}/activate`)).status, 401)
      assert.equal((await it.get(`${base}/${id}`)).status, 303)
      const told = await services()
        .db.selectFrom('audit_events')
        .select(['action', 'actor_id', 'data'])
        .where('organization_id', '=', organizationId)
        .where('action', 'in', ['connection.saved', 'connection.tested'])
        .execute()
      assert.equal(told.length, 2)
      for (const { actor_id, data } of told) {
        assert.equal(actor_id, null)
        assert.ok((data as { link?: string }).link)
      }
    })

    it('a link that is unknown, withdrawn, too old or of a deleted connection is the same nothing', async () => {
      const { browser } = await as('owner')
      const id = await draft(browser)
      const token = await make(browser, id)
      const it = app.browser()
      const page = await (await browser.get(`${base}/${id}`)).text()
      const link = /name="link" value="([^"]+)"/.exec(page)?.[1] ?? assert.fail()
      assert.equal((await it.get(`/setup/${token}`)).status, 200)
      await browser.post(`${base}/${id}/links/withdraw`, { link })
      const second = await make(browser, id)
      app.clock.advance(hours(24 * 7) + 1)
      const { browser: later } = await as('owner')
      const third = await make(later, id)
      await later.post(`${base}/${id}/delete`)
      for (const dead of [token, second, third, 'A'.repeat(43), 'x'])
        for (const rest of ['', '/settings', '/test'])
          assert.equal((await app.browser().get(`/setup/${dead}${rest}`)).status, 404, rest)
      assert.equal((await it.post(`/setup/${second}/settings`, good())).status, 404)
    })

    it('is withdrawn by nobody else’s administrator', async () => {
      const { browser } = await as('owner')
      const id = await draft(browser)
      const token = await make(browser, id)
      const page = await (await browser.get(`${base}/${id}`)).text()
      const link = /name="link" value="([^"]+)"/.exec(page)?.[1] ?? assert.fail()
      const { db, clock } = services()
      const evil = await createOrganization(db, { slug: `evil-${n}`, name: 'Evil' }, clock.now())
      const theirs = await app.connect({ organizationId: evil.id })
      const thief = app.browser()
      await app.signIn(thief, 'thief', { connectionId: theirs })
      const userId = await idOf(thief)
      await changeRole(
        services(),
        { organizationId: evil.id, userId, role: 'owner' },
        {},
        clock.now(),
      )
      await thief.post(`/organizations/evil-${n}/connections/${theirs}/links/withdraw`, { link })
      assert.equal((await app.browser().get(`/setup/${token}`)).status, 200)
    })

    it('PIP-11 guesses are counted, and checks too', async () => {
      const { browser } = await as('owner')
      const id = await draft(browser)
      const token = await make(browser, id)
      const it = app.browser()
      for (let i = 0; i < 20; i++) await it.post(`/setup/${token}/settings`, {})
      assert.equal((await it.post(`/setup/${token}/settings`, good())).status, 429)
      const guesser = app.browser()
      for (let i = 0; i < 30; i++) await guesser.get(`/setup/${'A'.repeat(43)}`)
      assert.equal((await guesser.get(`/setup/${'A'.repeat(43)}`)).status, 429)
      assert.equal((await it.get(`/setup/${token}`)).status, 200)
    })

    it('its test is not an administrator’s, and an administrator’s is not its', async () => {
      const { browser } = await as('owner')
      const id = await drafted(browser)
      const token = await make(browser, id)
      const { state } = await test(browser, id, 'alice')
      assert.equal((await browser.get(`/setup/${token}/test?state=${state}`)).status, 404)
      const other = await test(browser, id, 'bob', `/setup/${token}`)
      assert.equal((await browser.get(`${base}/${id}/test?state=${other.state}`)).status, 404)
      assert.equal(
        (await browser.post(`${base}/${id}/test/own`, { state: other.state })).status,
        400,
      )
    })
  })

  it('a suspended administrator’s test counts for nothing', async () => {
    const { browser, userId } = await as('admin')
    const id = await drafted(browser)
    const state = await beginTest(browser, `${base}/${id}`)
    await suspendPerson(services(), userId, {}, app.clock.now())
    await app.comeBack(browser, state, 'alice', id)
    assert.equal(await stateOf(id), 'draft')
  })
})
