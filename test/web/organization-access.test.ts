import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { createInvitation } from '../../src/accounts/invitations.ts'
import {
  createOrganization,
  type Organization,
  type Role,
} from '../../src/accounts/organizations.ts'
import type { Route } from '../../src/http/exchange.ts'
import { routes } from '../../src/routes.ts'
import { removeMember } from '../../src/sessions/ending.ts'
import { changeRole, suspendPerson } from '../../src/sessions/revoke.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'

/** Every endpoint that is about one organization. */
const all = routes.filter(({ path }) => /^(\/api)?\/organizations\/:org(\/|$)/.test(path))
const parts = (path: string) => [...path.matchAll(/:(\w+)/g)].map(([, name]) => name!)
const nameOf = ({ method, path }: Route) => `${method} ${path}`

/** What a plain member may do beside the administrators. */
const forMembers = ['GET /organizations/:org']

/** What is posted, and looks something up rather than changing what somebody chose. */
const looksOnly = ['POST /organizations/:org/domains/:domain/check']

describe('who reaches what is about an organization', () => {
  let app: TestApp
  let other: Organization
  let admin: Browser
  /** Of the other organization, by the names that paths use. */
  let foreign: Readonly<Record<string, string>>
  const callers: Record<string, Browser> = {}

  before(async () => {
    app = await startTestApp()
    const { services } = app.sallyport
    const { db, clock } = services
    other = await createOrganization(db, { slug: 'other', name: 'Other' }, clock.now())
    const connectionId = await app.connect({ organizationId: other.id })
    const signedIn = async (subject: string, at: Organization, role: Role) => {
      const browser = app.browser()
      await app.signIn(browser, subject, at === other ? { connectionId } : {})
      const userId = await idOf(browser)
      await changeRole(services, { organizationId: at.id, userId, role }, {}, clock.now())
      return { browser, userId }
    }
    admin = (await signedIn('boss', app.acme, 'owner')).browser
    const removed = await signedIn('removed', app.acme, 'owner')
    await removeMember(
      services,
      { organizationId: app.acme.id, userId: removed.userId },
      {},
      clock.now(),
    )
    const suspended = await signedIn('suspended', app.acme, 'owner')
    await suspendPerson(services, suspended.userId, {}, clock.now())
    const stranger = await signedIn('stranger', other, 'owner')
    Object.assign(callers, {
      anonymous: app.browser(),
      'another organization’s owner': stranger.browser,
      'a plain member': (await signedIn('mel', app.acme, 'member')).browser,
      'a suspended owner': suspended.browser,
      'a removed owner': removed.browser,
    })
    const invitation = await db
      .transaction()
      .execute((tx) =>
        createInvitation(
          tx,
          { organizationId: other.id, address: 'x@example.com', role: 'member', invitedBy: null },
          clock.now(),
        ),
      )
    assert.ok('id' in invitation)
    foreign = { person: stranger.userId, connection: connectionId, invitation: invitation.id }
  })
  after(() => app.close())

  const idOf = async (browser: Browser) =>
    ((await (await browser.api('/me')).json()) as { user: { id: string } }).user.id
  /** Something that is nobody's, for the parts that are not the organization. */
  const nothing = '01890000-0000-7000-8000-00000000dead'
  const send = async (
    browser: Browser,
    { method, path, body }: Route,
    org: string,
    ids: Readonly<Record<string, string>> = {},
  ) => {
    const address = path.replaceAll(/:(\w+)/g, (_, name: string) =>
      name === 'org' ? org : (ids[name] ?? nothing),
    )
    const headers = { 'sec-fetch-mode': 'cors', accept: 'application/json' }
    return method === 'GET'
      ? browser.get(address, headers)
      : body === 'form'
        ? browser.post(address, { role: 'member', person: ids['person'] ?? nothing }, headers)
        : browser.post(address, {}, headers)
  }

  it('ADM-01 whatever changes something needs a recent sign-in, and comes from our own pages', () => {
    assert.ok(all.length > 20, String(all.length))
    for (const { path, access, csrf, method } of all.filter((one) => one.method === 'POST')) {
      assert.equal(csrf, 'same-origin', path)
      if (!looksOnly.includes(`${method} ${path}`))
        assert.equal(access, 'recent', `${method} ${path} changes something`)
    }
  })

  for (const route of all) {
    it(`ORG-01 ORG-05 ${nameOf(route)} is for its administrators`, async () => {
      for (const [who, browser] of Object.entries(callers)) {
        const { status } = await send(browser, route, 'acme')
        const expected =
          who !== 'a plain member' ? 401 : forMembers.includes(nameOf(route)) ? 200 : 403
        assert.equal(status, expected, who)
      }
    })

    it(`ORG-01 ${nameOf(route)} says the same of an organization that there is not`, async () => {
      for (const who of ['anonymous', 'another organization’s owner']) {
        const [there, not] = await Promise.all([
          send(callers[who]!, route, 'acme'),
          send(callers[who]!, route, 'no-such'),
        ])
        const bare = async (answer: Response, slug: string) =>
          `${answer.status} ${await answer.text()}`
            .replaceAll(slug, 'SLUG')
            .replaceAll(/"\w*([iI]d|_id|instance)":"[^"]*"/g, '')
        const told = await bare(there, 'acme')
        const alike = await bare(not, 'no-such')
        assert.equal(told, alike, who)
      }
    })

    it(`ADM-11 ${nameOf(route)} is of no use to another site’s page, neither asked nor framed`, async () => {
      const path = route.path.replace(':org', 'acme').replaceAll(/:\w+/g, nothing)
      const elsewhere = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
      const answer =
        route.method === 'GET'
          ? await admin.get(path, { ...elsewhere, 'sec-fetch-mode': 'cors' })
          : await admin.post(path, { role: 'member' }, elsewhere)
      if (route.method === 'POST') assert.equal(answer.status, 403)
      assert.equal(answer.headers.get('access-control-allow-origin'), null)
      assert.equal(answer.headers.get('x-frame-options'), 'DENY')
      assert.match(answer.headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/)
    })

    if (parts(route.path).length > 1)
      it(`ORG-01 ${nameOf(route)} knows nothing of another organization’s`, async () => {
        const unknown = parts(route.path).filter((name) => name !== 'org' && !(name in foreign))
        const { status } = await send(admin, route, 'acme', foreign)
        const { status: none } = await send(admin, route, 'acme')
        assert.deepEqual([status, none], [404, 404], unknown.join())
      })

    if (route.path.endsWith('/organizations/:org/sessions/end') && route.body === 'form')
      it(`ORG-01 ${nameOf(route)} knows nobody of another organization by the form`, async () => {
        for (const [field, id] of [
          ['person', foreign['person']!],
          ['connection', foreign['connection']!],
          ['person', nothing],
        ] as const) {
          const answer = await admin.post('/organizations/acme/sessions/end', { [field]: id })
          assert.equal(answer.status, 404, field)
        }
      })

    it(`ORG-02 ${nameOf(route)} takes the organization from its path alone`, async () => {
      const browser = callers['another organization’s owner']!
      const path = route.path.replaceAll(/:(\w+)/g, (_, name: string) =>
        name === 'org' ? 'acme' : nothing,
      )
      const headers = {
        'sec-fetch-mode': 'cors',
        accept: 'application/json',
        'x-org-id': other.id,
        'x-organization': 'other',
      }
      const query = `?org=other&organization=other&organization_id=${other.id}`
      const answer =
        route.method === 'GET'
          ? await browser.get(`${path}${query}`, headers)
          : await browser.post(
              `${path}${query}`,
              route.body === 'form' ? { org: 'other' } : {},
              headers,
            )
      assert.equal(answer.status, 401)
    })
  }
})
