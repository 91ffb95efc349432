import { sql } from 'kysely'
import type { Db } from '../db/open.ts'
import type { SessionSummary } from './sessions.ts'

/** A member and their sessions that prove something to the organization. */
export interface MemberSessions {
  readonly user: { readonly id: string; readonly name: string }
  readonly sessions: readonly (SessionSummary & {
    /** Through what they signed in; null: by themself. */
    readonly connection: { readonly id: string; readonly name: string } | null
  })[]
}

/** As many sessions of an organization are listed; ending all ends the others too. */
export const listedAtMost = 1000

interface Row extends SessionSummary {
  readonly userId: string
  readonly userName: string
  readonly connectionId: string | null
  readonly connectionName: string | null
}

/** Live sessions that hold a proof for an organization, by person, each person's most recently used first. */
export async function listSessionsOfOrganization(
  db: Db,
  organizationId: string,
  now: Date,
): Promise<readonly MemberSessions[]> {
  const { rows } = await sql<Row>`
    select s.id, s.device, host(s.address) as address, s.created_at as "createdAt", s.last_seen_at as "lastSeenAt", s.kept,
      u.id as "userId", u.name as "userName", c.id as "connectionId", c.name as "connectionName"
    from session_proofs p
    join sessions s on s.id = p.session_id and s.revoked_at is null and s.idle_ends_at > ${now} and s.absolute_ends_at > ${now}
    join users u on u.id = s.user_id
    left join connections c on c.id = p.connection_id
    where p.organization_id = ${organizationId}
    order by u.name, u.id, s.last_seen_at desc limit ${listedAtMost}`.execute(db)
  const people = Map.groupBy(rows, ({ userId }) => userId)
  return [...people].map(([id, sessions]) => ({
    user: { id, name: sessions[0]!.userName },
    sessions: sessions.map((row) => ({
      id: row.id,
      device: row.device,
      address: row.address,
      createdAt: row.createdAt,
      lastSeenAt: row.lastSeenAt,
      kept: row.kept,
      connection:
        row.connectionId === null ? null : { id: row.connectionId, name: row.connectionName! },
    })),
  }))
}
