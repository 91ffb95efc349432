import assert from 'node:assert/strict'
import crypto, { createHash } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { after, before, beforeEach, describe, it, mock } from 'node:test'
import { sql } from 'kysely'
import { newId } from '../../src/lib/ids.ts'
import { suspendPerson } from '../../src/sessions/revoke.ts'
import { hashToken, isToken, randomToken } from '../../src/lib/secrets.ts'
import type { PersonalProof, Proof } from '../../src/providers/proof.ts'
import { openSession } from '../../src/sessions/sessions.ts'
import { slideSessions } from '../../src/sessions/slides.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'

const cookie = '__Host-Http-sallyport'

describe('sessions', () => {
  let app: TestApp
  let browser: Browser

  before(async () => (app = await startTestApp()))
  after(() => app.close())
  beforeEach(() => (browser = app.browser()))

  const status = async (who: Browser) => (await who.api('/me')).status
  const events = async (action: string) =>
    app.sallyport.services.db
      .selectFrom('audit_events')
      .selectAll()
      .where('action', '=', action)
      .execute()
  const liveSessions = async () =>
    app.sallyport.services.db
      .selectFrom('sessions')
      .selectAll()
      .where('revoked_at', 'is', null)
      .execute()

  it('SES-01 S2-07 every token is 32 random bytes in base64url, and no two are alike', () => {
    const tokens = Array.from({ length: 100_000 }, () => randomToken())
    assert.equal(new Set(tokens).size, tokens.length)
    for (const token of tokens) assert.ok(token.length === 43 && isToken(token), token)
    // Each of the 43 places takes many values: no fixed part, no counter, no time.
    for (let place = 0; place < 43; place++) {
      const seen = new Set(tokens.slice(0, 2000).map((token) => token[place]))
      assert.ok(seen.size >= 16, `place ${place} takes ${seen.size} values`)
    }
  })

  it('REV-14 two Sallyports in one process, each with its own database, remember nothing of each other', async () => {
    await using other = await startTestApp()
    await app.signIn(browser)
    assert.deepEqual([await status(browser), await status(browser)], [200, 200])
    const stray = other.browser()
    for (const [name, value] of browser.cookies) stray.cookies.set(name, value)
    assert.equal(await status(stray), 401)
    const again = app.browser()
    for (const [name, value] of browser.cookies) again.cookies.set(name, value)
    assert.equal(await status(again), 200)
  })

  it('SES-02 a random generator that throws or answers short means no session: 503, no cookie, audited', async () => {
    const state = await app.begin(browser)
    const before = (await liveSessions()).length
    for (const broken of [
      () => {
        throw new Error('no entropy')
      },
      () => Buffer.alloc(3),
    ]) {
      const fake = mock.method(crypto, 'randomBytes', broken as never)
      syncBuiltinESMExports()
      try {
        const response = await app.browser().post(`/sso/${app.connectionId}/start`)
        assert.equal(response.status, 503)
        assert.deepEqual(response.headers.getSetCookie(), [])
      } finally {
        fake.mock.restore()
        syncBuiltinESMExports()
      }
    }
    assert.equal((await liveSessions()).length, before)
    assert.ok((await events('security.rng_failure')).length > 0)
    assert.equal((await app.comeBack(browser, state)).status, 303)
  })

  it('SEC-01 SES-03 SEED-13 S2-27 S2-30 nothing that travels as a secret is stored, and the cookie is one opaque token', async () => {
    const secrets: string[] = []
    for (let i = 0; i < 50; i++) {
      const one = app.browser()
      const state = await app.begin(one)
      await app.comeBack(one, state, `person-${i}`)
      secrets.push(state, ...one.cookies.values())
    }
    const { rows: tables } = await sql<{ name: string }>`
      select tablename as name from pg_tables where schemaname = 'public'`.execute(
      app.sallyport.services.db,
    )
    let dump = ''
    for (const { name } of tables) {
      const { rows } = await sql<{
        line: string
      }>`select t::text as line from ${sql.table(name)} t`.execute(app.sallyport.services.db)
      dump += rows.map(({ line }) => line).join('\n')
    }
    for (const secret of secrets) {
      assert.ok(isToken(secret, secret.length === 43 ? 32 : 16))
      for (const form of [
        secret,
        Buffer.from(secret).toString('hex'),
        Buffer.from(secret, 'base64url').toString('hex'),
      ])
        assert.ok(!dump.includes(form), 'a secret is in the database')
    }
    assert.ok(
      dump.includes(hashToken(secrets.at(-2)!).toString('hex')),
      'the dump holds the hashes',
    )
  })

  it('SES-04 a digest out of the database is no cookie', async () => {
    await app.signIn(browser)
    const digest = createHash('sha256').update(browser.cookies.get(cookie)!).digest('base64url')
    browser.cookies.set(cookie, digest)
    assert.equal(await status(browser), 401)
  })

  it('SES-05 SEED-04 a well-formed token that was never issued is none, and is never adopted', async () => {
    const planted = randomToken()
    browser.cookies.set(cookie, planted)
    assert.equal(await status(browser), 401)
    await app.signIn(browser)
    assert.notEqual(browser.cookies.get(cookie), planted)
    assert.equal(await status(browser), 200)
    browser.cookies.set(cookie, planted)
    assert.equal(await status(browser), 401)
  })

  it('SES-07 SES-08 SEED-29 SEED-32 signing in again rotates: a new token, the old one dead, one session for the browser', async () => {
    await app.signIn(browser, 'rotating')
    const thief = browser.clone()
    thief.cookies.delete(`${cookie}-browser`)
    const first = browser.cookies.get(cookie)
    const response = await app.signIn(browser, 'rotating')
    const set = response.headers.getSetCookie().filter((line) => line.startsWith(`${cookie}=`))
    assert.equal(set.length, 1)
    assert.notEqual(browser.cookies.get(cookie), first)
    assert.equal(await status(browser), 200)
    assert.equal(await status(thief), 401)
    const { user } = (await (await browser.api('/me')).json()) as { user: { id: string } }
    assert.equal((await liveSessions()).filter(({ user_id }) => user_id === user.id).length, 1)
    const rotations = await events('session.rotated')
    assert.ok(rotations.some(({ actor_id }) => actor_id === user.id))
  })

  it('SES-07 a session that somebody planted does not become the victim’s', async () => {
    const attacker = app.browser()
    await app.signIn(app.browser(), 'victim')
    await app.signIn(attacker, 'attacker')
    const planted = attacker.cookies.get(cookie)!
    browser.cookies.set(cookie, planted)
    const state = await app.begin(browser)
    const asked = await app.comeBack(browser, state, 'victim')
    assert.match(asked.headers.get('location') ?? '', /\/continue\?state=/)
    await browser.post(`/sso/${app.connectionId}/continue`, { state, choice: 'switch' })
    assert.notEqual(browser.cookies.get(cookie), planted)
    attacker.cookies.set(cookie, planted)
    assert.equal(await status(attacker), 401)
  })

  it('SES-09 SEED-34 S2-21 another person is asked before the first session ends; nothing is merged', async () => {
    await app.signIn(app.browser(), 'second')
    await app.signIn(browser, 'first')
    const asFirst = browser.clone()
    const state = await app.begin(browser)
    await app.comeBack(browser, state, 'second')
    assert.equal(await status(asFirst), 200, 'nothing ends before the answer')
    const page = await (
      await browser.get(`/sso/${app.connectionId}/continue?state=${state}`)
    ).text()
    assert.match(page, /first/)
    assert.match(page, /second/)
    const switched = await browser.post(`/sso/${app.connectionId}/continue`, {
      state,
      choice: 'switch',
    })
    assert.equal(switched.status, 303)
    assert.equal(await status(asFirst), 401)
    const { user } = (await (await browser.api('/me')).json()) as { user: { name: string } }
    assert.equal(user.name, 'second')
    assert.ok((await events('session.user_switched')).length > 0)
  })

  it('SES-09 who answers no stays signed in, and the new sign-in is over', async () => {
    await app.signIn(app.browser(), 'other')
    await app.signIn(browser, 'staying')
    const state = await app.begin(browser)
    await app.comeBack(browser, state, 'other')
    await browser.post(`/sso/${app.connectionId}/continue`, { state, choice: 'stay' })
    const { user } = (await (await browser.api('/me')).json()) as { user: { name: string } }
    assert.equal(user.name, 'staying')
    const again = await browser.post(`/sso/${app.connectionId}/continue`, {
      state,
      choice: 'switch',
    })
    assert.equal(again.status, 403)
  })

  it('SES-10 a token sent anywhere but in the cookie is ignored', async () => {
    await app.signIn(browser)
    const token = browser.cookies.get(cookie)!
    const stranger = app.browser()
    const tries = [
      stranger.api('/me', { headers: { authorization: `Bearer ${token}` } }),
      stranger.api(`/me?${cookie}=${token}`),
      stranger.api('/me', { headers: { 'x-session': token, [cookie]: token } }),
      stranger.api('/me', { headers: { 'sec-websocket-protocol': token } }),
      stranger.api(`/me;${cookie}=${token}`),
    ]
    const statuses = (await Promise.all(tries)).map((response) => response.status)
    assert.deepEqual(statuses, [401, 401, 401, 401, 404])
    const [told] = await events('session.id_in_wrong_channel')
    assert.ok(told && !JSON.stringify(told).includes(token))
  })

  it('SES-11 the handle of a sign-in and the browser key are no session', async () => {
    const state = await app.begin(browser)
    const key = browser.cookies.get(`${cookie}-browser`)!
    for (const other of [state, key]) {
      browser.cookies.set(cookie, other)
      assert.equal(await status(browser), 401)
    }
    browser.cookies.delete(cookie)
    await app.signIn(browser)
    const session = browser.cookies.get(cookie)!
    const used = await browser.get(`/sso/${app.connectionId}/callback?code=alice&state=${session}`)
    assert.equal(used.status, 400)
  })

  it('SES-13 of two sign-ins of one browser that finish at once, one session is left', async () => {
    for (let round = 0; round < 5; round++) {
      const one = app.browser()
      const subject = `racer-${round}`
      await app.signIn(one, subject)
      const states = [await app.begin(one), await app.begin(one), await app.begin(one)]
      await Promise.all(states.map((state) => app.comeBack(one.clone(), state, subject)))
      const live = await app.sallyport.services.db
        .selectFrom('sessions')
        .innerJoin('users', 'users.id', 'sessions.user_id')
        .select('sessions.id')
        .where('users.name', '=', subject)
        .where('revoked_at', 'is', null)
        .execute()
      assert.equal(live.length, 1)
    }
  })

  it('SES-13 S0-14 a request that left before a rotation reads the successor for ten seconds, in that browser only', async () => {
    await app.signIn(browser, 'late')
    const late = browser.clone()
    const thief = browser.clone()
    thief.cookies.set(`${cookie}-browser`, randomToken(16))
    await app.signIn(browser, 'late')
    assert.equal(await status(late), 200)
    assert.equal(await status(thief), 401)
    app.clock.advance(9_999)
    assert.equal(await status(late), 200)
    app.clock.advance(1)
    for (const response of [await late.api('/me'), await late.get('/account')]) {
      assert.ok([401, 303].includes(response.status))
      assert.deepEqual(response.headers.getSetCookie(), [], 'the newer cookie may be there already')
    }
    assert.equal(await status(browser), 200)
  })

  it('S0-14 SES-13 five tabs that sign in at once all end signed in, whichever cookie arrives last', async () => {
    for (const signedInBefore of [false, true]) {
      const subject = `tabs-${signedInBefore}`
      const shared = app.browser()
      if (signedInBefore) await app.signIn(shared, subject)
      const states: string[] = []
      for (let i = 0; i < 5; i++) states.push(await app.begin(shared))
      const tabs = states.map(() => shared.clone())
      const answers = await Promise.all(
        states.map((state, i) => app.comeBack(tabs[i]!, state, subject)),
      )
      assert.ok(answers.every((answer) => answer.status === 303))
      for (const tab of tabs) assert.equal(await status(tab), 200, 'at once')
      const issued = tabs.map((tab) => tab.cookies.get(cookie)!)
      app.clock.advance(11_000)
      const before = shared.cookies.get(cookie)
      for (const token of issued.filter((one) => one !== before)) {
        shared.cookies.set(cookie, token)
        assert.equal(await status(shared), 200, 'for good')
      }
    }
  })

  it('SEED-32 what simultaneous sign-ins leave behind ends with the next one', async () => {
    const states = [await app.begin(browser), await app.begin(browser)]
    await Promise.all(states.map((state) => app.comeBack(browser.clone(), state, 'leftover')))
    app.clock.advance(61_000)
    await app.signIn(browser, 'leftover')
    const { user } = (await (await browser.api('/me')).json()) as { user: { id: string } }
    assert.equal((await liveSessions()).filter(({ user_id }) => user_id === user.id).length, 1)
  })

  it('SES-14 SEED-50 fields that no form has reach nothing', async () => {
    const extra = {
      userId: '1',
      user_id: '1',
      orgId: '1',
      role: 'owner',
      roles: 'owner',
      expiresAt: '9999',
      impersonatedBy: '1',
      provisioning: 'everybody',
    }
    const state = await app.begin(browser)
    const back = await browser.get(
      `/sso/${app.connectionId}/callback?${new URLSearchParams({ ...extra, code: 'mass', state })}`,
    )
    assert.equal(back.status, 303)
    await browser.post('/account/sessions/end-others', extra)
    const me = (await (await browser.api('/me')).json()) as {
      user: { name: string }
      organizations: { role: string }[]
    }
    assert.equal(me.user.name, 'mass')
    assert.deepEqual(
      me.organizations.map(({ role }) => role),
      ['member'],
    )
  })

  it('SES-14 BLD-02 a session cannot be opened without a provider’s proof', async () => {
    const forged = {
      connectionId: app.connectionId,
      issuer: 'https://idp.example',
      subject: 'x',
      claims: {},
    } as unknown as Proof
    const alone = { method: 'mail', address: 'alice@acme.example' } as PersonalProof
    const { db, lifetimes, clock } = app.sallyport.services
    const under = { organizationId: app.acme.id, identityId: newId(), configVersion: 1 }
    for (const grounds of [{ proof: forged, ...under }, { proof: alone }])
      await assert.rejects(openSession(db, grounds, {} as never, lifetimes, clock.now()), TypeError)
  })

  it('SEED-03 SEED-09 SEED-27 CKI-03 odd, misspelt and doubled cookies are no session and no fault', async () => {
    await app.signIn(browser)
    const token = browser.cookies.get(cookie)!
    const flipped = token.replace(/[a-z]/, (letter) => letter.toUpperCase())
    const values = [
      '',
      'SessionExpired',
      '"',
      `${token}=`,
      `${token}a`,
      token.slice(1),
      flipped,
      `${token.slice(0, 42)}!`,
      'ä'.repeat(43),
      '%00',
    ]
    for (const value of values) {
      const response = await app
        .browser()
        .api('/me', { headers: { cookie: `${cookie}=${encodeURI(value)}` } })
      assert.equal(response.status, 401, value)
    }
    const doubled = await app
      .browser()
      .api('/me', { headers: { cookie: `a=1; ${cookie}=${token}; ${cookie}=${randomToken()}` } })
    assert.equal(doubled.status, 401)
    const same = await app
      .browser()
      .api('/me', { headers: { cookie: `${cookie}=${token}; ${cookie}=${token}` } })
    assert.equal(same.status, 401)
    assert.equal((await events('cookie.duplicate')).length, 1)
    assert.equal((await events('session.malformed_cookie')).length, 1)
    assert.equal(await status(browser), 200)
  })

  it('SEED-58 REV-08 signing out revokes first, clears the cookie alike, and a copy of the cookie is refused', async () => {
    await app.signIn(browser)
    const copy = browser.clone()
    const out = await browser.post('/logout')
    assert.equal(out.status, 303)
    assert.match(
      out.headers.getSetCookie().join(),
      /__Host-Http-sallyport=; Path=\/; HttpOnly; SameSite=Lax; Secure; Max-Age=0/,
    )
    assert.equal(out.headers.get('clear-site-data'), '"cache", "storage"')
    assert.equal(await status(copy), 401)
    assert.equal((await browser.post('/logout')).status, 303)
  })

  it('REV-09 S3-53 following a link to the sign-out page changes nothing', async () => {
    await app.signIn(browser)
    assert.equal((await browser.get('/logout')).status, 200)
    assert.equal(await status(browser), 200)
  })

  it('S3-48 SEED-33 two browsers of one person live side by side; ending one leaves the other', async () => {
    const other = app.browser()
    await app.signIn(browser, 'twice')
    await app.signIn(other, 'twice')
    const { session } = (await (await other.api('/me')).json()) as { session: { id: string } }
    await browser.post(`/account/sessions/${session.id}/end`)
    assert.deepEqual([await status(browser), await status(other)], [200, 401])
  })

  it('REV-11 nobody ends anybody else’s session', async () => {
    const victim = app.browser()
    await app.signIn(victim, 'victim-2')
    await app.signIn(browser, 'mallory-2')
    const { session } = (await (await victim.api('/me')).json()) as { session: { id: string } }
    assert.equal((await browser.post(`/account/sessions/${session.id}/end`)).status, 404)
    assert.equal((await browser.post('/account/sessions/not-an-id/end')).status, 404)
    assert.equal(await status(victim), 200)
    assert.ok((await events('authz.denied')).length >= 1)
  })

  it('SEED-63 one can sign out everywhere else', async () => {
    const others = [app.browser(), app.browser()]
    for (const one of [browser, ...others]) await app.signIn(one, 'everywhere')
    await browser.post('/account/sessions/end-others')
    assert.deepEqual(await Promise.all([browser, ...others].map(status)), [200, 401, 401])
  })

  it('S3-01 REV-01 REV-02 S2-05 S2-23 S3-56a a session ends when idle, and at its absolute end however busy', async () => {
    const minute = 60_000
    const aged = await startTestApp()
    try {
      const idle = aged.browser()
      await aged.signIn(idle)
      aged.clock.advance(60 * minute - 1000)
      assert.equal(await status(idle), 200)
      aged.clock.advance(60 * minute + 1000)
      assert.equal(await status(idle), 401)

      const busy = aged.browser()
      await aged.signIn(busy)
      for (let spent = 0; spent < 12 * 60 - 30; spent += 30) {
        aged.clock.advance(30 * minute)
        assert.equal(await status(busy), 200, `after ${spent} minutes`)
      }
      aged.clock.advance(30 * minute + 1000)
      assert.equal(await status(busy), 401)
    } finally {
      await aged.close()
    }
  })

  it('COH-05 a sliding write that arrives after the sign-out wakes nothing', async () => {
    await app.signIn(browser)
    const { session } = (await (await browser.api('/me')).json()) as { session: { id: string } }
    await browser.post('/logout')
    const { db, lifetimes, clock } = app.sallyport.services
    const at = new Date(clock.now().getTime() + 120_000)
    await slideSessions(db, [{ id: session.id, from: at, at }], lifetimes)
    const row = await db
      .selectFrom('sessions')
      .selectAll()
      .where('id', '=', session.id)
      .executeTakeFirstOrThrow()
    assert.ok(row.revoked_at && row.last_seen_at <= clock.now())
    await assert.rejects(
      db
        .updateTable('sessions')
        .set({ revoked_at: null, revoked_reason: null })
        .where('id', '=', session.id)
        .execute(),
    )
  })

  it('SEED-80 a thousand requests within a minute write nothing; the next one after it writes once', async () => {
    await app.signIn(browser)
    const { session } = (await (await browser.api('/me')).json()) as { session: { id: string } }
    const seen = async () =>
      await app.sallyport.services.db
        .selectFrom('sessions')
        .select(['last_seen_at', sql<string>`xmin::text`.as('written')])
        .where('id', '=', session.id)
        .executeTakeFirstOrThrow()
    const first = await seen()
    for (let i = 0; i < 100; i++)
      await Promise.all(Array.from({ length: 10 }, () => status(browser)))
    assert.deepEqual(await seen(), first)
    app.clock.advance(61_000)
    for (let i = 0; i < 1000; i++) await status(browser)
    assert.deepEqual(await seen(), first, 'gathered, not written yet')
    await app.sallyport.services.slides.flush()
    const moved = await seen()
    assert.equal(moved.last_seen_at.getTime(), app.clock.now().getTime())
    assert.notEqual(moved.written, first.written)
  })

  it('SEED-62 a suspended account has no session from the next request on', async () => {
    await app.signIn(browser, 'suspended-later')
    const { user } = (await (await browser.api('/me')).json()) as { user: { id: string } }
    await suspendPerson(app.sallyport.services, user.id, { userId: user.id }, app.clock.now())
    assert.equal(await status(browser), 401)
  })

  it('SEED-64 S3-32 /me says who is signed in, for nobody else to keep', async () => {
    await app.signIn(browser, 'myself')
    const response = await browser.api('/me')
    assert.equal(response.headers.get('cache-control'), 'no-store')
    const me = (await response.json()) as { user: { id: string; name: string; email: string } }
    assert.deepEqual([me.user.name, me.user.email], ['myself', 'myself@acme.example'])
    assert.ok(!JSON.stringify(me).includes(browser.cookies.get(cookie)!))
  })
})
