import { sql } from 'kysely'
import { prepared, type Db } from '../db/open.ts'
import { hashToken, isToken } from '../lib/secrets.ts'

/** What somebody tried to do at a provider. */
export type AttemptKind = 'login' | 'link' | 'test' | 'setup'

/** One thing that happened on the way, in words that hold no secret and nobody's address. */
export interface TraceLine {
  readonly step: string
  readonly what: string
}

/** How one attempt to sign in went. */
export interface Attempt {
  /** The id of the request that ended it, which is the reference on the error page. */
  readonly id: string
  readonly kind: AttemptKind
  readonly outcome: 'ok' | 'refused'
  /** Which check failed; null: none did. */
  readonly reason: string | null
  readonly trace: readonly TraceLine[]
  readonly at: Date
  /** Which connection it went through; null where that is unknown. */
  readonly connection: { readonly id: string; readonly name: string } | null
  /** Who signed in, where somebody did. */
  readonly person: { readonly id: string; readonly name: string } | null
}

/** An attempt to be written down. */
export interface NewAttempt extends Pick<Attempt, 'id' | 'kind' | 'outcome' | 'at'> {
  readonly organizationId: string
  readonly connectionId: string | null
  readonly flowId: string
  /** @default none: nothing failed */
  readonly reason?: string | undefined
  readonly trace: readonly TraceLine[]
}

/** How many attempts one flow may leave: whoever comes back to it again and again fills no table. */
const mostOfOneFlow = 10
const longest = 500

/** Writes down how an attempt went. Who signed in is read off the session that it opened. */
export async function recordAttempt(db: Db, attempt: NewAttempt): Promise<void> {
  const { id, flowId, organizationId, connectionId, kind, outcome, reason, trace, at } = attempt
  const lines = trace.map(({ step, what }) => ({ step, what: what.slice(0, longest) }))
  await sql`${prepared('record_attempt')}
    insert into attempts (id, flow_id, organization_id, connection_id, kind, outcome, reason, trace, user_id, at)
    select ${id}, ${flowId}, ${organizationId}, ${connectionId}, ${kind}, ${outcome},
      ${reason?.slice(0, longest) ?? null}, ${JSON.stringify(lines)}::jsonb,
      (select user_id from sessions where flow_id = ${flowId}), ${at}
    where (select count(*) from attempts where flow_id = ${flowId}) < ${mostOfOneFlow}
    on conflict (id) do nothing`.execute(db)
}

/**
 * Writes down that somebody came back to a sign-in that could not go on. Nothing is written of one that nobody began,
 * because it belongs to no organization.
 */
export async function recordDeadEnd(
  db: Db,
  handle: string | null,
  { requestId, reason, at }: { requestId: string; reason: string; at: Date },
): Promise<void> {
  if (!handle || !isToken(handle)) return
  const flow = await db
    .selectFrom('flows')
    .select(['id', 'kind', 'organization_id', 'connection_id'])
    .where('handle_hash', '=', hashToken(handle))
    .executeTakeFirst()
  if (!flow?.organization_id || !isAttempt(flow.kind)) return
  await recordAttempt(db, {
    id: requestId,
    flowId: flow.id,
    organizationId: flow.organization_id,
    connectionId: flow.connection_id,
    kind: flow.kind,
    outcome: 'refused',
    reason,
    trace: [
      { step: 'come-back', what: 'The browser came back to a sign-in that could not go on.' },
    ],
    at,
  })
}

const kinds: readonly string[] = ['login', 'link', 'test', 'setup'] satisfies AttemptKind[]

function isAttempt(kind: string): kind is AttemptKind {
  return kinds.includes(kind)
}

/** Which of an organization's attempts. */
export interface WhichAttempts {
  /** @default both */
  readonly outcome?: Attempt['outcome'] | undefined
  /** @default through any */
  readonly connectionId?: string | undefined
  /** Goes on below this one. @default from the newest */
  readonly before?: { readonly at: Date; readonly id: string } | undefined
}

/** How many attempts are on one page. */
export const attemptsOnOnePage = 50

/** An organization's attempts, newest first, one page of them. */
export async function listAttempts(
  db: Db,
  organizationId: string,
  { outcome, connectionId, before }: WhichAttempts = {},
): Promise<readonly Attempt[]> {
  let query = attemptRows(db).where('attempts.organization_id', '=', organizationId)
  if (outcome) query = query.where('attempts.outcome', '=', outcome)
  if (connectionId) query = query.where('attempts.connection_id', '=', connectionId)
  if (before)
    query = query.where(
      sql<boolean>`(attempts.at, attempts.id) < (${before.at}::timestamptz, ${before.id})`,
    )
  const rows = await query
    .orderBy('attempts.at', 'desc')
    .orderBy('attempts.id', 'desc')
    .limit(attemptsOnOnePage)
    .execute()
  return rows.map(toAttempt)
}

/** One of an organization's own attempts by the reference on the error page, or undefined. */
export async function findAttempt(
  db: Db,
  organizationId: string,
  id: string,
): Promise<Attempt | undefined> {
  const row = await attemptRows(db)
    .where('attempts.organization_id', '=', organizationId)
    .where('attempts.id', '=', id)
    .executeTakeFirst()
  return row && toAttempt(row)
}

/** The last attempt of one flow, or undefined. */
export async function findAttemptOfFlow(db: Db, flowId: string): Promise<Attempt | undefined> {
  const row = await attemptRows(db)
    .where('attempts.flow_id', '=', flowId)
    .orderBy('attempts.at')
    .executeTakeFirst()
  return row && toAttempt(row)
}

function attemptRows(db: Db) {
  return db
    .selectFrom('attempts')
    .leftJoin('connections', 'connections.id', 'attempts.connection_id')
    .leftJoin('users', 'users.id', 'attempts.user_id')
    .select([
      'attempts.id',
      'attempts.kind',
      'attempts.outcome',
      'attempts.reason',
      'attempts.trace',
      'attempts.at',
      'attempts.connection_id',
      'connections.name as connection_name',
      'attempts.user_id',
      'users.name as user_name',
    ])
}

type Row = Awaited<ReturnType<ReturnType<typeof attemptRows>['execute']>>[number]

function toAttempt(row: Row): Attempt {
  const { connection_id, connection_name, user_id, user_name } = row
  return {
    id: row.id,
    kind: row.kind as AttemptKind,
    outcome: row.outcome as Attempt['outcome'],
    reason: row.reason,
    trace: row.trace as unknown as readonly TraceLine[],
    at: row.at,
    connection: connection_id ? { id: connection_id, name: connection_name ?? '' } : null,
    person: user_id ? { id: user_id, name: user_name ?? '' } : null,
  }
}
