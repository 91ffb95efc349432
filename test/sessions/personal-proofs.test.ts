import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { createOrganization, addMember } from '../../src/accounts/organizations.ts'
import { minutes } from '../../src/lib/clock.ts'
import { newId } from '../../src/lib/ids.ts'
import { endProofs, removeMember } from '../../src/sessions/ending.ts'
import { letInPersonally } from '../../src/sessions/personal-proofs.ts'
import { limitSessions, revoke } from '../../src/sessions/revoke.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'
import { makeAccount, signInByMail } from '../_by-mail.ts'

describe('what a person proved by themself, to an organization', () => {
  let app: TestApp
  let browser: Browser
  let userId: string
  let address: string
  let organizationId: string
  let slug: string
  let n = 0

  before(async () => {
    app = await startTestApp({ env: { SALLYPORT_PERSONAL_SIGN_IN: 'members' } })
  })
  after(() => app.close())
  beforeEach(async () => {
    const { db, clock } = app.sallyport.services
    n++
    slug = `place-${n}`
    address = `person-${n}@example.com`
    browser = app.browser()
    userId = await makeAccount(app, `Person ${n}`, address)
    const organization = await createOrganization(db, { slug, name: slug }, clock.now())
    organizationId = organization.id
    await addMember(db, { organizationId, userId, role: 'owner' }, clock.now())
    await signInByMail(app, browser, address)
  })

  const organizations = async (who: Browser = browser) => {
    const answer = await who.api('/me')
    if (answer.status !== 200) return answer.status
    const { organizations } = (await answer.json()) as { organizations: { slug: string }[] }
    return organizations.map((one) => one.slug)
  }
  /** Changes a row, and has what is remembered forgotten. */
  const change = (set: (tx: TestApp['sallyport']['services']['db']) => Promise<unknown>) =>
    revoke(app.sallyport.services, async (tx) => {
      await set(tx)
      return { result: undefined, targets: [{ kind: 'user', id: userId }] }
    })
  const requireSso = (since: Date | null) =>
    change((tx) =>
      tx
        .updateTable('organizations')
        .set({ sso_required_since: since })
        .where('id', '=', organizationId)
        .execute(),
    )

  it('lets a member in where the organization does not require its own sign-on', async () => {
    assert.deepEqual(await organizations(), [slug])
    assert.equal((await browser.get(`/organizations/${slug}`)).status, 200)
  })

  it('ORG-03 counts for nothing from when the organization requires its own sign-on', async () => {
    assert.deepEqual(await organizations(), [slug])
    await requireSso(app.clock.now())
    assert.deepEqual(await organizations(), [])
    assert.equal((await browser.get(`/organizations/${slug}`)).status, 303)
    const again = app.browser()
    app.clock.advance(minutes(11))
    await signInByMail(app, again, address)
    assert.deepEqual(await organizations(again), [], 'nor in a session that begins then')
  })

  it('ORG-04 what one organization’s provider says lets nobody in to another', async () => {
    const { services } = app.sallyport
    const { db, clock } = services
    const other = app.browser()
    await app.signIn(other, `subject-${n}`)
    const { user } = (await (await other.api('/me')).json()) as { user: { id: string } }
    await addMember(db, { organizationId, userId: user.id, role: 'owner' }, clock.now())
    await letInPersonally(db, { organizationId, userId: user.id }, clock.now())
    await app.signIn(other, `subject-${n}`)
    assert.deepEqual(await organizations(other), ['acme'])
    assert.equal((await other.get(`/organizations/${slug}`)).status, 303)
  })

  it('counts at once for an organization that they join', async () => {
    const { services } = app.sallyport
    const now = app.clock.now()
    await revoke(services, async (tx) => {
      const { id } = await createOrganization(tx, { slug: `new-${n}`, name: 'New' }, now)
      await addMember(tx, { organizationId: id, userId, role: 'member' }, now)
      await letInPersonally(tx, { organizationId: id, userId }, now)
      return { result: undefined, targets: [{ kind: 'user', id: userId }] }
    })
    assert.deepEqual(await organizations(), [`new-${n}`, slug])
  })

  it('is not enough once the provider has said that they are nobody there any more', async () => {
    await change((tx) =>
      tx
        .updateTable('memberships')
        .set({ link_state: 'revoked' })
        .where('organization_id', '=', organizationId)
        .execute(),
    )
    assert.deepEqual(await organizations(), [])
  })

  it('ORG-05 ends with the membership, and only there', async () => {
    const { services } = app.sallyport
    await removeMember(services, { organizationId, userId }, {}, app.clock.now())
    assert.deepEqual(await organizations(), [], 'the session itself goes on')
    const again = app.browser()
    app.clock.advance(minutes(11))
    await signInByMail(app, again, address)
    assert.deepEqual(await organizations(again), [])
  })

  it('an administrator ends it like any other', async () => {
    const which = { organizationId, userId }
    const ended = await endProofs(app.sallyport.services, which, {}, app.clock.now())
    assert.deepEqual(ended, { sessions: 0, proofs: 1 })
    assert.deepEqual(await organizations(), [])
  })

  it('ends when the organization’s limits say so, and using the session elsewhere does not bring it back', async () => {
    const limits = { idleMinutes: 15, absoluteMinutes: 30, keepSignedIn: true, reauthMinutes: null }
    await limitSessions(app.sallyport.services, organizationId, limits)
    app.clock.advance(minutes(14))
    assert.deepEqual(await organizations(), [slug])
    await app.sallyport.services.slides.flush()
    app.clock.advance(minutes(16))
    assert.deepEqual(await organizations(), [])
    app.clock.advance(minutes(1))
    assert.deepEqual(await organizations(), [])
  })

  it('a later proof through the organization’s provider takes its place', async () => {
    const { db, clock } = app.sallyport.services
    const connectionId = await app.connect({ organizationId, provisioning: 'off' })
    const now = clock.now()
    const identity = { connection_id: connectionId, issuer: 'https://idp.example', user_id: userId }
    await db
      .insertInto('identities')
      .values({
        id: newId(),
        ...identity,
        subject: `s-${n}`,
        linked_at: now,
        last_verified_at: now,
      })
      .execute()
    await app.signIn(browser, `s-${n}`, { connectionId })
    await requireSso(now)
    assert.deepEqual(await organizations(), [slug])
  })

  it('does not take the place of a proof that the organization requires', async () => {
    const { db, clock } = app.sallyport.services
    const connectionId = await app.connect({ organizationId, provisioning: 'off' })
    const now = clock.now()
    const identity = { connection_id: connectionId, issuer: 'https://idp.example', user_id: userId }
    await db
      .insertInto('identities')
      .values({
        id: newId(),
        ...identity,
        subject: `t-${n}`,
        linked_at: now,
        last_verified_at: now,
      })
      .execute()
    await app.signIn(browser, `t-${n}`, { connectionId })
    await requireSso(now)
    app.clock.advance(minutes(11))
    await signInByMail(app, browser, address)
    assert.deepEqual(await organizations(), [slug])
  })

  it('REV-11 is listed among the organization’s sessions, as theirs alone', async () => {
    const page = await (await browser.get(`/organizations/${slug}/sessions`)).text()
    assert.match(page, /signed in by themself/)
    const answer = await browser.api(`/api/organizations/${slug}/sessions`)
    const { people } = (await answer.json()) as {
      people: { sessions: { connection: unknown }[] }[]
    }
    assert.equal(people[0]?.sessions[0]?.connection, null)
  })
})
