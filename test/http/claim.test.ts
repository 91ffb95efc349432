import assert from 'node:assert/strict'
import { after, before, beforeEach, it } from 'node:test'
import { sql } from 'kysely'
import type { Queries } from '../../src/db/queries.ts'
import { cookieNames } from '../../src/sessions/cookies.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'
import { describeEveryRim } from '../_rims.ts'
import { copySession, startMember } from '../sessions/_members.ts'
import { readPage } from '../web/_page.ts'

/** What `/me` says, as far as these tests look. */
interface Me {
  readonly user: { readonly id: string; readonly name: string } | null
  readonly guest: { readonly id: string } | null
}

describeEveryRim('a guest who turns out to have an account', (rim) => {
  let app: TestApp
  let names: ReturnType<typeof cookieNames>
  let broken: 'before' | 'after' | undefined
  /** Whether `describe` throws. */
  let speechless = false

  const describe = async (id: string) => {
    if (speechless) throw new Error('no words')
    const { rows } = await sql<{ n: number }>`
      select count(*)::int as n from carts where owner = ${id}`.execute(app.sallyport.services.db)
    return rows[0]!.n === 0 ? null : `${rows[0]!.n} items`
  }
  const claim = async (tx: Queries, guestId: string, userId: string) => {
    if (broken === 'before') throw new Error('the cart does not answer')
    await tx.query('update carts set owner = $2 where owner = $1', [guestId, userId])
    if (broken === 'after') await tx.query('select nonsense')
  }

  before(async () => {
    app = await startTestApp({ rim, env: { SALLYPORT_GUESTS: 'on' }, guests: { describe, claim } })
    names = cookieNames(new URL(app.origin))
    await sql`create table carts (owner uuid, item text)`.execute(app.sallyport.services.db)
    await app.signIn(app.browser(), 'alice')
  })
  after(() => app.close())
  beforeEach(async () => {
    broken = undefined
    await app.sallyport.services.db.deleteFrom('rate_limits').execute()
  })

  const me = async (browser: Browser) => (await (await browser.api('/me')).json()) as Me
  const itemsOf = async (id: string) =>
    (await sql`select from carts where owner = ${id}`.execute(app.sallyport.services.db)).rows
      .length
  const events = (action: string, target: string) =>
    app.sallyport.services.db
      .selectFrom('audit_events')
      .selectAll()
      .where('action', '=', action)
      .where('target', '=', target)
      .execute()
  /** A guest with three items in the cart. */
  const guest = async () => {
    const browser = app.browser()
    await browser.post('/guest')
    const { id } = (await me(browser)).guest!
    for (const item of ['a', 'b', 'c'])
      await sql`insert into carts values (${id}, ${item})`.execute(app.sallyport.services.db)
    return { browser, id }
  }
  /** A guest who has signed in as Alice, and what the sign-in answered. */
  const arrived = async () => {
    const { browser, id } = await guest()
    const token = browser.cookies.get(names.session)!
    const answer = await app.signIn(browser, 'alice', { returnTo: '/account?a=1' })
    return { browser, id, token, answer, alice: (await me(browser)).user! }
  }

  it('SEED-56 S3-18b S3-18c who says yes has the work, the guest’s id stands for them, and the session is another', async (t) => {
    const member = await startMember(t, app)
    const { browser, id, token, answer, alice } = await arrived()
    assert.deepEqual(
      [answer.status, answer.headers.get('location')],
      [303, `/claim?return_to=${encodeURIComponent('/account?a=1')}`],
    )
    assert.equal(alice.name, 'alice')
    assert.notEqual(browser.cookies.get(names.session), token)
    assert.equal(await member.accepts(token), false)
    assert.equal((await events('guest.claim_offered', id)).length, 1)
    assert.equal(await itemsOf(id), 3, 'ANO-06 nothing is moved by signing in')

    const before = await itemsOf(alice.id)
    const page = await readPage(await browser.get(answer.headers.get('location')!))
    assert.match(page.text, /Take 3 items with you\?/)
    assert.equal(await itemsOf(id), 3, 'nor by looking')
    const yes = { guest: id, choice: 'yes', return_to: '/account?a=1' }
    const done = await browser.post('/claim', yes)
    assert.deepEqual([done.status, done.headers.get('location')], [303, '/account?a=1'])
    assert.deepEqual([await itemsOf(id), await itemsOf(alice.id)], [0, before + 3])
    assert.equal(await app.sallyport.resolveUser(id), alice.id)
    assert.equal((await events('guest.claimed', id))[0]!.actor_id, alice.id)

    // Answered is answered.
    await browser.post('/claim', yes)
    assert.equal((await events('guest.claimed', id)).length, 1)
    assert.equal(
      (await browser.get('/claim?return_to=/account')).headers.get('location'),
      '/account',
    )
  })

  it('ANO-06 who says no has nothing of it, and is not asked again', async () => {
    const { browser, id, alice } = await arrived()
    const before = await itemsOf(alice.id)
    const done = await browser.post('/claim', { guest: id, choice: 'no', return_to: '/account' })
    assert.equal(done.headers.get('location'), '/account')
    assert.deepEqual([await itemsOf(id), await itemsOf(alice.id)], [3, before])
    assert.equal((await events('guest.declined', id)).length, 1)
    await browser.post('/claim', { guest: id, choice: 'yes', return_to: '/account' })
    assert.equal(await itemsOf(id), 3)
    assert.equal(await app.sallyport.resolveUser(id), id)
  })

  it('ANO-06 ANO-07 nothing but a plain yes from our own page, to what was offered to this session, moves anything', async () => {
    const [mine, other] = [await arrived(), await guest()]
    const { browser, id } = mine
    const foreign = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
    assert.equal((await browser.post('/claim', { guest: id, choice: 'yes' }, foreign)).status, 403)
    await browser.post('/claim', { guest: id })
    await browser.post('/claim', { guest: id, choice: 'perhaps' })
    await browser.post('/claim', { guest: other.id, choice: 'yes' })
    await browser.post('/claim', { choice: 'yes' })
    const elsewhere = app.browser()
    await app.signIn(elsewhere, 'alice')
    await elsewhere.post('/claim', { guest: id, choice: 'yes' })
    assert.equal((await other.browser.api('/claim')).status, 401, 'a guest claims nothing')
    assert.deepEqual([await itemsOf(id), await itemsOf(other.id)], [3, 3])
    // The question stays open, through a sign-in of the same person too.
    await app.signIn(browser, 'alice')
    assert.match((await readPage(await browser.get('/claim'))).text, /Take 3 items with you\?/)
    // It is not another person’s.
    await app.signIn(app.browser(), 'bob')
    const asked = await app.signIn(browser, 'bob')
    const { searchParams } = new URL(asked.headers.get('location')!, app.origin)
    const form = { state: searchParams.get('state')!, choice: 'switch' }
    await browser.post(`/sso/${app.connectionId}/continue`, form)
    assert.equal((await me(browser)).user!.name, 'bob')
    assert.equal((await browser.get('/claim')).headers.get('location'), '/')
  })

  for (const when of ['before', 'after'] as const) {
    it(`a hook that fails ${when} it has written anything changes nothing; the person is signed in, told, and may try again`, async () => {
      broken = when
      const { browser, id, alice } = await arrived()
      const before = await itemsOf(alice.id)
      const failed = await browser.post('/claim', {
        guest: id,
        choice: 'yes',
        return_to: '/account',
      })
      assert.equal(failed.status, 500)
      const page = await readPage(failed)
      assert.match(page.text, /You are signed in, and nothing was lost/)
      assert.deepEqual([await itemsOf(id), await itemsOf(alice.id)], [3, before])
      assert.equal(await app.sallyport.resolveUser(id), id)
      const [told] = await events('guest.claimed', id)
      assert.deepEqual([told!.outcome, told!.data], ['deny', { reason: 'hook_failed' }])
      assert.equal((await me(browser)).user!.id, alice.id)
      broken = undefined
      await browser.post('/claim', { guest: id, choice: 'yes' })
      assert.deepEqual([await itemsOf(id), await itemsOf(alice.id)], [0, before + 3])
    })
  }

  it('of two who press yes at once, in two tabs, one moves it', async () => {
    const { browser, id } = await arrived()
    const yes = { guest: id, choice: 'yes', return_to: '/account' }
    const answers = await Promise.all([1, 2, 3].map(() => browser.post('/claim', yes)))
    assert.deepEqual(
      answers.map(({ status }) => status),
      [303, 303, 303],
    )
    assert.equal((await events('guest.claimed', id)).length, 1)
  })

  it('a guest with nothing is not asked about, and one nobody can describe is', async () => {
    const browser = app.browser()
    await browser.post('/guest')
    const answer = await app.signIn(browser, 'alice')
    const on = await browser.get(answer.headers.get('location')!)
    assert.deepEqual([on.status, on.headers.get('location')], [303, '/account'])
    const { browser: second } = await arrived()
    speechless = true
    assert.match((await readPage(await second.get('/claim'))).text, /what you have done as a guest/)
    speechless = false
  })

  it('ANO-04 ANO-06 work that was begun in another browser needs more than one press', async () => {
    const { browser: thief, id } = await guest()
    const victim = app.browser()
    await victim.get('/login/acme')
    victim.cookies.set(names.session, thief.cookies.get(names.session)!)
    await app.signIn(victim, 'alice')
    assert.match((await readPage(await victim.get('/claim'))).text, /begun in another browser/)
    const hasty = await victim.post('/claim', { guest: id, choice: 'yes' })
    assert.match(hasty.headers.get('location')!, /^\/claim/)
    assert.equal(await itemsOf(id), 3)
    await victim.post('/claim', { guest: id, choice: 'yes', mine: 'yes' })
    assert.equal(await itemsOf(id), 0)
  })

  it('a guest’s cookie is never the account’s, on any node, whatever the guest’s id stands for', async (t) => {
    const { browser, id } = await guest()
    const other = await copySession(app, browser.cookies.get(names.session)!)
    const member = await startMember(t, app)
    await app.signIn(browser, 'alice')
    assert.equal(await member.accepts(other), true)
    await browser.post('/claim', { guest: id, choice: 'yes' })
    assert.equal(await app.sallyport.resolveUser(id), (await me(browser)).user!.id)
    assert.equal(await member.accepts(other), false)
  })
})
