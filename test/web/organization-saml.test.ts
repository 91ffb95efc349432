import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { readSettings } from '../../src/accounts/connections.ts'
import { createOrganization, type Role } from '../../src/accounts/organizations.ts'
import { saveUpkeep } from '../../src/accounts/saml-upkeep.ts'
import { readCertificate } from '../../src/providers/saml/certificate.ts'
import { keysIn } from '../../src/providers/saml/keys.ts'
import { changeRole } from '../../src/sessions/revoke.ts'
import { minutes } from '../../src/lib/clock.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'
import { selfSigned } from '../_certificate.ts'
import { bare } from '../providers/saml/_metadata.ts'
import { keys, settings } from '../providers/saml/_provider.ts'
import { readPage } from './_page.ts'

const fresh = readCertificate(bare(selfSigned('new').cert))!

describe('the keys and certificates of a connection', () => {
  let app: TestApp
  let admin: Browser
  let saml: string
  let path: string

  before(async () => {
    app = await startTestApp()
    admin = await signedIn('ada', 'admin')
    const metadataUrl = 'https://idp.example/metadata'
    saml = await app.connect({
      kind: 'saml',
      name: 'Acme SAML',
      settings: settings({ metadataUrl }),
    })
    path = `/organizations/acme/connections/${saml}/saml`
    const at = app.clock.now().toISOString()
    const waits = { certificate: fresh.base64, seenAt: at, goneAt: null, takenAt: null }
    await saveUpkeep(app.sallyport.services.db, saml, { published: [waits] }, app.clock.now())
  })
  after(() => app.close())

  async function signedIn(subject: string, role: Role): Promise<Browser> {
    const browser = app.browser()
    await app.signIn(browser, subject)
    const { user } = (await (await browser.api('/me')).json()) as { user: { id: string } }
    const member = { organizationId: app.acme.id, userId: user.id, role }
    await changeRole(app.sallyport.services, member, {}, app.clock.now())
    return browser
  }
  const stored = async () => {
    const { db, sealer } = app.sallyport.services
    return (await readSettings(db, sealer, saml)) as { idp: { certificates: string[] } }
  }
  const states = async () => keysIn(await stored()).map(({ state }) => state)

  it('a task on the overview leads there, and so does the connection’s page', async () => {
    const { links } = await readPage(await admin.get('/organizations/acme'))
    assert.ok(links.includes(path))
    const connection = await readPage(await admin.get(path.replace(/\/saml$/, '')))
    assert.ok(connection.links.includes(path))
  })

  it('SML-30 the page and the API show fingerprints, dates and certificates, and no private key', async () => {
    const page = await readPage(await admin.get(path))
    assert.equal(page.status, 200)
    const ours = readCertificate(keys.ours.certificate)!
    for (const print of [
      ours.fingerprint,
      readCertificate(keys.idp.certificate)!.fingerprint,
      fresh.fingerprint,
    ])
      assert.ok(page.text.includes(print), print)
    assert.ok(page.text.includes(`${app.origin}/sso/${saml}/acs`))
    const answer = await admin.api(`/api${path}`)
    const json = await answer.text()
    const { keys: own, certificates } = JSON.parse(json) as {
      keys: { state: string; fingerprint: string }[]
      certificates: { state: string }[]
    }
    assert.deepEqual(
      own.map(({ state, fingerprint }) => [state, fingerprint]),
      [['current', ours.fingerprint]],
    )
    assert.deepEqual(
      certificates.map(({ state }) => state),
      ['accepted', 'waiting'],
    )
    const secret = keys.ours.privateKey.split('\n')[1]!
    for (const text of [page.html, json]) {
      assert.doesNotMatch(text, /PRIVATE/)
      assert.ok(!text.includes(secret))
    }
  })

  it('every act is asked about first, and says what it will do', async () => {
    for (const act of [
      'prepare',
      'switch',
      'abandon',
      'forget',
      'accept',
      'refuse',
      'follow',
      'unfollow',
      'read',
    ]) {
      const page = await readPage(await admin.get(`${path}/${act}`))
      assert.equal(page.status, 200, act)
      assert.match(page.heading, /\?$/)
    }
    assert.deepEqual(await states(), ['current'])
    assert.equal((await admin.get(`${path}/explode`)).status, 404)
    assert.equal((await admin.post(`${path}/explode`)).status, 404)
  })

  it('keys go from next to current to gone, a step at a time', async () => {
    assert.equal((await admin.post(`${path}/prepare`)).status, 303)
    assert.deepEqual(await states(), ['current', 'next'])
    const [, next] = keysIn(await stored())
    assert.ok(
      (await (await admin.get(`/sso/${saml}/metadata`)).text()).includes(bare(next!.certificate)),
    )
    await admin.post(`${path}/switch`)
    assert.deepEqual(await states(), ['retired', 'current'])
    const published = await (await admin.get(`/sso/${saml}/metadata`)).text()
    assert.ok(published.includes(bare(next!.certificate)))
    assert.ok(!published.includes(bare(keys.ours.certificate)), 'nobody should take up the old one')
    await admin.post(`${path}/forget`)
    assert.deepEqual(await states(), ['current'])
    await admin.post(`${path}/prepare`)
    await admin.post(`${path}/abandon`)
    assert.deepEqual(await states(), ['current'])
    const rows = await app.sallyport.services.db
      .selectFrom('audit_events')
      .select(['data', 'actor_id'])
      .where('action', '=', 'saml.keys_changed')
      .orderBy('id')
      .execute()
    assert.deepEqual(
      rows.map(({ data }) => (data as { step: string }).step),
      ['prepare', 'switch', 'forget', 'prepare', 'abandon'],
    )
    assert.ok(rows.every(({ actor_id }) => actor_id !== null))
  })

  it('SML-26 a certificate that waits is accepted by its fingerprint, and no other', async () => {
    const overview = await readPage(await admin.get('/organizations/acme'))
    assert.match(overview.text, /“Acme SAML” has a new certificate/)
    assert.ok(overview.links.includes(path))
    assert.equal((await admin.post(`${path}/accept`, { certificate: '0'.repeat(64) })).status, 404)
    assert.equal((await stored()).idp.certificates.length, 1)
    const page = await readPage(await admin.get(`${path}/accept?certificate=${fresh.fingerprint}`))
    assert.ok(page.text.includes(fresh.fingerprint))
    assert.equal(
      (await admin.post(`${path}/accept`, { certificate: fresh.fingerprint })).status,
      303,
    )
    assert.deepEqual((await stored()).idp.certificates, [keys.idp.certificate, fresh.base64])
    const after = await readPage(await admin.get('/organizations/acme'))
    assert.doesNotMatch(after.text, /new certificate/)
    const { db } = app.sallyport.services
    await saveUpkeep(db, saml, { problem: 'This is not it.' }, app.clock.now())
    const refused = await readPage(await admin.get('/organizations/acme'))
    assert.match(refused.text, /metadata of “Acme SAML” cannot be taken/)
    assert.match((await readPage(await admin.get(path))).text, /This is not it/)
  })

  it('one of several certificates is taken away, and the last cannot be', async () => {
    const page = await readPage(await admin.get(path))
    assert.ok(page.links.some((link) => link.includes('/refuse?certificate=')))
    assert.equal(
      (await admin.post(`${path}/refuse`, { certificate: fresh.fingerprint })).status,
      303,
    )
    assert.deepEqual((await stored()).idp.certificates, [keys.idp.certificate])
    const { fingerprint } = readCertificate(keys.idp.certificate)!
    assert.equal((await admin.post(`${path}/refuse`, { certificate: fingerprint })).status, 422)
    const after = await readPage(await admin.get(path))
    assert.ok(!after.links.some((link) => link.includes('/refuse?certificate=')))
  })

  it('administrators choose whether new certificates are accepted without asking', async () => {
    assert.match((await readPage(await admin.get(path))).text, /wait for an administrator/)
    await admin.post(`${path}/follow`)
    assert.match((await readPage(await admin.get(path))).text, /are accepted without asking/)
    await admin.post(`${path}/unfollow`)
    assert.match((await readPage(await admin.get(path))).text, /wait for an administrator/)
  })

  it('ORG-08 another organization’s connection, and one without keys, is not there', async () => {
    const other = await createOrganization(
      app.sallyport.services.db,
      { slug: 'other', name: 'Other' },
      app.clock.now(),
    )
    const theirs = await app.connect({
      kind: 'saml',
      organizationId: other.id,
      settings: settings(),
    })
    for (const id of [theirs, app.connectionId, 'nonsense']) {
      const at = `/organizations/acme/connections/${id}/saml`
      assert.equal((await admin.get(at)).status, 404, id)
      assert.equal((await admin.get(`${at}/switch`)).status, 404)
      assert.equal((await admin.post(`${at}/prepare`)).status, 404)
      assert.equal((await admin.api(`/api${at}`)).status, 404)
    }
  })

  it('members see none of it, and what changes something needs a recent sign-in', async () => {
    const member = await signedIn('mia', 'member')
    assert.equal((await member.get(path)).status, 403)
    assert.equal((await member.post(`${path}/prepare`)).status, 403)
    assert.equal((await member.api(`/api${path}`)).status, 403)
    app.clock.advance(minutes(20))
    const left = await admin.post(`${path}/prepare`)
    assert.equal(left.status, 303)
    assert.match(left.headers.get('location') ?? '', /\/login\?reauth=1/)
    assert.deepEqual(await states(), ['current'])
  })
})
