import assert from 'node:assert/strict'
import { glob, readFile } from 'node:fs/promises'
import { suite, test, type TestContext } from 'node:test'
import { sql } from 'kysely'
import { auditActions } from '../src/accounts/audit.ts'
import { run } from '../src/cli.ts'
import { newSealingKey } from '../src/lib/config.ts'
import { startTestApp, type TestApp } from './_app.ts'
import { readSource } from './_source.ts'

test('SEC-08 every action of the catalogue is written somewhere, and every one written is in it', async () => {
  const own = (await readSource()).filter(({ path }) => path !== 'accounts/audit.ts')
  // What only happens in development is written there.
  const dev = await Array.fromAsync(glob('dev/**/*.ts'), (file) => readFile(file, 'utf8'))
  const code = [...own.map(({ code }) => code), ...dev].join('\n')
  const actions = Object.keys(auditActions)
  assert.deepEqual(
    actions.filter((action) => !code.includes(`'${action}'`)),
    [],
  )
  const written = [...code.matchAll(/action: '([a-z_]+\.[a-z_]+)'/g)].map(([, action]) => action)
  assert.deepEqual(
    written.filter((action) => !actions.includes(action!)),
    [],
  )
})

async function started(t: TestContext): Promise<TestApp> {
  const app = await startTestApp()
  t.after(() => app.close())
  return app
}

suite('FLT-08 an event that cannot be written', () => {
  const refuse = (db: TestApp['sallyport']['services']['db'], action: string) =>
    sql
      .raw(
        `create function fail() returns trigger language plpgsql as $$ begin raise exception 'the audit is down'; end $$;
         create trigger fail before insert on audit_events for each row when (new.action = '${action}') execute function fail();`,
      )
      .execute(db)

  test('FLT-08 a sign-in whose session cannot be told of opens none', async (t) => {
    const app = await started(t)
    const { db } = app.sallyport.services
    await refuse(db, 'session.created')
    const browser = app.browser()
    const answer = await app.signIn(browser)
    assert.equal(answer.status, 500)
    assert.equal((await browser.get('/me')).status, 303)
    for (const table of ['sessions', 'users', 'identities'] as const)
      assert.deepEqual(await db.selectFrom(table).selectAll().execute(), [], table)
  })

  test('FLT-08 a sign-out that cannot be told of is not done, and says so', async (t) => {
    const app = await started(t)
    const browser = app.browser()
    await app.signIn(browser)
    await refuse(app.sallyport.services.db, 'session.revoked')
    assert.equal((await browser.post('/logout')).status, 500)
    assert.equal((await browser.get('/me')).status, 200)
  })
})

/** Runs a command line within this process. */
async function ran(t: TestContext, app: TestApp, ...args: string[]) {
  const { host, port, user, database } = app.line.connection
  const env = {
    NODE_ENV: 'production',
    SALLYPORT_URL: 'https://app.example.com',
    SALLYPORT_KEYS: newSealingKey(),
    DATABASE_URL: `postgres://${user}@${host}:${port}/${database}`,
  }
  let [output, complaint] = ['', '']
  const mocks = [
    t.mock.method(console, 'log', (text: string) => (output += `${text}\n`)),
    t.mock.method(console, 'error', (text: string) => (complaint += `${text}\n`)),
  ]
  const write = process.stdout.write.bind(process.stdout)
  const stdout = t.mock.method(process.stdout, 'write', (text: string, ...rest: []) => {
    if (!text.startsWith('{"n":')) return write(text, ...rest)
    output += text
    return true
  })
  try {
    return { code: await run(args, env), output, complaint }
  } finally {
    for (const mock of [...mocks, stdout]) mock.mock.restore()
  }
}

suite('sallyport audit', () => {
  test('SEC-08 verify says that it is whole and what its head is; a head that is not in it is told', async (t) => {
    const app = await started(t)
    await app.signIn(app.browser())
    const { code, output } = await ran(t, app, 'audit', 'verify')
    assert.equal(code, 0)
    const [, head = ''] =
      /^The audit is whole: \d+ events\. Its head is (\d+:[0-9a-f]{64})$/m.exec(output) ?? []
    assert.equal((await ran(t, app, 'audit', 'verify', '--head', head)).code, 0)
    const wrong = await ran(t, app, 'audit', 'verify', '--head', `2:${'0'.repeat(64)}`)
    assert.equal(wrong.code, 1)
    assert.match(wrong.complaint, /^The audit is broken at 2 \(event [0-9a-f-]{36}\): .*noted\.\n$/)
  })

  test('SEC-08 verify ends with 1 and names the first event that does not fit', async (t) => {
    const app = await started(t)
    await app.signIn(app.browser())
    await ran(t, app, 'audit', 'verify')
    const { db } = app.sallyport.services
    const { event_id: id } = await db
      .selectFrom('audit_links')
      .select('event_id')
      .where('n', '=', '2')
      .executeTakeFirstOrThrow()
    await db.transaction().execute(async (tx) => {
      await sql`set local session_replication_role = replica`.execute(tx)
      await sql`update audit_events set outcome = 'deny' where id = ${id}`.execute(tx)
    })
    const { code, complaint } = await ran(t, app, 'audit', 'verify')
    assert.equal(code, 1)
    assert.ok(complaint.startsWith(`The audit is broken at 2 (event ${id}): `), complaint)
  })

  test('SEC-08 export prints JSON lines with place and hash, of all or of one organization', async (t) => {
    const app = await started(t)
    await app.signIn(app.browser())
    const lines = (output: string) =>
      output
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
    const { code, output } = await ran(t, app, 'audit', 'export')
    assert.equal(code, 0)
    const all = lines(output)
    assert.deepEqual(Object.keys(all[0]), [
      'n',
      'hash',
      'id',
      'at',
      'action',
      'outcome',
      'organization',
      'actor',
      'target',
      'request',
      'data',
    ])
    assert.deepEqual(
      all.map(({ n }) => n),
      all.map((_, i) => i + 1),
    )
    const ofAcme = lines((await ran(t, app, 'audit', 'export', '--org', 'acme')).output)
    assert.ok(ofAcme.length > 0)
    assert.ok(ofAcme.every(({ organization }) => organization === app.acme.id))
    const none = await ran(t, app, 'audit', 'export', '--to', '2001-01-01')
    assert.equal(none.output, '')
  })

  const wrong: readonly (readonly [args: string[], says: RegExp])[] = [
    [['audit'], /^There is no command "audit"/],
    [['audit', 'frobnicate'], /^There is no command "audit frobnicate"/],
    [['audit', 'verify', '--head', '7'], /^--head takes what an earlier run printed/],
    [['audit', 'export', '--from', 'yesterday'], /^--from takes a time such as/],
    [['audit', 'export', '--org', 'nobody'], /^There is no organization "nobody"/],
  ]
  for (const [args, says] of wrong)
    test(`sallyport ${args.join(' ')}`, async (t) => {
      const app = await started(t)
      const { code, complaint } = await ran(t, app, ...args)
      assert.equal(code, 2)
      assert.match(complaint, says)
    })
})
