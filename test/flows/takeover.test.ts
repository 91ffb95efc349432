import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { addVerifiedEmail } from '../../src/accounts/emails.ts'
import { createInvitation } from '../../src/accounts/invitations.ts'
import { saveProvisioning } from '../../src/accounts/joining.ts'
import { provisionings } from '../../src/accounts/connections.ts'
import { addMember, createOrganization } from '../../src/accounts/organizations.ts'
import { createUser } from '../../src/accounts/users.ts'
import { minutes } from '../../src/lib/clock.ts'
import { newId } from '../../src/lib/ids.ts'
import { cookieNames } from '../../src/sessions/cookies.ts'
import { removeMember } from '../../src/sessions/ending.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import { refreshOf, type Browser } from '../_browser.ts'

/*
 * Random requests of an attacker, among those of their victims. The attacker controls another organization's provider,
 * which says whatever they like; has accounts of their own, also at the victims' organization; knows every handle, id and
 * address there is; makes victims' browsers visit any address; and is told of nothing that is mailed to a victim.
 * Victims are careless in everything but one thing: they link nothing that is not theirs, and nothing to an account that
 * is not.
 */

const steps = Number(process.env['TAKEOVER_STEPS'] ?? 1600)
const seed = Number(process.env['TAKEOVER_SEED'] ?? 20300101)

/** The same numbers for the same seed (mulberry32). */
function randomFrom(start: number): () => number {
  let state = start
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Victim {
  readonly id: string
  readonly address: string
  /** Their subjects at acme’s provider. */
  readonly subjects: readonly string[]
  readonly browser: Browser
}

describe('LNK property', () => {
  let app: TestApp
  let names: ReturnType<typeof cookieNames>
  let evil: string
  let evilOwner: string
  /** Connections of acme and of the attacker’s organization, by policy. */
  const ours: string[] = []
  const theirs: string[] = []
  const victims: Victim[] = []
  const attackers: Browser[] = []
  /** Every handle of any flow, and the connection it goes through. */
  const handles: { readonly state: string; readonly through: string }[] = []
  const invitations: string[] = []
  /** Whose each identity was when it was first seen. */
  const owners = new Map<string, string>()
  const did: string[] = []
  const random = randomFrom(seed)
  const pick = <T>(list: readonly T[]): T =>
    list[Math.floor(random() * list.length)] ?? assert.fail('nothing to pick from')
  const maybe = (chance: number) => random() < chance
  const db = () => app.sallyport.services.db

  before(async () => {
    app = await startTestApp({
      env: { SALLYPORT_PERSONAL_SIGN_IN: 'everybody', SALLYPORT_GUESTS: 'on' },
    })
    names = cookieNames(new URL(app.origin))
    const now = app.clock.now()
    evil = (await createOrganization(db(), { slug: 'evil', name: 'Evil' }, now)).id
    for (const provisioning of provisionings) {
      ours.push(await app.connect({ provisioning, name: `acme ${provisioning}` }))
      theirs.push(await app.connect({ organizationId: evil, provisioning, name: provisioning }))
    }
    evilOwner = await createUser(db(), { name: 'Mallory' }, now)
    await addMember(db(), { organizationId: evil, userId: evilOwner, role: 'owner' }, now)
    for (const [organization_id, domain] of [
      [app.acme.id, 'acme.example'],
      [evil, 'evil.example'],
    ] as const)
      await db()
        .insertInto('domains')
        .values({
          id: newId(),
          organization_id,
          domain,
          token: 't',
          verified_at: now,
          created_at: now,
        })
        .execute()
    for (const name of ['alice', 'bob']) {
      const browser = app.browser()
      await app.signIn(browser, name)
      const { user } = (await (await browser.api('/me')).json()) as { user: { id: string } }
      const address = `${name}@acme.example`
      await addVerifiedEmail(db(), { userId: user.id, address, primary: true }, now)
      victims.push({ id: user.id, address, subjects: [name, `${name}-too`], browser })
    }
    attackers.push(app.browser(), app.browser(), app.browser())
  })
  after(() => app.close())

  /** What the attacker’s provider says, or acme’s honest one of the attacker: an address can be anybody’s there. */
  const impersonate = (subject: string) => {
    const { address } = pick(victims)
    app.provider.people.set(subject, {
      issuer: pick(['https://idp.example', 'https://evil.example', 'https://idp.example/']),
      claims: {
        name: pick(['alice', 'bob', 'Mallory']),
        email: pick([address, address.toUpperCase(), 'mallory@evil.example', 'new@acme.example']),
        emailVerified: maybe(0.8),
        groups: ['admins'],
      },
    })
  }
  const honest = (subject: string) => app.provider.people.delete(subject)

  /** Whom the attacker can be at a connection: anybody at their own, themself and new people at acme’s. */
  const attackersSubject = (through: string) =>
    theirs.includes(through)
      ? pick([
          ...victims.flatMap(({ subjects, id }) => [...subjects, id]),
          'mallory',
          `m${did.length}`,
        ])
      : pick(['mallory', 'mallory-2', 'mallory-3'])

  const keepHandle = (response: Response, through: string) => {
    const left = refreshOf(response)
    const state =
      left.searchParams.get('state') ??
      /state=([\w-]{43})/.exec(response.headers.get('location') ?? '')?.[1]
    if (state) handles.push({ state, through })
    return state
  }
  const someHandle = () => (maybe(0.7) ? handles.slice(-6) : handles)
  const anyHandle = () =>
    pick(someHandle().length > 0 ? someHandle() : [{ state: 'x'.repeat(43), through: pick(ours) }])

  const start = async (browser: Browser, through: string) => {
    const form: Record<string, string> = { return_to: '/account' }
    if (maybe(0.2)) form['reauth'] = '1'
    if (invitations.length > 0 && maybe(0.3)) form['invitation'] = pick(invitations)
    const answer = maybe(0.2)
      ? await browser.post(`/sso/${through}/link`)
      : await browser.post(`/sso/${through}/start`, form)
    return keepHandle(answer, through)
  }
  const comeBack = async (browser: Browser, state: string, subject: string, through: string) =>
    keepHandle(await app.comeBack(browser, state, subject, through), through)

  const idOf = async (browser: Browser) => {
    const response = await browser.api('/me')
    const { user } = (await response.json()) as { user?: { id: string } | null }
    return user?.id
  }

  type Act = readonly [name: string, weight: number, run: () => Promise<unknown>]

  const attacks: readonly Act[] = [
    ['begin', 6, () => start(pick(attackers), pick([...ours, ...theirs]))],
    [
      'come back as somebody',
      8,
      async () => {
        const { state, through } = anyHandle()
        const subject = attackersSubject(through)
        impersonate(subject)
        await comeBack(
          pick(attackers),
          state,
          subject,
          maybe(0.9) ? through : pick([...ours, ...theirs]),
        )
      },
    ],
    [
      'a whole sign-in',
      8,
      async () => {
        const [browser, through] = [pick(attackers), pick([...ours, ...theirs])]
        const state = await start(browser, through)
        const subject = attackersSubject(through)
        impersonate(subject)
        if (state) await comeBack(browser, state, subject, through)
      },
    ],
    [
      'register',
      5,
      () =>
        pick(attackers).post('/register', {
          state: anyHandle().state,
          name: 'alice',
          keep: pick(['yes', 'no']),
        }),
    ],
    [
      'link',
      8,
      () =>
        pick(attackers).post('/link', {
          state: anyHandle().state,
          choice: pick(['link', 'link', 'stay']),
        }),
    ],
    [
      'look',
      2,
      () => pick(attackers).get(`/${pick(['link', 'register'])}?state=${anyHandle().state}`),
    ],
    [
      'switch',
      3,
      () => {
        const { state, through } = anyHandle()
        return pick(attackers).post(`/sso/${through}/continue`, { state, choice: 'switch' })
      },
    ],
    ['sign out', 1, () => pick(attackers).post('/logout')],
    ['be a guest', 1, () => pick(attackers).post('/guest')],
    [
      'ask for mail',
      2,
      async () => {
        const own = `mallory-${did.length}@evil.example`
        const address = pick([pick(victims).address, own])
        const browser = pick(attackers)
        await browser.post('/login/mail', {
          address,
          return_to: `/link?state=${anyHandle().state}`,
        })
        const last = (await app.mails()).at(-1)
        // What is mailed to a victim is not read; what is mailed to the attacker may be opened anywhere.
        if (last?.to !== own || !last.data['link']) return
        const { pathname } = new URL(last.data['link'])
        const opening = maybe(0.8) ? browser : pick(attackers)
        await opening.get(pathname)
        await opening.post(pathname, { name: 'alice' })
        await opening.post(pathname, { name: 'alice', keep: 'yes', choice: 'switch' })
      },
    ],
    [
      'unlink',
      2,
      async () => {
        const rows = await db().selectFrom('identities').select('id').execute()
        await pick(attackers).post(`/account/identities/${pick(rows).id}/unlink`)
      },
    ],
    [
      'claim an address',
      1,
      () => pick(attackers).post('/account/addresses/verify', { address: pick(victims).address }),
    ],
    [
      'invite a victim',
      1,
      async () => {
        const address = pick([pick(victims).address, 'mallory@evil.example'])
        const made = await createInvitation(
          db(),
          { organizationId: evil, address, role: 'owner', invitedBy: evilOwner },
          app.clock.now(),
        )
        if ('token' in made) invitations.push(made.token)
      },
    ],
    [
      'accept an invitation',
      2,
      () =>
        pick(attackers).post(`/invitations/${invitations.length > 0 ? pick(invitations) : 'x'}`),
    ],
    [
      'change one’s own policy',
      1,
      () =>
        saveProvisioning(
          db(),
          { organizationId: evil, actorId: evilOwner },
          { connectionId: pick([...theirs, ...ours]), provisioning: pick(provisionings) },
          app.clock.now(),
        ),
    ],
    [
      'swap browser keys',
      1,
      async () => {
        const [from, to] = [pick(attackers), pick(attackers)]
        const key = from.cookies.get(names.browser)
        if (key) to.cookies.set(names.browser, key)
      },
    ],
  ]

  /** What the attacker makes a victim’s browser do, by links, frames and forms of another site. */
  const lures: readonly Act[] = [
    [
      'visit a return',
      3,
      async () => {
        const { state, through } = anyHandle()
        const subject = attackersSubject(through)
        impersonate(subject)
        await comeBack(pick(victims).browser, state, subject, through)
      },
    ],
    [
      'visit a question',
      1,
      () => pick(victims).browser.get(`/${pick(['link', 'register'])}?state=${anyHandle().state}`),
    ],
    [
      'post across sites',
      2,
      () => {
        const path = pick([
          '/link',
          '/register',
          `/sso/${pick(theirs)}/link`,
          `/sso/${pick(theirs)}/start`,
        ])
        const form = { state: anyHandle().state, choice: 'link', name: 'x' }
        const foreign = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
        return pick(victims).browser.post(path, form, foreign)
      },
    ],
    [
      'sign in at the attacker’s, and link nothing',
      3,
      async () => {
        const [{ browser }, through] = [pick(victims), pick(theirs)]
        const state = await start(browser, through)
        const subject = attackersSubject(through)
        impersonate(subject)
        if (!state) return
        await comeBack(browser, state, subject, through)
        if (maybe(0.5)) await browser.post('/link', { state, choice: 'stay' })
        else await browser.post(`/sso/${through}/continue`, { state, choice: 'stay' })
      },
    ],
  ]

  /** What victims do of their own accord. */
  const errands: readonly Act[] = [
    [
      'sign in',
      4,
      async () => {
        const { browser, subjects } = pick(victims)
        const subject = pick(subjects)
        const through = pick([app.connectionId, ...ours])
        const rows = await db()
          .selectFrom('identities')
          .select('id')
          .where('connection_id', '=', through)
          .where('subject', '=', subject)
          .execute()
        // A new subject of theirs is linked below; signing in with one could make a second account.
        if (rows.length === 0) return
        honest(subject)
        const state = await start(browser, through)
        if (state) await comeBack(browser, state, subject, through)
        await browser.post(`/sso/${through}/continue`, { state: state ?? '', choice: 'switch' })
      },
    ],
    [
      'link one’s own',
      3,
      async () => {
        const { id, browser, subjects } = pick(victims)
        const [subject, through] = [pick(subjects), pick(ours)]
        // They read as whom they are signed in: it may be an account they made at the attacker’s.
        if ((await idOf(browser)) !== id) return
        const answer = await browser.post(`/sso/${through}/link`)
        const state = keepHandle(answer, through)
        if (!state) return
        honest(subject)
        await comeBack(browser, state, subject, through)
        await browser.post('/link', { state, choice: 'link' })
      },
    ],
    [
      'stand before a question, and leave',
      3,
      async () => {
        const { browser, subjects } = pick(victims)
        const [subject, through] = [pick(subjects), pick(ours)]
        const known = await db()
          .selectFrom('identities')
          .select('id')
          .where('connection_id', '=', through)
          .where('subject', '=', subject)
          .execute()
        const policy = provisionings[ours.indexOf(through)]
        // Where everybody is let in at once, they would have a second account.
        if (known.length > 0 || (policy !== 'register' && !isVictims(await idOf(browser)))) return
        honest(subject)
        const { address } = pick(victims)
        app.provider.people.set(subject, { claims: { name: 'alice', email: address } })
        const state = await start(browser, through)
        if (state) await comeBack(browser, state, subject, through)
      },
    ],
    [
      'unlink one’s own',
      1,
      async () => {
        const { browser, id } = pick(victims)
        const rows = await db()
          .selectFrom('identities')
          .select('id')
          .where('user_id', '=', id)
          .where('connection_id', '<>', app.connectionId)
          .execute()
        if (rows.length > 0) await browser.post(`/account/identities/${pick(rows).id}/unlink`)
      },
    ],
    ['sign out', 1, () => pick(victims).browser.post('/logout')],
    [
      'wait',
      1,
      async () => {
        app.clock.advance(pick([minutes(1), minutes(9), minutes(11)]))
        await db().deleteFrom('rate_limits').execute()
      },
    ],
  ]

  const everything = [...attacks, ...lures, ...errands].flatMap(([name, weight, run]) =>
    Array.from({ length: weight }, () => ({ name, run })),
  )

  const isVictims = (id: string | undefined) => victims.some((victim) => victim.id === id)

  async function check() {
    for (const browser of attackers)
      assert.ok(!isVictims(await idOf(browser)), 'the attacker is signed in as a victim')
    const identities = await db().selectFrom('identities').selectAll().execute()
    for (const { id, user_id, connection_id, issuer, subject } of identities) {
      const owner = owners.get(id) ?? user_id
      owners.set(id, owner)
      assert.equal(user_id, owner, 'an identity has moved')
      const victim = victims.find((one) => one.id === user_id)
      const theirOwn = victims.some(({ subjects }) => subjects.includes(subject))
      if (theirOwn && !theirs.includes(connection_id))
        assert.ok(victim?.subjects.includes(subject), 'a victim’s sign-in leads to somebody else')
      if (!victim) continue
      assert.ok(!theirs.includes(connection_id), 'the attacker’s provider leads to a victim')
      assert.ok(victim.subjects.includes(subject), `${subject} leads to a victim`)
      assert.equal(issuer, 'https://idp.example')
    }
    const memberships = await db()
      .selectFrom('memberships')
      .select(['user_id', 'role'])
      .where('organization_id', '=', evil)
      .execute()
    assert.ok(!memberships.some(({ user_id }) => isVictims(user_id)), 'a victim was made a member')
    const addresses = await db()
      .selectFrom('user_emails')
      .select(['user_id', 'folded'])
      .where('verified_at', 'is not', null)
      .execute()
    for (const { user_id, folded } of addresses)
      for (const { id, address } of victims)
        if (folded === address) assert.equal(user_id, id, 'a victim’s address is somebody else’s')
    const acme = await db()
      .selectFrom('memberships')
      .select(['user_id', 'role', 'removed_at'])
      .where('organization_id', '=', app.acme.id)
      .execute()
    for (const { user_id, role, removed_at } of acme) {
      assert.equal(role, 'member', 'nobody was made more')
      if (removed.has(user_id)) assert.ok(removed_at, 'whoever was removed is back')
    }
  }

  /** The attacker’s own accounts at acme, as acme throws them out. */
  const removed = new Set<string>()
  async function removeSomebody() {
    const rows = await db()
      .selectFrom('memberships')
      .select('user_id')
      .where('organization_id', '=', app.acme.id)
      .where('removed_at', 'is', null)
      .execute()
    const others = rows.filter(({ user_id }) => !isVictims(user_id))
    if (others.length === 0) return
    const { user_id: userId } = pick(others)
    const member = { organizationId: app.acme.id, userId }
    await removeMember(app.sallyport.services, member, {}, app.clock.now())
    removed.add(userId)
  }

  it(`LNK-03 LNK-04 SSO-79 SSO-80 in ${steps} random requests no attacker is ever signed in as a victim, or linked to one`, async () => {
    try {
      for (let step = 0; step < steps; step++) {
        const { name, run } = pick(everything)
        did.push(name)
        await run()
        if (step % 5 === 4) await check()
        if (step % 100 === 99) await removeSomebody()
      }
      await check()
    } catch (error) {
      const last = did.slice(-8).join(' → ')
      throw new Error(`seed ${seed}, step ${did.length}: ${last}`, { cause: error })
    }
    // The walk has been somewhere: all of this happened, so that it could have gone wrong.
    const actions = [
      'identity.linked',
      'identity.conflict',
      'identity.unlinked',
      'login.succeeded',
      'flow.denied',
    ] as const
    for (const action of actions) {
      const events = await db()
        .selectFrom('audit_events')
        .select('id')
        .where('action', '=', action)
        .execute()
      assert.ok(events.length > 0, `${action} happened ${events.length} times`)
    }
    assert.ok(removed.size > 0)
  })
})
