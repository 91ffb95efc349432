import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { listDomains, recordName, recordText } from '../../src/accounts/domains.ts'
import { createOrganization, type Role } from '../../src/accounts/organizations.ts'
import { minutes } from '../../src/lib/clock.ts'
import { changeConnectionState, changeRole } from '../../src/sessions/revoke.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'
import { readPage } from '../web/_page.ts'

describe('an organization’s domains', () => {
  let app: TestApp
  let admin: Browser
  before(async () => {
    app = await startTestApp({ env: { SALLYPORT_PERSONAL_SIGN_IN: 'members' } })
    admin = await signedIn('boss', 'admin')
  })
  after(() => app.close())

  async function signedIn(subject: string, role: Role = 'member'): Promise<Browser> {
    const browser = app.browser()
    await app.signIn(browser, subject)
    const { user } = (await (await browser.api('/me')).json()) as { user: { id: string } }
    const member = { organizationId: app.acme.id, userId: user.id, role }
    await changeRole(app.sallyport.services, member, {}, app.clock.now())
    return browser
  }
  const own = '/organizations/acme/domains'
  const locationOf = (answer: Response) => {
    assert.equal(answer.status, 303)
    return answer.headers.get('location')!
  }
  const publish = async (name: string, organizationId = app.acme.id) => {
    const all = await listDomains(app.sallyport.services.db, organizationId)
    const { token } = all.find(({ domain }) => domain === name)!
    app.dns.set(recordName(name), [[recordText(token)]])
    return token
  }

  it('ORG-08 an administrator claims a domain, copies its record, has it checked and removes it', async () => {
    assert.match((await readPage(await admin.get(own))).text, /None yet/)
    const at = locationOf(await admin.post(own, { domain: 'ACME.example.' }))
    const asked = await readPage(await admin.get(at))
    assert.match(asked.text, /_sallyport-challenge\.acme\.example/)
    assert.match(asked.text, /Not proven yet/)
    const absent = locationOf(await admin.post(`${at}/check`))
    assert.match((await readPage(await admin.get(absent))).text, /not there yet/)
    const token = await publish('acme.example')
    assert.ok(asked.text.includes(recordText(token)))
    assert.match(
      (await readPage(await admin.get(locationOf(await admin.post(`${at}/check`))))).text,
      /Proven since/,
    )
    assert.equal(
      locationOf(await admin.post(own, { domain: 'acme.example' })),
      at,
      'once is enough',
    )
    assert.match((await readPage(await admin.get(`${at}/remove`))).text, /Nobody is signed out/)
    assert.equal(locationOf(await admin.post(`${at}/remove`)), own)
    assert.equal((await admin.get(at)).status, 404)
  })

  it('ORG-08 what cannot be an organization’s own is refused in plain words, and nothing is kept of it', async () => {
    const refused = {
      'gmail.com': /Anybody can have an address/,
      'co.uk': /Anybody may have a name/,
      'a@b.example': /That is no domain/,
    }
    for (const [domain, words] of Object.entries(refused)) {
      const answer = await readPage(await admin.post(own, { domain }))
      assert.deepEqual([answer.status, words.test(answer.text)], [422, true], domain)
      assert.ok(answer.html.includes(`value="${domain}"`))
    }
    assert.deepEqual(await listDomains(app.sallyport.services.db, app.acme.id), [])
  })

  it('ORG-01 ORG-08 another organization’s domain and connection do not exist; a member does none of this; it takes a recent sign-in', async () => {
    const { db } = app.sallyport.services
    const now = app.clock.now()
    const beta = await createOrganization(db, { slug: 'beta', name: 'Beta' }, now)
    const theirs = await db
      .insertInto('domains')
      .values({
        id: crypto.randomUUID(),
        organization_id: beta.id,
        domain: 'beta.example',
        token: 't',
        created_at: now,
      })
      .returning('id')
      .executeTakeFirstOrThrow()
    for (const rest of ['', '/remove'])
      assert.equal((await admin.get(`${own}/${theirs.id}${rest}`)).status, 404)
    for (const rest of ['/check', '/route', '/remove'])
      assert.equal((await admin.post(`${own}/${theirs.id}${rest}`)).status, 404, rest)
    const at = locationOf(await admin.post(own, { domain: 'own.example' }))
    const betas = await app.connect({ organizationId: beta.id })
    assert.equal((await admin.post(`${at}/route`, { connection: betas })).status, 404)
    const member = await signedIn('mere')
    assert.equal((await member.get(own)).status, 403)
    for (const path of [own, `${at}/check`, `${at}/route`, `${at}/remove`])
      assert.equal((await member.post(path, { domain: 'x.example' })).status, 403, path)
    app.clock.advance(minutes(11))
    for (const path of [own, `${at}/route`, `${at}/remove`]) {
      const asked = await admin.post(path, { domain: 'x.example' })
      assert.match(locationOf(asked), /\/login\?reauth=1/)
    }
    admin = await signedIn('boss', 'admin')
    assert.equal((await listDomains(db, app.acme.id)).length, 1)
  })

  it('ORG-09 an address leads to the connection of its proven domain, and to nothing else', async () => {
    const { services } = app.sallyport
    const stranger = app.browser()
    const find = async (org: string) =>
      readPage(await stranger.post('/login/find', { org, return_to: '/x' }))
    const at = locationOf(await admin.post(own, { domain: 'led.example' }))
    const unknown = /We know no organization/
    assert.match((await find('zoe@led.example')).text, unknown, 'claimed only')
    await publish('led.example')
    await admin.post(`${at}/check`)
    const one = await find('zoe@LED.example')
    assert.ok(one.links.includes(`/sso/${app.connectionId}/start`))
    assert.doesNotMatch(one.text, /acme/i, 'it names no organization')
    const nobody = await find('nobody@led.example')
    assert.equal(nobody.html.replaceAll('nobody@', ''), one.html.replaceAll('zoe@LED', 'led'))
    for (const other of [
      'zoe@eng.led.example',
      'zoe@unknown.example',
      'zoe@',
      '@led.example',
      'x@y',
    ])
      assert.match((await find(other)).text, unknown, other)

    const second = await app.connect({ name: 'Second' })
    assert.equal(
      (await find('zoe@led.example')).links.filter((link) => link.endsWith('/start')).length,
      2,
    )
    await admin.post(`${at}/route`, { connection: second })
    const only = (await find('zoe@led.example')).links.filter((link) => link.endsWith('/start'))
    assert.deepEqual(only, [`/sso/${second}/start`])
    await changeConnectionState(services, second, 'disabled', app.clock.now())
    const rest = (await find('zoe@led.example')).links.filter((link) => link.endsWith('/start'))
    assert.deepEqual(rest, [`/sso/${app.connectionId}/start`])
    assert.equal(
      locationOf(await stranger.post('/login/find', { org: ' Acme ', return_to: '/x' })),
      '/login/acme?return_to=%2Fx',
    )
  })

  it('an organization has its records looked for so often at most', async () => {
    const at = locationOf(await admin.post(own, { domain: 'often.example' }))
    await app.sallyport.services.db.deleteFrom('rate_limits').execute()
    const checks = await Promise.all(Array.from({ length: 33 }, () => admin.post(`${at}/check`)))
    assert.equal(checks.filter(({ status }) => status === 303).length, 30)
    assert.equal(checks.filter(({ status }) => status === 429).length, 3)
  })

  it('ORG-09 looking for domains is limited, and leaves nothing behind', async () => {
    const stranger = app.browser()
    const { db } = app.sallyport.services
    await db.deleteFrom('rate_limits').execute()
    const before = await db.selectFrom('audit_events').select('id').execute()
    const statuses = []
    for (let i = 0; i < 62; i++)
      statuses.push((await stranger.post('/login/find', { org: `a@d${i}.example` })).status)
    assert.deepEqual(
      [statuses.slice(0, 60).every((status) => status === 200), ...statuses.slice(60)],
      [true, 429, 429],
    )
    assert.equal((await db.selectFrom('audit_events').select('id').execute()).length, before.length)
    assert.equal(stranger.cookies.has('__Host-Http-sallyport'), false)
  })
})
