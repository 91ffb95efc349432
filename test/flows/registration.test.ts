import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { sql } from 'kysely'
import { throughConnection } from '../../src/flows/through-connection.ts'
import { minutes } from '../../src/lib/clock.ts'
import { hashToken } from '../../src/lib/secrets.ts'
import { prove } from '../../src/providers/proof.ts'
import { cookieNames } from '../../src/sessions/cookies.ts'
import type { Verdict } from '../../src/sessions/decide.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'
import { describeEveryRim } from '../_rims.ts'
import { cannotLookUp, copySession, startMember, until } from '../sessions/_members.ts'
import { readPage } from '../web/_page.ts'

/** What `/me` says, as far as these tests look. */
interface Me {
  readonly user: { readonly id: string; readonly name: string } | null
  readonly guest: { readonly id: string } | null
}

const env = { SALLYPORT_GUESTS: 'on', SALLYPORT_TERMS_URL: 'https://example.com/terms' }
const works = new Map<string, string | null>()
const hooks = {
  describe: (id: string) => (works.has(id) ? works.get(id)! : 'what you have done as a guest'),
}

describeEveryRim('registering', (rim) => {
  let app: TestApp
  /** Acme's second connection: everybody may join, on a form. */
  let onForm: string
  let names: ReturnType<typeof cookieNames>

  before(async () => {
    app = await startTestApp({ rim, env, guests: hooks })
    onForm = await app.connect({ provisioning: 'register', name: 'On a form' })
    names = cookieNames(new URL(app.origin))
  })
  after(() => app.close())
  beforeEach(() => app.sallyport.services.db.deleteFrom('rate_limits').execute())

  const me = async (browser: Browser) => (await (await browser.api('/me')).json()) as Me
  const guest = async () => {
    const browser = app.browser()
    await browser.post('/guest')
    return { browser, id: (await me(browser)).guest!.id }
  }
  /** Signs in as somebody unknown, as far as the form; answers its address and handle. */
  const toForm = async (browser: Browser, subject: string, connectionId = onForm) => {
    const arrived = await app.signIn(browser, subject, { connectionId, returnTo: '/account?a=1' })
    assert.equal(arrived.status, 303)
    const path = arrived.headers.get('location')!
    assert.match(path, /^\/register\?state=[\w-]{43}$/)
    return { path, state: path.slice(path.indexOf('=') + 1) }
  }
  const counts = async () => {
    const { db } = app.sallyport.services
    const tables = ['users', 'identities', 'sessions', 'memberships'] as const
    return Promise.all(
      tables.map(async (table) => (await db.selectFrom(table).select('id').execute()).length),
    )
  }
  const events = (action: string) =>
    app.sallyport.services.db
      .selectFrom('audit_events')
      .selectAll()
      .where('action', '=', action)
      .orderBy('id', 'desc')
      .execute()
  const row = async () =>
    ((await events('login.identity_unregistered'))[0]!.data as { row: number }).row

  it('S2-22 S3-58 SEED-35 SEED-40 row 8: somebody unknown gets a form and no session, and then an account', async () => {
    const browser = app.browser()
    const before = await counts()
    const { path, state } = await toForm(browser, 'nina')
    assert.equal(await row(), 8)
    assert.equal(browser.cookies.has(names.session), false)
    const form = await readPage(await browser.get(path))
    assert.equal(form.heading, 'Create your account')
    assert.match(form.html, /name="name"\s+value="nina"/)
    assert.ok(form.links.includes('https://example.com/terms'))
    assert.doesNotMatch(form.text, /another way|with me/)
    assert.deepEqual(await counts(), before)

    const done = await browser.post('/register', { state, name: ' Nina Novak ' })
    assert.deepEqual([done.status, done.headers.get('location')], [303, '/account?a=1'])
    assert.equal((await me(browser)).user!.name, 'Nina Novak')
    assert.deepEqual(
      await counts(),
      before.map((n) => n + 1),
    )
    const again = app.browser()
    assert.equal(
      (await app.signIn(again, 'nina', { connectionId: onForm })).headers.get('location'),
      '/account',
    )
  })

  it('row 8: where everybody is let in and nothing contradicts, there is no form', async () => {
    const browser = app.browser()
    assert.equal((await app.signIn(browser, 'olaf')).headers.get('location'), '/account')
    assert.equal((await me(browser)).user!.name, 'olaf')
  })

  it('a name that cannot be one is asked for again, and nothing is made', async () => {
    const browser = app.browser()
    const { state } = await toForm(browser, 'empty')
    const before = await counts()
    for (const name of ['', '  ', 'a\nb', 'x'.repeat(201)]) {
      const page = await readPage(await browser.post('/register', { state, name }))
      assert.equal(page.status, 422)
      assert.match(page.text, /1 to 200 characters/)
    }
    assert.equal((await readPage(await browser.post('/register', { state }))).status, 422)
    assert.deepEqual(await counts(), before)
    assert.equal((await browser.post('/register', { state, name: 'Emma' })).status, 303)
  })

  it('what is abandoned or takes longer than ten minutes leaves nothing, however often the page is read', async () => {
    const browser = app.browser()
    const before = await counts()
    const { path, state } = await toForm(browser, 'slow')
    app.clock.advance(minutes(9))
    assert.equal((await browser.get(path)).status, 200)
    app.clock.advance(minutes(1))
    const late = await browser.post('/register', { state, name: 'Slow' })
    assert.equal(late.status, 400)
    assert.match((await readPage(late)).text, /took too long/)
    assert.deepEqual(await counts(), before)
    assert.equal(browser.cookies.has(names.session), false)
  })

  it('the form is this browser’s and this sign-in’s, and works once', async () => {
    const browser = app.browser()
    const { path, state } = await toForm(browser, 'once')
    const thief = app.browser()
    await thief.get('/login/acme')
    assert.equal((await thief.get(path)).status, 400)
    assert.equal((await thief.post('/register', { state, name: 'Thief' })).status, 400)
    assert.equal(
      (await browser.post('/register', { state: 'x'.repeat(43), name: 'X' })).status,
      400,
    )
    assert.equal((await browser.get('/register')).status, 400)
    const foreign = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
    assert.equal((await browser.post('/register', { state, name: 'X' }, foreign)).status, 403)
    assert.equal((await browser.post('/register', { state, name: 'Once' })).status, 303)
    const before = await counts()
    const copy = browser.clone()
    copy.cookies.delete(names.session)
    const twice = await copy.post('/register', { state, name: 'Twice' })
    assert.deepEqual([twice.status, twice.headers.getSetCookie()], [303, []])
    assert.deepEqual(await counts(), before)
  })

  it('two tabs that complete one registration, or one person’s two, make one account', async () => {
    const browser = app.browser()
    const [first, second] = [await toForm(browser, 'tabs'), await toForm(browser, 'tabs')]
    const before = await counts()
    const answers = await Promise.all(
      [first, first, second].map(({ state }) => browser.post('/register', { state, name: 'Tabs' })),
    )
    assert.deepEqual(
      answers.map(({ status }) => status),
      [303, 303, 303],
    )
    const [users, identities, , memberships] = await counts()
    assert.deepEqual(
      [users, identities, memberships],
      [before[0]! + 1, before[1]! + 1, before[3]! + 1],
    )
    assert.equal((await me(browser)).user!.name, 'Tabs')
  })

  it('of two requests that finish one registration at the same moment both are led on, to one account', async () => {
    const browser = app.browser()
    const { state } = await toForm(browser, 'moment')
    const before = await counts()
    const { db } = app.sallyport.services
    const waiting = async () =>
      (
        await sql`select from pg_locks l join pg_database d on d.oid = l.database or l.database is null
          where d.datname = current_database() and not l.granted`.execute(db)
      ).rows.length
    const answers: Promise<Response>[] = []
    await db.transaction().execute(async (tx) => {
      await sql`select from connections where id = ${onForm} for update`.execute(tx)
      for (const count of [1, 2]) {
        answers.push(browser.post('/register', { state, name: 'Moment' }))
        // Each has saved the form and stands before the account.
        await until(async () => (await waiting()) >= count)
      }
    })
    const statuses = (await Promise.all(answers)).map(({ status }) => status)
    assert.deepEqual(statuses, [303, 303])
    assert.deepEqual(
      await counts(),
      before.map((n) => n + 1),
    )
  })

  it('S3-18b row 5: a guest who registers keeps their id and their work, and the guest’s cookie is dead everywhere', async (t) => {
    const { browser, id } = await guest()
    works.set(id, '3 items')
    const planted = browser.clone()
    const token = browser.cookies.get(names.session)!
    const member = await startMember(t, app)
    assert.equal(await member.accepts(token), true)

    const { path, state } = await toForm(browser, `five-${rim}`, app.connectionId)
    assert.equal(await row(), 5)
    assert.equal((await me(browser)).guest!.id, id, 'still a guest')
    const form = await readPage(await browser.get(path))
    assert.match(form.text, /Take 3 items with me/)
    assert.match(form.html, /name="keep"\s+value="yes"\s+checked/)
    const done = await browser.post('/register', { state, name: 'Fay', keep: 'yes' })
    assert.equal(done.headers.get('location'), '/account?a=1')
    const person = (await me(browser)).user!
    assert.deepEqual([person.id, person.name], [id, 'Fay'])
    assert.notEqual(browser.cookies.get(names.session), token)

    assert.equal(await member.accepts(token), false, 'ANO-03 on every node at once')
    planted.cookies.delete(names.browser)
    assert.equal((await planted.api('/me')).status, 401)
    const [registered] = await events('user.registered')
    assert.deepEqual([registered!.target, registered!.data], [id, { from: 'guest' }])
    assert.equal(await app.sallyport.resolveUser(id), id)
  })

  it('ANO-03 no other session of the guest outlives the registration, on any node', async (t) => {
    const { browser, id } = await guest()
    const other = await copySession(app, browser.cookies.get(names.session)!)
    const member = await startMember(t, app)
    assert.equal(await member.accepts(other), true)
    const { state } = await toForm(browser, `copies-${rim}`, app.connectionId)
    await browser.post('/register', { state, name: 'Cora', keep: 'yes' })
    assert.equal((await me(browser)).user!.id, id)
    assert.equal(await member.accepts(other), false)
  })

  it('ANO-03 a guest’s cookie replayed with the browser’s own right after is not the person’s', async () => {
    const { browser, id } = await guest()
    const before = browser.clone()
    const { state } = await toForm(browser, `replay-${rim}`, app.connectionId)
    await browser.post('/register', { state, name: 'Rita', keep: 'yes' })
    assert.equal((await me(browser)).user!.id, id)
    const late = await before.api('/me')
    assert.equal(late.status, 401)
    assert.deepEqual(late.headers.getSetCookie(), [], 'the new cookie is left alone')
  })

  it('a guest who leaves their work behind is somebody new, and is not asked again', async () => {
    const { browser, id } = await guest()
    const { state } = await toForm(browser, `fresh-${rim}`, app.connectionId)
    const done = await browser.post('/register', { state, name: 'Fred' })
    assert.equal(done.headers.get('location'), '/account?a=1')
    assert.notEqual((await me(browser)).user!.id, id)
    assert.equal((await events('guest.declined'))[0]!.target, id)
    assert.equal((await browser.get('/claim')).headers.get('location'), '/')
  })

  it('a guest who has done nothing is offered nothing', async () => {
    const { browser, id } = await guest()
    works.set(id, null)
    const { path, state } = await toForm(browser, `nothing-${rim}`, app.connectionId)
    assert.doesNotMatch((await readPage(await browser.get(path))).text, /with me/)
    await browser.post('/register', { state, name: 'Noah' })
    assert.equal((await me(browser)).user!.name, 'Noah')
  })

  it('ANO-03 row 6: a guest’s session from another browser is not taken over by one press of a button', async () => {
    const { browser } = await guest()
    const victim = app.browser()
    await victim.get('/login/acme')
    victim.cookies.set(names.session, browser.cookies.get(names.session)!)
    const { path } = await toForm(victim, `six-${rim}`, app.connectionId)
    assert.equal(await row(), 6)
    const form = await readPage(await victim.get(path))
    assert.match(form.text, /begun in another browser/)
    assert.doesNotMatch(form.html, /checked/)
  })

  it('ANO-04 ANO-07 only the guest the form has shown is kept, whatever the request names', async () => {
    const [shown, other] = [await guest(), await guest()]
    const { path, state } = await toForm(shown.browser, `swap-${rim}`, app.connectionId)
    await shown.browser.get(path)
    const own = shown.browser.cookies.get(names.session)!
    shown.browser.cookies.set(names.session, other.browser.cookies.get(names.session)!)
    const smuggled = {
      state,
      name: 'Sam',
      keep: 'yes',
      guest: other.id,
      userId: other.id,
      role: 'owner',
      org: 'globex',
      return_to: '/evil',
    }
    const again = await shown.browser.post('/register', smuggled)
    assert.equal(again.status, 200, 'the form again, with what is offered now')
    shown.browser.cookies.set(names.session, own)
    await shown.browser.get(path)
    const done = await shown.browser.post('/register', smuggled)
    assert.equal(done.headers.get('location'), '/account?a=1')
    assert.equal((await me(shown.browser)).user!.id, shown.id)
    const { role } = await app.sallyport.services.db
      .selectFrom('memberships')
      .select('role')
      .where('user_id', '=', shown.id)
      .executeTakeFirstOrThrow()
    assert.equal(role, 'member')
    assert.equal((await me(other.browser)).guest!.id, other.id)
  })

  it('LNK-14 a guest is not let in either where nobody is, and stays a guest', async () => {
    const closed = await app.connect({ provisioning: 'off' })
    const { browser, id } = await guest()
    const before = await counts()
    assert.equal((await app.signIn(browser, 'closed', { connectionId: closed })).status, 403)
    assert.equal((await me(browser)).guest!.id, id)
    assert.deepEqual(await counts(), before)
  })

  it('SEED-39 row 7: an unknown identity in somebody’s browser is asked whether they are that somebody', async () => {
    const browser = app.browser()
    await app.signIn(browser, 'known-before')
    await browser.post('/logout')
    const { path, state } = await toForm(browser, `seven-${rim}`, app.connectionId)
    assert.equal(await row(), 7)
    const form = await readPage(await browser.get(path))
    assert.match(form.text, /Have you signed in here another way before\?/)
    assert.ok(form.links.includes('/login/acme'))
    assert.doesNotMatch(form.html, /known-before/, 'nobody is named')
    assert.equal(browser.cookies.has(names.session), false)
    await browser.post('/register', { state, name: 'Seven' })
    assert.equal((await me(browser)).user!.name, 'Seven')
  })

  it('row 7: a browser that reminds of a deleted account gets a new key, and may register', async () => {
    const browser = app.browser()
    await app.signIn(browser, `deleted-${rim}`)
    const { id } = (await me(browser)).user!
    await browser.post('/logout')
    const { db, clock } = app.sallyport.services
    await db.updateTable('users').set({ deleted_at: clock.now() }).where('id', '=', id).execute()
    const key = browser.cookies.get(names.browser)
    const { path, state } = await toForm(browser, `after-${rim}`, app.connectionId)
    assert.notEqual(browser.cookies.get(names.browser), key)
    assert.doesNotMatch((await readPage(await browser.get(path))).text, /another way/)
    const [old] = await db
      .selectFrom('flows')
      .select('id')
      .where('browser_hash', '=', hashToken(key!))
      .where('consumed_at', 'is', null)
      .execute()
    assert.equal(old, undefined)
    await browser.post('/register', { state, name: 'After' })
    assert.equal((await me(browser)).user!.name, 'After')
  })

  it('SEED-37 rows 5 and 6: a person’s session stays theirs, also when it began after the form', async () => {
    const browser = app.browser()
    const { state } = await toForm(browser, `stranger-${rim}`)
    await app.signIn(browser, 'owner-here')
    const before = await counts()
    const conflict = await browser.post('/register', { state, name: 'Stranger' })
    assert.equal(conflict.status, 409)
    assert.equal((await me(browser)).user!.name, 'owner-here')
    assert.deepEqual(await counts(), before)
    assert.equal((await events('identity.conflict')).length > 0, true)
  })

  it('row 5, the account gone: its session is ended, and whoever comes back may register', async () => {
    const browser = app.browser()
    await app.signIn(browser, `orphan-${rim}`)
    const { id } = (await me(browser)).user!
    const { db, clock, node } = app.sallyport.services
    const state = await app.begin(browser)
    await db.updateTable('users').set({ deleted_at: clock.now() }).where('id', '=', id).execute()
    node.memory.clear(node.memory.position)
    const led = await app.comeBack(browser, state, `orphans-heir-${rim}`)
    assert.match(led.headers.get('location')!, /^\/register/)
    const live = await db
      .selectFrom('sessions')
      .select('id')
      .where('user_id', '=', id)
      .where('revoked_at', 'is', null)
      .execute()
    assert.deepEqual(live, [])
  })

  it('SEED-41 nobody comes back while nobody knows whose browser it is; the same return works later', async (t) => {
    const browser = app.browser()
    await app.signIn(browser, 'in-doubt')
    const state = await app.begin(browser)
    const before = await counts()
    cannotLookUp(t, app)
    assert.equal((await app.comeBack(browser, state, 'somebody-else')).status, 503)
    assert.deepEqual(await counts(), before)
    t.mock.restoreAll()
    assert.equal((await app.comeBack(browser, state, 'somebody-else')).status, 409)
  })

  it('S0-15 S3-15 SEED-41 with the database away nobody is taken for unknown: 503, and the same return works later', async () => {
    const browser = app.browser()
    await app.signIn(browser, 'here-already')
    await browser.post('/logout')
    const state = await app.begin(browser)
    app.line.cut()
    const away = await app.comeBack(browser, state, 'here-already')
    app.line.mend()
    assert.equal(away.status, 503)
    assert.equal(browser.cookies.has(names.session), false)
    assert.equal((await app.comeBack(browser, state, 'here-already')).status, 303)
    assert.equal((await me(browser)).user!.name, 'here-already')
  })
})

describe('the rule for row 8', () => {
  it('is asked once more in the transaction that makes the account', async () => {
    await using app = await startTestApp()
    const { db, clock } = app.sallyport.services
    const bound = { organizationId: app.acme.id, connectionId: app.connectionId, configVersion: 1 }
    const issuer = 'https://idp.example'
    const proof = prove({ connectionId: app.connectionId, issuer, subject: 'x', claims: {} })
    const joining = (row: number) => ({ verdict: { row } as Verdict, registration: undefined })
    const register = (row: number) =>
      throughConnection(bound, proof, {
        begunAt: clock.now(),
        requestId: 'r',
        sealer: app.sallyport.services.sealer,
      }).register(db, clock.now(), joining(row))
    for (const row of [5, 6, 7]) await assert.rejects(register(row), { reason: 'not_registered' })
    assert.equal((await register(8)).owner, 'active')
  })

  it('asks nobody where all are let in and nothing contradicts, everybody where there is a form, and never where joining is off', async () => {
    const { asksToRegister } = await import('../../src/flows/registration.ts')
    const asked = (policy: 'nobody' | 'register' | 'everybody') =>
      [1, 3, 5, 6, 7, 8].filter((row) => asksToRegister(policy, { row }))
    assert.deepEqual(asked('nobody'), [])
    assert.deepEqual(asked('everybody'), [5, 6, 7])
    assert.deepEqual(asked('register'), [5, 6, 7, 8])
    assert.equal(asksToRegister('register', { row: 5, refuse: 'identity_conflict' }), false)
  })
})
