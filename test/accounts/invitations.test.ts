import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { addVerifiedEmail } from '../../src/accounts/emails.ts'
import {
  acceptInvitation,
  createInvitation,
  findInvitation,
  invitationLasts,
  listInvitations,
  withdrawInvitation,
  type InvitationMade,
} from '../../src/accounts/invitations.ts'
import {
  addMember,
  createOrganization,
  setMemberRemoved,
  setRole,
  type Role,
} from '../../src/accounts/organizations.ts'
import { createUser } from '../../src/accounts/users.ts'
import type { Db } from '../../src/db/open.ts'
import { createTestDatabase } from '../_database.ts'

const now = new Date('2030-01-01T00:00:00Z')
const over = new Date(now.getTime() + invitationLasts)
const refusal = (reason: string) => ({ code: 'invitation_invalid', reason })

describe('invitations', () => {
  let database: Awaited<ReturnType<typeof createTestDatabase>>
  let db: Db
  let acme: string
  let globex: string
  let owner: string
  let admin: string
  let number = 0

  before(async () => {
    database = await createTestDatabase()
    db = database.db
  })
  after(() => database.drop())
  beforeEach(async () => {
    number++
    const make = async (slug: string) =>
      (await createOrganization(db, { slug: `${slug}-${number}`, name: slug }, now)).id
    ;[acme, globex] = [await make('acme'), await make('globex')]
    ;[owner, admin] = [await member('owner'), await member('admin')]
  })

  const person = () => createUser(db, { name: 'Alice' }, now)
  const member = async (role: Role) => {
    const userId = await person()
    await addMember(db, { organizationId: acme, userId, role }, now)
    return userId
  }
  const invite = (address: string, role: Role = 'member', invitedBy: string | null = owner) =>
    createInvitation(db, { organizationId: acme, address, role, invitedBy }, now)
  const invited = async (address: string, role: Role = 'member') =>
    (await invite(address, role)) as InvitationMade
  const accept = (id: string, userId: string, addresses: string[], at = now, of = acme) =>
    acceptInvitation(db, { id, organizationId: of, userId, addresses }, at)
  const roleOf = async (userId: string) =>
    (
      await db
        .selectFrom('memberships')
        .select('role')
        .where('organization_id', '=', acme)
        .where('user_id', '=', userId)
        .where('removed_at', 'is', null)
        .executeTakeFirst()
    )?.role

  it('an invitation makes a member, with its role, once', async () => {
    const { id, token, expiresAt } = await invited('carol@acme.example', 'admin')
    assert.deepEqual(expiresAt, over)
    assert.equal((await findInvitation(db, token, now))?.address, 'carol@acme.example')
    const carol = await person()
    await accept(id, carol, ['nobody@acme.example', 'Carol@ACME.example'])
    assert.equal(await roleOf(carol), 'admin')
    assert.equal(await findInvitation(db, token, now), undefined)
    await assert.rejects(accept(id, carol, ['carol@acme.example']), refusal('invitation_over'))
  })

  it('ORG-10 another address, another organization, an expired, withdrawn or used invitation: all are refused alike', async () => {
    const { id, token } = await invited('carol@acme.example')
    const carol = await person()
    const own = ['carol@acme.example']
    await assert.rejects(accept(id, carol, ['carol@evil.example']), refusal('other_address'))
    await assert.rejects(accept(id, carol, []), refusal('other_address'))
    await assert.rejects(accept(id, carol, own, now, globex), refusal('invitation_over'))
    await assert.rejects(accept(id, carol, own, over), refusal('invitation_over'))
    assert.equal(await findInvitation(db, token, over), undefined)
    assert.equal(await findInvitation(db, 'x'.repeat(43), now), undefined)
    assert.equal(await findInvitation(db, "'", now), undefined)
    assert.equal(await withdrawInvitation(db, { organizationId: globex, id }, now), false)
    assert.equal(await withdrawInvitation(db, { organizationId: acme, id: 'x' }, now), false)
    assert.equal(
      await withdrawInvitation(db, { organizationId: acme, id, actorId: owner }, now),
      true,
    )
    assert.equal(await withdrawInvitation(db, { organizationId: acme, id }, now), false)
    await assert.rejects(accept(id, carol, own), refusal('invitation_over'))
    assert.equal(await findInvitation(db, token, now), undefined)
    assert.equal(await roleOf(carol), undefined)
  })

  it('ORG-10 of two people who accept one invitation at once, one does', async () => {
    const { id } = await invited('carol@acme.example')
    const people = [await person(), await person()]
    const answers = await Promise.allSettled(
      people.map((userId) =>
        db
          .transaction()
          .execute((tx) =>
            acceptInvitation(
              tx,
              { id, organizationId: acme, userId, addresses: ['carol@acme.example'] },
              now,
            ),
          ),
      ),
    )
    assert.deepEqual(answers.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
    assert.equal((await Promise.all(people.map(roleOf))).filter(Boolean).length, 1)
  })

  it('ORG-10 ORG-07 nobody invites to more than they are, and an invitation falls with its inviter', async () => {
    assert.deepEqual(await invite('c@acme.example', 'owner', admin), { refused: 'role_too_high' })
    const plain = await member('member')
    assert.deepEqual(await invite('c@acme.example', 'member', plain), { refused: 'role_too_high' })
    assert.deepEqual(await invite('c@acme.example', 'member', await person()), {
      refused: 'role_too_high',
    })
    const { id } = await invited('c@acme.example', 'owner')
    await setRole(db, { organizationId: acme, userId: owner, role: 'admin' })
    await assert.rejects(accept(id, await person(), ['c@acme.example']), refusal('inviter_gone'))
    const second = (await invite('d@acme.example', 'member', admin)) as InvitationMade
    await setMemberRemoved(db, { organizationId: acme, userId: admin }, now)
    const carol = await person()
    await assert.rejects(accept(second.id, carol, ['d@acme.example']), refusal('inviter_gone'))
  })

  it('an address is invited once at a time, and again when that has run out', async () => {
    const first = await invited('carol@acme.example')
    assert.deepEqual(await invite('Carol@acme.example'), { refused: 'already_invited' })
    assert.deepEqual(await invite('carol'), { refused: 'no_address' })
    assert.deepEqual(
      (await listInvitations(db, acme, now)).map(({ id }) => id),
      [first.id],
    )
    const again = { organizationId: acme, address: 'carol@acme.example', invitedBy: owner } as const
    const second = await createInvitation(db, { ...again, role: 'member' }, over)
    assert.ok('token' in second)
    assert.deepEqual(
      (await listInvitations(db, acme, over)).map(({ id }) => id),
      [second.id],
    )
    assert.deepEqual(await listInvitations(db, globex, now), [])
  })

  it('a member is not invited, as far as a verified address says so, and stays what they are', async () => {
    const carol = await member('member')
    await addVerifiedEmail(db, { userId: carol, address: 'c@acme.example', primary: true }, now)
    assert.deepEqual(await invite('c@acme.example'), { refused: 'already_member' })
    const { id } = await invited('other@acme.example', 'owner')
    await accept(id, carol, ['other@acme.example'])
    assert.equal(await roleOf(carol), 'member')
  })

  it('SSO-77 whoever was removed comes back by an invitation, with its role', async () => {
    const carol = await member('admin')
    await setMemberRemoved(db, { organizationId: acme, userId: carol }, now)
    assert.equal(await roleOf(carol), undefined)
    const { id } = await invited('carol@acme.example', 'member')
    await accept(id, carol, ['carol@acme.example'])
    assert.equal(await roleOf(carol), 'member')
  })

  it('what is done with an invitation is in the audit, without its address or token', async () => {
    const { id, token } = await invited('secretive@acme.example')
    const carol = await person()
    await accept(id, carol, ['secretive@acme.example'])
    const events = await db
      .selectFrom('audit_events')
      .selectAll()
      .where('organization_id', '=', acme)
      .where('target', '=', id)
      .orderBy('id')
      .execute()
    assert.deepEqual(
      events.map(({ action, actor_id }) => [action, actor_id]),
      [
        ['invitation.created', owner],
        ['invitation.accepted', carol],
      ],
    )
    assert.doesNotMatch(JSON.stringify(events), new RegExp(`secretive|${token}`))
  })
})
