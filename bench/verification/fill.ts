import { sql } from 'kysely'
import { createConnection } from '../../src/accounts/connections.ts'
import { sealGrant } from '../../src/accounts/grants.ts'
import { createOrganization } from '../../src/accounts/organizations.ts'
import type { Db } from '../../src/db/open.ts'
import type { Sealer } from '../../src/lib/seal.ts'

/** As many neighbours are at one connection, and one of them is due. */
export const block = 100

/** Makes an organization with a connection for each client of the provider. Answers the connections' ids. */
export async function makeConnections(
  db: Db,
  sealer: Sealer,
  { issuer, count }: { readonly issuer: string; readonly count: number },
): Promise<readonly string[]> {
  const now = new Date()
  const ids: string[] = []
  for (let i = 0; i < count; i++) {
    const { id: organizationId } = await createOrganization(
      db,
      { slug: `bench-${i}`, name: `Bench ${i}` },
      now,
    )
    const settings = {
      issuer,
      clientId: `c${i}`,
      clientSecret: 'bench',
      clientAuth: 'client_secret_basic',
      signingAlgorithms: ['ES256'],
    }
    const connection = { organizationId, kind: 'oidc', name: `Bench ${i}`, settings } as const
    ids.push(await createConnection(db, sealer, connection, now))
  }
  return ids
}

/** The id of what is somebody's: an account, a membership, an identity. */
export function idOf(what: 'user' | 'member' | 'identity', i: number): string {
  const kind = { user: '1', member: '2', identity: '3' }[what]
  return `01890000-000${kind}-7000-8000-${i.toString(16).padStart(12, '0')}`
}

const idIn = (what: 'user' | 'member' | 'identity') =>
  sql.raw(`(${`'${idOf(what, 0).slice(0, -12)}'`} || lpad(to_hex(i), 12, '0'))::uuid`)

/** Which connection somebody is at. */
export function placeOf(i: number, connections: number): number {
  return Math.floor(i / block) % connections
}

/**
 * Makes so many people, each with a membership and an identity that holds something as long as a grant. Nobody is due but
 * one in a hundred, and those have been since a moment of the last hour.
 */
export async function makePeople(
  db: Db,
  { count, connections, issuer }: { count: number; connections: readonly string[]; issuer: string },
): Promise<void> {
  const step = 100_000
  const connection = sql`(${[...connections]}::uuid[])[i / ${block} % ${connections.length} + 1]`
  for (let from = 0; from < count; from += step) {
    const to = Math.min(count, from + step) - 1
    await db.transaction().execute(async (tx) => {
      // What is made fits together; checking every row of it would take most of the time.
      await sql`set local session_replication_role = replica`.execute(tx)
      await sql`set local synchronous_commit = off`.execute(tx)
      await sql`
        insert into users (id, name, kind, created_at)
        select ${idIn('user')}, 'Person ' || i, 'person', now() from generate_series(${from}::int, ${to}::int) i`.execute(
        tx,
      )
      await sql`
        insert into memberships (id, organization_id, user_id, role, link_state, link_since)
        select ${idIn('member')}, c.organization_id, ${idIn('user')}, 'member', 'linked', now()
        from generate_series(${from}::int, ${to}::int) i join connections c on c.id = ${connection}`.execute(
        tx,
      )
      await sql`
        insert into identities (id, connection_id, issuer, subject, user_id, linked_at, last_verified_at, granted, grant_version,
          granted_under, rung, verdict, verdict_at, check_at)
        select ${idIn('identity')}, ${connection}, ${issuer}, 'p' || i, ${idIn('user')}, now(), now(),
          decode(repeat(md5(i::text), 10), 'hex'), 1, 1, 'refresh', 'still_true', now(),
          case when i % ${block} = 0 then now() - random() * interval '1 hour' else now() + interval '2 hours' + random() * interval '20 hours' end
        from generate_series(${from}::int, ${to}::int) i`.execute(tx)
    })
  }
  await sql`vacuum (analyze) identities`.execute(db)
  await sql`analyze`.execute(db)
  await sql`checkpoint`.execute(db)
}

/** Somebody to be asked about, and how long from now. */
export interface Armed {
  readonly person: number
  readonly dueInMs: number
}

let families = 0

/**
 * Gives people a grant of a family of tokens of their own, and makes them due. Answers who has which family: the provider
 * knows people by it.
 */
export async function arm(
  db: Db,
  sealer: Sealer,
  armed: readonly Armed[],
): Promise<ReadonlyMap<number, string>> {
  const given = new Map<number, string>()
  const now = Date.now()
  for (let from = 0; from < armed.length; from += 1000) {
    const some = armed.slice(from, from + 1000).map(({ person, dueInMs }) => {
      const family = `f${families++}`
      given.set(person, family)
      const id = idOf('identity', person)
      const grant = { accessToken: 'bench', refreshToken: `${family}.1` }
      return { id, family, sealed: sealGrant(sealer, id, grant), at: new Date(now + dueInMs) }
    })
    await db.transaction().execute(async (tx) => {
      // Whose subject is whose never changes but here, where nobody is anybody yet.
      await sql`set local session_replication_role = replica`.execute(tx)
      await sql`
        update identities i set granted = t.sealed, subject = t.family, check_at = t.at, lease = null, refresh_intent = null
        from unnest(${some.map(({ id }) => id)}::uuid[], ${some.map(({ family }) => family)}::text[],
          ${some.map(({ sealed }) => sealed)}::bytea[], ${some.map(({ at }) => at)}::timestamptz[]) as t (id, family, sealed, at)
        where i.id = t.id`.execute(tx)
    })
  }
  return given
}

/** Has nobody due for a day. */
export async function disarm(db: Db): Promise<void> {
  await sql`update identities set check_at = now() + interval '1 day' where check_at < now() + interval '2 hours'`.execute(
    db,
  )
}
