import { sql, type SelectQueryBuilder } from 'kysely'
import { recordEvent } from '../accounts/audit.ts'
import type { Db } from '../db/open.ts'
import type { DB } from '../db/schema.ts'
import { later, minutes } from '../lib/clock.ts'
import { newId } from '../lib/ids.ts'
import { hashToken, randomToken } from '../lib/secrets.ts'
import { assertProof, type PersonalProof, type Proof } from '../providers/proof.ts'
import { rotationGrace } from './lookup.ts'
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

/** What a session rests on: an organization's provider vouching for an identity, or the person alone. */
export type Grounds =
  | {
      readonly proof: Proof
      readonly organizationId: string
      readonly identityId: string
      readonly configVersion: number
    }
  | { readonly proof: PersonalProof; readonly organizationId?: undefined }

/** What opening a session takes, besides what it rests on. */
export interface Opening {
  readonly userId: string
  /** SHA-256 of the browser cookie's value. */
  readonly browserHash: Buffer
  /** The flow that ends in this session; a flow ends in one session only. */
  readonly flowId: string
  /** The session this browser came with, which goes: the same person's is rotated, another's is switched. */
  readonly replaces?: Replaced | undefined
  /** Whether a guest who signs in has left their work behind already. @default false: they are asked */
  readonly declinesGuest?: boolean | undefined
  readonly device?: string | undefined
  readonly address?: string | undefined
  readonly requestId?: string | undefined
}

/** The session a browser came with. */
export interface Replaced {
  readonly id: string
  readonly userId: string
  /** Whether it has just taken the place of the one whose cookie was presented. */
  readonly late: boolean
}

/** A session just opened, or joined. */
export interface Opened {
  readonly id: string
  /** For the cookie, and kept nowhere. Null where another sign-in of this browser has just opened the session. */
  readonly token: string | null
  /** The guest whose work the person has to be asked about; null when there is no such question. */
  readonly offeredGuest: string | null
  /** What has to be read anew: announce it last in the same transaction. */
  readonly changed: readonly Target[]
}

/** Sign-ins of one browser that finish within this time of one another are taken as simultaneous, in milliseconds. */
const simultaneous = minutes(1)

/**
 * Opens a session for the person who has just been proven, ending the one it replaces. Run it in the
 * transaction that consumes the flow; sign-ins of one browser queue here.
 *
 * Of several that rotate one session at once, the first opens its successor and the others join that: their cookies
 * could arrive in any order, and the last to arrive has to be alive.
 * @throws TypeError when the proof was not made by a provider
 */
export async function openSession(
  tx: Db,
  grounds: Grounds,
  opening: Opening,
  lifetimes: Lifetimes,
  now: Date,
): Promise<Opened> {
  assertProof(grounds.proof)
  const lock = opening.browserHash.toString('hex')
  await sql`select pg_advisory_xact_lock(hashtextextended(${lock}, 0))`.execute(tx)
  const successor = await findToJoin(tx, opening, now)
  if (successor) {
    await storeGrounds(tx, successor, grounds, now)
    const changed = [{ kind: 'session', id: successor }] as const
    return { id: successor, token: null, offeredGuest: null, changed }
  }
  const ended = await endSessionsOfBrowser(tx, opening, now)
  const presented = ended.find(({ id }) => id === opening.replaces?.id)
  const replaced = presented ?? ended[0]
  const rotated = replaced?.user_id === opening.userId
  const offeredGuest = presented ? offeredAfter(presented, opening) : null
  const id = newId()
  const token = randomToken()
  await storeSession(
    tx,
    { id, token, kind: 'user', rotatedFrom: rotated ? replaced.id : null, offeredGuest },
    opening,
    lifetimes,
    now,
  )
  await storeGrounds(tx, id, grounds, now)
  const action = rotated
    ? 'session.rotated'
    : replaced?.kind === 'user'
      ? 'session.user_switched'
      : 'session.created'
  const { userId: actorId, requestId } = opening
  const { organizationId } = grounds
  const data = replaced ? { from: replaced.id } : {}
  await recordEvent(tx, { action, actorId, organizationId, target: id, data, requestId }, now)
  const changed = ended.map((dead) => ({ kind: 'session', id: dead.id }) as const)
  return { id, token, offeredGuest, changed }
}

/** Whose work the new session has a question open about: the guest's who was here, or one not answered before. */
function offeredAfter(
  ended: Ended,
  { userId, declinesGuest = false }: Pick<Opening, 'userId' | 'declinesGuest'>,
): string | null {
  if (ended.kind === 'guest' && ended.user_id !== userId)
    return declinesGuest ? null : ended.user_id
  return ended.user_id === userId ? ended.offered_guest_id : null
}

/** The session that another sign-in of this browser has just put in the place of the one we came with. */
async function findToJoin(
  tx: Db,
  { replaces, userId, browserHash }: Opening,
  now: Date,
): Promise<string | undefined> {
  if (!replaces || replaces.userId !== userId) return undefined
  const live = await tx
    .selectFrom('sessions')
    .select(['id', 'created_at'])
    .where('revoked_at', 'is', null)
    .where('user_id', '=', userId)
    .where((eb) => eb.or([eb('browser_hash', '=', browserHash), eb('id', '=', replaces.id)]))
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .execute()
  const stillOurs = live.some(({ id }) => id === replaces.id) && !replaces.late
  return stillOurs ? undefined : live.find((one) => one.created_at > later(now, -rotationGrace))?.id
}

interface NewSession {
  readonly id: string
  readonly token: string
  readonly kind: 'user' | 'guest'
  readonly rotatedFrom?: string | null
  readonly offeredGuest?: string | null
}

/** Writes a new session down. Who may have one is decided by those who call it, all of them in this room. */
export async function storeSession(
  tx: Db,
  { id, token, kind, rotatedFrom = null, offeredGuest = null }: NewSession,
  opening: Pick<Opening, 'userId' | 'browserHash' | 'device' | 'address'> & {
    readonly flowId?: string
  },
  lifetimes: Lifetimes,
  now: Date,
): Promise<void> {
  const absoluteEndsAt = later(now, lifetimes.absolute)
  await tx
    .insertInto('sessions')
    .values({
      id,
      token_hash: hashToken(token),
      user_id: opening.userId,
      kind,
      browser_hash: opening.browserHash,
      flow_id: opening.flowId ?? null,
      rotated_from: rotatedFrom,
      offered_guest_id: offeredGuest,
      device: opening.device ?? '',
      address: opening.address ?? null,
      authenticated_at: now,
      last_seen_at: now,
      idle_ends_at: earlier(later(now, lifetimes.idle), absoluteEndsAt),
      absolute_ends_at: absoluteEndsAt,
      created_at: now,
    })
    .execute()
}

/** What the session rests on from now on; a newer proof to one organization takes the place of an older one. */
async function storeGrounds(tx: Db, sessionId: string, grounds: Grounds, now: Date): Promise<void> {
  if (grounds.organizationId === undefined) {
    await tx
      .updateTable('sessions')
      .set({ personal_method: grounds.proof.method })
      .where('id', '=', sessionId)
      .execute()
    return
  }
  const { proof, identityId, organizationId, configVersion } = grounds
  const proven = {
    connection_id: proof.connectionId,
    identity_id: identityId,
    config_version: configVersion,
    authenticated_at: proof.authenticatedAt ? new Date(proof.authenticatedAt) : now,
    acr: proof.acr ?? null,
    amr: proof.amr ? [...proof.amr] : null,
    provider_session: proof.providerSession ?? null,
  }
  await tx
    .insertInto('session_proofs')
    .values({ session_id: sessionId, organization_id: organizationId, ...proven })
    .onConflict((conflict) =>
      conflict.columns(['session_id', 'organization_id']).doUpdateSet(proven),
    )
    .execute()
}

interface Ended {
  readonly id: string
  readonly user_id: string
  readonly kind: string
  readonly offered_guest_id: string | null
}

/**
 * Ends the session this browser came with, and what it has left behind: it can hold one cookie only. One that another
 * tab has opened a moment ago is spared, because the browser may end up with either cookie.
 */
async function endSessionsOfBrowser(
  tx: Db,
  { userId, browserHash, replaces }: Opening,
  now: Date,
): Promise<readonly Ended[]> {
  const reason = !replaces || replaces.userId === userId ? 'rotated' : 'switched'
  return tx
    .updateTable('sessions')
    .set({ revoked_at: now, revoked_reason: reason })
    .where('revoked_at', 'is', null)
    .where((eb) =>
      eb.or([
        eb('browser_hash', '=', browserHash).and('created_at', '<=', later(now, -simultaneous)),
        ...(replaces ? [eb('id', '=', replaces.id)] : []),
      ]),
    )
    .returning(['id', 'user_id', 'kind', 'offered_guest_id'])
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
    .where('user_id', 'in', accountsOf(db, userId))
    .where('revoked_at', 'is', null)
    .where('idle_ends_at', '>', now)
    .where('absolute_ends_at', '>', now)
    .orderBy('last_seen_at', 'desc')
    .execute()
}

/** A person's own account and those merged into it, whose sessions are theirs too. */
export function accountsOf(
  db: Db,
  userId: string,
): SelectQueryBuilder<DB, 'users', { id: string }> {
  return db
    .selectFrom('users')
    .select('id')
    .where((eb) => eb.or([eb('id', '=', userId), eb('merged_into', '=', userId)]))
}

function earlier(a: Date, b: Date): Date {
  return a < b ? a : b
}
