import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { recordEvent } from '../../src/accounts/audit.ts'
import { createOrganization } from '../../src/accounts/organizations.ts'
import { createUser } from '../../src/accounts/users.ts'
import { days } from '../../src/lib/clock.ts'
import { newId } from '../../src/lib/ids.ts'
import { changeRole } from '../../src/sessions/revoke.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'
import { readPage } from './_page.ts'

describe('an organization’s audit', () => {
  let app: TestApp
  let browser: Browser
  let userId: string
  const path = '/organizations/acme/audit'

  before(async () => {
    app = await startTestApp()
    browser = app.browser()
    await app.signIn(browser, 'olive')
    const { user } = (await (await browser.api('/me')).json()) as { user: { id: string } }
    userId = user.id
    const member = { organizationId: app.acme.id, userId, role: 'admin' } as const
    await changeRole(app.sallyport.services, member, { userId }, app.clock.now())
  })
  after(() => app.close())

  it('shows who did what to whom, narrowed down by action and by person', async () => {
    const all = await readPage(await browser.get(path))
    assert.match(all.text, /member\.role_changed/)
    assert.match(all.text, /login\.succeeded/)
    const some = await readPage(await browser.get(`${path}?action=member.role_changed`))
    assert.doesNotMatch(some.text, /A session began\./)
    assert.match(some.text, /by olive member\.role_changed role: admin/)
    const other = app.browser()
    await app.signIn(other, 'mel')
    const own = await readPage(await browser.get(`${path}?person=${userId}`))
    assert.doesNotMatch(own.text, /by mel/)
    assert.match((await readPage(await browser.get(path))).text, /by mel/)
  })

  it('ORG-13 tells nothing of another organization, nor of what belongs to none, nor who strangers are', async () => {
    const { db } = app.sallyport.services
    const now = app.clock.now()
    const other = await createOrganization(db, { slug: 'other', name: 'Other' }, now)
    const stranger = await createUser(db, { name: 'Stranger Danger' }, now)
    const marked = (mark: string) => ({
      action: 'flow.denied' as const,
      data: { mark },
      actorId: stranger,
    })
    await recordEvent(db, { ...marked('elsewhere'), organizationId: other.id }, now)
    await recordEvent(db, marked('nowhere'), now)
    await recordEvent(db, { ...marked('here'), organizationId: app.acme.id }, now)
    const elsewhere = await db
      .selectFrom('audit_events')
      .select('id')
      .where('organization_id', '=', other.id)
      .executeTakeFirstOrThrow()
    for (const query of ['', `?person=${stranger}`, `?before=${elsewhere.id}`]) {
      const page = await readPage(await browser.get(`${path}${query}`))
      assert.doesNotMatch(page.text, /elsewhere|nowhere|Stranger/, query)
      const lines = await (await browser.get(`${path}/events.jsonl${query}`)).text()
      assert.doesNotMatch(lines, /elsewhere|nowhere|Stranger/, query)
      assert.ok(!lines.includes(stranger), 'not even an id')
    }
    assert.match((await readPage(await browser.get(path))).text, /mark: here/)
    assert.match((await readPage(await browser.get(path))).text, /by somebody who is no member/)
  })

  it('is downloaded whole as JSON lines, however long, each event once', async () => {
    const { db } = app.sallyport.services
    const at = app.clock.now()
    const rows = Array.from({ length: 1203 }, (_, i) => ({
      id: newId(),
      action: 'flow.started',
      outcome: 'ok',
      organization_id: app.acme.id,
      data: JSON.stringify({ i }),
      at: new Date(at.getTime() - (i % 7) * 1000),
    }))
    await db.insertInto('audit_events').values(rows).execute()
    const answer = await browser.get(`${path}/events.jsonl?action=flow.started`)
    assert.equal(answer.headers.get('content-type'), 'application/jsonl; charset=utf-8')
    assert.match(answer.headers.get('content-disposition') ?? '', /^attachment;/)
    const lines = (await answer.text()).trim().split('\n')
    const events = lines.map(
      (line) => JSON.parse(line) as { id: string; action: string; data: { i?: number } },
    )
    const ids = new Set(events.map(({ id }) => id))
    assert.equal(ids.size, events.length)
    assert.ok(rows.every(({ id }) => ids.has(id)))
    assert.ok(events.every(({ action }) => action === 'flow.started'))
    const page = await readPage(await browser.get(`${path}?action=flow.started`))
    const older = page.links.find((link) => link.includes('before='))!
    assert.equal((await browser.get(older.replaceAll('&amp;', '&'))).status, 200)
  })

  it('the chart says in words what its bars show', async () => {
    app.clock.advance(days(1))
    await app.signIn(app.browser(), 'mel')
    await app.signIn(browser, 'olive')
    const page = await readPage(await browser.get(path))
    const said =
      /<svg[^>]*aria-label="(\d+) sign-ins and (\d+) refused in 30 days, at most (\d+) on one day"/.exec(
        page.html.replaceAll(/\s+/g, ' '),
      )
    assert.ok(said, 'a label')
    const bars = [...page.html.matchAll(/<rect\s+class="ok"/g)]
    assert.equal(bars.length, 2, 'two days with sign-ins')
    assert.match(page.text, new RegExp(`${said[1]} signed in`))
  })

  it('ADM-09 names are text, wherever they are shown', async () => {
    const evil = app.browser()
    await app.signIn(evil, '=HYPERLINK("https://evil.example")<script>')
    const page = await readPage(await browser.get(path))
    assert.doesNotMatch(page.html, /<script>/)
    const lines = (await (await browser.get(`${path}/events.jsonl`)).text()).trim().split('\n')
    for (const line of lines) assert.equal(typeof JSON.parse(line), 'object')
  })
})
