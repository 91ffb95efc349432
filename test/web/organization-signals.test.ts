import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { sql } from 'kysely'
import { createOrganization } from '../../src/accounts/organizations.ts'
import { minutes } from '../../src/lib/clock.ts'
import { changeRole } from '../../src/sessions/revoke.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import { plant } from '../_canaries.ts'
import type { Browser } from '../_browser.ts'
import { startTransmitter, type Transmitter } from '../_transmitter.ts'
import { readPage } from './_page.ts'

const settings = {
  issuer: 'https://idp.example',
  clientId: 'c',
  clientSecret: 's',
  clientAuth: 'client_secret_basic',
}

describe('the page about what a provider tells us', () => {
  let app: TestApp
  let transmitter: Transmitter
  let admin: Browser
  let connectionId: string
  let path: string

  before(async () => {
    app = await startTestApp({
      // With the abilities of an OpenID provider; nobody is asked anything here.
      openProvider: (kind, given, context) => ({
        ...app.provider.open(kind, given, context),
        ...(kind === 'oidc' && {
          readLogout: async () => assert.fail(),
          frames: async () => assert.fail(),
        }),
      }),
    })
    const deliver = (request: Request) => app.rim.send(request)
    transmitter = await startTransmitter({ now: () => app.clock.now(), deliver })
    plant(transmitter.accessToken)
    connectionId = await app.connect({ settings, name: 'Acme <OIDC>' })
    path = `/organizations/acme/connections/${connectionId}`
    admin = app.browser()
    await app.signIn(admin, 'ada', { connectionId })
    const { user } = (await (await admin.api('/me')).json()) as { user: { id: string } }
    const member = { organizationId: app.acme.id, userId: user.id, role: 'admin' } as const
    await changeRole(app.sallyport.services, member, {}, app.clock.now())
  })
  after(async () => {
    await app.close()
    await transmitter.close()
  })
  const show = async (at: string) => readPage(await admin.get(at))

  it('says what there is to set up, and keeps what was entered but the access token', async () => {
    assert.match((await show(path)).text, /tells by itself when somebody is suspended/)
    const { text, links } = await show(`${path}/signals`)
    assert.match(text, /Set shared signals up/)
    assert.match(text, /backchannel-logout/)
    assert.ok(links.includes(`${path}/signals/framed`) && links.includes(`${path}/signals/there`))
    const form = { issuer: 'https://127.0.0.1:9', token: transmitter.accessToken, delivery: 'poll' }
    const refused = await readPage(await admin.post(`${path}/signals/set-up`, form))
    assert.equal(refused.status, 422)
    assert.match(refused.html, /value="https:\/\/127\.0\.0\.1:9"/)
    assert.match(refused.html, /value="poll" selected/)
    assert.ok(!refused.html.includes(transmitter.accessToken))
  })

  it('says how a stream stands, and every act asks first and says what it will do', async () => {
    const { issuer, accessToken: token } = transmitter
    const made = await admin.post(`${path}/signals/set-up`, { issuer, token, delivery: 'push' })
    assert.equal(made.status, 303)
    const { text, html } = await show(`${path}/signals`)
    assert.match(text, /Shared signals arrive: shown just now/)
    assert.match(text, /It sends events to us/)
    assert.ok(!html.includes(token) && !html.includes('ssf_'))
    assert.match((await show(path)).text, /Shared signals arrive/)
    for (const act of ['verify', 'remove', 'framed', 'unframed', 'there', 'here']) {
      const asked = await show(`${path}/signals/${act}`)
      assert.equal(asked.status, 200)
      assert.match(asked.text, /Leave it as it is/)
    }
    for (const act of ['set-up', 'everything', '__proto__'])
      assert.equal((await admin.get(`${path}/signals/${act}`)).status, 404, act)
    assert.equal((await admin.post(`${path}/signals/everything`)).status, 404)
  })

  it('shows the addresses to register once a way of signing out is on', async () => {
    for (const act of ['framed', 'there'])
      assert.equal((await admin.post(`${path}/signals/${act}`)).status, 303)
    const { text, links } = await show(`${path}/signals`)
    assert.match(text, /\/frontchannel-logout/)
    assert.match(text, /https:\/\/app\.example\/logout\/done/)
    assert.ok(links.includes(`${path}/signals/unframed`) && links.includes(`${path}/signals/here`))
    const { rows } = await sql<{ data: object }>`
      select data from audit_events where action = 'connection.sign_out_changed' order by id`.execute(
      app.sallyport.services.db,
    )
    assert.deepEqual(
      rows.map(({ data }) => data),
      [{ frontchannel: true }, { there: true }],
    )
  })

  it('a connection that is none of the organization’s has no such page, and no act', async () => {
    const { db, clock } = app.sallyport.services
    const other = await createOrganization(db, { slug: 'other', name: 'Other' }, clock.now())
    const theirs = await app.connect({ organizationId: other.id, settings })
    const foreign = `/organizations/acme/connections/${theirs}/signals`
    assert.equal((await admin.get(foreign)).status, 404)
    for (const act of ['set-up', 'remove', 'framed', 'there'])
      assert.equal((await admin.post(`${foreign}/${act}`)).status, 404, act)
  })

  it('BCL-05 more events than anybody needs are turned away; whoever does not authenticate counts for nothing', async () => {
    const { db } = app.sallyport.services
    const subject = { format: 'iss_sub', iss: 'https://idp.example', sub: 'nobody' }
    const push = () => transmitter.push(transmitter.event('sessionRevoked', subject))
    assert.equal((await push()).status, 202)
    await sql`update rate_limits set used = 6000 where key like 'signals_of_connection %'`.execute(
      db,
    )
    assert.equal((await push()).status, 429)
    app.clock.advance(minutes(2))
    const used = async () => {
      const { rows } = await sql<{ used: number }>`
        select used from rate_limits where key like 'signals_of_connection %'`.execute(db)
      return rows[0]!.used
    }
    assert.equal((await push()).status, 202)
    const before = await used()
    const token = transmitter.event('sessionRevoked', subject)
    const stranger = { authorization: 'Bearer wrong' }
    assert.equal((await transmitter.push(token, stranger)).status, 401)
    assert.equal(await used(), before, 'whoever cannot authenticate uses nothing up')
  })
})
