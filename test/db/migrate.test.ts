import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { suite, test, type TestContext } from 'node:test'
import { sql, type Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'
import { findConnection, readSettings } from '../../src/accounts/connections.ts'
import { findIdentity } from '../../src/accounts/identities.ts'
import { createSallyport } from '../../src/app.ts'
import { knownMigrations, migrate } from '../../src/db/migrate.ts'
import { openDatabase, type Db } from '../../src/db/open.ts'
import { newSealingKey, readConfig } from '../../src/lib/config.ts'
import { createLog } from '../../src/lib/log.ts'
import { createSealer } from '../../src/lib/seal.ts'
import { hashToken, Secret } from '../../src/lib/secrets.ts'
import { defaultLifetimes } from '../../src/sessions/lifetimes.ts'
import { findSession, judgeSession } from '../../src/sessions/lookup.ts'
import { createTestDatabase } from '../_database.ts'

const known = await knownMigrations()
const names = Object.keys(known).toSorted()

/** A database without any table. */
async function empty(t: TestContext) {
  const database = await createTestDatabase({ empty: true })
  t.after(() => database.drop())
  return database
}

/** What the database holds, by name, without the list of migrations itself. */
async function tables(db: Db): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`
    select tablename as name from pg_tables where schemaname = 'public' and tablename not like 'kysely%' order by 1`.execute(
    db,
  )
  return rows.map(({ name }) => name)
}

/** A migration that makes a table of that name. */
function making(table: string): Migration {
  return {
    up: async (db: Kysely<unknown>) => {
      await sql`create table ${sql.id(table)} (n int)`.execute(db)
    },
  }
}

suite('migrations', () => {
  test('S3-52 the first start makes the schema; the next one changes nothing', async (t) => {
    const { db } = await empty(t)
    assert.deepEqual(await migrate(db), names)
    const made = await tables(db)
    assert.ok(made.includes('sessions') && made.includes('identities'))
    assert.deepEqual(await migrate(db), [])
    assert.deepEqual(await tables(db), made)
  })

  test('of eight nodes that start at once on an empty database one runs each migration', async (t) => {
    const { connection } = await empty(t)
    const nodes = Array.from({ length: 8 }, () => openDatabase(connection, { pool: 2 }))
    t.after(() => Promise.all(nodes.map((node) => node.destroy())))
    const ran = await Promise.all(nodes.map((node) => migrate(node)))
    assert.deepEqual(ran.flat().toSorted(), names)
  })

  test('a start waits for another node’s migration longer than a statement may take', async (t) => {
    const { db, connection } = await empty(t)
    const { promise: migrating, resolve: begun } = Promise.withResolvers<void>()
    const slow: Migration = {
      async up(tx) {
        begun()
        await sql`select pg_sleep(1)`.execute(tx)
        await known[names[0]!]!.up(tx)
      },
    }
    const other = migrate(db, { ...known, [names[0]!]: slow })
    await migrating
    const env = { NODE_ENV: 'test', SALLYPORT_KEYS: newSealingKey() }
    const config = readConfig({ ...env, DATABASE_STATEMENT_TIMEOUT_MS: '200' })
    const sallyport = await createSallyport({
      config,
      database: connection,
      log: createLog('silent'),
    })
    await sallyport.close()
    assert.deepEqual(await other, names)
  })

  test('FLT-06 when the second of two fails nothing of the first is left', async (t) => {
    const { db } = await empty(t)
    const broken = {
      '0001_good': making('good'),
      '0002_bad': { up: async (db: Kysely<unknown>) => void (await sql`select 1 / 0`.execute(db)) },
    }
    await assert.rejects(migrate(db, broken), {
      name: 'SchemaError',
      message:
        'The database schema could not be brought up to date; nothing was changed (division by zero).',
    })
    assert.deepEqual(await tables(db), [])
    assert.deepEqual(await migrate(db, { ...broken, '0002_bad': making('mended') }), [
      '0001_good',
      '0002_bad',
    ])
  })

  test('FLT-06 a program older than the schema refuses and names what it does not know', async (t) => {
    const { db } = await empty(t)
    await migrate(db, { ...known, '9999_future': making('future') })
    const before = await tables(db)
    await assert.rejects(migrate(db), {
      name: 'SchemaError',
      message:
        'This database was written by a newer Sallyport (it has 9999_future). Start that version; nothing was changed.',
    })
    assert.deepEqual(await tables(db), before)
  })

  test('an older program that waited for a newer one refuses too', async (t) => {
    const { db, connection } = await empty(t)
    await migrate(db)
    const newer = openDatabase(connection)
    t.after(() => newer.destroy())
    const { promise: migrating, resolve: begun } = Promise.withResolvers<void>()
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    const future: Migration = {
      async up(tx) {
        begun()
        await released
        await making('future').up(tx)
      },
    }
    const upgrade = migrate(newer, { ...known, '9999_future': future })
    await migrating
    const older = assert.rejects(migrate(db), { name: 'SchemaError' })
    await waiting(db)
    release()
    assert.deepEqual(await upgrade, ['9999_future'])
    await older
  })
})

/** Settles when somebody waits for the lock under which migrations run. */
async function waiting(db: Db): Promise<void> {
  for (;;) {
    const { rows } = await sql`
      select 1 from pg_locks where locktype = 'advisory' and not granted and database =
        (select oid from pg_database where datname = current_database())`.execute(db)
    if (rows.length > 0) return
  }
}

/*
 * Every migration has a file of rows as the program of its day wrote them. A new migration brings a new file; those
 * before it stay as they are, and what loads them is what the program uses today.
 */
suite('rows that an earlier program wrote', () => {
  const key = Buffer.from(Array.from({ length: 32 }, (_, i) => i * 7 + 1))
  const sealer = createSealer([{ id: 't', key: new Secret(key) }])
  const id = (n: number) => `01890000-0000-7000-8000-00000000000${n}`

  test('SEED-11 load after every later migration, and a session among them is still valid', async (t) => {
    const { db } = await empty(t)
    for (const [i, name] of names.entries()) {
      const upToHere = names.slice(0, i + 1).map((each) => [each, known[each]!])
      assert.deepEqual(await migrate(db, Object.fromEntries(upToHere)), [name])
      const rows = await readFile(new URL(`rows/${name}.sql`, import.meta.url), 'utf8')
      await sql.raw(rows).execute(db)
    }
    await loads(db)
  })

  async function loads(db: Db): Promise<void> {
    const now = new Date('2026-06-01T13:00:00Z')
    const judging = { lifetimes: defaultLifetimes, now }
    const session = await findSession(db, hashToken('a session token'), judging)
    assert.ok(session)
    assert.equal(judgeSession(session, now.getTime()), 'user-current')
    assert.deepEqual(session.person, { id: id(1), name: 'Alice', email: 'Alice@acme.example' })
    assert.deepEqual(
      session.organizations.map(({ slug, role }) => [slug, role]),
      [['acme', 'owner']],
    )

    const connection = await findConnection(db, id(3))
    assert.equal(connection?.state, 'active')
    assert.deepEqual(await readSettings(db, sealer, id(3)), {
      issuer: 'https://idp.example',
      clientId: 'sallyport',
      clientSecret: 'kept from the first',
      clientAuth: 'client_secret_basic',
    })

    const who = { connectionId: id(3), issuer: 'https://idp.example', subject: 'alice' }
    assert.equal((await findIdentity(db, who))?.userId, id(1))
  }
})
