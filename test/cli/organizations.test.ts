import assert from 'node:assert/strict'
import { after, before, suite, test, type TestContext } from 'node:test'
import { run } from '../../src/cli.ts'
import { claimDomain, listDomains } from '../../src/accounts/domains.ts'
import { addMember, createOrganization } from '../../src/accounts/organizations.ts'
import { startTestApp, testSettings, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'
import { startMember } from '../sessions/_members.ts'

suite('organizations from the command line, while a server runs', () => {
  let app: TestApp
  let env: Record<string, string>

  before(async () => {
    app = await startTestApp()
    const { user, port, database } = app.line.connection
    env = {
      ...testSettings(app.origin),
      DATABASE_URL: `postgres://${user}@127.0.0.1:${port}/${database}`,
    }
  })
  after(() => app.close())

  async function ran(t: TestContext, ...args: string[]) {
    const said: string[] = []
    const log = t.mock.method(console, 'log', (text: string) => void said.push(text))
    const error = t.mock.method(console, 'error', (text: string) => void said.push(text))
    try {
      return { code: await run(['organization', ...args], env), said: said.join('\n') }
    } finally {
      log.mock.restore()
      error.mock.restore()
    }
  }
  const slugs = async (browser: Browser) => {
    const me = (await (await browser.api('/me')).json()) as { organizations: { slug: string }[] }
    return me.organizations.map(({ slug }) => slug)
  }

  test('the operator makes an organization, and its first owner comes in by the link', async (t) => {
    const owner = ['--owner', 'alice@acme.example']
    const made = await ran(t, 'create', '--slug', 'fresh', '--name', 'Fresh Inc', ...owner)
    assert.equal(made.code, 0, made.said)
    const link = /^https?:\S+\/invitations\/[\w-]{43}$/m.exec(made.said)?.[0]
    assert.ok(link, made.said)
    assert.match(await (await app.browser().get(new URL(link).pathname)).text(), /Fresh Inc/)
    const again = await ran(t, 'create', '--slug', 'fresh', ...owner)
    assert.deepEqual([again.code, /already an organization "fresh"/.test(again.said)], [1, true])
    const wrong = await ran(t, 'create', '--slug', 'half', '--owner', 'nobody')
    assert.match(wrong.said, /"nobody" is no mail address/)
    assert.match((await ran(t, 'delete', '--slug', 'half')).said, /There is no organization "half"/)
  })

  test('the operator ends a requirement that has locked everybody out', async (t) => {
    const { db } = app.sallyport.services
    assert.match((await ran(t, 'unrequire', '--slug', 'acme')).said, /requires no sign-in/)
    const required = { sso_required_since: app.clock.now() }
    await db.updateTable('organizations').set(required).where('id', '=', app.acme.id).execute()
    assert.equal((await ran(t, 'unrequire', '--slug', 'acme')).code, 0)
    const acme = await db
      .selectFrom('organizations')
      .select('sso_required_since')
      .where('id', '=', app.acme.id)
      .executeTakeFirstOrThrow()
    assert.equal(acme.sso_required_since, null)
    assert.notEqual((await ran(t, 'unrequire', '--slug', 'nowhere')).code, 0)
  })

  test('ORG-11 LNK-11 an organization deleted while somebody signs in: nobody gets in, on any node, and what else they have stays', async (t) => {
    const { db } = app.sallyport.services
    const now = app.clock.now()
    const doomed = await createOrganization(db, { slug: 'doomed', name: 'Doomed' }, now)
    const connectionId = await app.connect({ organizationId: doomed.id })
    const only = app.browser()
    await app.signIn(only, 'only-there', { connectionId })
    const both = app.browser()
    await app.signIn(both, 'both')
    const { user } = (await (await both.api('/me')).json()) as { user: { id: string } }
    const key = { connection_id: connectionId, issuer: 'https://idp.example', subject: 'both' }
    await db
      .insertInto('identities')
      .values({
        id: crypto.randomUUID(),
        ...key,
        user_id: user.id,
        linked_at: now,
        last_verified_at: now,
      })
      .execute()
    await addMember(db, { organizationId: doomed.id, userId: user.id, role: 'member' }, now)
    await app.signIn(both, 'both', { connectionId })
    assert.deepEqual(await slugs(both), ['acme', 'doomed'])
    const claim = {
      organizationId: doomed.id,
      actorId: user.id,
      requestId: 'r',
      text: 'doomed.example',
    }
    await claimDomain(db, claim, now)
    const underWay = app.browser()
    const state = await app.begin(underWay, { connectionId })

    const node = await startMember(t, app)
    const token = only.cookies.get(app.sallyport.services.cookies.session)!
    assert.equal(await node.accepts(token), true)
    assert.equal((await ran(t, 'delete', '--slug', 'doomed')).code, 0)
    assert.equal(await node.accepts(token), false)
    assert.equal((await only.api('/me')).status, 401)
    assert.deepEqual(await slugs(both), ['acme'])
    const back = await app.comeBack(underWay, state, 'only-there', connectionId)
    assert.ok(back.status >= 400, String(back.status))
    assert.equal(underWay.cookies.has(app.sallyport.services.cookies.session), false)
    assert.equal((await app.browser().get('/login/doomed')).status, 404)
    assert.equal((await app.browser().post(`/sso/${connectionId}/start`)).status, 404)
    assert.deepEqual(await listDomains(db, doomed.id), [])
    assert.match((await ran(t, 'delete', '--slug', 'doomed')).said, /There is no organization/)
    // Nobody else gets its name, and with it the links and habits of its people.
    const taken = createOrganization(db, { slug: 'doomed', name: 'Others' }, now)
    await assert.rejects(taken, { code: 'config_rejected' })
  })
})
