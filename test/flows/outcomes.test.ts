import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { provisionings, type Provisioning } from '../../src/accounts/connections.ts'
import { setMemberRemoved } from '../../src/accounts/organizations.ts'
import { minutes } from '../../src/lib/clock.ts'
import { newId } from '../../src/lib/ids.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import type { Browser } from '../_browser.ts'

/*
 * The outcome table: every identity, with every standing of its owner, in every browser, under every policy, with an
 * address in a proven domain and without. What comes of it is read off the answer and the database.
 */

/** Whose the identity is, and how they stand. */
const identities = ['none', 'active', 'link revoked', 'suspended', 'removed', 'gone'] as const
type Identity = (typeof identities)[number]

/** Who is at work in the browser. `owner`: whose identity it is; a stranger’s account: one with no place in acme. */
const sessions = ['nobody', 'a guest', 'a member', 'a stranger', 'the owner'] as const
type Session = (typeof sessions)[number]

type Outcome =
  | 'signed in as the owner'
  | 'asked before switching'
  | 'account suspended'
  | 'ask your admin'
  | 'asked whether to link'
  | 'a new account'
  | 'the form'

interface Case {
  readonly identity: Identity
  readonly session: Session
  readonly policy: Provisioning
  /** Whether the provider vouches for an address in a domain that acme has proven. */
  readonly inDomain: boolean
}

const lets = ({ policy, inDomain }: Case) =>
  policy === 'domain' ? inDomain : policy === 'register' || policy === 'everybody'

/** The table, row by row; the first that fits counts. */
const table: readonly { readonly when: (one: Case) => boolean; readonly outcome: Outcome }[] = [
  { when: ({ identity }) => identity === 'suspended', outcome: 'account suspended' },
  {
    when: ({ identity }) => identity === 'removed' || identity === 'gone',
    outcome: 'ask your admin',
  },
  {
    when: ({ identity, session }) =>
      identity !== 'none' && (session === 'a member' || session === 'a stranger'),
    outcome: 'asked before switching',
  },
  { when: ({ identity }) => identity !== 'none', outcome: 'signed in as the owner' },
  { when: ({ session }) => session === 'a member', outcome: 'asked whether to link' },
  {
    when: (one) => one.session === 'a stranger' && lets(one),
    outcome: 'asked whether to link',
  },
  { when: (one) => !lets(one), outcome: 'ask your admin' },
  // A guest’s work is at stake, so that nobody is let in without a form.
  {
    when: ({ session, policy }) => session === 'a guest' || policy === 'register',
    outcome: 'the form',
  },
  { when: () => true, outcome: 'a new account' },
]

/** A guest who has signed in is asked about their work on the way. */
const isIn = (location: string) => location === '/account' || location.startsWith('/claim?')

describe('the outcome table', () => {
  let app: TestApp
  const connections = new Map<Provisioning, string>()
  /** Where members and strangers have their own sign-ins. */
  let elsewhere: string
  let atGlobex: string
  let number = 0

  before(async () => {
    app = await startTestApp({ env: { SALLYPORT_GUESTS: 'on' } })
    const { db } = app.sallyport.services
    for (const provisioning of provisionings)
      connections.set(provisioning, await app.connect({ provisioning, name: provisioning }))
    elsewhere = app.connectionId
    const globex = newId()
    await db
      .insertInto('organizations')
      .values({ id: globex, slug: 'globex', name: 'Globex', created_at: app.clock.now() })
      .execute()
    atGlobex = await app.connect({ organizationId: globex })
    await db
      .insertInto('domains')
      .values({
        id: newId(),
        organization_id: app.acme.id,
        domain: 'proven.example',
        token: 't',
        verified_at: app.clock.now(),
        created_at: app.clock.now(),
      })
      .execute()
  })
  after(() => app.close())

  const db = () => app.sallyport.services.db
  const idOf = async (browser: Browser) => {
    const response = await browser.api('/me')
    const { user } = (await response.json()) as { user?: { id: string } | null }
    return user?.id
  }

  /** Brings a case about; answers the browser, who is in it, and whose the identity is. */
  async function bring({ identity, session, policy, inDomain }: Case) {
    const subject = `case-${++number}`
    const through = connections.get(policy)!
    const email = `${subject}@${inDomain ? 'proven' : 'other'}.example`
    app.provider.people.set(subject, { claims: { name: subject, email, emailVerified: true } })
    const { clock } = app.sallyport.services
    const now = clock.now()
    const ownersBrowser = app.browser()
    let owner: string | undefined
    if (identity !== 'none') {
      const set = (provisioning: Provisioning) =>
        db().updateTable('connections').set({ provisioning }).where('id', '=', through).execute()
      await set('everybody')
      await app.signIn(ownersBrowser, subject, { connectionId: through })
      await set(policy)
      owner = (await idOf(ownersBrowser)) ?? assert.fail()
    }
    let browser = app.browser()
    if (session === 'a guest') await browser.post('/guest')
    if (session === 'a member')
      await app.signIn(browser, `member-${number}`, { connectionId: elsewhere })
    if (session === 'a stranger')
      await app.signIn(browser, `stranger-${number}`, { connectionId: atGlobex })
    if (session === 'the owner') browser = ownersBrowser
    const state = await app.begin(browser, { connectionId: through })
    if (owner && identity === 'suspended')
      await db().updateTable('users').set({ suspended_at: now }).where('id', '=', owner).execute()
    if (owner && identity === 'gone')
      await db().updateTable('users').set({ deleted_at: now }).where('id', '=', owner).execute()
    if (owner && identity === 'removed')
      await setMemberRemoved(db(), { organizationId: app.acme.id, userId: owner }, now)
    if (owner && identity === 'link revoked')
      await db()
        .updateTable('memberships')
        .set({ link_state: 'revoked' })
        .where('user_id', '=', owner)
        .execute()
    const { node } = app.sallyport.services
    node.memory.clear(node.memory.position)
    return { browser, owner, subject, through, state }
  }

  async function outcomeOf(one: Case): Promise<Outcome> {
    const { browser, owner, subject, through, state } = await bring(one)
    const before = await idOf(browser)
    const users = async () => (await db().selectFrom('users').select('id').execute()).length
    const count = await users()
    const answer = await app.comeBack(browser, state, subject, through)
    const after = await idOf(browser)
    const location = answer.headers.get('location') ?? ''
    const identity = await db()
      .selectFrom('identities')
      .select('user_id')
      .where('connection_id', '=', through)
      .where('subject', '=', subject)
      .executeTakeFirst()
    assert.equal(identity?.user_id, owner ?? (isIn(location) ? after : undefined))
    if (isIn(location)) {
      if (owner) assert.equal(after, owner)
      else assert.equal(await users(), count + 1)
      return owner ? 'signed in as the owner' : 'a new account'
    }
    // Nobody is let in, nobody is made, and whoever was here still is.
    assert.equal(after, before)
    assert.equal(await users(), count)
    if (location.startsWith('/link?')) return 'asked whether to link'
    if (location.startsWith('/register?')) return 'the form'
    if (location.startsWith(`/sso/${through}/continue?`)) return 'asked before switching'
    const text = await answer.text()
    if (text.includes('This account is suspended')) return 'account suspended'
    if (text.includes('You have no account here yet')) return 'ask your admin'
    return assert.fail(`${answer.status} ${location} ${text}`)
  }

  for (const identity of identities)
    it(`S0-18 LNK-14 SSO-41 SSO-68 identity: ${identity}`, async () => {
      app.clock.advance(minutes(2))
      await db().deleteFrom('rate_limits').execute()
      for (const session of sessions) {
        if (identity === 'none' && session === 'the owner') continue
        // Where the identity is known, no policy has a say; that is shown with the two that differ most.
        for (const policy of identity === 'none' ? provisionings : (['off', 'everybody'] as const))
          for (const inDomain of identity === 'none' ? [true, false] : [true]) {
            const one = { identity, session, policy, inDomain }
            const expected = table.find(({ when }) => when(one))!.outcome
            await db().deleteFrom('rate_limits').execute()
            assert.equal(await outcomeOf(one), expected, JSON.stringify(one))
          }
      }
    })
})
