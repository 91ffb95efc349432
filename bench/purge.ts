import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { startEmbeddedPostgres } from '../src/db/embedded.ts'
import { migrate } from '../src/db/migrate.ts'
import { openDatabase, type Db } from '../src/db/open.ts'
import { purge } from '../src/db/purge.ts'
import { purges } from '../src/flows/upkeep.ts'
import { days } from '../src/lib/clock.ts'
import { makeMember, member } from './member.ts'

/** As anybody sets a server up that holds ten million sessions. */
const settings = { shared_buffers: '2GB', max_wal_size: '8GB', wal_compression: 'on' }

/** No statement of the purge may take longer, in milliseconds. */
const bound = 100

/**
 * Makes so many ended sessions, each with a proof, half of them revoked, beside a tenth as many that live, and deletes
 * them while sessions are read. On a PostgreSQL of its own, so that what is written is on the disk, with room for a
 * database of that size: with that of the embedded one, 64 MB, each statement would wait for its pages.
 * @returns whether every statement kept to the bound
 */
export async function measurePurge(rows: number): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-purge-'))
  const server = await startEmbeddedPostgres(join(folder, 'postgres'), { settings })
  const db = openDatabase(server.connection, { statementTimeoutMs: 3_600_000, pool: 3 })
  try {
    await migrate(db)
    await timed(`making ${rows.toLocaleString('en')} sessions`, () => fill(db, rows))
    return await deleteAll(db)
  } finally {
    await db.destroy()
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const began = performance.now()
  const result = await work()
  console.log(`${what}: ${((performance.now() - began) / 1000).toFixed(1)} s`)
  return result
}

async function fill(db: Db, rows: number): Promise<void> {
  await makeMember(db)
  const live = Math.round(rows / 10)
  const step = 250_000
  for (let done = 0; done < rows + live; done += step) {
    const count = Math.min(step, rows + live - done)
    await sql`
      with made as (
        insert into sessions (id, token_hash, user_id, kind, browser_hash, authenticated_at, last_seen_at, idle_ends_at,
          absolute_ends_at, revoked_at, revoked_reason, created_at)
        select gen_random_uuid(), sha256(('t' || i)::bytea), ${member}, 'user', sha256(('b' || i)::bytea), at, at, ends, ends,
          case when i % 2 = 0 and i <= ${rows} then at end, case when i % 2 = 0 and i <= ${rows} then 'logout' end, at
        from (
          select i, case when i <= ${rows} then now() - interval '40 days' + random() * interval '20 days' else now() end as at,
            case when i > ${rows} then now() + interval '10 days'
              when i % 2 = 0 then now() + interval '5 days' else now() - interval '10 days' end as ends
          from generate_series(${done + 1}::int, ${done + count}::int) i) x
        returning id, created_at)
      insert into session_proofs (session_id, organization_id, connection_id, identity_id, config_version, authenticated_at, proved_at, last_seen_at)
      select id, ${member}, ${member}, ${member}, 1, created_at, created_at, created_at from made`.execute(
      db,
    )
  }
  await sql`analyze`.execute(db)
  await sql`checkpoint`.execute(db)
}

async function deleteAll(db: Db): Promise<boolean> {
  const before = new Date(Date.now() - days(7))
  const took: number[] = []
  const reads = readMeanwhile(db)
  let rows = 0
  await timed('deleting them', async () => {
    for (const which of [purges.expired_sessions, purges.revoked_sessions])
      rows += await purge(db, which, {
        before,
        onBatch: (milliseconds) => {
          took.push(milliseconds)
          if (process.stdout.isTTY && took.length % 50 === 0)
            process.stdout.write(
              `\r${took.length} statements, ${Math.max(...took.slice(-50)).toFixed(0)} ms `,
            )
        },
      })
  })
  const slowestRead = await reads()
  took.sort((a, b) => a - b)
  const at = (share: number) => took[Math.min(took.length - 1, Math.floor(took.length * share))]!
  const { rows: left } = await sql<{ n: string }>`select count(*) as n from sessions`.execute(db)
  console.log(`deleted: ${rows.toLocaleString('en')} in ${took.length} statements; left: ${left[0]!.n}
statement: half within ${at(0.5).toFixed(1)} ms, 99 of 100 within ${at(0.99).toFixed(1)} ms, the longest ${at(1).toFixed(1)} ms (bound: ${bound} ms, missed by ${took.filter((one) => one > bound).length})
a session read meanwhile: the longest ${slowestRead.toFixed(1)} ms`)
  return at(1) <= bound
}

/** Looks sessions up, one after another. @returns what stops it and answers the longest in milliseconds */
function readMeanwhile(db: Db): () => Promise<number> {
  let [longest, going] = [0, true]
  const loop = (async () => {
    while (going) {
      const began = performance.now()
      await sql`select id from sessions where token_hash = sha256(${`t${Math.floor(Math.random() * 1e6)}`}::bytea)`.execute(
        db,
      )
      longest = Math.max(longest, performance.now() - began)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })()
  return async () => {
    going = false
    await loop
    return longest
  }
}
