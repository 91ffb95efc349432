import { sql } from 'kysely'
import { recordEvent, type AuditAction } from '../accounts/audit.ts'
import type { Db } from '../db/open.ts'
import { later, minutes } from '../lib/clock.ts'
import { newId } from '../lib/ids.ts'
import { hashToken, randomToken } from '../lib/secrets.ts'
import { assertProof, type Proof } from '../providers/proof.ts'
import type { Target } from './revocations.ts'

/** How long sessions live, in milliseconds. The bounds are the settings'. */
export interface Lifetimes {
  /** Since the last request. @default 60 minutes */
  readonly idle: number
  /** Since the sign-in, whatever happens. @default 12 hours */
  readonly absolute: number
}

/** At most one sliding write a session in this time. */
export const slideEvery: number = minutes(1)

/** What opening a session takes, besides the proof. */
export interface Opening {
  readonly userId: string
  readonly identityId: string
  readonly organizationId: string
  readonly configVersion: number
  /** SHA-256 of the browser cookie's value. */
  readonly browserHash: Buffer
  /** The flow that ends in this session; a flow ends in one session only. */
  readonly flowId: string
  /** The session of this browser that goes: the same person's is rotated, another's is switched. */
  readonly replaces?: { readonly id: string; readonly userId: string } | undefined
  readonly device?: string | undefined
  readonly address?: string | undefined
  readonly requestId?: string | undefined
}

/** A session just opened. The token is for the cookie, and is kept nowhere. */
export interface Opened {
  readonly id: string
  readonly token: string
  readonly absoluteEndsAt: Date
  /** The sessions that ended with it: announce them last in the same transaction. */
  readonly replaced: readonly Target[]
}

/**
 * Opens a session for the person a provider has just vouched for, ending the one it replaces.
 * Run it in the transaction that consumes the flow.
 * @throws TypeError when `proof` was not made by a provider
 */
export async function openSession(
  tx: Db,
  proof: Proof,
  opening: Opening,
  lifetimes: Lifetimes,
  now: Date,
): Promise<Opened> {
  assertProof(proof)
  const { userId, organizationId, requestId } = opening
  const id = newId()
  const token = randomToken()
  const absoluteEndsAt = later(now, lifetimes.absolute)
  const ended = await endSessionsOfBrowser(tx, opening, now)
  const replaced = ended.find((one) => one.id === opening.replaces?.id) ?? ended[0]
  const rotated = replaced?.user_id === userId
  await tx
    .insertInto('sessions')
    .values({
      id,
      token_hash: hashToken(token),
      user_id: userId,
      kind: 'user',
      browser_hash: opening.browserHash,
      flow_id: opening.flowId,
      rotated_from: rotated ? replaced.id : null,
      device: opening.device ?? '',
      address: opening.address ?? null,
      authenticated_at: now,
      last_seen_at: now,
      idle_ends_at: earlier(later(now, lifetimes.idle), absoluteEndsAt),
      absolute_ends_at: absoluteEndsAt,
      created_at: now,
    })
    .execute()
  await tx
    .insertInto('session_proofs')
    .values({
      session_id: id,
      organization_id: organizationId,
      connection_id: proof.connectionId,
      identity_id: opening.identityId,
      config_version: opening.configVersion,
      authenticated_at: proof.authenticatedAt ? new Date(proof.authenticatedAt) : now,
      acr: proof.acr ?? null,
      amr: proof.amr ? [...proof.amr] : null,
      provider_session: proof.providerSession ?? null,
    })
    .execute()
  const action: AuditAction = !replaced
    ? 'session.created'
    : rotated
      ? 'session.rotated'
      : 'session.user_switched'
  const data = replaced ? { from: replaced.id } : {}
  await recordEvent(
    tx,
    { action, actorId: userId, organizationId, target: id, data, requestId },
    now,
  )
  const targets = ended.map(({ id: dead }) => ({ kind: 'session', id: dead }) as const)
  return { id, token, absoluteEndsAt, replaced: targets }
}

/**
 * Ends whatever this browser was signed in as: it can hold one cookie only. Sign-ins of one browser queue here, so
 * that of two finishing at once exactly one session is left.
 */
async function endSessionsOfBrowser(
  tx: Db,
  { userId, browserHash, replaces }: Opening,
  now: Date,
): Promise<readonly { readonly id: string; readonly user_id: string }[]> {
  const lock = browserHash.toString('hex')
  await sql`select pg_advisory_xact_lock(hashtextextended(${lock}, 0))`.execute(tx)
  const reason = !replaces || replaces.userId === userId ? 'rotated' : 'switched'
  return tx
    .updateTable('sessions')
    .set({ revoked_at: now, revoked_reason: reason })
    .where('revoked_at', 'is', null)
    .where((eb) =>
      eb.or([
        eb('browser_hash', '=', browserHash),
        ...(replaces ? [eb('id', '=', replaces.id)] : []),
      ]),
    )
    .returning(['id', 'user_id'])
    .execute()
}

/**
 * Moves a session's idle end on, unless it is dead or was moved a moment ago: nothing is resurrected.
 * Answers the new times, or undefined when nothing was moved.
 */
export async function slideSession(
  db: Db,
  id: string,
  lifetimes: Lifetimes,
  now: Date,
): Promise<{ lastSeenAt: Date; idleEndsAt: Date } | undefined> {
  return db
    .updateTable('sessions')
    .set({
      last_seen_at: now,
      idle_ends_at: sql`least(absolute_ends_at, ${later(now, lifetimes.idle)}::timestamptz)`,
    })
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .where('idle_ends_at', '>', now)
    .where('absolute_ends_at', '>', now)
    .where('last_seen_at', '<=', later(now, -slideEvery))
    .returning(['last_seen_at as lastSeenAt', 'idle_ends_at as idleEndsAt'])
    .executeTakeFirst()
}

/** One line of a person's own list of sessions: handles, never tokens. */
export interface SessionSummary {
  readonly id: string
  readonly device: string
  readonly address: string | null
  readonly createdAt: Date
  readonly lastSeenAt: Date
}

/** A person's live sessions, the most recently used first. */
export async function listSessions(
  db: Db,
  userId: string,
  now: Date,
): Promise<readonly SessionSummary[]> {
  return db
    .selectFrom('sessions')
    .select([
      'id',
      'device',
      sql<string | null>`host(address)`.as('address'),
      'created_at as createdAt',
      'last_seen_at as lastSeenAt',
    ])
    .where('user_id', '=', userId)
    .where('revoked_at', 'is', null)
    .where('idle_ends_at', '>', now)
    .where('absolute_ends_at', '>', now)
    .orderBy('last_seen_at', 'desc')
    .execute()
}

function earlier(a: Date, b: Date): Date {
  return a < b ? a : b
}
