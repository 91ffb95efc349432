import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { sql } from 'kysely'
import { createInvitation } from '../../src/accounts/invitations.ts'
import { createOrganization, setRole } from '../../src/accounts/organizations.ts'
import { saveProvisioning } from '../../src/accounts/joining.ts'
import { switchScim } from '../../src/accounts/scim-tokens.ts'
import { days, minutes } from '../../src/lib/clock.ts'
import { newId } from '../../src/lib/ids.ts'
import { removeMember } from '../../src/sessions/ending.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import { fingerprint } from '../_fingerprint.ts'
import {
  audited,
  enterprise,
  ScimClient,
  signIn,
  startDirectory,
  user,
  whoIs,
} from './_directory.ts'

describe('a directory’s people', () => {
  let app: TestApp
  let directory: ScimClient
  let names = 0
  const fresh = (stem: string) => `${stem}${++names}`
  before(async () => {
    app = await startTestApp()
    directory = await startDirectory(app)
    // Nobody joins but by what the directory says.
    await provision('off')
  })
  after(() => app.close())
  beforeEach(() => app.sallyport.services.quiet.clear())

  const db = () => app.sallyport.services.db
  const provision = async (provisioning: string) => {
    const actor = { organizationId: app.acme.id, actorId: newId() }
    const set = { connectionId: app.connectionId, provisioning }
    await saveProvisioning(db(), actor, set, app.clock.now())
  }
  /** Comes as that subject in a browser in which somebody of another organization is signed in, who may be asked to link it. */
  const signInAsSomebody = async (subject: string) => {
    const slug = fresh('guests')
    const { id } = await createOrganization(db(), { slug, name: 'Guests' }, app.clock.now())
    const { browser } = await signIn(app, fresh('guest'), await app.connect({ organizationId: id }))
    return app.signIn(browser, subject)
  }
  const member = async (userId: string) => {
    const { rows } = await sql<{ removed: string | null; role: string }>`
      select removed_reason as removed, role from memberships
      where user_id = ${userId} and organization_id = ${app.acme.id}`.execute(db())
    return rows[0]
  }

  it('SSO-177 creates a membership in waiting: no account, no address, until somebody proves to be them', async () => {
    const name = fresh('ada')
    const count = async () => (await sql`select from users`.execute(db())).rows.length
    const before = await count()
    const made = await directory.send('POST', '/Users', {
      schemas: [user, enterprise],
      userName: name,
      externalId: `x-${name}`,
      name: { givenName: 'Ada', familyName: 'L' },
      emails: [{ value: `${name}@acme.example`, type: 'work', primary: true }],
      [enterprise]: { department: 'IT', manager: 'm1' },
      password: 'never kept',
      unheardOf: { of: 1 },
    })
    assert.equal(made.status, 201)
    const { id, meta } = made.body
    assert.equal(meta.location, `${app.origin}${directory.base}/Users/${id}`)
    assert.equal(made.headers.get('location'), meta.location)
    assert.equal(made.headers.get('etag'), 'W/"1"')
    assert.deepEqual(made.body, {
      schemas: [user, enterprise],
      id,
      externalId: `x-${name}`,
      userName: name,
      active: true,
      name: { givenName: 'Ada', familyName: 'L' },
      emails: [{ value: `${name}@acme.example`, type: 'work', primary: true }],
      [enterprise]: { department: 'IT', manager: { value: 'm1' } },
      meta,
    })
    assert.deepEqual((await directory.get(`/Users/${id}`)).body, made.body)
    assert.equal(await count(), before)
    assert.equal((await audited(app, 'scim.user_created')).at(-1)!.target, id)

    const { browser, status } = await signIn(app, name)
    assert.equal(status, 303)
    const me = await whoIs(browser)
    assert.deepEqual(
      me!.organizations.map(({ slug }) => slug),
      ['acme'],
    )
    assert.deepEqual((await audited(app, 'scim.user_bound')).at(-1)!.target, id)
    assert.equal((await signIn(app, fresh('stranger'))).status, 403, 'nobody else joins')
  })

  it('SSO-179 what is there already is told, in any spelling; and a name is needed', async () => {
    const name = fresh('Bob')
    await directory.create(name)
    const again = await directory.send('POST', '/Users', { userName: name.toUpperCase() })
    assert.deepEqual([again.status, again.body.scimType], [409, 'uniqueness'])
    for (const body of [
      {},
      { userName: '' },
      { userName: 7.5, active: 'maybe' },
      { userName: ['a'] },
    ]) {
      const { status, body: told } = await directory.send('POST', '/Users', body)
      assert.deepEqual([status, told.scimType], [400, 'invalidValue'], JSON.stringify(body))
    }
    for (const body of ['[]', '"x"', '{', '{"userName":"a","USERNAME":"b"}', '{"__proto__":{}}']) {
      const { status, body: told } = await directory.send('POST', '/Users', body)
      assert.deepEqual([status, told.scimType], [400, 'invalidSyntax'], body)
    }
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    assert.equal((await directory.send('POST', '/Users', 'userName=x', form)).status, 415)
  })

  it('SCM-06 VER-17 active false ends everything there and nothing elsewhere; active true gives back the right to sign in only', async () => {
    const name = fresh('carol')
    const { id } = await directory.create(name)
    const other = await createOrganization(
      db(),
      { slug: fresh('other'), name: 'Other' },
      app.clock.now(),
    )
    const elsewhere = await app.connect({ organizationId: other.id })
    app.provider.people.set(name, { grant: { accessToken: 'a', refreshToken: 'r' } })
    const [one, two] = [await signIn(app, name), await signIn(app, name)]
    const me = await whoIs(one.browser)
    await app.begin(one.browser)
    const kept = async () => {
      const { rows } = await sql<{ granted: boolean; flows: number }>`
        select granted is not null or check_at is not null as granted,
          (select count(*)::int from flows f where f.user_id = i.user_id and f.consumed_at is null) as flows
        from identities i where connection_id = ${app.connectionId} and subject = ${name}`.execute(
        db(),
      )
      return rows[0]
    }
    assert.deepEqual(await kept(), { granted: true, flows: 1 })
    const away = await signIn(app, name, elsewhere)
    assert.equal((await directory.setActive(id, false)).status, 200)
    for (const { browser } of [one, two]) assert.equal(await whoIs(browser), undefined)
    assert.ok(await whoIs(away.browser), 'another organization’s account is another matter')
    assert.deepEqual(await member(me!.id), { removed: 'deactivated', role: 'member' })
    assert.deepEqual(await kept(), { granted: false, flows: 0 })
    assert.equal((await signIn(app, name)).status, 403)
    const [deactivated] = (await audited(app, 'member.deactivated')).filter(
      ({ target }) => target === me!.id,
    )
    assert.ok(deactivated)
    const refused = (await audited(app, 'login.denied')).at(-1)
    assert.equal(refused!.data.reason, 'deactivated')
    // A second time it is the same, and nothing more is told.
    const told = (await audited(app, 'member.deactivated')).length
    assert.equal((await directory.setActive(id, false)).status, 200)
    assert.equal((await audited(app, 'member.deactivated')).length, told)

    assert.equal((await directory.setActive(id, true)).status, 200)
    assert.equal(await whoIs(one.browser), undefined, 'no session comes back')
    const back = await signIn(app, name)
    assert.equal((await whoIs(back.browser))!.id, me!.id)
  })

  it('SCM-06 whoever is put out before ever having signed in does not get in, in no spelling', async () => {
    const name = fresh('dave')
    const { id } = await directory.create(name, { active: false })
    assert.equal((await signIn(app, name)).status, 403)
    assert.equal((await signInAsSomebody(name)).status, 403, 'and is not asked first')
    await provision('everybody')
    assert.equal((await signIn(app, name)).status, 403)
    assert.equal((await signIn(app, name.toUpperCase())).status, 403)
    await provision('off')
    await directory.setActive(id, true)
    assert.equal((await signIn(app, name.toUpperCase())).status, 403, 'another person, it may be')
    assert.equal((await signIn(app, name)).status, 303)
  })

  it('SCM-06 deleting leaves a tombstone with the same effect; naming them anew lets them back', async () => {
    const name = fresh('erin')
    const { id } = await directory.create(name)
    const { browser } = await signIn(app, name)
    const me = await whoIs(browser)
    assert.equal((await directory.send('DELETE', `/Users/${id}`)).status, 204)
    assert.equal(await whoIs(browser), undefined)
    assert.equal((await signIn(app, name)).status, 403)
    for (const method of ['GET', 'DELETE'])
      assert.equal((await directory.send(method, `/Users/${id}`)).status, 404)
    assert.deepEqual(await directory.find('Users', `userName eq "${name}"`), [])
    const again = await directory.create(name)
    assert.notEqual(again.id, id)
    assert.equal(await whoIs(browser), undefined)
    const back = await signIn(app, name)
    assert.equal((await whoIs(back.browser))!.id, me!.id)
    await directory.setActive(again.id, false)
    assert.equal(await whoIs(back.browser), undefined, 'the new entry is about the same account')
  })

  it('SCM-06 neither an invitation nor another connection brings back whom the directory has put out', async () => {
    const name = fresh('frank')
    const { id } = await directory.create(name)
    const second = await app.connect({ name: 'Second' })
    const { browser } = await signIn(app, name)
    const me = await whoIs(browser)
    const address = `${name}@acme.example`
    const { clock } = app.sallyport.services
    const invited = await db()
      .transaction()
      .execute((tx) =>
        createInvitation(
          tx,
          { organizationId: app.acme.id, address, role: 'member', invitedBy: null },
          clock.now(),
        ),
      )
    assert.ok('token' in invited)
    // The same person has another sign-in of the organization, linked before.
    await sql`
      insert into identities (id, connection_id, issuer, subject, user_id, linked_at, last_verified_at)
      values (${newId()}, ${second}, 'https://idp.example', ${name}, ${me!.id}, now(), now())`.execute(
      db(),
    )
    await directory.setActive(id, false)
    assert.equal((await signIn(app, name, second)).status, 403)
    for (const through of [app.connectionId, second]) {
      const visitor = app.browser()
      const left = await visitor.post(`/sso/${through}/start`, { invitation: invited.token })
      const state = /state=([^&"]+)/.exec(left.headers.get('refresh') ?? '')![1]!
      assert.equal((await app.comeBack(visitor, state, name, through)).status, 410)
    }
    assert.equal((await member(me!.id))!.removed, 'deactivated')
  })

  it('SCM-06 whom an administrator has removed the directory does not bring back', async () => {
    const name = fresh('grace')
    const { id } = await directory.create(name)
    const me = await whoIs((await signIn(app, name)).browser)
    const which = { organizationId: app.acme.id, userId: me!.id }
    await removeMember(app.sallyport.services, which, {}, app.clock.now())
    await directory.setActive(id, false)
    await directory.setActive(id, true)
    assert.equal((await signIn(app, name)).status, 403)
    assert.equal((await member(me!.id))!.removed, 'removed')
    const back = await audited(app, 'member.reactivated')
    assert.ok(!back.some(({ target }) => target === me!.id))
  })

  it('SCM-03 SCM-04 an entry with somebody’s address or name takes over nothing, in no organization', async () => {
    const name = fresh('heidi')
    const other = await createOrganization(
      db(),
      { slug: fresh('victim'), name: 'Victim' },
      app.clock.now(),
    )
    const theirs = await app.connect({ organizationId: other.id })
    const victim = await signIn(app, name, theirs)
    const id = (await whoIs(victim.browser))!.id
    await sql`
      insert into user_emails (user_id, address, folded, verified_at, is_primary)
      values (${id}, ${`${name}@v.example`}, ${`${name}@v.example`}, now(), false)`.execute(db())
    const before = await fingerprintOf(['users', 'user_emails', 'memberships', 'identities'])
    const made = await directory.create(name, { emails: [{ value: `${name}@v.example` }] })
    await directory.create(`${name}@v.example`)
    assert.deepEqual(
      await fingerprintOf(['users', 'user_emails', 'memberships', 'identities']),
      before,
    )
    await directory.setActive(made.id, false)
    assert.ok(await whoIs(victim.browser), 'and puts nobody out elsewhere')
    // Who signs in as that entry is somebody new: the address is no key.
    await directory.setActive(made.id, true)
    const mine = await whoIs((await signIn(app, name)).browser)
    assert.notEqual(mine!.id, id)
  })

  it('SCM-03 LNK-02 whoever has signed in at this connection before is the one an entry names, by the subject alone', async () => {
    const name = fresh('ivan')
    await provision('everybody')
    const { browser } = await signIn(app, name)
    const third = fresh('mallory')
    const mallory = await signIn(app, third)
    await provision('off')
    const { id } = await directory.create(name)
    assert.ok(await whoIs(browser))
    await directory.setActive(id, false)
    assert.equal(await whoIs(browser), undefined)
    // An entry that is about one account is never about another.
    const second = fresh('judy')
    const other = await directory.create(second)
    await directory.setActive(id, true)
    await directory.send('DELETE', `/Users/${other.id}`)
    const back = await signIn(app, name)
    const renamed = await directory.patch(id, [{ op: 'replace', path: 'userName', value: second }])
    assert.equal(renamed.status, 200)
    assert.ok(await whoIs(back.browser))
    assert.equal((await signIn(app, second)).status, 403, 'the entry is somebody else’s')
    assert.equal((await signInAsSomebody(second)).status, 403)
    const free = fresh('free')
    await directory.create(free)
    assert.notEqual((await signInAsSomebody(free)).status, 403)
    const anew = await directory.send('POST', '/Users', { userName: name })
    assert.equal(anew.status, 409, 'whose account it was is known under another name')
    // Nor does it take the name of somebody else who has signed in here.
    const wrong = await directory.patch(id, [{ op: 'replace', path: 'userName', value: third }])
    assert.deepEqual([wrong.status, wrong.body.scimType], [409, 'uniqueness'])
    assert.ok(await whoIs(mallory.browser))
    await directory.setActive(id, false)
    assert.equal(await whoIs(back.browser), undefined, 'it still is about the first')
  })

  it('SCM-06 where two directories of the organization know somebody, both have to agree', async () => {
    const name = fresh('kim')
    const connectionId = await app.connect({ name: 'Beside' })
    const beside = await startDirectory(app, { connectionId })
    const { id } = await directory.create(name)
    const me = await whoIs((await signIn(app, name)).browser)
    await sql`
      insert into identities (id, connection_id, issuer, subject, user_id, linked_at, last_verified_at)
      values (${newId()}, ${connectionId}, 'https://idp.example', ${name}, ${me!.id}, now(), now())`.execute(
      db(),
    )
    const other = await beside.create(name)
    await directory.setActive(id, false)
    await beside.setActive(other.id, false)
    await directory.setActive(id, true)
    assert.equal((await signIn(app, name)).status, 403)
    await beside.setActive(other.id, true)
    assert.equal((await signIn(app, name)).status, 303)
    assert.equal((await signIn(app, name, connectionId)).status, 303)
  })

  it('SCM-10 SSO-183 the last owner stays, and the owners are told, once', async () => {
    const name = fresh('olivia')
    const { id } = await directory.create(name)
    const { browser } = await signIn(app, name)
    const me = await whoIs(browser)
    const own = { organizationId: app.acme.id, userId: me!.id, role: 'owner' } as const
    await setRole(db(), own)
    await sql`
      insert into user_emails (user_id, address, folded, verified_at, is_primary)
      values (${me!.id}, 'olivia@own.example', 'olivia@own.example', now(), false)`.execute(db())
    for (let i = 0; i < 2; i++) {
      assert.equal((await directory.setActive(id, false)).status, 409)
      assert.equal((await directory.send('DELETE', `/Users/${id}`)).status, 409)
    }
    assert.equal((await directory.get(`/Users/${id}`)).body.active, true)
    assert.ok(await whoIs(browser))
    assert.equal((await audited(app, 'scim.owner_kept')).length, 4)
    const mails = (await app.mails()).filter(({ mail }) => mail === 'owner_kept')
    assert.deepEqual(
      mails.map(({ to }) => to),
      ['olivia@own.example'],
    )
    // With another owner there is nothing against it.
    const second = await signIn(app, (await directory.create(fresh('peggy'))).userName)
    const userId = (await whoIs(second.browser))!.id
    await setRole(db(), { ...own, userId })
    assert.equal((await directory.setActive(id, false)).status, 200)
    assert.equal(await whoIs(browser), undefined)
    await setRole(db(), { ...own, userId, role: 'member' })
  })

  it('SCM-01 nobody is let in but by this connection’s token, in the one header it belongs in', async () => {
    const { id } = await directory.create(fresh('quinn'))
    const own = await app.connect({ name: 'Another' })
    const sibling = await startDirectory(app, { connectionId: own })
    const other = await createOrganization(
      db(),
      { slug: fresh('theirs'), name: 'Theirs' },
      app.clock.now(),
    )
    const foreign = await startDirectory(app, {
      connectionId: await app.connect({ organizationId: other.id }),
    })
    const signedIn = await signIn(app, (await directory.create(fresh('rupert'))).userName)
    const { token } = directory
    const untouched = await fingerprint(db())
    const wrong: Readonly<Record<string, { headers?: Record<string, string>; query?: string }>> = {
      'no token': {},
      'a wrong one': { headers: { authorization: `Bearer ${token.slice(0, -1)}0` } },
      'one with a right checksum': { headers: { authorization: `Bearer ${sibling.token}` } },
      'another organization’s': { headers: { authorization: `Bearer ${foreign.token}` } },
      Basic: {
        headers: { authorization: `Basic ${Buffer.from(`x:${token}`).toString('base64')}` },
      },
      'in the query': { query: `?access_token=${token}` },
      'two of them': { headers: { authorization: `Bearer ${token}, Bearer ${token}` } },
      'a session cookie': { headers: { cookie: signedIn.browser.cookieHeader() } },
      'a session token': {
        headers: { authorization: `Bearer ${[...signedIn.browser.cookies.values()][0]}` },
      },
    }
    const texts = new Set<string>()
    for (const [what, { headers = {}, query = '' }] of Object.entries(wrong)) {
      app.sallyport.services.quiet.clear()
      for (const connection of [directory.connectionId, newId(), 'x']) {
        const client = new ScimClient(app, connection, '')
        for (const [method, path] of [
          ['GET', `/Users/${id}`],
          ['DELETE', `/Users/${id}`],
          ['GET', '/ServiceProviderConfig'],
          ['GET', '/Nothing'],
        ] as const) {
          const sent = { authorization: undefined, ...headers }
          const answer = await client.send(method, path + query, undefined, sent)
          assert.equal(answer.status, 401, `${what} ${method} ${path}`)
          assert.equal(answer.headers.get('www-authenticate'), 'Bearer realm="scim"')
          texts.add(JSON.stringify(answer.body))
        }
        await sql`delete from rate_limits`.execute(db())
      }
      const told = (await audited(app, 'scim.refused')).at(-1)!
      assert.deepEqual([told.outcome, told.data.reason], ['deny', 'scim: token'])
    }
    assert.equal(texts.size, 1, 'the same, whatever is wrong')
    assert.deepEqual(await fingerprint(db()), untouched)
    assert.equal((await directory.get(`/Users/${id}`)).status, 200)
  })

  it('SCM-01 TOK-08 a token that has run out, was withdrawn, or is one of a connection that is off, is none', async () => {
    const connectionId = await app.connect({ name: 'Rotating' })
    const first = await startDirectory(app, { connectionId })
    const second = await startDirectory(app, { connectionId })
    const status = async (client: ScimClient) => (await client.get('/Users')).status
    assert.deepEqual([await status(first), await status(second)], [200, 200], 'two at a time')
    await assert.rejects(() => startDirectory(app, { connectionId }), 'and no third')
    const { rows } = await sql<{ id: string; used: boolean; hash: Buffer }>`
      select id, last_used_at is not null as used, token_hash as hash from scim_tokens
      where connection_id = ${connectionId} order by id`.execute(db())
    assert.deepEqual(
      rows.map(({ used }) => used),
      [true, true],
      'its last use is known',
    )
    assert.ok(!rows.some(({ hash }) => hash.includes(first.token)), 'only hashes are kept')
    await sql`update scim_tokens set revoked_at = now() where id = ${rows[0]!.id}`.execute(db())
    assert.deepEqual([await status(first), await status(second)], [401, 200])
    await sql`update scim_tokens set expires_at = ${app.clock.now()} where id = ${rows[1]!.id}`.execute(
      db(),
    )
    assert.equal(await status(second), 401)
    const third = await startDirectory(app, { connectionId })
    const doing = { organizationId: app.acme.id, connectionId, actorId: newId(), requestId: 'r' }
    await switchScim(db(), doing, false, app.clock.now())
    assert.equal(await status(third), 401)
    await switchScim(db(), doing, true, app.clock.now())
    assert.equal(await status(third), 401, 'switching on again revives nothing')
  })

  it('SCM-04 ORG-01 another connection’s people are as if there were none, for any method', async () => {
    const { id } = await directory.create(fresh('sybil'))
    const team = await directory.makeGroup(fresh('team'), [id])
    const other = await startDirectory(app, {
      connectionId: await app.connect({ name: 'Elsewhere' }),
    })
    const untouched = await fingerprint(db())
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE']) {
      const body = { userName: 'x', displayName: 'x', Operations: [{ op: 'replace', value: {} }] }
      const sent = method === 'GET' || method === 'DELETE' ? undefined : body
      for (const path of [`/Users/${id}`, `/Groups/${team.id}`])
        for (const unknown of [path, path.replace(id, newId()), `${path}${'9'.repeat(500)}`]) {
          const answer = await other.send(method, unknown, sent)
          assert.equal(answer.status, 404, `${method} ${unknown}`)
        }
    }
    assert.equal((await other.get('/Users')).body.totalResults, 0)
    const joined = await other.send('POST', '/Groups', {
      displayName: 'g',
      members: [{ value: id }],
    })
    assert.deepEqual([joined.status, joined.body.scimType], [400, 'invalidValue'])
    const after = await fingerprint(db())
    for (const table of ['scim_users', 'scim_groups', 'scim_group_members', 'memberships'])
      assert.equal(after[table], untouched[table], table)
  })

  it('an If-Match of another version changes nothing; what is known already is not sent again', async () => {
    const { id } = await directory.create(fresh('trent'))
    const path = `/Users/${id}`
    const rename = { Operations: [{ op: 'replace', path: 'displayName', value: 'T' }] }
    const stale = { 'if-match': 'W/"7"' }
    assert.equal((await directory.send('PATCH', path, rename, stale)).status, 412)
    assert.equal((await directory.send('DELETE', path, undefined, stale)).status, 412)
    const put = { userName: fresh('trent'), active: false }
    assert.equal((await directory.send('PUT', path, put, stale)).status, 412)
    const patched = await directory.send('PATCH', path, rename, { 'if-match': 'W/"1", W/"9"' })
    assert.deepEqual([patched.status, patched.headers.get('etag')], [200, 'W/"2"'])
    const same = await directory.send('PATCH', path, rename)
    assert.equal(same.headers.get('etag'), 'W/"2"', 'what changes nothing is no new version')
    const known = await directory.get(path, { 'if-none-match': 'W/"2"' })
    assert.deepEqual([known.status, known.body], [304, undefined])
    assert.equal((await directory.get(path, { 'if-none-match': 'W/"1"' })).status, 200)
  })

  it('RAT-09 SCM-09 there is a limit to requests, and to wrong tokens', async () => {
    const connectionId = await app.connect({ name: 'Busy' })
    const busy = await startDirectory(app, { connectionId })
    assert.equal((await busy.get('/Users')).status, 200)
    await sql`update rate_limits set used = 3000 where key like 'scim_of_connection%'`.execute(db())
    const { status, headers } = await busy.get('/Users')
    assert.equal(status, 429)
    assert.ok(Number(headers.get('retry-after')) > 0)
    app.clock.advance(minutes(2))
    assert.equal((await busy.get('/Users')).status, 200)
    const wrong = new ScimClient(app, connectionId, 'wrong')
    const statuses = []
    for (let i = 0; i < 62; i++) statuses.push((await wrong.get('/Users')).status)
    assert.deepEqual([statuses[0], statuses.at(-1)], [401, 429])
    assert.equal((await busy.get('/Users')).status, 200, 'whoever has a token is not in the way')
    app.clock.advance(days(1))
  })

  async function fingerprintOf(tables: readonly string[]) {
    const all = await fingerprint(db())
    return Object.fromEntries(tables.map((table) => [table, all[table]]))
  }
})
