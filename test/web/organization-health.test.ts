import assert from 'node:assert/strict'
import { sql } from 'kysely'
import { describe, it } from 'node:test'
import type { Role } from '../../src/accounts/organizations.ts'
import { hours, minutes } from '../../src/lib/clock.ts'
import { changeRole } from '../../src/sessions/revoke.ts'
import type { Browser } from '../_browser.ts'
import { away, gone, startVerifying, type Verifying } from '../verification/_verifying.ts'
import { readPage } from './_page.ts'

async function boss(v: Verifying, role: Role = 'owner', subject = 'boss'): Promise<Browser> {
  const browser = await v.signIn(subject, null)
  const { user_id: userId } = await v.identity(subject)
  const member = { organizationId: v.app.acme.id, userId, role }
  await changeRole(v.services, member, {}, v.app.clock.now())
  return browser
}

const health = '/organizations/acme/health'

describe('the health of an organization’s connections', () => {
  it('draws verdicts, and lists who was verified when, who is next and what went wrong', async () => {
    await using v = await startVerifying()
    for (const one of ['alice', 'bob', 'carol']) await v.signIn(one)
    v.app.clock.advance(minutes(67))
    const rotating = v.again.onRefresh
    v.again.onRefresh = (token) => (token.startsWith('bob') ? away : rotating(token))
    await v.rounds()
    const browser = await boss(v)
    const page = await readPage(await browser.get(health))
    assert.match(
      page.html,
      /aria-label="Last 24 hours: 2 still true, 1 could not tell, 0 no longer true"/,
    )
    assert.match(page.text, /Does not answer/)
    assert.match(page.text, /Nobody loses anything by that for another (1 day|23 hours)/)
    assert.match(page.text, /asked with a refresh token 3/)
    const one = await readPage(await browser.get(`${health}/${v.app.connectionId}?span=month`))
    assert.match(one.html, /Last 30 days: 2 still true/)
    assert.match(one.text, /Within 1 hour 7 minutes at the latest/)
    for (const name of ['alice', 'bob', 'carol', 'boss'])
      assert.match(one.text, new RegExp(name, 'i'))
    const errors = await readPage(await browser.get(`${health}/${v.app.connectionId}?list=errors`))
    assert.match(errors.text, /token: status 503/)
    const list = errors.text.slice(errors.text.indexOf('People'))
    assert.match(list, /bob/i)
    assert.doesNotMatch(list, /alice/i)
    const next = await readPage(await browser.get(`${health}/${v.app.connectionId}?list=next`))
    const order = [...next.text.slice(next.text.indexOf('People')).matchAll(/· next check/g)]
    assert.equal(order.length, 3)
  })

  it('goes on to the next page where there are many', async () => {
    await using v = await startVerifying()
    const browser = await boss(v)
    await sql`
      with made as (insert into users (id, name, kind, created_at)
        select gen_random_uuid(), 'Person ' || n, 'person', ${v.app.clock.now()} from generate_series(1, 60) n returning id, name)
      insert into identities (id, connection_id, issuer, subject, user_id, linked_at, last_verified_at)
      select gen_random_uuid(), ${v.app.connectionId}, 'i', name, id, ${v.app.clock.now()}, ${v.app.clock.now()} from made`.execute(
      v.services.db,
    )
    const path = `${health}/${v.app.connectionId}`
    const first = await readPage(await browser.get(path))
    const more = first.links.find((link) => link.includes('after='))!.replaceAll('&amp;', '&')
    const second = await readPage(await browser.get(more))
    const names = ({ html }: { html: string }) => html.match(/Person \d+/g) ?? []
    assert.equal(new Set([...names(first), ...names(second)]).size, 60)
    assert.equal(second.links.filter((link) => link.includes('after=')).length, 0)
  })

  it('has one asked about now, or everybody; of another connection nobody', async () => {
    await using v = await startVerifying()
    await v.signIn('alice')
    await v.signIn('bob')
    const browser = await boss(v)
    v.app.clock.advance(minutes(1))
    const path = `${health}/${v.app.connectionId}`
    const { id } = await v.identity('alice')
    const other = await v.app.connect({ name: 'Other' })
    const nobody = await browser.post(`${health}/${other}/check`, { identity: id })
    assert.match(nobody.headers.get('location')!, /asked=0$/)
    const one = await browser.post(`${path}/check`, { identity: id })
    assert.equal(one.headers.get('location'), `${path}?asked=1`)
    assert.match((await readPage(await browser.get(`${path}?asked=1`))).text, /One person is asked/)
    await v.rounds()
    assert.deepEqual(v.again.presented, ['alice.1'])
    await browser.post(`${path}/check`)
    await v.rounds()
    assert.deepEqual([...v.again.presented].sort(), ['alice.1', 'alice.2', 'bob.1'])
    assert.equal((await browser.post(`${path}/check`, { identity: 'x' })).status, 404)
  })

  it('VER-13 shows the brake, and carries out what it held when an administrator confirms it', async () => {
    await using v = await startVerifying()
    await v.connection({ check_every_minutes: 10, checks_burst: 100, checks_per_second: 100 })
    for (let i = 0; i < 14; i++) await v.signIn(`p${i}`)
    v.app.clock.advance(minutes(11.2))
    v.again.onRefresh = () => gone
    await v.rounds()
    const browser = await boss(v)
    const path = `${health}/${v.app.connectionId}`
    const page = await readPage(await browser.get(health))
    assert.match(page.text, /Unusually many people are said to be gone/)
    assert.match(page.text, /5 people so far/)
    const ask = await readPage(await browser.get(`${path}/lift`))
    assert.match(ask.heading, /Are they gone indeed/)
    assert.equal((await browser.post(`${path}/lift`)).status, 303)
    assert.equal((await v.audited('identity.revoked')).length, 14)
    assert.equal((await browser.get(`${path}/lift`)).status, 409)
    const after = await readPage(await browser.get(path))
    assert.doesNotMatch(after.text, /Unusually many/)
    assert.match(after.text, /nothing is held until/)
    assert.match(after.text, /Asking with the refresh token: half within/)
  })

  it('VER-06 says what the organization chose when the time for outages is spent', async () => {
    await using v = await startVerifying()
    await v.connection({ outage_budget_minutes: 60, outage_policy: 'read_only' })
    await v.signIn('alice')
    v.app.clock.advance(minutes(67))
    v.again.onRefresh = () => away
    for (let i = 0; i < 8; i++) {
      await v.rounds()
      v.app.clock.advance(minutes(10))
    }
    const browser = await boss(v)
    const page = await readPage(await browser.get(health))
    assert.match(page.text, /The time for outages was spent/)
    assert.match(page.text, /One person is in doubt: they can read and change nothing/)
  })

  it('tells of a connection that refuses our questions, and of an allowance that is too small', async () => {
    await using v = await startVerifying()
    for (const one of ['a', 'b', 'c']) await v.signIn(one)
    await sql`
      update connection_checks set misconfigured_since = ${v.app.clock.now()}, misconfigured_reason = 'token: invalid_client'`.execute(
      v.services.db,
    )
    const browser = await boss(v)
    const path = `${health}/${v.app.connectionId}`
    const page = await readPage(await browser.get(path))
    assert.match(page.text, /refuses our questions since .*token: invalid_client/)
    assert.doesNotMatch(page.text, /allowance is too small/)
  })

  it('a connection where nobody can be asked about says so', async () => {
    await using v = await startVerifying()
    const browser = await boss(v)
    const page = await readPage(await browser.get(`${health}/${v.app.connectionId}`))
    assert.match(page.text, /Nobody here can be asked about/)
    assert.match(page.text, /Cannot be asked/)
  })
})

describe('how a connection’s people are asked about', () => {
  const set = {
    checkEveryMinutes: '5',
    outageBudgetMinutes: '120',
    outagePolicy: 'keep',
  }
  const path = (v: Verifying) => `/organizations/acme/connections/${v.app.connectionId}`

  it('S1-11 can be set; those due later than the new interval are asked about within it', async () => {
    await using v = await startVerifying()
    await v.signIn('alice')
    const browser = await boss(v)
    const page = await readPage(await browser.get(path(v)))
    assert.match(page.text, /Ask about everybody every so many minutes/)
    assert.equal((await browser.post(`${path(v)}/verification`, set)).status, 303)
    const { check_at } = await v.identity('alice')
    assert.ok(check_at!.getTime() <= v.app.clock.now().getTime() + minutes(5))
    const { rows } = await sql`
      select check_every_minutes, outage_budget_minutes, outage_policy from connections`.execute(
      v.services.db,
    )
    assert.deepEqual(rows, [
      { check_every_minutes: 5, outage_budget_minutes: 120, outage_policy: 'keep' },
    ])
    const [event] = await v.audited('connection.verification_changed')
    assert.deepEqual(event!.data, {
      checkEveryMinutes: 5,
      outageBudgetMinutes: 120,
      outagePolicy: 'keep',
    })
  })

  for (const [field, value] of [
    ['checkEveryMinutes', '0'],
    ['checkEveryMinutes', '1441'],
    ['checkEveryMinutes', '1.5'],
    ['checkEveryMinutes', ''],
    ['outageBudgetMinutes', '-1'],
    ['outageBudgetMinutes', '43201'],
    ['outagePolicy', 'toString'],
    ['outagePolicy', ''],
  ] as const)
    it(`refuses ${field} ${JSON.stringify(value)}`, async () => {
      await using v = await startVerifying()
      const browser = await boss(v)
      const { status } = await browser.post(`${path(v)}/verification`, { ...set, [field]: value })
      assert.ok(status === 400 || status === 422, String(status))
      assert.equal((await v.audited('connection.verification_changed')).length, 0)
    })

  it('a new outage policy holds at once for those who are in doubt', async () => {
    await using v = await startVerifying()
    await v.connection({ check_every_minutes: 10, outage_budget_minutes: 0, outage_policy: 'keep' })
    const alice = await v.signIn('alice')
    v.app.clock.advance(minutes(11.2))
    v.again.onRefresh = () => away
    await v.rounds()
    assert.equal((await v.me(alice)).status, 200)
    const browser = await boss(v)
    await browser.post(`${path(v)}/verification`, {
      ...set,
      outageBudgetMinutes: '0',
      outagePolicy: 'lock',
    })
    assert.equal((await v.me(alice)).status, 401)
  })

  it('no connection asks less often than the organization allows', async () => {
    await using v = await startVerifying()
    await v.connection({ check_every_minutes: 600 })
    await v.signIn('alice')
    const browser = await boss(v)
    const policy = { checkAtMostMinutes: '30', keepIdentitiesDays: '500' }
    const page = await readPage(await browser.get('/organizations/acme/policy'))
    assert.match(page.text, /Forget a sign-in that was not used/)
    assert.equal(
      (await browser.post('/organizations/acme/policy/verification', policy)).status,
      303,
    )
    const { rows } = await sql<{ every: number; keep: number }>`
      select c.check_every_minutes as every, o.keep_identities_days as keep from connections c join organizations o on true`.execute(
      v.services.db,
    )
    assert.deepEqual(rows, [{ every: 30, keep: 500 }])
    const { check_at } = await v.identity('alice')
    assert.ok(check_at!.getTime() <= v.app.clock.now().getTime() + minutes(30))
    const refused = await browser.post(`${path(v)}/verification`, {
      ...set,
      checkEveryMinutes: '31',
    })
    assert.equal(refused.status, 422)
    for (const wrong of [{ checkAtMostMinutes: '0' }, { keepIdentitiesDays: '119' }]) {
      const { status } = await browser.post('/organizations/acme/policy/verification', {
        ...policy,
        ...wrong,
      })
      assert.equal(status, 422)
    }
  })
})

it('the bound is exported, promised and observed, with what is in trouble and what is overdue', async () => {
  await using v = await startVerifying()
  await v.connection({ check_every_minutes: 10 })
  await v.signIn('alice')
  v.app.clock.advance(hours(1))
  const before = await v.app.sallyport.metrics()
  assert.match(before, /^sallyport_verification_overdue_seconds \d{3,4}/m)
  v.again.onRefresh = () => gone
  await v.rounds()
  await v.signIn('bob')
  const text = await v.app.sallyport.metrics()
  assert.match(text, /sallyport_verification_lockout_seconds_count\{finder="refresh"\} [1-9]/)
  assert.match(text, /^sallyport_verification_lockout_promised_seconds\{finder="refresh"\} \d+/m)
  assert.match(
    text,
    /^sallyport_verification_lockout_promised_seconds\{finder="back-channel"\} 5$/m,
  )
  assert.match(text, /^sallyport_verification_troubled_connections\{what="outage"\} 0$/m)
})
