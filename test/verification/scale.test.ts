import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { sql } from 'kysely'
import { sealGrant } from '../../src/accounts/grants.ts'
import { openDatabase } from '../../src/db/open.ts'
import { minutes, seconds } from '../../src/lib/clock.ts'
import { changeSettings } from '../../src/sessions/revoke.ts'
import { gathering } from '../../src/verification/gather.ts'
import { leaseDue, leasing } from '../../src/verification/lease.ts'
import { checkDue, startVerifying as startWorker } from '../../src/verification/worker.ts'
import { until } from '../sessions/_members.ts'
import { away, gone, startVerifying, type Verifying } from './_verifying.ts'

const anHour = minutes(67)

/** Makes so many people of the connection, each with a grant like alice's, due at that moment or an hour later. */
async function fill(
  { app, services }: Verifying,
  { due, count }: { due: number; count: number },
): Promise<void> {
  const now = app.clock.now()
  await services.db.transaction().execute(async (tx) => {
    // What is made fits together; looking at each row would take most of the time.
    await sql`set local session_replication_role = replica`.execute(tx)
    await sql`
    with made as (
      insert into users (id, name, kind, created_at)
      select gen_random_uuid(), 'Person ' || i || ' of ' || ${count}::int, 'person', ${now} from generate_series(1, ${count}::int) i returning id, name),
    members as (
      insert into memberships (id, organization_id, user_id, role, link_state, link_since)
      select gen_random_uuid(), ${app.acme.id}, id, 'member', 'linked', ${now} from made)
    insert into identities (id, connection_id, issuer, subject, user_id, linked_at, last_verified_at, granted, granted_under,
      rung, check_at)
    select gen_random_uuid(), ${app.connectionId}, 'https://idp.example', name, id, ${now}, ${now}, '\\x00', 1, 'refresh',
      case when row_number() over () <= ${due} then ${now}::timestamptz - interval '1 minute' * random()
        else ${now}::timestamptz + interval '1 hour' end from made`.execute(tx)
  })
  await sql`analyze`.execute(services.db)
  // A connection that has just been made has nothing saved up.
  app.clock.advance(seconds(5))
}

interface Plan {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Index Cond'?: string
  readonly Plans?: readonly Plan[]
}

const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]

describe('finding due work', () => {
  it('VER-14 goes by indexes alone, to what is due and no further', async () => {
    await using v = await startVerifying()
    await fill(v, { due: 100, count: 10_000 })
    await v.connection({ checks_burst: 1000, checks_per_second: 1000 })
    const db = openDatabase(v.app.line.connection, { pool: 1 })
    try {
      const now = v.app.clock.now()
      const { rows } = await sql<{ 'QUERY PLAN': [{ Plan: Plan }] }>`
        explain (format json) ${leasing(now, { most: 128, mostEach: 32 })}`.execute(db)
      const all = nodesOf(rows[0]!['QUERY PLAN'][0].Plan)
      const looked = all.filter(
        (node) =>
          ['identities', 'memberships'].includes(node['Relation Name'] ?? '') &&
          node['Node Type'] !== 'ModifyTable',
      )
      for (const { 'Node Type': type } of looked)
        assert.match(type, /^(Index (Only )?Scan|Bitmap Heap Scan)$/)
      // Once whether there is any, once which; along the index, so that nothing is sorted.
      const due = all.filter((node) => node['Index Name'] === 'identities_due')
      assert.equal(due.length, 2)
      for (const node of due) {
        assert.match(node['Node Type'], /^Index (Only )?Scan$/)
        assert.match(node['Index Cond']!, /connection_id.*check_at <= /)
      }
    } finally {
      await db.destroy()
    }
  })

  it('VER-14 the same work costs the same among many identities', async () => {
    await using v = await startVerifying()
    await fill(v, { due: 100, count: 10_000 })
    await v.connection({ checks_burst: 1000, checks_per_second: 1000 })
    const { db } = v.services
    const blocks = async () => {
      const now = v.app.clock.now()
      const { rows } = await sql<{ 'QUERY PLAN': [{ Plan: Record<string, number> }] }>`
        explain (analyze, buffers, format json) ${leasing(now, { most: 32 })}`.execute(db)
      const plan = rows[0]!['QUERY PLAN'][0].Plan
      return plan['Shared Hit Blocks']! + plan['Shared Read Blocks']!
    }
    await blocks()
    const few = await blocks()
    await fill(v, { due: 0, count: 20_000 })
    await blocks()
    const many = await blocks()
    assert.ok(many <= few * 1.2, `${many} blocks after ${few}`)
  })
})

describe('what is written together', () => {
  it('goes into as few statements as there is time for', async () => {
    const batches: number[][] = []
    const held = Promise.withResolvers<void>()
    const write = gathering(async (_db, items: readonly number[]) => {
      batches.push([...items])
      if (batches.length === 1) await held.promise
      return items.map((item) => item * 2)
    })
    const db = {} as never
    const all = [1, 2, 3].map((item) => write(db, item))
    await until(() => batches.length === 1)
    const more = [4, 5, 6].map((item) => write(db, item))
    held.resolve()
    assert.deepEqual(await Promise.all([...all, ...more]), [2, 4, 6, 8, 10, 12])
    assert.deepEqual(batches, [
      [1, 2, 3],
      [4, 5, 6],
    ])
  })

  it('costs nobody else anything when one of them cannot be written', async () => {
    const write = gathering(async (_db, items: readonly number[]) => {
      if (items.includes(2)) throw new Error('not this one')
      return items
    })
    const db = {} as never
    const results = await Promise.allSettled([1, 2, 3].map((item) => write(db, item)))
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
  })

  it('is not tried one by one while the database is away', async () => {
    let tries = 0
    const write = gathering(async () => {
      tries++
      throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
    })
    const db = {} as never
    await Promise.allSettled([1, 2, 3].map((item) => write(db, item)))
    assert.equal(tries, 1)
  })

  it('forty checks at once take a few statements each way, and everybody has their own tokens', async () => {
    await using v = await startVerifying()
    const all = Array.from({ length: 40 }, (_, i) => `p${i}`)
    await fill(v, { due: 40, count: 40 })
    const { rows } = await sql<{ id: string; subject: string }>`
      select id, subject from identities`.execute(v.services.db)
    for (const { id, subject } of rows) {
      const grant = { accessToken: 'at', refreshToken: `${subject}.1` }
      await sql`update identities set granted = ${sealGrant(v.services.sealer, id, grant)} where id = ${id}`.execute(
        v.services.db,
      )
    }
    await v.connection({ checks_burst: 100, checks_per_second: 100 })
    await v.rounds()
    assert.equal(v.again.presented.length, all.length)
    const versions = await sql<{ n: string }>`
      select count(*) as n from identities where grant_version = 1 and refresh_intent is null and lease is null`.execute(
      v.services.db,
    )
    assert.equal(Number(versions.rows[0]!.n), 40)
  })
})

describe('tokens that came', () => {
  it('VER-08 are kept although the database is away for a moment just then', async () => {
    let cut = () => {}
    await using v = await startVerifying({ at: (point) => point === 'answered' && cut() })
    await v.signIn('alice')
    v.app.clock.advance(anHour)
    cut = () => {
      v.app.line.cut()
      setTimeout(() => v.app.line.mend(), 300)
    }
    await v.round()
    cut = () => {}
    await until(async () => (await v.identity('alice')).grant_version === 2)
    v.app.clock.advance(anHour)
    await v.round()
    assert.deepEqual(v.again.presented, ['alice.1', 'alice.2'])
  })
})

describe('a grant', () => {
  it('is never shown to a provider of other settings than it was made under', async () => {
    await using v = await startVerifying()
    await v.signIn('alice')
    await changeSettings(v.services, {
      connectionId: v.app.connectionId,
      settings: { issuer: 'https://elsewhere.example' },
      savedBy: null,
      at: v.app.clock.now(),
    })
    v.app.clock.advance(anHour)
    await v.rounds()
    assert.deepEqual(v.again.presented, [])
    const { check_at, verdict_reason } = await v.identity('alice')
    assert.deepEqual([check_at, verdict_reason], [null, 'granted under other settings'])
    await v.signIn('alice', { accessToken: 'a', refreshToken: 'newer.1' })
    v.app.clock.advance(anHour)
    await v.rounds()
    assert.deepEqual(v.again.presented, ['newer.1'])
  })
})

describe('a worker', () => {
  it('asks a connection that has not answered about one identity at a time', async () => {
    await using v = await startVerifying()
    for (let i = 0; i < 12; i++) await v.signIn(`p${i}`)
    await v.connection({ checks_burst: 100, checks_per_second: 100 })
    v.app.clock.advance(anHour)
    const rotating = v.again.onRefresh
    v.again.onRefresh = () => away
    await v.round()
    for (let i = 0; i < 3; i++) {
      v.app.clock.advance(minutes(6))
      const before = v.again.presented.length
      assert.equal(await v.round(), 1)
      assert.equal(v.again.presented.length, before + 1)
    }
    v.again.onRefresh = rotating
    v.app.clock.advance(minutes(6))
    assert.equal(await v.round(), 1)
    assert.ok((await v.round()) > 1)
  })

  it('asks nobody else of a connection that wants to be left alone, and gives them back', async () => {
    await using v = await startVerifying()
    await fill(v, { due: 30, count: 30 })
    const { rows } = await sql<{ id: string; subject: string }>`
      select id, subject from identities`.execute(v.services.db)
    for (const { id, subject } of rows) {
      const grant = { accessToken: 'at', refreshToken: `${subject}.1` }
      await sql`update identities set granted = ${sealGrant(v.services.sealer, id, grant)} where id = ${id}`.execute(
        v.services.db,
      )
    }
    await v.connection({ checks_burst: 100, checks_per_second: 100 })
    v.again.onRefresh = () => ({
      answer: {
        answer: 'could_not_tell',
        doubt: 'transient',
        reason: 'token: status 429',
        pause: seconds(30),
      },
      spent: false,
    })
    assert.equal(await v.round(), 30)
    assert.equal(v.again.presented.length, 12)
    const left = await leaseDue(v.services.db, v.app.clock.now(), { most: 100 })
    assert.equal(left.length, 0)
    v.app.clock.advance(seconds(31))
    v.again.onRefresh = () => gone
    assert.equal((await leaseDue(v.services.db, v.app.clock.now(), { most: 100 })).length, 1)
  })

  it('goes on with others while one provider is slow, and gives back what it has not asked when it stops', async () => {
    await using v = await startVerifying()
    const other = await v.app.connect({ name: 'Other' })
    for (let i = 0; i < 3; i++) await v.signIn(`slow${i}`)
    const subjects = Array.from({ length: 5 }, (_, i) => `quick${i}`)
    for (const subject of subjects) {
      const grant = { accessToken: 'at', refreshToken: `${subject}.1` }
      v.app.provider.people.set(subject, { grant })
      await v.app.signIn(v.app.browser(), subject, { connectionId: other })
    }
    const rotating = v.again.onRefresh
    const held = Promise.withResolvers<void>()
    v.again.onRefresh = async (token) => {
      if (token.startsWith('slow')) await held.promise
      return rotating(token)
    }
    v.app.clock.advance(anHour)
    const stop = startWorker(v.services)
    try {
      await until(() => v.again.presented.length === 8)
      await until(async () => {
        const { rows } = await sql<{ n: string }>`
          select count(*) as n from identities where connection_id = ${other} and last_verified_at = ${v.app.clock.now()}`.execute(
          v.services.db,
        )
        return Number(rows[0]!.n) === 5
      })
      // Due meanwhile, at the connection that answers.
      v.app.clock.advance(anHour)
      await until(() => v.again.presented.filter((token) => token.endsWith('.2')).length === 5)
    } finally {
      held.resolve()
      await stop()
    }
    const { rows } = await sql<{ n: string }>`
      select count(*) as n from identities where lease is not null`.execute(v.services.db)
    assert.equal(rows[0]!.n, '0')
    assert.equal(await checkDue(v.services, { signal: AbortSignal.abort() }), 0)
  })
})
