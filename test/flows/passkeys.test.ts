import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { addVerifiedEmail } from '../../src/accounts/emails.ts'
import { policyWithScript } from '../../src/http/headers.ts'
import { minutes } from '../../src/lib/clock.ts'
import { passkeyScriptPath } from '../../src/web/passkey-script.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import { Authenticator, type Quirks } from '../_authenticator.ts'
import type { Browser } from '../_browser.ts'
import { describeEveryRim } from '../_rims.ts'

const start = (options: Parameters<typeof startTestApp>[0] = {}) =>
  startTestApp({ ...options, env: { SALLYPORT_PERSONAL_SIGN_IN: 'members' } })

/** The options a page asks the browser's passkeys with, and the handle in its form. */
async function asked(response: Response) {
  const html = await response.text()
  assert.equal(response.status, 200, html)
  const options = /data-options="([^"]*)"/.exec(html)![1]!.replaceAll('&quot;', '"')
  const state = /name="state" value="([^"]*)"/.exec(html)![1]!
  return { options: JSON.parse(options), state }
}

/** Adds a passkey to whoever is signed in. */
async function add(app: TestApp, browser: Browser, quirks: Quirks = {}, name = 'Laptop') {
  const passkey = new Authenticator(app.origin)
  const { options, state } = await asked(await browser.post('/account/passkeys/new'))
  const credential = passkey.create(options, quirks)
  const response = await browser.post('/account/passkeys', { state, credential, name })
  return { passkey, response, state, credential }
}

async function use(browser: Browser, passkey: Authenticator, quirks: Quirks = {}) {
  const { options, state } = await asked(await browser.post('/login/passkey', { return_to: '/a' }))
  const credential = passkey.get(options, quirks)
  const response = await browser.post('/login/passkey/finish', { state, credential })
  return { response, state, credential }
}

async function nameOf(browser: Browser): Promise<string | undefined> {
  const response = await browser.api('/me')
  return response.status === 200
    ? ((await response.json()) as { user: { name: string } }).user.name
    : undefined
}

async function refusals(app: TestApp): Promise<unknown[]> {
  const events = app.sallyport.services.db.selectFrom('audit_events').selectAll()
  const rows = await events.where('action', '=', 'passkey.refused').orderBy('id').execute()
  return rows.map(({ data }) => (data as { reason: string }).reason)
}

describeEveryRim('a passkey', (rim) => {
  let app: TestApp
  before(async () => {
    app = await start({ rim })
  })
  after(() => app.close())

  it('signs in its person, without a name, to whatever does not require its own sign-on', async () => {
    const owner = app.browser()
    await app.signIn(owner, 'alice')
    const { passkey, response } = await add(app, owner)
    assert.equal(response.headers.get('location'), '/account')
    const browser = app.browser()
    const used = await use(browser, passkey)
    assert.deepEqual([used.response.status, used.response.headers.get('location')], [303, '/a'])
    const me = (await (await browser.api('/me')).json()) as {
      user: { name: string }
      organizations: { slug: string }[]
    }
    assert.deepEqual([me.user.name, me.organizations.map(({ slug }) => slug)], ['alice', ['acme']])
  })
})

describe('a passkey', () => {
  let app: TestApp
  let owner: Browser
  let passkey: Authenticator
  before(async () => {
    app = await start()
    owner = app.browser()
    await app.signIn(owner, 'alice')
    passkey = (await add(app, owner)).passkey
  })
  after(() => app.close())

  const hostile: Readonly<Record<string, () => Quirks>> = {
    'another origin': () => ({ origin: 'https://evil.example' }),
    'a sibling origin': () => ({ origin: 'https://evil.app.example' }),
    'plain http': () => ({ origin: 'http://app.example' }),
    'another host': () => ({ host: 'evil.example' }),
    'a frame of another site': () => ({ crossOrigin: true }),
    'somebody not verified': () => ({ verified: false }),
    'a registration': () => ({ type: 'webauthn.create' }),
    'another key': () => ({
      key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
    }),
    'another person’s handle': () => ({ userHandle: Buffer.alloc(16, 7).toString('base64url') }),
  }
  for (const [what, quirks] of Object.entries(hostile)) {
    it(`of ${what} is refused and told of`, async () => {
      const browser = app.browser()
      const told = (await refusals(app)).length
      const { response } = await use(browser, passkey, quirks())
      assert.equal(response.status, 403)
      assert.equal(await nameOf(browser), undefined)
      assert.equal((await refusals(app)).length, told + 1)
    })
  }

  it('that counts back is refused as a copy, and so is the same count', async () => {
    await use(app.browser(), passkey, { counter: 1000 })
    for (const counter of [1000, 999, 0]) {
      const browser = app.browser()
      const { response } = await use(browser, passkey, { counter })
      assert.equal(response.status, 403)
      assert.equal(await nameOf(browser), undefined)
      assert.equal((await refusals(app)).at(-1), 'counter_went_back')
    }
    passkey.counter = 1000
    assert.equal((await use(app.browser(), passkey)).response.status, 303)
  })

  it('answers a challenge once, in its own browser, in time', async () => {
    const browser = app.browser()
    const first = await use(browser, passkey)
    const again = { state: first.state, credential: first.credential }
    const thief = app.browser()
    await thief.get('/login')
    assert.equal((await thief.post('/login/passkey/finish', again)).status, 400)
    await browser.post('/logout')
    const replayed = await browser.post('/login/passkey/finish', again)
    assert.equal(replayed.headers.getSetCookie().filter((c) => /sallyport=\w/.test(c)).length, 0)
    assert.equal(await nameOf(browser), undefined)

    // The signature under another challenge.
    const next = await asked(await browser.post('/login/passkey'))
    const crossed = { state: next.state, credential: first.credential }
    assert.equal((await browser.post('/login/passkey/finish', crossed)).status, 403)
    // That challenge has been judged.
    const late = { state: next.state, credential: passkey.get(next.options) }
    assert.equal((await browser.post('/login/passkey/finish', late)).status, 403)

    const slow = await asked(await browser.post('/login/passkey'))
    app.clock.advance(minutes(11))
    const answer = { state: slow.state, credential: passkey.get(slow.options) }
    assert.equal((await browser.post('/login/passkey/finish', answer)).status, 400)
    assert.equal(await nameOf(browser), undefined)
  })

  for (const credential of ['', 'x', '{}', '[]', '{"id":"a","type":"public-key","response":{}}']) {
    it(`of no sense is refused: ${credential}`, async () => {
      const browser = app.browser()
      const { state } = await asked(await browser.post('/login/passkey'))
      const response = await browser.post('/login/passkey/finish', { state, credential })
      assert.equal(response.status, 403)
    })
  }

  it('is not added for another site, an unverified person or a challenge of somebody else', async () => {
    const bob = app.browser()
    await app.signIn(bob, 'bob')
    for (const quirks of [
      { origin: 'https://evil.example' },
      { host: 'evil.example' },
      { verified: false },
      { crossOrigin: true },
      { type: 'webauthn.get' },
    ])
      assert.equal((await add(app, bob, quirks)).response.status, 403)
    const begun = await asked(await bob.post('/account/passkeys/new'))
    await bob.post('/logout')
    await app.signIn(app.browser(), 'carl')
    await app.signIn(bob, 'carl')
    const credential = new Authenticator(app.origin).create(begun.options)
    const form = { state: begun.state, credential, name: 'x' }
    assert.equal((await bob.post('/account/passkeys', form)).status, 400)
    const { db } = app.sallyport.services
    assert.equal((await db.selectFrom('passkeys').select('id').execute()).length, 1)
  })

  it('LNK-05 of one account is not added to another', async () => {
    const eve = app.browser()
    await app.signIn(eve, 'eve')
    const { options, state } = await asked(await eve.post('/account/passkeys/new'))
    const credential = passkey.create(options)
    const form = { state, credential, name: 'mine now' }
    assert.equal((await eve.post('/account/passkeys', form)).status, 403)
    assert.equal((await refusals(app)).at(-1), 'known_already')
  })

  it('needs a recent sign-in to be added or removed', async () => {
    const browser = app.browser()
    await app.signIn(browser, 'dora')
    app.clock.advance(minutes(11))
    assert.equal((await browser.api('/me')).status, 200)
    const response = await browser.post('/account/passkeys/new', {}, { accept: 'application/json' })
    assert.notEqual(response.status, 200)
  })

  it('UIX-02 its pages alone may run a script, and only ours', async () => {
    const browser = app.browser()
    const page = await browser.post('/login/passkey')
    assert.equal(page.headers.get('content-security-policy'), policyWithScript)
    assert.match(await page.text(), new RegExp(`<script src="${passkeyScriptPath}" defer>`))
    const script = await browser.get(passkeyScriptPath)
    assert.match(script.headers.get('content-type') ?? '', /^text\/javascript/)
    for (const path of ['/login', '/login/mail', '/nowhere', '/login/passkey/finish'])
      assert.doesNotMatch(
        (await browser.get(path)).headers.get('content-security-policy') ?? '',
        /script/,
      )
  })
})

describe('removing a passkey', () => {
  const idsOf = async (app: TestApp) =>
    (
      await app.sallyport.services.db
        .selectFrom('passkeys')
        .select('id')
        .orderBy('created_at')
        .orderBy('id')
        .execute()
    ).map(({ id }) => id)
  const remove = (browser: Browser, id: string) => browser.post(`/account/passkeys/${id}/remove`)

  it('ends the sessions that began with it, and nobody else’s can be removed', async () => {
    await using app = await start()
    const [owner, elsewhere, other] = [app.browser(), app.browser(), app.browser()]
    await app.signIn(owner, 'alice')
    await app.signIn(other, 'bob')
    const { passkey } = await add(app, owner)
    await use(elsewhere, passkey)
    const [id = ''] = await idsOf(app)
    for (const path of [`/account/passkeys/${id}`, '/account/passkeys/x'])
      assert.equal((await other.get(path)).status, 404)
    assert.equal((await remove(other, id)).status, 404)
    assert.equal((await remove(other, 'x')).status, 404)
    assert.equal((await other.post(`/account/passkeys/${id}/rename`, { name: 'x' })).status, 404)
    assert.equal(await nameOf(elsewhere), 'alice')
    assert.equal((await remove(owner, id)).headers.get('location'), '/account')
    assert.equal(await nameOf(elsewhere), undefined)
    assert.equal(await nameOf(owner), 'alice')
    assert.equal((await use(app.browser(), passkey)).response.status, 403)
  })

  it('LNK-09 is refused for the only way in, and of two at once one is left', async () => {
    await using app = await start()
    const { db, clock } = app.sallyport.services
    const browser = app.browser()
    await app.signIn(browser, 'alice')
    const { passkey } = await add(app, browser, {}, 'One')
    await add(app, browser, {}, 'Two')
    await use(browser, passkey)
    // Alice has left her organization.
    await db.updateTable('memberships').set({ removed_at: clock.now() }).execute()
    const ids = await idsOf(app)
    const removed = await Promise.all(ids.map((id) => remove(browser, id)))
    assert.deepEqual(removed.map(({ status }) => status).toSorted(), [303, 409])
    const [last = ''] = await idsOf(app)
    assert.equal((await idsOf(app)).length, 1)
    assert.equal((await remove(browser, last)).status, 409)

    const { user_id: userId } = await db
      .selectFrom('passkeys')
      .select('user_id')
      .executeTakeFirstOrThrow()
    const address = 'alice@acme.example'
    await addVerifiedEmail(db, { userId, address, primary: false }, clock.now())
    assert.equal((await remove(browser, last)).status, 303)
  })
})
