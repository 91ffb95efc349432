import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { sql } from 'kysely'
import { assertPermit, openGate, type Permit, type Place } from '../../dev/autosession/gate.ts'
import { markForDevelopment } from '../../dev/instance.ts'
import { createSallyport } from '../../src/app.ts'
import { createUser } from '../../src/accounts/users.ts'
import { isDevelopmentDatabase } from '../../src/db/instance.ts'
import { readConfig, newSealingKey } from '../../src/lib/config.ts'
import { createLog } from '../../src/lib/log.ts'
import { routes } from '../../src/routes.ts'
import { startTestApp } from '../_app.ts'
import { Browser } from '../_browser.ts'
import { startSite, type Site } from '../browser/_site.ts'
import { createTestDatabase } from '../_database.ts'
import { freePortPair, startProgram } from '../_program.ts'
import { sendOverHttp } from '../_send.ts'
import { temporaryFolder } from '../_folder.ts'

const now = new Date('2026-06-01T12:00:00Z')

const good: Place = {
  nodeEnv: 'development',
  config: { autosession: 'on', host: '127.0.0.1', url: new URL('http://localhost:3000') },
}
const refused = /security\.autosession_refused: SALLYPORT_AUTOSESSION is on/

describe('pressing a button', () => {
  let site: Site
  before(async () => {
    site = await startSite({ env: { SALLYPORT_GUESTS: 'on' } })
  })
  after(() => site.close())

  const browser = () => new Browser(site.origin, sendOverHttp)
  const press = (
    from: Browser,
    person: string,
    headers: Record<string, string> = {},
    token = site.running.permit.token,
  ) => from.post(`/autosession/${person}`, { token }, headers)
  const nameIn = async (from: Browser) => {
    const answer = (await (await from.api('/me')).json()) as { user?: { name: string } }
    return answer.user?.name
  }
  const events = (action: string) =>
    site.sallyport.services.db
      .selectFrom('audit_events')
      .selectAll()
      .where('action', '=', action)
      .orderBy('at')
      .execute()

  it('S2-35 S2-36 the page has a button for everybody there is', async () => {
    const page = await (await browser().get('/autosession')).text()
    for (const { id, name } of site.provider.people) {
      assert.ok(page.includes(`action="/autosession/${id}"`), id)
      assert.ok(page.includes(name))
    }
    assert.deepEqual([...new Set(site.provider.people.map(({ role }) => role))].toSorted(), [
      'admin',
      'member',
      'newcomer',
      'owner',
    ])
    assert.ok(site.provider.people.some(({ suspended }) => suspended))
  })

  it('SEED-74 signs the person in through the real pipeline, with a proof, and says so in the audit', async () => {
    const dave = browser()
    const answer = await press(dave, 'dave')
    assert.deepEqual([answer.status, answer.headers.get('location')], [303, '/account'])
    const me = (await (await dave.api('/me')).json()) as {
      user: { id: string; name: string }
      organizations: { slug: string; role: string }[]
    }
    assert.equal(me.user.name, 'Dave Dyer')
    assert.deepEqual(
      me.organizations.map(({ slug, role }) => [slug, role]),
      [['acme', 'admin']],
    )
    const { db } = site.sallyport.services
    const session = await db
      .selectFrom('sessions')
      .innerJoin('flows', 'flows.id', 'sessions.flow_id')
      .innerJoin('session_proofs', 'session_proofs.session_id', 'sessions.id')
      .select(['sessions.id', 'flows.consumed_at', 'session_proofs.connection_id'])
      .where('sessions.user_id', '=', me.user.id)
      .executeTakeFirstOrThrow()
    assert.ok(session.consumed_at)
    assert.equal(session.connection_id, site.connectionId)
    const used = (await events('devlogin.used')).at(-1)
    assert.deepEqual([used?.actor_id, used?.target], [me.user.id, session.id])
  })

  it('SEED-76 three calls in a row from one cookie jar give three sessions that work side by side', async () => {
    const jar = browser()
    const kept: Browser[] = []
    for (const person of ['alice', 'bob', 'alice']) {
      const answer = await jar.api(`/autosession/${person}`, {
        method: 'POST',
        headers: { origin: site.origin, 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ token: site.running.permit.token }),
      })
      assert.deepEqual([answer.status, answer.headers.get('location')], [201, '/me'])
      assert.equal(((await answer.json()) as { person: { id: string } }).person.id, person)
      kept.push(jar.clone())
    }
    const sessions = kept.map(({ cookies }) => cookies.get('sallyport'))
    assert.equal(new Set(sessions).size, 3)
    assert.deepEqual(await Promise.all(kept.map(nameIn)), [
      'Alice Archer',
      'Bob Baker',
      'Alice Archer',
    ])
  })

  it('somebody the provider has suspended is refused as anywhere, and a newcomer is new every time', async () => {
    const carol = browser()
    const answer = await press(carol, 'carol')
    assert.equal(answer.status, 403)
    assert.match(await answer.text(), /sign-in was cancelled/)
    assert.equal(await nameIn(carol), undefined)
    assert.deepEqual((await events('devlogin.refused')).at(-1)?.data, {
      reason: 'status_403',
      person: 'carol',
    })

    const [first, second] = [browser(), browser()]
    const ids: string[] = []
    for (const each of [first, second]) {
      assert.equal((await press(each, 'erin')).status, 303)
      ids.push(((await (await each.api('/me')).json()) as { user: { id: string } }).user.id)
    }
    assert.notEqual(ids[0], ids[1])
    assert.equal(await nameIn(first), undefined, 'the account before is gone, on every node')
  })

  it('a guest is somebody else at every press', async () => {
    const ids: unknown[] = []
    for (const each of [browser(), browser()]) {
      assert.equal((await press(each, 'guest')).headers.get('location'), '/')
      const me = (await (await each.api('/me')).json()) as { guest?: { id: string } }
      ids.push(me.guest?.id)
    }
    assert.ok(ids[0] && ids[1] && ids[0] !== ids[1])
  })

  it('AUT-05 nothing but a press on our own page, or the token from the terminal, does it', async () => {
    const strange = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }
    const rebound = { origin: 'http://evil.example:3000', 'sec-fetch-site': 'same-origin' }
    const someone = browser()
    const got = await someone.get('/autosession/alice')
    assert.equal(got.status, 405)
    for (const [why, answer] of Object.entries({
      'another site': await press(someone, 'alice', strange),
      'another name for this address': await press(someone, 'alice', rebound),
      'no token': await someone.post('/autosession/alice'),
      'a wrong token': await press(someone, 'alice', {}, 'AAAAAAAAAAAAAAAAAAAAAA'),
    }))
      assert.equal(answer.status, 403, why)
    for (const method of ['GET', 'POST']) {
      const path = method === 'GET' ? '/autosession' : '/autosession/alice'
      const answer = await site.sallyport.fetch(
        new Request(new URL(path, site.origin), {
          method,
          headers: {
            host: 'evil.example:3000',
            origin: site.origin,
            'content-type': 'application/x-www-form-urlencoded',
          },
          ...(method === 'POST' ? { body: `token=${site.running.permit.token}` } : {}),
        }),
      )
      assert.equal(answer.status, 404, `${method} by another name`)
    }
    assert.equal(await nameIn(someone), undefined)
    const reasons = (await events('devlogin.refused')).map(
      ({ data }) => (data as { reason: string }).reason,
    )
    assert.ok(reasons.includes('autosession_token') && reasons.includes('foreign_host'))
    const other = await openGate(good)!.pass(site.sallyport.services.db)
    assert.notEqual(other.token, site.running.permit.token, 'another token at every start')
  })

  it('AUT-06 nobody who is real is signed in, and nobody who is not on the list', async () => {
    const { db } = site.sallyport.services
    const bob = browser()
    await press(bob, 'bob')
    const me = (await (await bob.api('/me')).json()) as { user: { id: string } }
    const person = () =>
      db.selectFrom('users').select('synthetic').where('id', '=', me.user.id).executeTakeFirst()
    assert.equal((await person())?.synthetic, true, 'made here, so invented')
    await sql`alter table users disable trigger users_stay_what_they_are`.execute(db)
    await db.updateTable('users').set({ synthetic: false }).where('id', '=', me.user.id).execute()
    await sql`alter table users enable trigger users_stay_what_they_are`.execute(db)
    const fresh = browser()
    assert.equal((await press(fresh, 'bob')).status, 403)
    assert.equal(fresh.cookies.size, 0)
    assert.deepEqual((await events('devlogin.refused')).at(-1)?.data, {
      reason: 'not_synthetic',
      person: 'bob',
    })
    assert.equal((await press(fresh, 'mallory')).status, 404)
    assert.equal((await press(fresh, me.user.id)).status, 404)
    await assert.rejects(
      db.updateTable('users').set({ synthetic: true }).where('id', '=', me.user.id).execute(),
      /not allowed/,
    )
  })

  it('AUT-08 there is no switch: a permit comes through the gate, or it is none', () => {
    assertPermit(site.running.permit)
    assert.throws(() => assertPermit({ ...site.running.permit }), TypeError)
    assert.throws(() => assertPermit({ token: 'x' } as Permit), TypeError)
  })
})

describe('the gate', () => {
  it('stands open where everything is in order, and where nobody asks there is nothing', () => {
    assert.ok(openGate(good))
    assert.ok(openGate({ ...good, nodeEnv: 'test' }))
    assert.equal(openGate({ ...good, config: { ...good.config, autosession: 'off' } }), undefined)
  })

  for (const nodeEnv of [
    undefined,
    '',
    ' ',
    'Production',
    'production',
    'prod',
    'staging',
    'Development',
  ]) {
    it(`AUT-03 is shut for NODE_ENV ${JSON.stringify(nodeEnv)}`, () => {
      assert.throws(() => openGate({ ...good, nodeEnv }), refused)
    })
  }

  for (const host of ['0.0.0.0', '::', '192.168.1.5', 'example.com'])
    it(`AUT-03 is shut where we listen on ${host}`, () => {
      assert.throws(() => openGate({ ...good, config: { ...good.config, host } }), refused)
    })

  for (const url of [
    'https://app.example.com',
    'https://10.0.0.1',
    'https://localhost.example.com',
  ])
    it(`AUT-03 is shut where people see ${url}`, () => {
      const config = { ...good.config, url: new URL(url) }
      assert.throws(() => openGate({ ...good, config }), refused)
    })

  it('AUT-03 takes the flag in one spelling only', () => {
    for (const wrong of ['1', 'true', 'ON', 'yes'])
      assert.throws(
        () => readConfig({ NODE_ENV: 'test', SALLYPORT_AUTOSESSION: wrong }),
        /SALLYPORT_AUTOSESSION must be one of off, on/,
      )
    const { autosession } = readConfig({ NODE_ENV: 'test', SALLYPORT_KEYS: newSealingKey() })
    assert.equal(autosession, 'off')
  })

  it('AUT-03 says everything that stands against it at once', () => {
    const config = { ...good.config, host: '0.0.0.0', url: new URL('https://app.example.com') }
    assert.throws(
      () => openGate({ nodeEnv: 'staging', config }),
      /NODE_ENV must be.*\n.*HOST must be.*\n.*SALLYPORT_URL must be/,
    )
  })

  it('AUT-06 is shut on a database that nobody marked, and marking leaves one with people in it alone', async (t) => {
    const { db, drop } = await createTestDatabase()
    t.after(drop)
    await assert.rejects(openGate(good)!.pass(db), refused)
    await createUser(db, { name: 'Real' }, now)
    await markForDevelopment(db, now)
    assert.equal(await isDevelopmentDatabase(db), false)
    await assert.rejects(openGate(good)!.pass(db), refused)
    const real = await db.selectFrom('users').select('synthetic').executeTakeFirst()
    assert.equal(real?.synthetic, false)
  })
})

describe('production', () => {
  const production = {
    NODE_ENV: 'production',
    SALLYPORT_URL: 'https://app.example.com',
    SALLYPORT_KEYS: newSealingKey(),
  }

  it('AUT-07 refuses a database that was made for development, and the mark stays', async (t) => {
    const { db, connection, drop } = await createTestDatabase()
    t.after(drop)
    await markForDevelopment(db, now)
    const options = {
      config: readConfig(production),
      database: connection,
      log: createLog('silent'),
    }
    await assert.rejects(
      createSallyport(options),
      /security\.development_database_refused: This database was made for development/,
    )
    await assert.rejects(db.deleteFrom('instance').execute(), /not allowed/)
    const elsewhere = await createTestDatabase()
    t.after(elsewhere.drop)
    const sallyport = await createSallyport({ ...options, database: elsewhere.connection })
    await sallyport.close()
  })

  it('AUT-07 invented people cannot be copied into a database that is not for development', async (t) => {
    const { db, drop } = await createTestDatabase()
    t.after(drop)
    const copied = { id: '01890000-0000-7000-8000-000000000001', name: 'Alice', kind: 'person' }
    await assert.rejects(
      db
        .insertInto('users')
        .values({ ...copied, created_at: now, synthetic: true })
        .execute(),
      /synthetic person outside a development database/,
    )
  })

  it(
    'AUT-02 SEED-75 sallyport serve with the flag ends before it listens, and says why',
    { timeout: 120_000 },
    async (t) => {
      const { port, env } = await place()
      const flagged = { ...production, ...env, SALLYPORT_AUTOSESSION: 'on' }
      for (const [args, code, said] of [
        [['serve'], 1, /security\.autosession_refused/],
        [['serve', '--workers', '2'], 1, /security\.autosession_refused/],
      ] as const) {
        const program = startProgram(t, ['bin/sallyport.js', ...args], flagged)
        assert.equal(await program.ended, code)
        assert.match(program.complaint(), said)
      }
      const option = startProgram(t, ['bin/sallyport.js', 'serve', '--autosession'], {
        ...production,
        ...env,
      })
      assert.equal(await option.ended, 2)
      assert.equal(await listens(port), false)
    },
  )

  for (const mode of ['production', 'Production', 'prod', 'staging', ''])
    it(
      `AUT-02 AUT-03 npm start with NODE_ENV=${mode} ends before it listens, and says why`,
      { timeout: 60_000 },
      async (t) => {
        const { port, env } = await place()
        const program = startProgram(t, ['dev/start.js'], { ...env, NODE_ENV: mode })
        assert.equal(await program.ended, 1)
        assert.match(program.complaint(), /^security\.autosession_refused/)
        assert.deepEqual([await listens(port), await listens(port + 1)], [false, false])
      },
    )

  it('AUT-02 SEED-75 no header, cookie, query or path opens anything', async () => {
    await using app = await startTestApp({ env: { NODE_ENV: 'production' } })
    const someone = app.browser()
    someone.cookies.set('autosession', 'alice')
    const asked = { 'x-autosession': 'on', autosession: 'alice' }
    const me = await someone.api('/me?autosession=alice', { headers: asked })
    assert.equal(me.status, 401)
    for (const path of [
      '/autosession',
      '/autosession/alice',
      '/dev',
      '/dev/states',
      '/dev/states/1',
    ])
      for (const answer of [await someone.get(path, asked), await someone.post(path, {}, asked)])
        assert.equal(answer.status, 404, path)
    assert.ok(!routes.some(({ path }) => /autosession|\/dev/.test(path)))
  })

  it('AUT-08 changing settings while it runs changes nothing', async (t) => {
    await using app = await startTestApp({ env: { NODE_ENV: 'production' } })
    t.after(() => {
      delete process.env['SALLYPORT_AUTOSESSION']
    })
    process.env['SALLYPORT_AUTOSESSION'] = 'on'
    const { db } = app.sallyport.services
    await db.insertInto('instance').values({ purpose: 'development', marked_at: now }).execute()
    assert.equal((await app.browser().get('/autosession')).status, 404)
    // @ts-expect-error there is no such option
    const options: Parameters<typeof createSallyport>[0] = { autosession: true }
    assert.ok(options)
  })

  it('AUT-01 what makes the buttons cannot be loaded', async () => {
    const module = new URL('../../dev/autosession/routes.ts', import.meta.url).href
    await assert.rejects(
      promisify(execFile)(process.execPath, ['-e', `import(${JSON.stringify(module)})`], {
        env: { ...process.env, NODE_ENV: 'production' },
      }),
      /security\.autosession_refused/,
    )
  })
})

async function place(): Promise<{ port: number; env: Record<string, string> }> {
  const folder = await temporaryFolder('autosession')
  const port = await freePortPair()
  return { port, env: { PORT: String(port), SALLYPORT_DATA: folder } }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
