import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { startEmbeddedPostgres } from '../src/db/embedded.ts'
import { migrate } from '../src/db/migrate.ts'
import { openDatabase, type Db } from '../src/db/open.ts'
import { later, minutes } from '../src/lib/clock.ts'
import { defaultLifetimes } from '../src/sessions/lifetimes.ts'
import { batch, slideSessions, type Touch } from '../src/sessions/slides.ts'
import { makeMember, member } from './member.ts'

/** Statements under way at once where each request writes for itself. */
const atOnce = 10

interface Cost {
  readonly statements: number
  readonly milliseconds: number
  /** What was written ahead, in bytes. */
  readonly log: number
}

/**
 * Moves the idle ends of so many sessions on, with a statement for each use, as a server without memory would, and
 * gathered, as ours does. On a PostgreSQL of its own with the settings of every embedded one, so that what is written
 * is on the disk.
 */
export async function measureSlides(sessions: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-slides-'))
  const server = await startEmbeddedPostgres(join(folder, 'postgres'))
  const db = openDatabase(server.connection, { statementTimeoutMs: 600_000, pool: atOnce })
  try {
    await migrate(db)
    const touches = await fill(db, sessions)
    const each = await costOf(db, () => writeEach(db, touches))
    const moved = touches.map(({ id, at }) => ({
      id,
      from: later(at, minutes(2)),
      at: later(at, minutes(2)),
    }))
    const gathered = await costOf(db, () => writeGathered(db, moved))
    print(sessions, each, gathered)
  } finally {
    await db.destroy()
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Sessions with a proof each, last used two minutes ago, and a use of each now. */
async function fill(db: Db, sessions: number): Promise<readonly Touch[]> {
  await makeMember(db)
  const { rows } = await sql<{ id: string }>`
    with made as (
      insert into sessions (id, token_hash, user_id, kind, authenticated_at, last_seen_at, idle_ends_at, absolute_ends_at, created_at)
      select gen_random_uuid(), sha256(('t' || i)::bytea), ${member}, 'user', at, at, at + interval '1 hour', at + interval '12 hours', at
      from generate_series(1, ${sessions}::int) i, (select now() - interval '2 minutes' as at) x
      returning id, created_at
    ), proven as (
      insert into session_proofs (session_id, organization_id, connection_id, identity_id, config_version, authenticated_at,
        proved_at, last_seen_at)
      select id, ${member}, ${member}, ${member}, 1, created_at, created_at, created_at from made
    )
    select id from made`.execute(db)
  await sql`analyze`.execute(db)
  await sql`checkpoint`.execute(db)
  const at = new Date()
  return rows.map(({ id }) => ({ id, from: at, at }))
}

async function writeEach(db: Db, touches: readonly Touch[]): Promise<number> {
  let next = 0
  const writer = async () => {
    while (next < touches.length) await slideSessions(db, [touches[next++]!], defaultLifetimes)
  }
  await Promise.all(Array.from({ length: atOnce }, writer))
  return touches.length
}

async function writeGathered(db: Db, touches: readonly Touch[]): Promise<number> {
  let statements = 0
  for (let i = 0; i < touches.length; i += batch, statements++)
    await slideSessions(db, touches.slice(i, i + batch), defaultLifetimes)
  return statements
}

async function costOf(db: Db, write: () => Promise<number>): Promise<Cost> {
  const position = async () => {
    const { rows } = await sql<{ at: string }>`select pg_current_wal_lsn() - '0/0' as at`.execute(
      db,
    )
    return Number(rows[0]!.at)
  }
  const [logBefore, began] = [await position(), performance.now()]
  const statements = await write()
  const milliseconds = performance.now() - began
  const { rows } = await sql<{ left: string }>`
    select count(*) as left from sessions where last_seen_at < now() - interval '1 minute'`.execute(
    db,
  )
  if (rows[0]!.left !== '0') throw new Error(`${rows[0]!.left} sessions were not moved on.`)
  return { statements, milliseconds, log: (await position()) - logBefore }
}

function print(sessions: number, each: Cost, gathered: Cost): void {
  const line = ({ statements, milliseconds, log }: Cost) =>
    `${statements.toLocaleString('en').padStart(7)} statements, ${((milliseconds * 1000) / sessions).toFixed(0).padStart(6)} µs and ${(log / sessions).toFixed(0).padStart(5)} bytes of log a session`
  console.log(`moving ${sessions.toLocaleString('en')} sessions on
  one write a use: ${line(each)}
  gathered:        ${line(gathered)}
  which is ${(each.milliseconds / gathered.milliseconds).toFixed(1)} times as fast`)
}
