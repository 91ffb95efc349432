import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { sql } from 'kysely'
import { addVerifiedEmail } from '../../src/accounts/emails.ts'
import { createUser } from '../../src/accounts/users.ts'
import { limits } from '../../src/db/limits.ts'
import { minutes } from '../../src/lib/clock.ts'
import { suspendPerson } from '../../src/sessions/revoke.ts'
import { startTestApp, type TestApp, type TestAppOptions } from '../_app.ts'
import type { Browser } from '../_browser.ts'
import { describeEveryRim } from '../_rims.ts'
import { readPage } from '../web/_page.ts'

type Who = 'members' | 'everybody'

const start = (who: Who, { env, ...options }: TestAppOptions = {}) =>
  startTestApp({ ...options, env: { ...env, SALLYPORT_PERSONAL_SIGN_IN: who } })

/** Somebody with an account and an address they have verified. */
async function withAccount(app: TestApp, name: string, address: string): Promise<string> {
  const { db, clock } = app.sallyport.services
  const userId = await createUser(db, { name }, clock.now())
  await addVerifiedEmail(db, { userId, address, primary: true }, clock.now())
  return userId
}

/** Asks for a link and answers its path. */
async function askForLink(
  app: TestApp,
  browser: Browser,
  address: string,
  after: number = limits.mails_to_address.per,
): Promise<string> {
  app.clock.advance(after)
  const asked = await browser.post('/login/mail', { address, return_to: '/account' })
  assert.equal(asked.status, 303, await asked.text())
  return linkIn((await app.mails()).at(-1)?.data['link'])
}

function linkIn(link: string | undefined): string {
  return new URL(link ?? assert.fail('no link was sent')).pathname
}

/** Opens the link and presses its button; answers what comes of it. */
async function press(browser: Browser, link: string, form = {}): Promise<Response> {
  const opened = await browser.get(link)
  assert.equal(opened.status, 200)
  return browser.post(link, form)
}

async function nameOf(browser: Browser): Promise<string | undefined> {
  const response = await browser.api('/me')
  return response.status === 200
    ? ((await response.json()) as { user: { name: string } }).user.name
    : undefined
}

async function audited(app: TestApp, action: string) {
  return app.sallyport.services.db
    .selectFrom('audit_events')
    .selectAll()
    .where('action', '=', action)
    .orderBy('id')
    .execute()
}

describeEveryRim('signing in by mail', (rim) => {
  let app: TestApp
  before(async () => {
    app = await start('members', { rim })
    await withAccount(app, 'Alice Archer', 'alice@acme.example')
  })
  after(() => app.close())

  it('a mailed link signs in, once, in the browser that asked, and leads to where it was wanted', async () => {
    const browser = app.browser()
    const asked = await browser.post('/login/mail', {
      address: 'alice@acme.example',
      return_to: '/account',
    })
    assert.equal(asked.status, 303)
    const sent = await readPage(await browser.get(asked.headers.get('location')!))
    assert.equal(sent.heading, 'Look into your mail')
    const [mail] = await app.mails()
    assert.deepEqual([mail?.mail, mail?.to], ['sign_in_link', 'alice@acme.example'])
    const link = linkIn(mail?.data['link'])

    const opened = await readPage(await browser.get(link))
    assert.equal(opened.heading, 'Sign in')
    assert.equal(await nameOf(browser), undefined, 'opening it signs nobody in')
    const done = await browser.post(link)
    assert.deepEqual([done.status, done.headers.get('location')], [303, '/account'])
    assert.equal(await nameOf(browser), 'Alice Archer')
    const [event] = (await audited(app, 'login.succeeded')).slice(-1)
    assert.deepEqual([event?.data, event?.organization_id], [{ row: 4, method: 'mail' }, null])

    await browser.post('/logout')
    assert.equal((await readPage(await browser.get(link))).heading, 'This link has been used')
    const again = await browser.post(link)
    assert.equal(again.headers.getSetCookie().length, 0)
    assert.equal(await nameOf(browser), undefined)
  })
})

describe('a mailed link', () => {
  let app: TestApp
  let alice: string
  before(async () => {
    app = await start('members')
    alice = await withAccount(app, 'Alice Archer', 'alice@acme.example')
  })
  after(() => app.close())

  it('is of no use in another browser, and says so', async () => {
    const link = await askForLink(app, app.browser(), 'alice@acme.example')
    const other = app.browser()
    const bare = await readPage(await other.get(link))
    assert.deepEqual([bare.status, bare.heading], [400, 'Your browser sent us no cookie'])
    await other.get('/login')
    const page = await readPage(await other.get(link))
    assert.deepEqual([page.status, page.heading], [400, 'This sign-in began in another browser'])
    assert.equal((await other.post(link)).status, 400)
    assert.equal(await nameOf(other), undefined)
  })

  it('survives every scanner that opens it', async () => {
    const browser = app.browser()
    const link = await askForLink(app, browser, 'alice@acme.example')
    const scanner = app.browser()
    await scanner.get('/login')
    const rows = () => sql`select * from flows order by id`.execute(app.sallyport.services.db)
    const earlier = (await rows()).rows
    for (let i = 0; i < 8; i++) {
      await scanner.get(link)
      await browser.get(link)
      await app.browser().get(link)
    }
    assert.deepEqual((await rows()).rows, earlier)
    assert.equal((await browser.post(link)).status, 303)
    assert.equal(await nameOf(browser), 'Alice Archer')
  })

  it('ends after ten minutes, however often it was opened', async () => {
    const browser = app.browser()
    const link = await askForLink(app, browser, 'alice@acme.example')
    app.clock.advance(minutes(9))
    assert.equal((await browser.get(link)).status, 200)
    app.clock.advance(minutes(1))
    const page = await readPage(await browser.get(link))
    assert.deepEqual([page.status, page.heading], [400, 'This sign-in took too long'])
    assert.ok(page.links.includes('/login/mail'))
    assert.equal((await browser.post(link)).status, 400)
    assert.equal(await nameOf(browser), undefined)
  })

  it('opens one session, however many press at once', async () => {
    const browser = app.browser()
    const link = await askForLink(app, browser, 'alice@acme.example')
    await browser.get(link)
    const pressed = await Promise.all(Array.from({ length: 5 }, () => browser.clone().post(link)))
    const cookies = pressed.flatMap((response) =>
      response.headers.getSetCookie().filter((cookie) => /sallyport=[^;]/.test(cookie)),
    )
    assert.equal(cookies.length, 1)
    assert.ok(pressed.every(({ status }) => status === 303))
  })

  it('SES-07 SES-08 of the person who is signed in here renews their session', async () => {
    const browser = app.browser()
    await browser.post(await askForLink(app, browser, 'alice@acme.example'))
    const thief = browser.clone()
    await browser.post(await askForLink(app, browser, 'alice@acme.example'))
    assert.equal(await nameOf(browser), 'Alice Archer')
    app.clock.advance(minutes(1))
    thief.cookies.delete('__Host-Http-sallyport-browser')
    assert.equal(await nameOf(thief), undefined)
    assert.equal((await audited(app, 'session.rotated')).length, 1)
  })

  it('SEED-34 of somebody else asks before it ends the session that is here', async () => {
    await withAccount(app, 'Bob Baker', 'bob@acme.example')
    const browser = app.browser()
    await browser.post(await askForLink(app, browser, 'alice@acme.example'))
    const link = await askForLink(app, browser, 'bob@acme.example')
    const asked = await press(browser, link)
    assert.deepEqual([asked.status, asked.headers.get('location')], [303, link])
    const page = await readPage(await browser.get(link))
    assert.match(page.text, /signed in here as Alice Archer, and the link is for Bob Baker/)
    assert.equal(await nameOf(browser), 'Alice Archer')
    await browser.post(link, { choice: 'switch' })
    assert.equal(await nameOf(browser), 'Bob Baker')

    const back = await askForLink(app, browser, 'alice@acme.example')
    await press(browser, back)
    assert.equal((await browser.post(back, { choice: 'stay' })).headers.get('location'), '/')
    assert.equal(await nameOf(browser), 'Bob Baker')
    assert.equal((await browser.post(back, { choice: 'switch' })).status, 403)
  })

  it('goes to the spelling that was verified, whatever was typed', async () => {
    await askForLink(app, app.browser(), 'ALICE@Acme.example')
    assert.equal((await app.mails()).at(-1)?.to, 'alice@acme.example')
  })

  it('signs nobody in whose account is suspended', async () => {
    const carol = await withAccount(app, 'Carol Clark', 'carol@acme.example')
    const browser = app.browser()
    const link = await askForLink(app, browser, 'carol@acme.example')
    const { clock } = app.sallyport.services
    await suspendPerson(app.sallyport.services, carol, { userId: alice }, clock.now())
    const page = await readPage(await press(browser, link))
    assert.deepEqual([page.status, page.heading], [403, 'This account is suspended'])
    assert.equal(await nameOf(browser), undefined)
  })

  it('LNK-03 an address that an account merely claims never selects it', async () => {
    const claimant = app.browser()
    app.provider.people.set('mallory', { claims: { name: 'Mallory', email: 'vic@acme.example' } })
    await app.signIn(claimant, 'mallory')
    const browser = app.browser()
    app.clock.advance(limits.mails_to_address.per)
    await browser.post('/login/mail', { address: 'vic@acme.example' })
    assert.deepEqual((await app.mails()).at(-1)?.mail, 'no_account')
  })

  it('SES-03 and its handle are nowhere in the database', async () => {
    const browser = app.browser()
    const handle = (await askForLink(app, browser, 'alice@acme.example')).split('/').at(-1)!
    const { db } = app.sallyport.services
    const { rows } = await sql<{ name: string }>`
      select table_schema || '.' || table_name as name from information_schema.tables
      where table_type = 'BASE TABLE' and table_schema in ('public', 'sallyport_jobs')`.execute(db)
    assert.ok(rows.some(({ name }) => name.startsWith('sallyport_jobs.job')))
    for (const { name } of rows) {
      const found = await sql`select 1 from ${sql.table(name)} as t
        where t::text like ${`%${handle}%`} or t::text like '%alice@acme.example%'
          and ${name} <> 'public.user_emails' and ${name} <> 'public.identities'`.execute(db)
      assert.equal(found.rows.length, 0, name)
    }
    assert.doesNotMatch(app.logged(), /alice@acme/)
    assert.equal(app.logged().includes(handle), false)
  })
})

describe('asking for a link', () => {
  const ask = (browser: Browser, address: string, headers = {}) =>
    browser.post('/login/mail', { address }, headers)

  it('RAT-08 is answered the same for every address, and costs the same', async () => {
    await using app = await start('members')
    await withAccount(app, 'Alice Archer', 'alice@acme.example')
    const suspended = await withAccount(app, 'Carol Clark', 'carol@acme.example')
    const { services } = app.sallyport
    await suspendPerson(services, suspended, { userId: suspended }, app.clock.now())
    const seen = []
    for (const name of ['alice', 'carol', 'nobody']) {
      const [flows, events] = [await count(app, 'flows'), await count(app, 'audit_events')]
      const response = await ask(app.browser(), `${name}@acme.example`)
      const headers = [...response.headers].filter(([key]) => key !== 'x-request-id')
      seen.push({
        status: response.status,
        body: await response.text(),
        headers: headers.map(([key, value]) => [key, value.replace(/browser=[^;]*/, '')]),
        flows: (await count(app, 'flows')) - flows,
        events: (await count(app, 'audit_events')) - events,
      })
    }
    assert.deepEqual(seen[1], seen[0])
    assert.deepEqual(seen[2], seen[0])
    assert.deepEqual([seen[0]?.flows, seen[0]?.events], [1, 1])
    const mails = await app.mails()
    assert.deepEqual(
      mails.map(({ mail }) => mail),
      ['sign_in_link', 'sign_in_link', 'no_account'],
    )
  })

  it('CSR-10 from another site sends nothing, with cookies or without', async () => {
    await using app = await start('everybody')
    const withCookies = app.browser()
    await withCookies.get('/login')
    for (const browser of [withCookies, app.browser()]) {
      for (const headers of [
        { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
        { origin: 'https://evil.app.example', 'sec-fetch-site': 'same-site' },
        { origin: 'null', 'sec-fetch-site': 'cross-site' },
      ])
        assert.equal((await ask(browser, 'alice@acme.example', headers)).status, 403)
      const silent = await browser.request('/login/mail', {
        method: 'POST',
        body: 'address=alice%40acme.example',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      })
      assert.equal(silent.status, 403)
    }
    assert.deepEqual(await app.mails(), [])
    assert.equal(await count(app, 'flows'), 0)
  })

  it('RAT-04 of many at once for one address exactly three are sent, however it is spelt', async () => {
    await using app = await start('everybody')
    const spellings = ['alice@acme.example', 'ALICE@acme.example', 'Alice@ACME.example']
    const asked = await Promise.all(
      Array.from({ length: 9 }, (_, i) => ask(app.browser(), spellings[i % 3]!)),
    )
    const { most } = limits.mails_to_address
    assert.equal(asked.filter(({ status }) => status === 303).length, most)
    const refused = asked.find(({ status }) => status === 429)!
    assert.match(refused.headers.get('retry-after') ?? '', /^\d+$/)
    assert.equal((await app.mails()).length, most)
    assert.equal((await readPage(refused)).heading, 'Too many mails to this address')
  })

  it('RAT-02 one client may have ten mails sent, to however many addresses', async () => {
    await using app = await start('everybody')
    const statuses = []
    for (let i = 0; i < 12; i++)
      statuses.push((await ask(app.browser(), `p${i}@acme.example`)).status)
    assert.equal(statuses.filter((status) => status === 303).length, limits.mails_of_client.most)
    assert.deepEqual(statuses.slice(-2), [429, 429])
  })

  for (const address of [
    '',
    'alice',
    'alice@localhost',
    'alice@acme.example,bob@acme.example',
    'alice@acme.example\r\nBcc: bob@acme.example',
    'Alice <alice@acme.example>',
    '"a b"@acme.example',
    'alice@acme.example@evil.example',
    'alicе@acme.example',
    'alice@аcme.example',
    'alice﹫acme.example',
    `${'a'.repeat(65)}@acme.example`,
    `alice@${'a.'.repeat(200)}example`,
  ]) {
    it(`is refused for what is no plain address: ${JSON.stringify(address.slice(0, 40))}`, async () => {
      await using app = await start('everybody')
      const page = await readPage(await ask(app.browser(), address))
      assert.deepEqual([page.status, page.heading], [400, 'That is no e-mail address'])
      assert.deepEqual(await app.mails(), [])
    })
  }

  it('is refused where signing in without an organization is off', async () => {
    await using app = await startTestApp()
    const login = await readPage(await app.browser().get('/login'))
    assert.doesNotMatch(login.text, /mail|passkey/)
    for (const response of [
      await app.browser().get('/login/mail'),
      await ask(app.browser(), 'alice@acme.example'),
      await app.browser().get(`/login/mail/${'A'.repeat(43)}`),
      await app.browser().post(`/login/mail/${'A'.repeat(43)}`),
      await app.browser().post('/login/passkey'),
    ])
      assert.equal((await readPage(response)).heading, 'This way of signing in is switched off')
    assert.deepEqual(await app.mails(), [])
  })

  it('a link is of no use once it is switched off', async () => {
    await using app = await start('members')
    await withAccount(app, 'Alice Archer', 'alice@acme.example')
    const browser = app.browser()
    const link = await askForLink(app, browser, 'alice@acme.example')
    Object.assign(app.sallyport.services, { personalSignIn: 'off' })
    assert.equal((await browser.post(link)).status, 403)
    assert.equal(await nameOf(browser), undefined)
  })

  it('nothing is sent when what causes it is rolled back', async () => {
    await using app = await start('members')
    const { db, sendMail } = app.sallyport.services
    const { origin } = app
    const failed = db.transaction().execute(async (tx) => {
      await sendMail(tx, 'no_account', 'alice@acme.example', { origin })
      throw new Error('rolled back')
    })
    await assert.rejects(failed, /rolled back/)
    assert.deepEqual(await app.mails(), [])
  })
})

describe('where everybody may sign in by mail', () => {
  let app: TestApp
  before(async () => {
    app = await start('everybody', { env: { SALLYPORT_GUESTS: 'on' } })
  })
  after(() => app.close())

  it('an unknown address gets an account, with a name and the address verified', async () => {
    const browser = app.browser()
    const link = await askForLink(app, browser, 'nora@home.example')
    const asked = await press(browser, link)
    assert.equal(asked.headers.get('location'), link)
    const page = await readPage(await browser.get(link))
    assert.equal(page.heading, 'Create your account')
    assert.match(page.text, /nora@home\.example is yours, and new here/)
    assert.equal((await browser.post(link, { name: '  ' })).status, 422)
    const done = await browser.post(link, { name: ' Nora New ' })
    assert.equal(done.headers.get('location'), '/account')
    assert.equal(await nameOf(browser), 'Nora New')
    const account = await readPage(await browser.get('/account'))
    assert.match(account.text, /nora@home\.example Verified/)
    assert.equal((await audited(app, 'user.registered')).length, 1)

    const elsewhere = app.browser()
    await elsewhere.post(await askForLink(app, elsewhere, 'NORA@home.example'))
    assert.equal(await nameOf(elsewhere), 'Nora New')
  })

  it('S3-18b a guest becomes the person, and keeps their id and their work', async () => {
    const browser = app.browser()
    await browser.post('/guest')
    const { guest } = (await (await browser.api('/me')).json()) as { guest: { id: string } }
    const link = await askForLink(app, browser, 'gerda@home.example')
    await press(browser, link)
    assert.match((await readPage(await browser.get(link))).text, /what you have done as a guest/)
    await browser.post(link, { name: 'Gerda', keep: 'yes' })
    const me = (await (await browser.api('/me')).json()) as { user: { id: string; name: string } }
    assert.deepEqual([me.user.id, me.user.name], [guest.id, 'Gerda'])
  })

  it('LNK-08 two first links of one address make one account', async () => {
    const [one, two] = [app.browser(), app.browser()]
    const links = [
      await askForLink(app, one, 'twice@home.example'),
      await askForLink(app, two, 'twice@home.example', 0),
    ] as const
    await press(one, links[0])
    await press(two, links[1])
    await Promise.all([one.post(links[0], { name: 'One' }), two.post(links[1], { name: 'Two' })])
    assert.equal(await nameOf(one), await nameOf(two))
    const { db } = app.sallyport.services
    const rows = db.selectFrom('user_emails').where('folded', '=', 'twice@home.example')
    assert.equal((await rows.selectAll().execute()).length, 1)
  })

  it('SEED-37 an unknown address in the browser of somebody signed in is a conflict, and nothing changes', async () => {
    const browser = app.browser()
    await app.signIn(browser, 'dora')
    const link = await askForLink(app, browser, 'stranger@home.example')
    const page = await readPage(await press(browser, link))
    assert.equal(page.status, 409)
    assert.equal(await nameOf(browser), 'dora')
    const { db } = app.sallyport.services
    const rows = db.selectFrom('user_emails').where('folded', '=', 'stranger@home.example')
    assert.equal((await rows.selectAll().execute()).length, 0)
  })
})

describe('verifying an address', () => {
  let app: TestApp
  let browser: Browser
  before(async () => {
    app = await start('members')
    browser = app.browser()
    await app.signIn(browser, 'alice')
  })
  after(() => app.close())

  const verify = (of: Browser, address: string) => of.post('/account/addresses/verify', { address })
  const lastLink = async () => linkIn((await app.mails()).at(-1)?.data['link'])

  it('a link to the address, opened in the same browser, makes it a way in', async () => {
    const page = await readPage(await browser.get('/account'))
    assert.match(page.text, /alice@acme\.example Verify this address/)
    const asked = await readPage(await verify(browser, 'alice@acme.example'))
    assert.equal(asked.heading, 'Look into your mail')
    const mail = (await app.mails()).at(-1)!
    assert.deepEqual([mail.mail, mail.to], ['verify_address', 'alice@acme.example'])
    const link = await lastLink()
    assert.match((await readPage(await browser.get(link))).text, /alice@acme\.example can then/)
    assert.doesNotMatch((await readPage(await browser.get('/account'))).text, /Verified/)
    assert.equal((await browser.post(link)).headers.get('location'), '/account')
    assert.match(
      (await readPage(await browser.get('/account'))).text,
      /alice@acme\.example Verified/,
    )
    assert.equal((await audited(app, 'email.verified')).length, 1)
    assert.equal((await browser.post(link)).headers.get('location'), '/account', 'again')

    const other = app.browser()
    await other.post(await askForLink(app, other, 'alice@acme.example'))
    assert.equal(await nameOf(other), 'alice')
  })

  it('only addresses of one’s own account get such mail', async () => {
    const before = (await app.mails()).length
    assert.equal((await verify(browser, 'somebody@acme.example')).status, 404)
    assert.equal((await app.mails()).length, before)
  })

  it('the link is of no use to anybody else, nor in another browser', async () => {
    await app.signIn(app.browser(), 'carl')
    const bob = app.browser()
    await app.signIn(bob, 'bob')
    await verify(bob, 'bob@acme.example')
    const link = await lastLink()
    assert.equal((await browser.get(link)).status, 400)
    assert.equal((await browser.post(link)).status, 400)
    // Bob's browser, in which Carl has signed in meanwhile.
    await bob.post('/logout')
    await app.signIn(bob, 'carl')
    const page = await readPage(await bob.post(link))
    assert.equal(page.heading, 'Somebody else asked for this link')
    assert.doesNotMatch((await readPage(await bob.get('/account'))).text, /Verified/)
  })

  it('LNK-05 an address that another account has verified is not taken from it', async () => {
    const mallory = app.browser()
    app.provider.people.set('m', { claims: { name: 'Mallory', email: 'alice@acme.example' } })
    await app.signIn(mallory, 'm')
    app.clock.advance(limits.mails_to_address.per)
    await verify(mallory, 'alice@acme.example')
    const page = await readPage(await mallory.post(await lastLink()))
    assert.deepEqual([page.status, page.heading], [409, 'Another account has this address'])
  })

  it('a link for verifying signs nobody in, and one for signing in verifies nothing', async () => {
    const dora = app.browser()
    await app.signIn(dora, 'dora')
    app.clock.advance(limits.mails_to_address.per)
    await verify(dora, 'dora@acme.example')
    const handle = (await lastLink()).split('/').at(-1)
    assert.equal((await dora.post(`/login/mail/${handle}`)).status, 400)
    const link = await askForLink(app, dora, 'alice@acme.example')
    assert.equal((await dora.post(`/account/verify/${link.split('/').at(-1)}`)).status, 400)
  })
})

async function count(app: TestApp, table: 'flows' | 'audit_events'): Promise<number> {
  const { rows } = await sql<{ count: string }>`select count(*) from ${sql.table(table)}`.execute(
    app.sallyport.services.db,
  )
  return Number(rows[0]!.count)
}
