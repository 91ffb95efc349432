import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { addVerifiedEmail } from '../../src/accounts/emails.ts'
import { createInvitation, type InvitationMade } from '../../src/accounts/invitations.ts'
import { saveProvisioning } from '../../src/accounts/joining.ts'
import { addMember, createOrganization, type Role } from '../../src/accounts/organizations.ts'
import {
  previewRoles,
  readRolePolicy,
  readRoleRules,
  saveRoleRules,
} from '../../src/accounts/roles.ts'
import { createUser } from '../../src/accounts/users.ts'
import { newId } from '../../src/lib/ids.ts'
import type { Claims } from '../../src/providers/proof.ts'
import { removeMember } from '../../src/sessions/ending.ts'
import { changeRole } from '../../src/sessions/revoke.ts'
import { startTestApp, type TestApp } from '../_app.ts'
import { refreshOf, type Browser } from '../_browser.ts'
import { readPage } from '../web/_page.ts'

describe('joining an organization', () => {
  let app: TestApp
  let owner: string
  let invited: string
  let domain: string
  let globex: string
  let number = 0

  before(async () => {
    app = await startTestApp({ env: { SALLYPORT_PERSONAL_SIGN_IN: 'members' } })
    const { clock } = app.sallyport.services
    owner = await createUser(db(), { name: 'Olivia Owner' }, clock.now())
    const member = { organizationId: app.acme.id, userId: owner, role: 'owner' } as const
    await addMember(db(), member, clock.now())
    invited = await app.connect({ provisioning: 'invited', name: 'By invitation' })
    domain = await app.connect({ provisioning: 'domain', name: 'By domain' })
    globex = (await createOrganization(db(), { slug: 'globex', name: 'Globex' }, clock.now())).id
  })
  after(() => app.close())

  const db = () => app.sallyport.services.db
  const fresh = (name: string) => `${name}-${++number}`
  const idOf = async (browser: Browser) => {
    const response = await browser.api('/me')
    return response.status === 200
      ? ((await response.json()) as { user: { id: string } | null }).user?.id
      : undefined
  }
  const membership = (userId: string | undefined, organizationId = app.acme.id) =>
    db()
      .selectFrom('memberships')
      .selectAll()
      .where('user_id', '=', userId ?? newId())
      .where('organization_id', '=', organizationId)
      .where('removed_at', 'is', null)
      .executeTakeFirst()
  const counts = async () =>
    Promise.all(
      (['users', 'identities', 'memberships'] as const).map(
        async (table) => (await db().selectFrom(table).select('id').execute()).length,
      ),
    )
  const invite = async (address: string, role: Role = 'member', organizationId = app.acme.id) =>
    (await createInvitation(
      db(),
      { organizationId, address, role, invitedBy: organizationId === app.acme.id ? owner : null },
      app.clock.now(),
    )) as InvitationMade
  /** Signs in through a connection with an invitation, as far as the answer to the return. */
  const acceptBy = async (browser: Browser, token: string, subject: string, through = invited) => {
    const left = await browser.post(`/sso/${through}/start`, { invitation: token })
    if (left.status !== 200) return left
    const state = refreshOf(left).searchParams.get('state')!
    return app.comeBack(browser, state, subject, through)
  }
  const say = (subject: string, claims: Claims) => app.provider.people.set(subject, { claims })

  describe('by invitation', () => {
    it('ORG-10 SSO-97 an invitation is accepted by signing in with its link, once, with its role', async () => {
      const subject = fresh('carol')
      const { token } = await invite(`${subject}@acme.example`, 'admin')
      const browser = app.browser()
      const page = await readPage(await browser.get(`/invitations/${token}`))
      assert.equal(page.heading, 'Join Acme')
      assert.match(page.text, /Olivia Owner invites you to be an administrator of Acme \(acme\)/)
      assert.ok(page.links.includes(`/sso/${invited}/start`))
      assert.equal((await acceptBy(browser, token, subject)).headers.get('location'), '/')
      const carol = await idOf(browser)
      assert.deepEqual(
        [(await membership(carol))!.role, (await membership(carol))!.link_state],
        ['admin', 'linked'],
      )
      assert.equal((await app.browser().get(`/invitations/${token}`)).status, 410)
      assert.equal((await acceptBy(app.browser(), token, fresh('second'))).status, 410)
    })

    it('LNK-14 SSO-98 without its link nobody is let in, whatever address their provider asserts', async () => {
      const subject = fresh('carol')
      await invite(`${subject}@acme.example`)
      const before = await counts()
      for (const through of [invited, await app.connect({ provisioning: 'off' })]) {
        const refused = await app.signIn(app.browser(), subject, { connectionId: through })
        assert.equal(refused.status, 403)
      }
      assert.deepEqual(await counts(), before)
    })

    it('ORG-10 an invitation for another address, another organization, or that is over says the same', async () => {
      const { token } = await invite('somebody@acme.example')
      const foreign = await invite('x@globex.example', 'member', globex)
      const before = await counts()
      const answers = [
        await acceptBy(app.browser(), token, fresh('other')),
        await acceptBy(app.browser(), foreign.token, 'x'),
        await app.browser().get(`/invitations/${'x'.repeat(43)}`),
        await acceptBy(app.browser(), 'x'.repeat(43), 'x'),
      ]
      const pages = await Promise.all(answers.map(readPage))
      for (const { status, text } of pages) {
        assert.equal(status, 410)
        assert.match(text, /^This invitation cannot be used It may have been used, withdrawn or/)
      }
      assert.deepEqual(await counts(), before)
      const events = await db()
        .selectFrom('audit_events')
        .selectAll()
        .where('action', '=', 'invitation.refused')
        .execute()
      const reasons = events.map(({ data }) => (data as { reason: string }).reason)
      assert.ok(reasons.includes('other_address') && reasons.includes('invitation_over'))
    })

    it('an invitation counts where nobody may join otherwise, and brings back whom the organization had removed', async () => {
      const off = await app.connect({ provisioning: 'off' })
      const subject = fresh('back')
      const first = await invite(`${subject}@acme.example`, 'admin')
      const browser = app.browser()
      await acceptBy(browser, first.token, subject, off)
      const id = await idOf(browser)
      assert.ok(id)
      const { services } = app.sallyport
      const member = { organizationId: app.acme.id, userId: id }
      await removeMember(services, member, {}, services.clock.now())
      assert.equal((await app.signIn(app.browser(), subject, { connectionId: off })).status, 403)
      const again = await invite(`${subject}@acme.example`, 'member')
      const later = app.browser()
      assert.equal((await acceptBy(later, again.token, subject, off)).status, 303)
      assert.equal(await idOf(later), id)
      assert.equal((await membership(id))!.role, 'member')
    })

    it('SSO-85 somebody signed in links the new sign-in and joins with one answer', async () => {
      const elsewhere = await app.connect({ organizationId: globex, name: 'Globex SSO' })
      const browser = app.browser()
      await app.signIn(browser, fresh('of-globex'), { connectionId: elsewhere })
      const id = await idOf(browser)
      const subject = fresh('at-acme')
      const { token } = await invite(`${subject}@acme.example`, 'admin')
      const asked = await acceptBy(browser, token, subject)
      const [, state] = /^\/link\?state=(.*)$/.exec(asked.headers.get('location')!)!
      assert.equal(await membership(id), undefined)
      assert.equal((await browser.post('/link', { state: state!, choice: 'link' })).status, 303)
      assert.equal((await membership(id))!.role, 'admin')
    })

    it('personally: whoever has verified the address accepts signed in, unless the organization requires its sign-in', async () => {
      const { clock } = app.sallyport.services
      const address = `${fresh('pat')}@home.example`
      const id = await createUser(db(), { name: 'Pat' }, clock.now())
      await addVerifiedEmail(db(), { userId: id, address, primary: true }, clock.now())
      const { token } = await invite(address)
      const browser = app.browser()
      const here = `/invitations/${token}`
      const stranger = await readPage(await browser.get(here))
      assert.ok(stranger.links.includes(`/login/mail?return_to=${encodeURIComponent(here)}`))
      assert.equal((await browser.post(here)).status, 401)

      const { browser: other } = await signedInBySso()
      assert.equal((await other.post(here)).status, 410, 'it is for another address')

      await browser.post('/login/mail', { address, return_to: here })
      const link = new URL((await app.mails()).at(-1)!.data['link']!).pathname
      await browser.get(link)
      assert.equal((await browser.post(link)).headers.get('location'), here)
      const requires = (since: Date | null) =>
        db()
          .updateTable('organizations')
          .set({ sso_required_since: since })
          .where('id', '=', app.acme.id)
          .execute()
      await requires(clock.now())
      assert.ok(!(await readPage(await browser.get(here))).text.includes('Accept as Pat'))
      assert.equal((await browser.post(here)).status, 403)
      await requires(null)
      assert.match((await readPage(await browser.get(here))).text, /Accept as Pat/)
      assert.equal((await browser.post(here)).headers.get('location'), '/account')
      assert.equal((await membership(id))!.link_state, 'unlinked')
      const { organizations } = (await (await browser.api('/me')).json()) as {
        organizations: { slug: string }[]
      }
      assert.deepEqual(
        organizations.map(({ slug }) => slug),
        ['acme'],
      )
    })
  })

  const signedInBySso = async () => {
    const browser = app.browser()
    await app.signIn(browser, fresh('person'))
    return { browser }
  }

  describe('by a verified domain', () => {
    const prove = async (
      name: string,
      of: Partial<{
        organization: string
        verified: Date | null
        missing: Date | null
        connection: string
      }> = {},
    ) => {
      const at = app.clock.now()
      await db()
        .insertInto('domains')
        .values({
          id: newId(),
          organization_id: of.organization ?? app.acme.id,
          domain: name,
          token: 't',
          connection_id: of.connection ?? null,
          verified_at: of.verified === undefined ? at : of.verified,
          missing_since: of.missing ?? null,
          created_at: at,
        })
        .execute()
    }
    const arrive = async (email: string | undefined, emailVerified?: boolean, through = domain) => {
      const subject = fresh('dora')
      say(subject, {
        name: 'Dora',
        ...(email && { email }),
        ...(emailVerified !== undefined && { emailVerified }),
      })
      const browser = app.browser()
      const { status } = await app.signIn(browser, subject, { connectionId: through })
      return { status, id: await idOf(browser) }
    }

    it('whoever has a verified address in a proven domain of the organization is let in, and nobody else', async () => {
      await prove('proven.example')
      await prove('unproven.example', { verified: null })
      await prove('missing.example', { missing: app.clock.now() })
      await prove('globex.example', { organization: globex })
      await prove('elsewhere.example', { connection: invited })
      await prove('xn--bcher-kva.example')
      const let_in = ['dora@proven.example', 'Doris@PROVEN.example', 'dora@bücher.example']
      for (const email of let_in) {
        const { status, id } = await arrive(email, true)
        assert.equal(status, 303, email)
        assert.equal((await membership(id))!.role, 'member')
      }
      const before = await counts()
      const kept_out = [
        ['dora@proven.example.evil.example', true],
        ['dora@sub.proven.example', true],
        ['dora@notproven.example', true],
        ['dora@proven.example@evil.example', true],
        ['dora@evil.example@proven.example', true],
        ['@proven.example', true],
        ['proven.example', true],
        ['dora@', true],
        ['dora@unproven.example', true],
        ['dora@missing.example', true],
        ['dora@globex.example', true],
        ['dora@elsewhere.example', true],
        ['other@proven.example', false],
        ['other@proven.example', undefined],
        [undefined, true],
      ] as const
      for (const [email, verified] of kept_out)
        assert.equal((await arrive(email, verified)).status, 403, `${email} ${verified}`)
      assert.deepEqual(await counts(), before)
    })

    it('LNK-04 an address that an account has verified lets nobody else in, nor that of a member', async () => {
      await prove('taken.example')
      const userId = await createUser(db(), { name: 'Victim' }, app.clock.now())
      const owned = { userId, address: 'victim@taken.example', primary: true }
      await addVerifiedEmail(db(), owned, app.clock.now())
      const before = await counts()
      assert.equal((await arrive('Victim@taken.example', true)).status, 403)
      assert.deepEqual(await counts(), before)
      const { status, id } = await arrive('new@taken.example', true)
      assert.equal(status, 303)
      assert.notEqual(id, userId)
      assert.equal((await arrive('new@taken.example', true)).status, 403, 'a member claims it')
    })
  })

  describe('in which role', () => {
    const actor = () => ({ organizationId: app.acme.id, actorId: owner })
    const rules = [
      { claim: 'groups', value: 'sso-admins', role: 'admin' },
      { claim: 'department', value: 'IT', role: 'admin' },
      { claim: 'groups', value: 'everyone', role: 'member' },
    ] as const

    it('the first rule that fits counts; a list of groups fits by any of them, and only by the whole of its name', () => {
      const role = (claims: Claims) => previewRoles(rules, claims)
      assert.deepEqual(role({ groups: ['everyone', 'sso-admins'] }), { role: 'admin', rule: 0 })
      assert.deepEqual(role({ groups: ['everyone'] }), { role: 'member', rule: 2 })
      assert.deepEqual(role({ raw: { department: 'IT' } }), { role: 'admin', rule: 1 })
      assert.deepEqual(role({ raw: { groups: ['sso-admins'] } }), { role: 'admin', rule: 0 })
      for (const claims of [
        {},
        { groups: ['SSO-ADMINS', 'sso-admins ', 'sso-admins,everyone', 'sso'] },
        { raw: { department: 'it', Department: 'IT', constructor: 'IT' } },
      ])
        assert.deepEqual(role(claims), { role: undefined, rule: undefined })
      assert.deepEqual(
        previewRoles([{ claim: 'toString', value: 'x', role: 'admin' }], { raw: {} }),
        {
          role: undefined,
          rule: undefined,
        },
      )
    })

    it('ORG-07 no rule and no default gives more than administrator, in whatever spelling: refused when saved', async () => {
      for (const role of [
        'owner',
        'Owner',
        'Admin',
        'member,owner',
        'superuser',
        '',
        null,
        ['admin'],
      ]) {
        assert.throws(() => readRoleRules([{ claim: 'a', value: 'b', role }]), {
          code: 'config_rejected',
        })
      }
      for (const wrong of [
        'x',
        [{ claim: '', value: 'b', role: 'admin' }],
        [{ claim: 'a', value: '', role: 'admin' }],
        [{ claim: 'a', value: 'b', role: 'admin', more: 1 }],
        Array.from({ length: 51 }, () => rules[0]),
      ])
        assert.throws(() => readRoleRules(wrong), { code: 'config_rejected' })
    })

    it('ORG-07 and what is stored all the same gives nothing', async () => {
      const through = await app.connect({ provisioning: 'everybody' })
      const stored = [{ claim: 'groups', value: 'bosses', role: 'owner' }, 'nonsense', ...rules]
      await db()
        .updateTable('connections')
        .set({ role_rules: JSON.stringify(stored) })
        .where('id', '=', through)
        .execute()
      const defaults = (role: string) =>
        db()
          .updateTable('organizations')
          .set({ default_role: role })
          .where('id', '=', app.acme.id)
          .execute()
      await defaults('owner')
      assert.deepEqual(await readRolePolicy(db(), through), { defaultRole: 'member', rules })
      const subject = fresh('boss')
      say(subject, { name: subject, groups: ['bosses'] })
      const browser = app.browser()
      await app.signIn(browser, subject, { connectionId: through })
      assert.equal((await membership(await idOf(browser)))!.role, 'member')
      await defaults('member')
    })

    it('somebody who joins has the role that a rule gives, and it follows what the provider says, on every node', async () => {
      const through = await app.connect({ provisioning: 'everybody' })
      const save = { connectionId: through, rules }
      assert.equal(await saveRoleRules(db(), actor(), save, app.clock.now()), true)
      const subject = fresh('rita')
      const roleIn = async (browser: Browser) =>
        ((await (await browser.api('/me')).json()) as { organizations: { role: string }[] })
          .organizations[0]!.role
      say(subject, { name: subject, groups: ['sso-admins'] })
      const first = app.browser()
      await app.signIn(first, subject, { connectionId: through })
      assert.equal(await roleIn(first), 'admin')
      say(subject, { name: subject, groups: [] })
      const second = app.browser()
      await app.signIn(second, subject, { connectionId: through })
      assert.equal(await roleIn(second), 'member')
      assert.equal(await roleIn(first), 'member', 'also in the session that was there before')
      const id = (await idOf(first))!
      const [event] = await db()
        .selectFrom('audit_events')
        .selectAll()
        .where('action', '=', 'member.role_changed')
        .where('target', '=', id)
        .execute()
      assert.deepEqual(event!.data, { role: 'member', from: 'provider' })

      // Whoever is given a role by hand keeps it.
      const { services } = app.sallyport
      const member = { organizationId: app.acme.id, userId: id, role: 'admin' } as const
      await changeRole(services, member, { userId: owner }, app.clock.now())
      await app.signIn(app.browser(), subject, { connectionId: through })
      assert.equal((await membership(id))!.role, 'admin')
    })

    it('nobody stops being an owner, and an invitation’s role is not the provider’s to say', async () => {
      const through = await app.connect({ provisioning: 'everybody' })
      await saveRoleRules(db(), actor(), { connectionId: through, rules }, app.clock.now())
      const subject = fresh('chief')
      say(subject, { name: subject, email: `${subject}@acme.example`, groups: ['everyone'] })
      const browser = app.browser()
      const { token } = await invite(`${subject}@acme.example`, 'admin')
      await acceptBy(browser, token, subject, through)
      const id = (await idOf(browser))!
      assert.equal((await membership(id))!.role, 'admin')
      await app.signIn(app.browser(), subject, { connectionId: through })
      assert.equal((await membership(id))!.role, 'admin')
      await db()
        .updateTable('memberships')
        .set({ role: 'owner', role_from: 'provider' })
        .where('user_id', '=', id)
        .execute()
      await app.signIn(app.browser(), subject, { connectionId: through })
      assert.equal((await membership(id))!.role, 'owner')
    })

    it('ORG-01 a policy is saved for one’s own organization only, and is in the audit', async () => {
      const foreign = await app.connect({ organizationId: globex })
      const now = app.clock.now()
      const save = { connectionId: foreign, rules }
      assert.equal(await saveRoleRules(db(), actor(), save, now), false)
      const opened = { connectionId: foreign, provisioning: 'everybody' }
      assert.equal(await saveProvisioning(db(), actor(), opened, now), false)
      assert.equal(
        await saveProvisioning(db(), actor(), { ...opened, connectionId: 'x' }, now),
        false,
      )
      await assert.rejects(
        saveProvisioning(db(), actor(), { ...opened, provisioning: 'all' }, now),
        { code: 'config_rejected' },
      )
      const own = { connectionId: invited, provisioning: 'invited' }
      assert.equal(await saveProvisioning(db(), actor(), own, now), true)
      const events = await db()
        .selectFrom('audit_events')
        .selectAll()
        .where('action', '=', 'connection.joining_changed')
        .where('target', '=', invited)
        .execute()
      assert.deepEqual(events[0]!.data, { setting: 'provisioning', to: 'invited' })
    })
  })
})
