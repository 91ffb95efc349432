import { sql, type Insertable, type SelectQueryBuilder } from 'kysely'
import type { AuditEvent } from '../accounts/audit.ts'
import { prepared, type Db } from '../db/open.ts'
import type { DB } from '../db/schema.ts'
import { later, minutes } from '../lib/clock.ts'
import { newId } from '../lib/ids.ts'
import { hashToken, randomToken } from '../lib/secrets.ts'
import { assertProof, type PersonalProof, type Proof } from '../providers/proof.ts'
import { spanOf, type Lifetimes, type Span } from './lifetimes.ts'
import { rotationGrace } from './lookup.ts'
import { letInPersonallyIn } from './personal-proofs.ts'
import type { Target } from './revocations.ts'

/** What a session rests on: an organization's provider vouching for an identity, or the person alone. */
export type Grounds =
  | {
      readonly proof: Proof
      readonly organizationId: string
      readonly identityId: string
      readonly configVersion: number
      /** The sealed ID token of the sign-in, where signing out is to lead to the provider. */
      readonly idTokenHint?: Buffer | undefined
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
  /** Whether the person asks to be kept signed in; where their organization does not allow it, they are not. @default what was, in the session it replaces */
  readonly keep?: boolean | undefined
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
  /** When the cookie is to end; undefined: with the browser. */
  readonly keptUntil?: Date
  /** Sessions of the same person that ended, because there may be only so many. */
  readonly crowdedOut: readonly CrowdedOut[]
  /** What happened: write it down in the same transaction. */
  readonly told: readonly AuditEvent[]
  /** What has to be read anew: announce it last in the same transaction. */
  readonly changed: readonly Target[]
}

/** A session that ended because its person opened one more than they may have. */
export interface CrowdedOut {
  readonly id: string
  readonly device: string
  readonly lastSeenAt: Date
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
  await queueFor(tx, opening.browserHash.toString('hex'), opening.userId)
  const successor = await findToJoin(tx, opening, now)
  if (successor) {
    await storeGrounds(tx, successor, grounds, now)
    await markAuthenticated(tx, successor, authenticatedAt(grounds, now))
    return {
      id: successor,
      token: null,
      offeredGuest: null,
      crowdedOut: [],
      told: [],
      changed: [{ kind: 'session', id: successor }],
    }
  }
  const ended = await endSessionsOfBrowser(tx, opening, now)
  const presented = ended.find(({ id }) => id === opening.replaces?.id)
  const replaced = presented ?? ended[0]
  const offeredGuest = presented ? offeredAfter(presented, opening) : null
  // What the browser has left behind proves nothing any more; only the session that it came with does.
  const goneOn = presented?.user_id === opening.userId ? presented : undefined
  const kept = (opening.keep ?? goneOn?.kept ?? false) && (await mayKeep(tx, grounds))
  const id = newId()
  const token = randomToken()
  const session = {
    id,
    token,
    kind: 'user',
    kept,
    rotatedFrom: replaced?.user_id === opening.userId ? replaced.id : null,
    offeredGuest,
    authenticatedAt: authenticatedAt(grounds, now),
  } as const
  const span = spanOf(lifetimes, session)
  const proof = proofRow(id, grounds, now)
  if (proof && !goneOn) await storeSession(tx, session, opening, span, now, proof)
  else {
    await storeSession(tx, session, opening, span, now)
    if (goneOn) await carryOver(tx, goneOn.id, id)
    await storeGrounds(tx, id, grounds, now)
  }
  const crowdedOut = await crowdOut(tx, { userId: opening.userId, spared: id }, lifetimes, now)
  return {
    id,
    token,
    offeredGuest,
    ...(kept && { keptUntil: later(now, span.absolute) }),
    crowdedOut,
    told: tellOpened(id, { replaced, grounds, opening, crowdedOut }),
    changed: [...ended, ...crowdedOut].map((dead) => ({ kind: 'session', id: dead.id }) as const),
  }
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

/** Whoever opens a session with one of the same keys waits until the transaction is over. They are taken in turn. */
async function queueFor(tx: Db, ...keys: readonly string[]): Promise<void> {
  const locks = keys.map((key) => sql`pg_advisory_xact_lock(hashtextextended(${key}, 0))`)
  await sql`${prepared(`queue_for_${keys.length}`)} select ${sql.join(locks)}`.execute(tx)
}

/** When the person was last seen to be who they are; what a provider says of the future is now. */
function authenticatedAt({ proof }: Grounds, now: Date): Date {
  const said = 'authenticatedAt' in proof && proof.authenticatedAt
  return said ? earlier(new Date(said), now) : now
}

async function markAuthenticated(tx: Db, id: string, at: Date): Promise<void> {
  await tx
    .updateTable('sessions')
    .set({ authenticated_at: at })
    .where('id', '=', id)
    .where('authenticated_at', '<', at)
    .execute()
}

/** Whether the organization, if there is one, lets people be kept signed in. */
async function mayKeep(tx: Db, { organizationId }: Grounds): Promise<boolean> {
  if (organizationId === undefined) return true
  const query = tx
    .selectFrom('organizations')
    .select('keep_signed_in')
    .where('id', '=', organizationId)
  return (await query.executeTakeFirstOrThrow()).keep_signed_in
}

/** What the earlier session proved, its successor proves: no longer, and to the same organizations. */
async function carryOver(tx: Db, from: string, to: string): Promise<void> {
  await sql`
    insert into session_proofs (session_id, organization_id, connection_id, identity_id, config_version, authenticated_at,
      acr, amr, provider_session, name_id, id_token_hint, not_on_or_after, proved_at, last_seen_at)
    select ${to}, organization_id, connection_id, identity_id, config_version, authenticated_at,
      acr, amr, provider_session, name_id, id_token_hint, not_on_or_after, proved_at, last_seen_at
    from session_proofs where session_id = ${from}`.execute(tx)
  await sql`
    insert into sso_exemptions (session_id, organization_id, user_id, until)
    select ${to}, organization_id, user_id, until from sso_exemptions where session_id = ${from}`.execute(
    tx,
  )
  await sql`
    update sessions s set personal_method = e.personal_method, personal_since = e.personal_since,
      personal_until = e.personal_until, passkey_id = e.passkey_id
    from sessions e where s.id = ${to} and e.id = ${from}`.execute(tx)
}

/** Ends the least recently used of a person's sessions, as many as there are too many. */
async function crowdOut(
  tx: Db,
  { userId, spared }: { userId: string; spared: string },
  { atMost }: Lifetimes,
  now: Date,
): Promise<readonly CrowdedOut[]> {
  const { rows } = await sql<CrowdedOut>`${prepared('crowd_out')}
    update sessions set revoked_at = ${now}, revoked_reason = 'limit'
    where id in (
      select id from sessions
      where user_id = ${userId} and id <> ${spared} and revoked_at is null and kind = 'user'
        and idle_ends_at > ${now} and absolute_ends_at > ${now}
      order by last_seen_at desc, id desc offset ${atMost - 1}
    ) returning id, device, last_seen_at as "lastSeenAt"`.execute(tx)
  return rows
}

function tellOpened(
  id: string,
  {
    replaced,
    grounds: { organizationId },
    opening: { userId, requestId },
    crowdedOut,
  }: {
    replaced: Ended | undefined
    grounds: Grounds
    opening: Opening
    crowdedOut: readonly CrowdedOut[]
  },
): AuditEvent[] {
  const action =
    replaced?.user_id === userId
      ? 'session.rotated'
      : replaced?.kind === 'user'
        ? 'session.user_switched'
        : 'session.created'
  const event = { actorId: userId, requestId }
  const data = replaced ? { from: replaced.id } : {}
  return [
    { action, ...event, organizationId, target: id, data },
    ...crowdedOut.map(({ id: target }) => ({
      action: 'session.revoked' as const,
      ...event,
      target,
      data: { reason: 'limit', for: id },
    })),
  ]
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
  readonly kept?: boolean
  readonly rotatedFrom?: string | null
  readonly offeredGuest?: string | null
  /** @default now */
  readonly authenticatedAt?: Date
}

/**
 * Writes a new session down, with what it proves where that is given. Who may have one is decided by those who call it,
 * all of them in this room.
 */
export async function storeSession(
  tx: Db,
  { id, token, kind, kept = false, rotatedFrom = null, offeredGuest = null, ...more }: NewSession,
  opening: Pick<Opening, 'userId' | 'browserHash' | 'device' | 'address'> & {
    readonly flowId?: string
  },
  { idle, absolute }: Span,
  now: Date,
  proof?: Insertable<DB['session_proofs']>,
): Promise<void> {
  const absoluteEndsAt = later(now, absolute)
  const row = {
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
    kept,
    authenticated_at: more.authenticatedAt ?? now,
    last_seen_at: now,
    idle_ends_at: earlier(later(now, idle), absoluteEndsAt),
    absolute_ends_at: absoluteEndsAt,
    created_at: now,
  }
  const query = proof
    ? tx
        .with('proven', (cte) => cte.insertInto('session_proofs').values(proof))
        .insertInto('sessions')
    : tx.insertInto('sessions')
  await query
    .values(row)
    .modifyEnd(prepared(proof ? 'store_proven_session' : 'store_session'))
    .execute()
}

/** What a session rests on from now on; a newer proof to one organization takes the place of an older one. */
async function storeGrounds(tx: Db, sessionId: string, grounds: Grounds, now: Date): Promise<void> {
  const proof = proofRow(sessionId, grounds, now)
  if (proof) {
    const { session_id: _session, organization_id: _organization, ...proven } = proof
    await tx
      .insertInto('session_proofs')
      .values(proof)
      .onConflict((conflict) =>
        conflict.columns(['session_id', 'organization_id']).doUpdateSet(proven),
      )
      .modifyEnd(prepared('store_proof'))
      .execute()
    return
  }
  const { proof: own } = grounds as Extract<Grounds, { organizationId?: undefined }>
  await tx
    .updateTable('sessions')
    .set({
      personal_method: own.method,
      personal_since: now,
      personal_until: sql`absolute_ends_at`,
      passkey_id: own.method === 'passkey' ? own.passkeyId : null,
    })
    .where('id', '=', sessionId)
    .execute()
  await letInPersonallyIn(tx, sessionId, now)
}

/** What a session proves to an organization, as its row; undefined where it rests on the person alone. */
function proofRow(
  sessionId: string,
  grounds: Grounds,
  now: Date,
): Insertable<DB['session_proofs']> | undefined {
  if (grounds.organizationId === undefined) return undefined
  const { proof, identityId, organizationId, configVersion } = grounds
  return {
    session_id: sessionId,
    organization_id: organizationId,
    connection_id: proof.connectionId,
    identity_id: identityId,
    config_version: configVersion,
    authenticated_at: authenticatedAt(grounds, now),
    proved_at: now,
    last_seen_at: now,
    not_on_or_after: proof.sessionEndsAt ? new Date(proof.sessionEndsAt) : null,
    acr: proof.acr ?? null,
    amr: proof.amr ? [...proof.amr] : null,
    provider_session: proof.providerSession ?? null,
    name_id: proof.nameId ? JSON.stringify(proof.nameId) : null,
    id_token_hint: grounds.idTokenHint ?? null,
  }
}

interface Ended {
  readonly id: string
  readonly user_id: string
  readonly kind: string
  readonly offered_guest_id: string | null
  readonly kept: boolean
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
    .returning(['id', 'user_id', 'kind', 'kept', 'offered_guest_id'])
    .modifyEnd(prepared(replaces ? 'end_replaced_session' : 'end_sessions_of_browser'))
    .execute()
}

/** One line of a person's own list of sessions: handles, never tokens. */
export interface SessionSummary {
  readonly id: string
  readonly device: string
  readonly address: string | null
  readonly createdAt: Date
  readonly lastSeenAt: Date
  /** Whether the person asked to be kept signed in there. */
  readonly kept: boolean
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
      'kept',
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
