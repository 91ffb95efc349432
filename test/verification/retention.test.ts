import assert from 'node:assert/strict'
import { sql } from 'kysely'
import { describe, it } from 'node:test'
import { days } from '../../src/lib/clock.ts'
import { keepIdentities } from '../../src/verification/retention.ts'
import { startVerifying, type Verifying } from './_verifying.ts'

const keep = (v: Verifying) => keepIdentities(v.services, v.app.clock.now())

async function reachable(v: Verifying): Promise<void> {
  await sql`update user_emails set verified_at = now()`.execute(v.services.db)
}

const announcements = async (v: Verifying) =>
  (await v.app.mails()).filter(({ mail }) => mail === 'identity_leaving')

describe('an identity that nobody signs in with', () => {
  it('S1-20 is announced two weeks before, by mail, once, and then goes; the person stays a member', async () => {
    await using v = await startVerifying()
    await v.signIn('alice')
    await reachable(v)
    const { user_id } = await v.identity('alice')
    v.app.clock.advance(days(385))
    assert.deepEqual(await keep(v), { announced: 0, removed: 0 })
    v.app.clock.advance(days(2))
    assert.deepEqual(await keep(v), { announced: 1, removed: 0 })
    assert.deepEqual(await keep(v), { announced: 0, removed: 0 })
    const [mail, ...more] = await announcements(v)
    assert.deepEqual([mail!.to, more.length], ['alice@acme.example', 0])
    assert.equal(Date.parse(mail!.data['at']!), v.app.clock.now().getTime() + days(14))
    v.app.clock.advance(days(14))
    assert.deepEqual(await keep(v), { announced: 0, removed: 1 })
    assert.equal(await v.identity('alice'), undefined)
    const { rows } = await sql`
      select link_state, removed_at from memberships where user_id = ${user_id}`.execute(
      v.services.db,
    )
    assert.deepEqual(rows, [{ link_state: 'unlinked', removed_at: null }])
    assert.equal((await v.audited('identity.removal_announced')).length, 1)
    const [removed] = await v.audited('identity.removed')
    assert.equal(removed!.data['reason'], 'unused')
  })

  it('S1-20 S1-12 a check that goes well is no sign-in', async () => {
    await using v = await startVerifying()
    await v.signIn('alice')
    v.app.clock.advance(days(390))
    await v.rounds()
    assert.equal((await v.identity('alice')).verdict, 'still_true')
    assert.deepEqual(await keep(v), { announced: 1, removed: 0 })
  })

  it('S1-20 a sign-in after the announcement keeps it', async () => {
    await using v = await startVerifying()
    await v.signIn('alice')
    v.app.clock.advance(days(390))
    await keep(v)
    await v.signIn('alice')
    v.app.clock.advance(days(20))
    assert.deepEqual(await keep(v), { announced: 0, removed: 0 })
    assert.equal((await v.link('alice')).state, 'linked')
  })

  it('S1-20 how long is the organization’s own; whoever was told stays when it becomes longer', async () => {
    await using v = await startVerifying()
    await v.signIn('alice')
    const days120 = sql`update organizations set keep_identities_days = 120`
    await days120.execute(v.services.db)
    v.app.clock.advance(days(110))
    assert.deepEqual(await keep(v), { announced: 1, removed: 0 })
    await sql`update organizations set keep_identities_days = 400`.execute(v.services.db)
    v.app.clock.advance(days(15))
    assert.deepEqual(await keep(v), { announced: 0, removed: 0 })
    assert.notEqual(await v.identity('alice'), undefined)
  })

  it('S1-20 a link that the provider has revoked stays revoked', async () => {
    await using v = await startVerifying()
    await v.signIn('alice')
    await sql`update memberships set link_state = 'revoked'`.execute(v.services.db)
    v.app.clock.advance(days(390))
    await keep(v)
    v.app.clock.advance(days(15))
    assert.deepEqual(await keep(v), { announced: 0, removed: 1 })
    const { rows } = await sql`select link_state from memberships`.execute(v.services.db)
    assert.deepEqual(rows, [{ link_state: 'revoked' }])
  })

  it('somebody whom a signal has disabled stays known as that', async () => {
    await using v = await startVerifying()
    await v.signIn('alice')
    await sql`update identities set signal_disabled_at = ${v.app.clock.now()}`.execute(
      v.services.db,
    )
    v.app.clock.advance(days(1000))
    assert.deepEqual(await keep(v), { announced: 0, removed: 0 })
    await sql`delete from memberships`.execute(v.services.db)
    assert.deepEqual(await keep(v), { announced: 0, removed: 0 })
  })

  it('a member who was removed stays known as removed, however long ago', async () => {
    await using v = await startVerifying()
    await v.signIn('alice')
    await sql`update memberships set removed_at = ${v.app.clock.now()}`.execute(v.services.db)
    v.app.clock.advance(days(1000))
    assert.deepEqual(await keep(v), { announced: 0, removed: 0 })
    assert.notEqual(await v.identity('alice'), undefined)
  })
})

describe('an identity without a membership', () => {
  it('S1-18 goes at once, also where nobody can be asked about, and its sessions with it', async () => {
    await using v = await startVerifying()
    const browser = await v.signIn('alice', null)
    assert.equal((await v.identity('alice')).rung, 'deadline')
    await sql`delete from memberships`.execute(v.services.db)
    assert.deepEqual(await keep(v), { announced: 0, removed: 1 })
    assert.equal(await v.identity('alice'), undefined)
    const [removed] = await v.audited('identity.removed')
    assert.equal(removed!.data['reason'], 'no_membership')
    assert.notEqual((await v.me(browser)).status, 200)
  })
})
