import { sql } from 'kysely'
import type { Db } from '../db/open.ts'
import type { Place, Sealer } from '../lib/seal.ts'
import { hashToken, sameBytes } from '../lib/secrets.ts'

/** How a transmitter is reached. Secret; sealed at rest. */
export interface StreamAccess {
  /** The value of the `Authorization` header. */
  readonly authorization: string
  /** Where events are fetched; absent where they are pushed to us. */
  readonly pollEndpoint?: string | undefined
}

/** A connection's stream of shared signals, without its secrets. */
export interface SignalStream {
  readonly connectionId: string
  /** The transmitter's. */
  readonly issuer: string
  readonly streamId: string
  readonly audience: readonly string[]
  readonly delivery: 'push' | 'poll'
  /** What the transmitter last said of it. */
  readonly status: 'enabled' | 'paused' | 'disabled'
  readonly statusReason: string | null
  /** When an event was last asked for that shows that it works; null: none is awaited. */
  readonly awaitedSince: Date | null
  readonly verifiedAt: Date | null
  readonly lastEvent: string | null
  readonly lastEventAt: Date | null
  readonly failingSince: Date | null
  readonly failingReason: string | null
  readonly createdAt: Date
}

const columns = sql`connection_id as "connectionId", issuer, stream_id as "streamId", audience, delivery, status,
  status_reason as "statusReason", case when awaited_hash is not null then asked_at end as "awaitedSince",
  verified_at as "verifiedAt", last_event as "lastEvent", last_event_at as "lastEventAt",
  failing_since as "failingSince", failing_reason as "failingReason", created_at as "createdAt"`

/** A connection's stream; undefined where it has none. */
export async function findStream(db: Db, connectionId: string): Promise<SignalStream | undefined> {
  const { rows } = await sql<SignalStream>`
    select ${columns} from signal_streams where connection_id = ${connectionId}`.execute(db)
  return rows[0]
}

/** Keeps a stream that has just been set up, in the place of an earlier one. */
export async function keepStream(
  tx: Db,
  sealer: Sealer,
  kept: {
    readonly connectionId: string
    readonly issuer: string
    readonly streamId: string
    readonly audience: readonly string[]
    readonly access: StreamAccess
    /** What whoever pushes authenticates with; undefined: we poll. */
    readonly pushAuthorization?: string | undefined
  },
  now: Date,
): Promise<void> {
  const { connectionId, issuer, streamId, audience, access, pushAuthorization } = kept
  await tx.deleteFrom('signal_streams').where('connection_id', '=', connectionId).execute()
  await tx
    .insertInto('signal_streams')
    .values({
      connection_id: connectionId,
      settings: sealer.seal(access, place(connectionId)),
      issuer,
      stream_id: streamId,
      audience: [...audience],
      delivery: pushAuthorization === undefined ? 'poll' : 'push',
      push_hash: pushAuthorization === undefined ? null : hashToken(pushAuthorization),
      due_at: now,
      created_at: now,
    })
    .execute()
}

/** How a stream's transmitter is reached; undefined where there is none. */
export async function readStreamAccess(
  db: Db,
  sealer: Sealer,
  connectionId: string,
): Promise<StreamAccess | undefined> {
  const row = await db
    .selectFrom('signal_streams')
    .select('settings')
    .where('connection_id', '=', connectionId)
    .executeTakeFirst()
  return row && sealer.open<StreamAccess>(row.settings, place(connectionId))
}

/** Whether somebody who pushes is the transmitter that was told how to authenticate. */
export async function mayPush(
  db: Db,
  connectionId: string,
  authorization: string | null,
): Promise<boolean> {
  const row = await db
    .selectFrom('signal_streams')
    .select('push_hash')
    .where('connection_id', '=', connectionId)
    .executeTakeFirst()
  return Boolean(row?.push_hash && sameBytes(row.push_hash, hashToken(authorization ?? '')))
}

/** Writes down which state a verification event has to bring from now on. */
export async function awaitVerification(
  db: Db,
  connectionId: string,
  state: string,
  now: Date,
): Promise<void> {
  await db
    .updateTable('signal_streams')
    .set({ awaited_hash: hashToken(state), asked_at: now })
    .where('connection_id', '=', connectionId)
    .execute()
}

/** Takes a verification event's state, once. Answers whether it is the one awaited; only then anything changes. */
export async function takeVerification(
  tx: Db,
  connectionId: string,
  state: string,
  now: Date,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('signal_streams')
    .set({ awaited_hash: null, verified_at: now })
    .where('connection_id', '=', connectionId)
    .where('awaited_hash', '=', hashToken(state))
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

/** Notes which event came last. */
export async function noteEvent(
  tx: Db,
  connectionId: string,
  name: string,
  now: Date,
): Promise<void> {
  await tx
    .updateTable('signal_streams')
    .set({ last_event: name, last_event_at: now })
    .where('connection_id', '=', connectionId)
    .execute()
}

/** Notes what the transmitter says of the stream. Answers what it said before. */
export async function noteStatus(
  tx: Db,
  connectionId: string,
  { status, reason }: { status: SignalStream['status']; reason: string | null },
): Promise<SignalStream['status'] | undefined> {
  const { rows } = await sql<{ before: SignalStream['status'] }>`
    update signal_streams s set status = ${status}, status_reason = ${reason}
    from (select status from signal_streams where connection_id = ${connectionId} for update) old
    where s.connection_id = ${connectionId} returning old.status as before`.execute(tx)
  return rows[0]?.before
}

/** Notes whether a stream works; null: it does. Answers since when it does not, before and now. */
export async function noteFailing(
  tx: Db,
  connectionId: string,
  reason: string | null,
  now: Date,
): Promise<{ readonly before: Date | null; readonly since: Date | null } | undefined> {
  const { rows } = await sql<{ before: Date | null; since: Date | null }>`
    update signal_streams s set
      failing_since = case when ${reason}::text is null then null else coalesce(s.failing_since, ${now}) end,
      failing_reason = ${reason}
    from (select failing_since from signal_streams where connection_id = ${connectionId} for update) old
    where s.connection_id = ${connectionId}
    returning old.failing_since as before, s.failing_since as since`.execute(tx)
  return rows[0]
}

/** Takes streams that are due, each until `until`: whoever dies with one gives it back by itself. */
export async function leaseStreams(
  db: Db,
  { now, until, most }: { readonly now: Date; readonly until: Date; readonly most: number },
): Promise<readonly SignalStream[]> {
  const { rows } = await sql<SignalStream>`
    update signal_streams set due_at = ${until} where connection_id in (
      select s.connection_id from signal_streams s join connections c on c.id = s.connection_id and c.deleted_at is null
      where s.due_at <= ${now} order by s.due_at limit ${most} for update of s skip locked)
    returning ${columns}`.execute(db)
  return rows
}

/** Says when a stream is to be looked at next. */
export async function setStreamDue(db: Db, connectionId: string, at: Date): Promise<void> {
  await db
    .updateTable('signal_streams')
    .set({ due_at: at })
    .where('connection_id', '=', connectionId)
    .execute()
}

/** Forgets a stream. Answers whether there was one. */
export async function dropStream(tx: Db, connectionId: string): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('signal_streams')
    .where('connection_id', '=', connectionId)
    .executeTakeFirst()
  return numDeletedRows === 1n
}

function place(row: string): Place {
  return { table: 'signal_streams', column: 'settings', row }
}
