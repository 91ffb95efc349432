import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import {
  claimDomain,
  listDomains,
  recordName,
  recordText,
  removeDomain,
  type Domain,
} from '../../src/accounts/domains.ts'
import { markChecked } from '../../src/accounts/domain-checks.ts'
import { createOrganization } from '../../src/accounts/organizations.ts'
import { addVerifiedEmail } from '../../src/accounts/emails.ts'
import { checkDomain, checkDueDomains } from '../../src/flows/domain-proofs.ts'
import { recurring } from '../../src/jobs.ts'
import { days, hours } from '../../src/lib/clock.ts'
import { startTestApp, type TestApp } from '../_app.ts'

async function started(t: TestContext): Promise<TestApp> {
  const app = await startTestApp()
  t.after(() => app.close())
  return app
}

async function ownerOf(app: TestApp): Promise<string> {
  const { db } = app.sallyport.services
  await app.signIn(app.browser(), 'olga')
  const { id } = await db
    .selectFrom('users')
    .select('id')
    .where('name', '=', 'olga')
    .executeTakeFirstOrThrow()
  await db.updateTable('memberships').set({ role: 'owner' }).where('user_id', '=', id).execute()
  await addVerifiedEmail(
    db,
    { userId: id, address: 'olga@home.example', primary: false },
    app.clock.now(),
  )
  return id
}

async function claim(app: TestApp, text: string, organizationId = app.acme.id): Promise<Domain> {
  const { db } = app.sallyport.services
  const actorId = await anybody(app)
  const claimed = await claimDomain(
    db,
    { organizationId, actorId, requestId: 'r', text },
    app.clock.now(),
  )
  assert.ok('id' in claimed, JSON.stringify(claimed))
  return (await read(app, claimed.id, organizationId))!
}

async function anybody(app: TestApp): Promise<string> {
  const { db } = app.sallyport.services
  const one = await db.selectFrom('users').select('id').executeTakeFirst()
  return one?.id ?? ownerOf(app)
}

const read = async (app: TestApp, id: string, organizationId = app.acme.id) =>
  (await listDomains(app.sallyport.services.db, organizationId)).find((one) => one.id === id)

function publish(app: TestApp, { domain, token }: Domain): void {
  app.dns.set(recordName(domain), [
    ['v=other'],
    [recordText(token).slice(0, 9), recordText(token).slice(9)],
  ])
}

const check = (app: TestApp, domain: Domain) =>
  checkDomain(app.sallyport.services, domain, app.clock.now())
const due = (app: TestApp) => checkDueDomains(app.sallyport.services, app.clock.now())

async function actions(app: TestApp): Promise<string[]> {
  const rows = await app.sallyport.services.db
    .selectFrom('audit_events')
    .select('action')
    .where('action', 'like', 'domain.%')
    .orderBy('id')
    .execute()
  return rows.map(({ action }) => action)
}

suite('proving domains', () => {
  test('ORG-08 a domain is an organization’s once its own record is found, and not before', async (t) => {
    const app = await started(t)
    const domain = await claim(app, 'Acme.Example.')
    assert.deepEqual([domain.domain, domain.state], ['acme.example', 'waiting'])
    assert.equal(await check(app, domain), 'absent')
    for (const other of [
      'sallyport-domain=',
      `${recordText(domain.token)}x`,
      `x${recordText(domain.token)}`,
      domain.token,
    ]) {
      app.dns.set(recordName('acme.example'), [[other]])
      assert.equal(await check(app, domain), 'absent', other)
    }
    app.dns.set(recordName('acme.example'), 'unavailable')
    assert.equal(await check(app, domain), 'unavailable')
    publish(app, domain)
    assert.equal(await check(app, domain), 'proven')
    assert.equal((await read(app, domain.id))?.state, 'proven')
    assert.deepEqual(await actions(app), ['domain.claimed', 'domain.proven'])
  })

  test('ORG-08 an answer counts for the claim that was looked at, and for none that took its place', async (t) => {
    const app = await started(t)
    const { db } = app.sallyport.services
    const first = await claim(app, 'acme.example')
    const doing = { organizationId: app.acme.id, actorId: await anybody(app), requestId: 'r' }
    await removeDomain(db, { ...doing, id: first.id }, app.clock.now())
    const second = await claim(app, 'acme.example')
    assert.notEqual(second.token, first.token)
    const answer = [[recordText(first.token)]]
    const late = (seen: Domain) =>
      db.transaction().execute((tx) => markChecked(tx, seen, answer, app.clock.now()))
    assert.equal((await late(first)).checked, 'gone')
    assert.equal((await late({ ...first, id: second.id })).checked, 'gone')
    assert.equal((await late({ ...second, domain: 'other.example' })).checked, 'gone')
    assert.equal((await late(second)).checked, 'absent')
    assert.equal((await read(app, second.id))?.state, 'waiting')
  })

  test('ORG-08 two organizations may claim one domain, and one has it, also when both prove it at once', async (t) => {
    const app = await started(t)
    const { db } = app.sallyport.services
    const beta = await createOrganization(db, { slug: 'beta', name: 'Beta' }, app.clock.now())
    for (let i = 0; i < 5; i++) {
      const name = `race-${i}.example`
      const [ours, theirs] = [await claim(app, name), await claim(app, name, beta.id)]
      app.dns.set(recordName(name), [[recordText(ours.token)], [recordText(theirs.token)]])
      const both = await Promise.all([check(app, ours), check(app, theirs)])
      assert.deepEqual(both.toSorted(), ['proven', 'taken'])
    }
    const [ours, theirs] = [
      await claim(app, 'late.example'),
      await claim(app, 'late.example', beta.id),
    ]
    app.dns.set(recordName('late.example'), [[recordText(ours.token)], [recordText(theirs.token)]])
    assert.equal(await check(app, ours), 'proven')
    assert.equal(await check(app, theirs), 'taken')
    const doing = { organizationId: app.acme.id, actorId: await anybody(app), requestId: 'r' }
    await removeDomain(db, { ...doing, id: ours.id }, app.clock.now())
    assert.equal(await check(app, theirs), 'proven')
  })

  test('ORG-08 a sub-domain is a domain of its own', async (t) => {
    const app = await started(t)
    const domain = await claim(app, 'acme.example')
    publish(app, domain)
    assert.equal(await check(app, domain), 'proven')
    const below = await claim(app, 'eng.acme.example')
    assert.equal(await check(app, below), 'absent')
  })

  test('ORG-08 records are looked for again every day; who loses one is warned before the domain goes', async (t) => {
    const app = await started(t)
    await ownerOf(app)
    const domain = await claim(app, 'acme.example')
    publish(app, domain)
    assert.equal(await check(app, domain), 'proven')
    app.clock.advance(hours(20))
    assert.equal(await due(app), 0)
    app.clock.advance(hours(8))
    assert.equal(await due(app), 1)
    assert.equal(await due(app), 0)
    assert.equal((await app.mails()).length, 0)

    app.dns.delete(recordName('acme.example'))
    app.clock.advance(days(1.2))
    assert.equal(await due(app), 1)
    const missing = (await read(app, domain.id))!
    assert.equal(missing.state, 'missing')
    assert.ok(missing.verifiedAt, 'it still counts')
    assert.equal(missing.lostAt!.getTime(), app.clock.now().getTime() + days(7))
    const [warning] = await app.mails()
    assert.deepEqual([warning?.mail, warning?.to], ['domain_missing', 'olga@home.example'])
    assert.equal(warning?.data['text'], recordText(domain.token))

    for (let i = 0; i < 6 * 4; i++) {
      app.clock.advance(hours(6.7))
      await due(app)
    }
    assert.equal((await read(app, domain.id))?.state, 'missing')
    assert.equal(
      (await app.mails()).length,
      3,
      'warned on the first, the fourth and the seventh day',
    )
    app.clock.advance(hours(8))
    await due(app)
    assert.equal((await read(app, domain.id))?.state, 'lost')
    assert.equal((await read(app, domain.id))?.verifiedAt, null)
    assert.deepEqual((await app.mails()).at(-1)?.mail, 'domain_lost')
    assert.deepEqual(await actions(app), [
      'domain.claimed',
      'domain.proven',
      'domain.missing',
      'domain.lost',
    ])
    app.clock.advance(days(60))
    assert.equal(await due(app), 0)
    publish(app, domain)
    assert.equal(await check(app, domain), 'proven')
  })

  test('ORG-08 name servers that do not answer take no domain away, and a record that is back keeps it', async (t) => {
    const app = await started(t)
    const domain = await claim(app, 'acme.example')
    publish(app, domain)
    await check(app, domain)
    app.dns.set(recordName('acme.example'), 'unavailable')
    for (let i = 0; i < 20; i++) {
      app.clock.advance(days(1.2))
      assert.equal(await due(app), 1)
    }
    assert.equal((await read(app, domain.id))?.state, 'proven')
    app.dns.delete(recordName('acme.example'))
    app.clock.advance(days(1.2))
    await due(app)
    assert.equal((await read(app, domain.id))?.state, 'missing')
    app.dns.set(recordName('acme.example'), 'unavailable')
    app.clock.advance(days(30))
    await due(app)
    assert.equal((await read(app, domain.id))?.state, 'missing')
    publish(app, domain)
    app.clock.advance(hours(2))
    await due(app)
    assert.equal((await read(app, domain.id))?.state, 'proven')
    assert.deepEqual(await actions(app), [
      'domain.claimed',
      'domain.proven',
      'domain.missing',
      'domain.found',
    ])
  })

  test('a claim is proven by itself once its record is there, and dropped when nobody ever proves it', async (t) => {
    const app = await started(t)
    const [one, other] = [await claim(app, 'acme.example'), await claim(app, 'never.example')]
    publish(app, one)
    app.clock.advance(hours(1))
    assert.equal(await due(app), 2)
    assert.equal((await read(app, one.id))?.state, 'proven')
    app.clock.advance(days(31))
    await due(app)
    assert.equal(await read(app, other.id), undefined)
    assert.equal((await read(app, one.id))?.state, 'proven')
  })

  test('records are looked for by themselves, as one of the recurring jobs', async (t) => {
    const app = await started(t)
    const domain = await claim(app, 'acme.example')
    publish(app, domain)
    app.clock.advance(hours(1))
    const job = recurring.find(({ name }) => name === 'check_domains')!
    await job.run(app.sallyport.services, new AbortController().signal)
    assert.equal((await read(app, domain.id))?.state, 'proven')
  })

  test('an organization claims so many domains at most, however many at once', async (t) => {
    const app = await started(t)
    const { db } = app.sallyport.services
    const doing = { organizationId: app.acme.id, actorId: await anybody(app), requestId: 'r' }
    const claimed = await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        db
          .transaction()
          .execute((tx) => claimDomain(tx, { ...doing, text: `d${i}.example` }, app.clock.now())),
      ),
    )
    assert.equal(claimed.filter((one) => 'id' in one).length, 50)
    assert.deepEqual(
      claimed.find((one) => 'refused' in one),
      { refused: 'too_many' },
    )
  })
})
