import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { sql } from 'kysely'
import { addVerifiedEmail } from '../../src/accounts/emails.ts'
import { createOrganization, setMemberRemoved } from '../../src/accounts/organizations.ts'
import { minutes } from '../../src/lib/clock.ts'
import { cookieNames } from '../../src/sessions/cookies.ts'
import { removeMember } from '../../src/sessions/ending.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import { refreshOf, type Browser } from '../_browser.ts'
import { readPage } from '../web/_page.ts'

interface Me {
  readonly user: { readonly id: string; readonly name: string }
  readonly organizations: readonly { readonly slug: string; readonly role: string }[]
}

const me = async (browser: Browser) => {
  const response = await browser.api('/me')
  return response.status === 200 ? ((await response.json()) as Me) : undefined
}
const idOf = async (browser: Browser) => (await me(browser))?.user.id
const stateIn = (response: Response) =>
  /^\/(?:link|register)\?state=([\w-]{43})$/.exec(response.headers.get('location') ?? '')?.[1] ??
  assert.fail(`${response.status} ${response.headers.get('location')}`)

describe('linking', () => {
  let app: TestApp
  let session: string
  let browserKey: string
  /** Connections of acme: beside its first, one that lets nobody join, and one with a form. */
  let closed: string
  let onForm: string
  /** Another organization, and its connection that lets everybody in. */
  let globex: string
  let atGlobex: string
  let number = 0

  before(async () => {
    app = await startTestApp({
      env: { SALLYPORT_PERSONAL_SIGN_IN: 'members', SALLYPORT_GUESTS: 'on' },
    })
    ;({ session, browser: browserKey } = cookieNames(new URL(app.origin)))
    closed = await app.connect({ provisioning: 'off', name: 'Closed' })
    onForm = await app.connect({ provisioning: 'register', name: 'On a form' })
    const { db, clock } = app.sallyport.services
    globex = (await createOrganization(db, { slug: 'globex', name: 'Globex' }, clock.now())).id
    atGlobex = await app.connect({ organizationId: globex, name: 'Globex SSO' })
  })
  after(() => app.close())

  const db = () => app.sallyport.services.db
  const fresh = (name: string) => `${name}-${++number}`
  /** Somebody signed in through acme's first connection, with an account of their own. */
  const signedIn = async (name = fresh('person')) => {
    const browser = app.browser()
    await app.signIn(browser, name)
    return { browser, name, id: (await idOf(browser)) ?? assert.fail() }
  }
  const ownerOf = async (subject: string, connectionId: string) =>
    (
      await db()
        .selectFrom('identities')
        .select('user_id')
        .where('connection_id', '=', connectionId)
        .where('subject', '=', subject)
        .executeTakeFirst()
    )?.user_id
  const identityOf = async (userId: string, connectionId: string) =>
    (
      await db()
        .selectFrom('identities')
        .select('id')
        .where('connection_id', '=', connectionId)
        .where('user_id', '=', userId)
        .executeTakeFirst()
    )?.id ?? assert.fail('no such identity')
  const events = (action: string) =>
    db()
      .selectFrom('audit_events')
      .selectAll()
      .where('action', '=', action)
      .orderBy('id', 'desc')
      .execute()
  const membership = (userId: string, organizationId = app.acme.id) =>
    db()
      .selectFrom('memberships')
      .selectAll()
      .where('user_id', '=', userId)
      .where('organization_id', '=', organizationId)
      .executeTakeFirst()
  const counts = async () => {
    const tables = ['users', 'identities', 'memberships'] as const
    return Promise.all(
      tables.map(async (table) => (await db().selectFrom(table).select('id').execute()).length),
    )
  }
  /** Begins to link from the account page, and comes back from the provider. */
  const startLink = async (browser: Browser, subject: string, connectionId: string) => {
    const left = await browser.post(`/sso/${connectionId}/link`)
    const state = refreshOf(left).searchParams.get('state') ?? assert.fail(await left.text())
    return app.comeBack(browser, state, subject, connectionId)
  }
  const agree = (browser: Browser, state: string, choice = 'link') =>
    browser.post('/link', { state, choice })

  it('SSO-71 SSO-44 LNK-04 an unknown identity in somebody’s session is linked to their account when they say so, and not before', async () => {
    const { browser, id } = await signedIn()
    const other = fresh('other')
    const before = await counts()
    const state = stateIn(await app.signIn(browser, other, { connectionId: closed }))
    const question = await readPage(await browser.get(`/link?state=${state}`))
    assert.equal(question.status, 409)
    assert.match(question.text, new RegExp(`signed in here as person-\\d+. At Acme \\(acme\\)`))
    assert.match(question.text, new RegExp(`signed in as ${other} \\(${other}@acme.example\\)`))
    assert.deepEqual(await counts(), before)
    const [conflict] = await events('identity.conflict')
    assert.equal(conflict!.organization_id, app.acme.id)

    const token = browser.cookies.get(session)
    const linked = await agree(browser, state)
    assert.deepEqual([linked.status, linked.headers.get('location')], [303, '/account'])
    assert.equal(await ownerOf(other, closed), id)
    assert.equal(await idOf(browser), id)
    assert.notEqual(browser.cookies.get(session), token, 'the session went on under a new token')
    assert.deepEqual(await counts(), [before[0], before[1]! + 1, before[2]])
    const [event] = await events('identity.linked')
    assert.deepEqual(
      [event!.actor_id, event!.data, event!.organization_id],
      [id, { to: 'account' }, app.acme.id],
    )
    const again = app.browser()
    await app.signIn(again, other, { connectionId: closed })
    assert.equal(await idOf(again), id, 'SSO-41 and from now on it signs them in')
  })

  it('LNK-15 nothing is linked by a no, by another site, by another browser or by another choice', async () => {
    const { browser, id } = await signedIn()
    const other = fresh('other')
    const begin = async () => stateIn(await app.signIn(browser, other, { connectionId: closed }))
    const before = await counts()
    const state = await begin()
    for (const choice of ['', 'newuser', 'confirm', 'login', 'Link'])
      assert.equal((await agree(browser, state, choice)).status, 400, choice)
    const foreign = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
    const forged = await browser.post('/link', { state, choice: 'link' }, foreign)
    assert.equal(forged.status, 403)
    const { browser: thief } = await signedIn()
    assert.equal((await agree(thief, state)).status, 400)
    assert.equal((await thief.get(`/link?state=${state}`)).status, 400)
    assert.equal((await browser.get('/link')).status, 400)
    const left = await agree(browser, state, 'stay')
    assert.deepEqual([left.status, left.headers.get('location')], [303, '/'])
    assert.equal((await agree(browser, state)).status, 403, 'it is over')
    assert.deepEqual(
      (await counts()).map((count, index) => count - before[index]!),
      [1, 1, 1],
      'the thief’s own account and no more',
    )
    assert.equal(await ownerOf(other, closed), undefined)
    assert.equal(await idOf(browser), id)
  })

  it('LNK-15 a question that was never asked is answered by nobody', async () => {
    const { browser } = await signedIn()
    const other = fresh('other')
    const state = await app.begin(browser, { connectionId: closed })
    assert.equal((await agree(browser, state)).status, 400, 'nothing is proven yet')
    const asked = await app.comeBack(browser, state, other, closed)
    stateIn(asked)
    const swapped = browser.clone()
    await swapped.post('/logout')
    swapped.cookies.set(browserKey, browser.cookies.get(browserKey)!)
    assert.equal((await agree(swapped, state)).status, 400, 'nobody is signed in')
    const next = await signedIn(fresh('somebody-else'))
    await app.signIn(swapped, next.name)
    const instead = await agree(swapped, state)
    assert.equal(instead.status, 409, 'whoever is here now is asked, by name')
    assert.match((await readPage(instead)).text, /signed in here as somebody-else/)
    assert.equal(await ownerOf(other, closed), undefined)
    assert.equal(await idOf(swapped), next.id)
  })

  it('an old session links nothing before its person has signed in once more; then the question is still there', async () => {
    const { browser, id, name } = await signedIn()
    app.clock.advance(minutes(20))
    const other = fresh('late')
    const state = stateIn(await app.signIn(browser, other, { connectionId: closed }))
    const interrupted = await agree(browser, state)
    const login = new URL(interrupted.headers.get('location')!)
    assert.equal(login.pathname, '/login')
    const back = login.searchParams.get('return_to')!
    assert.match(back, /^\/interrupted\?form=/)
    const again = await browser.post(`/sso/${app.connectionId}/start`, {
      return_to: back,
      reauth: '1',
    })
    const reauth = refreshOf(again).searchParams.get('state')!
    app.provider.people.set(name, { authenticatedAt: app.clock.now().toISOString() })
    assert.equal((await app.comeBack(browser, reauth, name)).headers.get('location'), back)
    const form = await readPage(await browser.get(back))
    assert.match(form.text, /You were about to: Link this sign-in to your account/)
    assert.equal(await ownerOf(other, closed), undefined)
    assert.equal((await agree(browser, state)).status, 303)
    assert.equal(await ownerOf(other, closed), id)
  })

  it('row 6: in a browser that the session did not begin in, nothing is linked at the press of a button', async () => {
    const { browser: elsewhere } = await signedIn('planted')
    const browser = app.browser()
    await browser.get('/login/acme')
    browser.cookies.set(session, elsewhere.cookies.get(session)!)
    const victim = fresh('victim')
    const state = stateIn(await app.signIn(browser, victim, { connectionId: closed }))
    assert.match((await agree(browser, state)).headers.get('location')!, /\/login\?reauth=1/)
    assert.equal(await ownerOf(victim, closed), undefined)
  })

  it('S0-21 SSO-51 SSO-62 somebody unknown proves the account they have, and is then asked; the page says the same whomever the address belongs to', async () => {
    const { id, name } = await signedIn()
    const { clock } = app.sallyport.services
    const address = `${name}@home.example`
    await addVerifiedEmail(db(), { userId: id, address, primary: false }, clock.now())
    const pages = await Promise.all(
      [address, 'nobody-has-it@home.example'].map(async (email) => {
        const subject = fresh('same')
        app.provider.people.set(subject, { claims: { name: 'Same', email, emailVerified: true } })
        const browser = app.browser()
        const state = stateIn(await app.signIn(browser, subject, { connectionId: onForm }))
        const { html } = await readPage(await browser.get(`/register?state=${state}`))
        return { browser, state, subject, html: html.replaceAll(state, '').replaceAll(email, '') }
      }),
    )
    assert.equal(pages[0]!.html, pages[1]!.html)
    assert.match(pages[0]!.html, /Do you have an account here already\?/)

    const { browser, state, subject } = pages[0]!
    const before = await counts()
    const back = `/link?state=${state}`
    assert.ok(
      pages[0]!.html.includes(`/login?other=1&return_to=${encodeURIComponent('/link?state=')}`),
    )
    await browser.post('/login/mail', { address, return_to: back })
    const { link } = (await app.mails()).at(-1)!.data
    const path = new URL(link!).pathname
    await browser.get(path)
    assert.equal((await browser.post(path)).headers.get('location'), back)
    assert.equal(await idOf(browser), id)
    const question = await readPage(await browser.get(back))
    assert.match(question.text, new RegExp(`signed in here as ${name}`))
    assert.equal((await agree(browser, state)).status, 303)
    assert.equal(await ownerOf(subject, onForm), id)
    assert.deepEqual(await counts(), [before[0], before[1]! + 1, before[2]])
  })

  it('LNK-03 LNK-04 SSO-43 SSO-62 no address that a provider asserts leads to an account, verified or not', async () => {
    const { id, name } = await signedIn()
    const { clock } = app.sallyport.services
    const address = `${name}@home.example`
    await addVerifiedEmail(db(), { userId: id, address, primary: false }, clock.now())
    for (const emailVerified of [true, false]) {
      const subject = fresh('impostor')
      app.provider.people.set(subject, { claims: { name, email: address, emailVerified } })
      const browser = app.browser()
      await app.signIn(browser, subject, { connectionId: atGlobex })
      assert.notEqual(await idOf(browser), id)
      assert.notEqual(await ownerOf(subject, atGlobex), id)
    }
    // Whoever claims a victim’s address first gets nothing from it either.
    const squatter = fresh('squatter')
    app.provider.people.set(squatter, { claims: { email: 'late@home.example' } })
    await app.signIn(app.browser(), squatter, { connectionId: atGlobex })
    const late = fresh('late')
    app.provider.people.set(late, { claims: { email: 'late@home.example', emailVerified: true } })
    await app.signIn(app.browser(), late)
    assert.notEqual(await ownerOf(late, app.connectionId), await ownerOf(squatter, atGlobex))
  })

  it('LNK-02 the same subject at two connections is two people, and an id of ours is no subject', async () => {
    const { id, name } = await signedIn()
    const browser = app.browser()
    await app.signIn(browser, name, { connectionId: atGlobex })
    assert.notEqual(await idOf(browser), id)
    const named = app.browser()
    await app.signIn(named, id, { connectionId: atGlobex })
    assert.notEqual(await idOf(named), id)
    app.provider.people.set(name, { issuer: 'https://other.example' })
    const elsewhere = app.browser()
    await app.signIn(elsewhere, name)
    assert.notEqual(await idOf(elsewhere), id, 'LNK-12 another issuer is somebody else')
    app.provider.people.delete(name)
  })

  it('from the account page: a member links one more sign-in of their organization, and uses it', async () => {
    const { browser, id } = await signedIn()
    const account = await readPage(await browser.get('/account'))
    assert.ok(account.links.includes(`/sso/${closed}/link`))
    assert.ok(!account.links.includes(`/sso/${app.connectionId}/link`), 'that one is linked')
    assert.ok(!account.links.includes(`/sso/${atGlobex}/link`), 'no member there')
    const other = fresh('wanted')
    const state = stateIn(await startLink(browser, other, closed))
    const question = await readPage(await browser.get(`/link?state=${state}`))
    assert.equal(question.status, 200)
    assert.equal((await agree(browser, state)).headers.get('location'), '/account')
    assert.equal(await ownerOf(other, closed), id)
    const page = await readPage(await browser.get('/account'))
    assert.match(page.text, new RegExp(`As ${other} \\(${other}@acme.example\\). Linked on`))
  })

  it('LNK-05 what belongs to another account is not linked, and both are told', async () => {
    const owner = await signedIn()
    const other = fresh('taken')
    await agree(owner.browser, stateIn(await startLink(owner.browser, other, closed)))
    const { browser, id } = await signedIn()
    const before = await counts()
    const refused = await startLink(browser, other, closed)
    const page = await readPage(refused)
    assert.equal(page.status, 409)
    assert.doesNotMatch(page.text, new RegExp(owner.name))
    assert.equal(await ownerOf(other, closed), owner.id)
    assert.deepEqual(await counts(), before)
    assert.equal(await idOf(browser), id, 'still themself')
    const told = (await events('identity.in_use')).slice(0, 2)
    assert.deepEqual(told.map(({ target }) => target).sort(), [id, owner.id].sort())
    assert.ok(told.every(({ outcome }) => outcome === 'deny'))
    const toOwner = told.find(({ target }) => target === owner.id)!
    assert.doesNotMatch(JSON.stringify(toOwner), new RegExp(id))
  })

  it('LNK-06 SSO-52 SSO-73 a second subject of one connection is not linked, nor is the first one rewritten', async () => {
    const { browser, id, name } = await signedIn()
    const refused = await startLink(browser, fresh('renamed'), app.connectionId)
    assert.equal(refused.status, 409)
    assert.match((await readPage(refused)).text, /another sign-in there already/)
    assert.equal(await ownerOf(name, app.connectionId), id)
    const [event] = await events('identity.subject_changed')
    assert.deepEqual([event!.actor_id, event!.outcome], [id, 'deny'])
  })

  it('what is linked already is merely a new sign-in', async () => {
    const { browser, id, name } = await signedIn()
    const before = await counts()
    const done = await startLink(browser, name, app.connectionId)
    assert.equal(done.headers.get('location'), '/account')
    assert.deepEqual(await counts(), before)
    assert.equal(await idOf(browser), id)
  })

  it('CSR-08 linking goes on for whoever began it, needs a recent sign-in, and nobody else’s question is answered', async () => {
    const { browser } = await signedIn()
    const other = fresh('mine')
    const state = stateIn(await startLink(browser, other, closed))
    await browser.post('/logout')
    assert.equal((await browser.get(`/link?state=${state}`)).status, 400)
    await app.signIn(browser, (await signedIn()).name)
    assert.equal((await agree(browser, state)).status, 400)
    assert.equal(await ownerOf(other, closed), undefined)
    app.clock.advance(minutes(30))
    const stale = await browser.post(`/sso/${closed}/link`)
    assert.match(stale.headers.get('location')!, /\/login\?reauth=1/)
    assert.equal((await app.browser().post(`/sso/${closed}/link`)).status, 401)
  })

  it('LNK-08 S0-24 of two accounts that link one identity at once, one does; of two links of one account, one', async () => {
    const people = await Promise.all([signedIn(), signedIn()])
    const contested = fresh('contested')
    const states = await Promise.all(
      people.map(async ({ browser }) => stateIn(await startLink(browser, contested, closed))),
    )
    const answers = await Promise.all(
      people.map(({ browser }, index) => agree(browser, states[index]!)),
    )
    assert.deepEqual(answers.map(({ status }) => status).sort(), [303, 409])
    const owner = await ownerOf(contested, closed)
    assert.ok(people.some(({ id }) => id === owner))

    const { browser, id } = await signedIn()
    const both = [fresh('left'), fresh('right')]
    const tabs = await Promise.all(
      both.map(async (subject) => stateIn(await startLink(browser, subject, closed))),
    )
    const results = await Promise.all(tabs.map((state) => agree(browser.clone(), state)))
    assert.deepEqual(results.map(({ status }) => status).sort(), [303, 409])
    const linked = await Promise.all(both.map((subject) => ownerOf(subject, closed)))
    assert.deepEqual(linked.filter(Boolean), [id])
  })

  it('LNK-08 S0-24 two first sign-ins of one person at once make one account, and both get in', async () => {
    const subject = fresh('twice')
    const browsers = [app.browser(), app.browser()]
    const before = await counts()
    const answers = await Promise.all(browsers.map((browser) => app.signIn(browser, subject)))
    assert.deepEqual(
      answers.map((answer) => answer.headers.get('location')),
      ['/account', '/account'],
    )
    assert.deepEqual(
      await counts(),
      before.map((count) => count + 1),
    )
    const [first, second] = await Promise.all(browsers.map(idOf))
    assert.equal(first, second)
  })

  it('LNK-08 one question answered twice at once links once, and both are led on', async () => {
    for (let round = 0; round < 8; round++) {
      const { browser, id } = await signedIn()
      const subject = fresh('double')
      const state = stateIn(await startLink(browser, subject, closed))
      const answers = await Promise.all([agree(browser, state), agree(browser, state)])
      assert.deepEqual(
        answers.map(({ status }) => status),
        [303, 303],
      )
      assert.equal(await ownerOf(subject, closed), id)
    }
  })

  it('LNK-14 where nobody may join, strangers are refused alike, with an account here or without, and it is in the audit', async () => {
    const before = await counts()
    const { browser: stranger } = await signedIn(fresh('of-acme'))
    const closedGlobex = await app.connect({ organizationId: globex, provisioning: 'off' })
    const mid = await counts()
    const answers = await Promise.all(
      [stranger, app.browser()].map((browser) =>
        app.signIn(browser, fresh('unknown'), { connectionId: closedGlobex }),
      ),
    )
    const texts = await Promise.all(answers.map(async (answer) => (await readPage(answer)).text))
    const plain = texts.map((text) => text.replace(/Reference: .*/, ''))
    assert.equal(plain[0], plain[1])
    assert.match(plain[0]!, /Ask your administrator/)
    assert.deepEqual(
      answers.map(({ status }) => status),
      [403, 403],
    )
    assert.deepEqual(await counts(), mid)
    assert.notDeepEqual(before, mid)
    const unknown = await events('login.identity_unregistered')
    assert.equal(unknown[0]!.organization_id, globex)
    assert.equal((await events('login.denied'))[0]!.outcome, 'deny')
  })

  it('SSO-56 somebody of another organization joins by linking only where the organization lets them join', async () => {
    const { browser, id } = await signedIn()
    const subject = fresh('joiner')
    const state = stateIn(await app.signIn(browser, subject, { connectionId: atGlobex }))
    assert.equal((await agree(browser, state)).status, 303)
    assert.equal((await membership(id, globex))!.role, 'member')
    assert.deepEqual(
      (await me(browser))!.organizations.map(({ slug }) => slug),
      ['acme', 'globex'],
    )
    const closedGlobex = await app.connect({ organizationId: globex, provisioning: 'off' })
    const outsider = await signedIn()
    const refused = await app.signIn(outsider.browser, fresh('x'), { connectionId: closedGlobex })
    assert.equal(refused.status, 403)
    assert.equal(await membership(outsider.id, globex), undefined)
    const insider = stateIn(await app.signIn(browser, fresh('y'), { connectionId: closedGlobex }))
    assert.equal((await agree(browser, insider)).status, 303, 'a member links whatever the policy')
  })

  it('whoever was removed comes back neither by signing in nor by linking', async () => {
    const { browser, id, name } = await signedIn()
    const linkedElsewhere = fresh('elsewhere')
    await agree(
      browser,
      stateIn(await app.signIn(browser, linkedElsewhere, { connectionId: atGlobex })),
    )
    const { services } = app.sallyport
    const now = services.clock.now()
    await removeMember(services, { organizationId: app.acme.id, userId: id }, {}, now)
    assert.equal((await app.signIn(app.browser(), name)).status, 403)
    const stillHere = app.browser()
    await app.signIn(stillHere, linkedElsewhere, { connectionId: atGlobex })
    assert.equal(await idOf(stillHere), id, 'still somebody at globex')
    assert.equal((await app.signIn(stillHere, fresh('z'), { connectionId: onForm })).status, 403)
    assert.equal((await startLink(stillHere, fresh('w'), onForm)).status, 403)
    assert.ok((await membership(id))!.removed_at)
    const account = await readPage(await stillHere.get('/account'))
    assert.ok(!account.links.includes(`/sso/${onForm}/link`))
  })

  it('a link that was revoked is healed by a fresh proof, and not that of a removed member', async () => {
    const { id, name } = await signedIn()
    await db()
      .updateTable('memberships')
      .set({ link_state: 'revoked', link_reason: 'gone upstream' })
      .where('user_id', '=', id)
      .execute()
    const browser = app.browser()
    await app.signIn(browser, name)
    assert.equal(await idOf(browser), id)
    assert.deepEqual(
      [(await membership(id))!.link_state, (await membership(id))!.link_reason],
      ['linked', null],
    )
    const now = app.clock.now()
    await db()
      .updateTable('memberships')
      .set({ link_state: 'revoked' })
      .where('user_id', '=', id)
      .execute()
    await setMemberRemoved(db(), { organizationId: app.acme.id, userId: id }, now)
    assert.equal((await app.signIn(app.browser(), name)).status, 403)
    assert.equal((await membership(id))!.link_state, 'revoked')
  })

  it('LNK-09 the last way in stays, another person’s does not exist, and what was unlinked lets nobody in', async () => {
    const { browser, id, name } = await signedIn()
    const only = await identityOf(id, app.connectionId)
    const refused = await browser.post(`/account/identities/${only}/unlink`)
    assert.equal(refused.status, 409)
    assert.match((await readPage(refused)).text, /only way in/)

    const stranger = await signedIn()
    assert.equal((await stranger.browser.get(`/account/identities/${only}`)).status, 404)
    assert.equal((await stranger.browser.post(`/account/identities/${only}/unlink`)).status, 404)
    assert.equal((await events('authz.denied'))[0]!.actor_id, stranger.id)
    assert.equal((await browser.post('/account/identities/x/unlink')).status, 404)

    const second = fresh('second')
    await agree(browser, stateIn(await startLink(browser, second, closed)))
    const elsewhere = app.browser()
    await app.signIn(elsewhere, second, { connectionId: closed })
    const page = await readPage(
      await browser.get(`/account/identities/${await identityOf(id, closed)}`),
    )
    assert.equal(page.heading, 'Unlink this sign-in?')
    assert.match(page.text, /Every session that began with it ends/)
    const gone = await identityOf(id, closed)
    const done = await browser.post(`/account/identities/${gone}/unlink`)
    assert.equal(done.headers.get('location'), '/account')
    assert.equal(await idOf(elsewhere), undefined, 'the session that began with it is over')
    assert.equal(await ownerOf(second, closed), undefined)
    assert.equal((await app.signIn(app.browser(), second, { connectionId: closed })).status, 403)
    assert.equal((await membership(id))!.link_state, 'linked', 'through the other one')
    const [event] = await events('identity.unlinked')
    assert.deepEqual([event!.actor_id, event!.target], [id, gone])
    const again = app.browser()
    await app.signIn(again, name)
    assert.equal(await idOf(again), id)
  })

  it('LNK-09 SSO-172 what an organization requires of its members is not unlinked, but for another of its own', async () => {
    const { browser, id } = await signedIn()
    const address = `${id}@home.example`
    await addVerifiedEmail(db(), { userId: id, address, primary: false }, app.clock.now())
    const only = await identityOf(id, app.connectionId)
    const require = (since: Date | null) =>
      db()
        .updateTable('organizations')
        .set({ sso_required_since: since })
        .where('id', '=', app.acme.id)
        .execute()
    await require(app.clock.now())
    const refused = await browser.post(`/account/identities/${only}/unlink`)
    assert.equal(refused.status, 403)
    assert.match((await readPage(refused)).text, /Your organization requires this sign-in/)
    await require(null)
    const done = await browser.post(`/account/identities/${only}/unlink`)
    assert.equal(done.headers.get('location'), '/account')
    assert.equal((await membership(id))!.link_state, 'unlinked')
    assert.equal(await idOf(browser), undefined, 'this session rested on it alone')
  })

  it('LNK-09 of two sign-ins that are unlinked at once, one stays', async () => {
    const { browser, id } = await signedIn()
    await agree(browser, stateIn(await startLink(browser, fresh('pair'), closed)))
    const ids = [await identityOf(id, app.connectionId), await identityOf(id, closed)]
    const answers = await Promise.all(
      ids.map((each) => browser.clone().post(`/account/identities/${each}/unlink`)),
    )
    assert.deepEqual(answers.filter(({ status }) => status === 409).length >= 1, true)
    const { rows } = await sql`select from identities where user_id = ${id}`.execute(db())
    assert.equal(rows.length, 1)
  })
})
