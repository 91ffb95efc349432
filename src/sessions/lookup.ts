import { sql } from 'kysely'
import { LRUCache } from 'lru-cache'
import type { Role, SessionLimits } from '../accounts/organizations.ts'
import { onlyRow, prepared, type Db } from '../db/open.ts'
import { later, seconds } from '../lib/clock.ts'
import { lockedFor, proofSpanOf, reauthAfter, spanOf, type Lifetimes } from './lifetimes.ts'
import type { RichState } from './state.ts'

/** An organization that the session has a proof for, and the person's role there now. */
export interface Membership {
  readonly id: string
  readonly slug: string
  readonly name: string
  readonly role: Role
  /** What the proof rests on; null: on what the person proved by themself. */
  readonly connectionId: string | null
  readonly identityId: string | null
  /** When the proof ends, in milliseconds since 1970: the strictest of server, organization and provider. */
  readonly endsAt: number
  /** When it ends unless the session is used meanwhile. */
  readonly idleEndsAt: number
  /** By how much using the session moves that on, in milliseconds. */
  readonly idleFor: number
}

/** An organization that the person is a member of, and the session proves nothing to. */
export interface Unproven {
  readonly id: string
  readonly slug: string
  /** Whether it takes its own sign-in to get in. */
  readonly ssoRequired: boolean
}

export interface Person {
  readonly id: string
  readonly name: string
  /** For display; never a key. */
  readonly email: string | null
}

/**
 * A session as it stands in the database, alive or not. A node remembers a hundred thousand of them, so times are
 * milliseconds since 1970, each an eighth of a `Date`.
 */
export interface StoredSession {
  readonly id: string
  readonly kind: 'user' | 'guest'
  /** Whose it is: the account that counts now, where theirs was merged. Of a guest only the id means anything. */
  readonly person: Person
  readonly organizations: readonly Membership[]
  /** The person’s other organizations. */
  readonly unproven: readonly Unproven[]
  /** Until when the person has proven themself without an organization; null: they have not. */
  readonly personalUntil: number | null
  readonly authenticatedAt: number
  readonly lastSeenAt: number
  readonly idleEndsAt: number
  readonly absoluteEndsAt: number
  /** The hash of the browser cookie it began with, as `tokenKey` spells it. */
  readonly browserKey: string | null
  /** Whether the person asked to be kept signed in. */
  readonly kept: boolean
  /** When its authentication is too old to change anything with; null unless it is kept. */
  readonly reauthAt: number | null
  /** Since when it is locked; null: it is not. */
  readonly lockedAt: number | null
  /** When its person was first told so. */
  readonly challengedAt: number | null
  /** What it is worth where nobody could ask about its person for too long, and it proves nothing else; null: no doubt. */
  readonly doubt: 'read_only' | 'lock' | null
  /** Whether a proof it had has run out. */
  readonly ranOut: boolean
  /** Until when what is said here is all there is to say; then it must be read anew. */
  readonly goodUntil: number
  /** `superseded`: the same browser has signed in anew, and has a newer cookie. */
  readonly ended: 'no' | 'revoked' | 'superseded'
  readonly endedAt: number | null
  readonly account: 'active' | 'disabled' | 'deleted' | 'merged'
}

interface ProofRow extends Omit<Membership, 'endsAt' | 'idleEndsAt' | 'idleFor'> {
  readonly limits: SessionLimits
  readonly provedAt: number
  readonly seenAt: number
  readonly notOnOrAfter: number | null
  /** Until when a recovery code lets the session in where the organization’s own sign-in is required; null: it does not. */
  readonly exemptUntil: number | null
  /** What somebody may do whom nobody could ask about for too long; null: everything. */
  readonly doubt: 'read_only' | 'lock' | null
}

interface Row {
  id: string
  kind: 'user' | 'guest'
  user_id: string
  user_kind: 'person' | 'guest'
  user_name: string
  email: string | null
  proofs: ProofRow[]
  memberships: Unproven[]
  personal_until: Date | null
  authenticated_at: Date
  last_seen_at: Date
  idle_ends_at: Date
  absolute_ends_at: Date
  browser_hash: Buffer | null
  kept: boolean
  locked_at: Date | null
  challenged_at: Date | null
  revoked_at: Date | null
  revoked_reason: string | null
  suspended_at: Date | null
  deleted_at: Date | null
  merged_into: string | null
}

/** Everything about a session, in one statement; what follows says which. */
const everything = sql`
    select s.id, s.kind, u.id as user_id, own.kind as user_kind, u.name as user_name, s.personal_until, s.authenticated_at, s.last_seen_at,
      s.idle_ends_at, s.absolute_ends_at, s.browser_hash, s.kept, s.locked_at, s.challenged_at, s.revoked_at, s.revoked_reason, u.suspended_at, u.deleted_at, own.merged_into,
      (select e.address from user_emails e where e.user_id = u.id and e.is_primary) as email,
      coalesce((
        select json_agg(json_build_object('id', o.id, 'slug', o.slug, 'name', o.name, 'role', m.role,
          'connectionId', p.connection_id, 'identityId', p.identity_id,
          'provedAt', extract(epoch from p.proved_at) * 1000, 'seenAt', extract(epoch from p.last_seen_at) * 1000,
          'notOnOrAfter', extract(epoch from p.not_on_or_after) * 1000,
          'doubt', case when m.link_state = 'suspect' and p.connection_id is not null then nullif(c.outage_policy, 'keep') end,
          'exemptUntil', case when p.connection_id is null and o.sso_required_since is not null then extract(epoch from x.until) * 1000 end,
          'limits', json_build_object('idleMinutes', o.idle_minutes, 'absoluteMinutes', o.absolute_minutes,
            'keepSignedIn', o.keep_signed_in, 'reauthMinutes', o.reauth_minutes)) order by o.slug)
        from session_proofs p
        left join connections c on c.id = p.connection_id and c.state = 'active' and c.config_version = p.config_version
        join organizations o on o.id = p.organization_id and o.deleted_at is null
        join memberships m on m.organization_id = o.id and m.user_id = u.id and m.removed_at is null
        left join sso_exemptions x on x.session_id = s.id and x.organization_id = o.id and m.role = 'owner'
        where p.session_id = s.id and case when p.connection_id is null
          then (o.sso_required_since is null or x.until is not null) and m.link_state <> 'revoked'
          else c.id is not null and m.link_state in ('linked', 'suspect') end
      ), '[]') as proofs,
      coalesce((
        select json_agg(json_build_object('id', o.id, 'slug', o.slug, 'ssoRequired', o.sso_required_since is not null))
        from memberships m
        join organizations o on o.id = m.organization_id and o.deleted_at is null
        where m.user_id = u.id and m.removed_at is null
      ), '[]') as memberships
    from sessions s
    join users own on own.id = s.user_id
    -- A person’s session follows them into the account that theirs was merged into. A guest’s does not: who has only
    -- a guest’s cookie has proven nothing.
    join users u on u.id = case s.kind when 'user' then coalesce(own.merged_into, own.id) else own.id end`

/** What a session is judged by. */
export interface Judging {
  readonly lifetimes: Lifetimes
  readonly now: Date
}

/** The session with that hash of a token, alive or not. */
export async function findSession(
  db: Db,
  tokenHash: Buffer,
  judging: Judging,
): Promise<StoredSession | undefined> {
  const { rows } = await sql<Row>`${prepared('find_session')} ${everything}
    where s.token_hash = ${tokenHash}`.execute(db)
  const row = onlyRow(rows)
  if (row && !kinds.includes(row.kind)) throw new Error('A session has a kind that nobody knows.')
  return row && toSession(row, judging)
}

const kinds: readonly string[] = ['user', 'guest']

/** How long requests that left before a rotation may still arrive, in milliseconds. */
export const rotationGrace: number = seconds(10)

/**
 * The session that took a superseded one's place, for a request that left the same browser before it knew. Whoever
 * merely copied the old cookie has not the browser's own, and finds nothing.
 */
export async function findSuccessor(
  db: Db,
  superseded: StoredSession,
  browserHash: Buffer,
  judging: Judging,
): Promise<StoredSession | undefined> {
  const since = later(judging.now, -rotationGrace)
  if (superseded.endedAt === null || superseded.endedAt <= since.getTime()) return undefined
  const { rows } = await sql<Row>`${everything}
    where s.browser_hash = ${browserHash} and s.user_id = ${superseded.person.id} and s.kind = ${superseded.kind}
      and s.revoked_at is null and s.created_at > ${since}
    order by s.created_at desc, s.id desc limit 1`.execute(db)
  return rows[0] && toSession(rows[0], judging)
}

/** Why a session ends when another takes its place in the same browser. */
const superseding = new Set(['rotated', 'switched'])

function toSession(row: Row, { lifetimes, now }: Judging): StoredSession {
  const limits = row.proofs.map((proof) => proof.limits)
  const alive = row.proofs
    .map((proof) => ({ of: toMembership(proof, row.kept, lifetimes), doubt: proof.doubt }))
    .filter(({ of }) => Math.min(of.endsAt, of.idleEndsAt) > now.getTime())
  const personalUntil =
    row.personal_until && row.personal_until > now ? row.personal_until.getTime() : null
  const doubt = personalUntil === null ? doubtOf(alive) : null
  // As long as it is, and no longer: an array that has grown keeps room for more.
  const organizations = alive
    .filter((one) => one.doubt === null || (one.doubt === 'read_only' && doubt === 'read_only'))
    .map(({ of }) => of)
    .slice()
  const idleEndsAt = row.idle_ends_at.getTime()
  const absoluteEndsAt = row.absolute_ends_at.getTime()
  const authenticatedAt = row.authenticated_at.getTime()
  // Every name is written out: objects made by spreading others take up more room.
  return {
    id: row.id,
    kind: shared(row.kind),
    person: { id: row.user_id, name: row.user_name, email: row.email },
    organizations,
    unproven: unprovenOf(row, organizations),
    doubt,
    personalUntil,
    authenticatedAt,
    lastSeenAt: row.last_seen_at.getTime(),
    idleEndsAt,
    absoluteEndsAt,
    browserKey: row.browser_hash && row.browser_hash.toString('latin1'),
    kept: row.kept,
    reauthAt: row.kept ? authenticatedAt + reauthAfter(lifetimes, limits) : null,
    lockedAt: row.locked_at && row.locked_at.getTime(),
    challengedAt: row.challenged_at && row.challenged_at.getTime(),
    ranOut: alive.length < row.proofs.length || (row.personal_until !== null && !personalUntil),
    goodUntil: firstEnd({ idleEndsAt, absoluteEndsAt, personalUntil, organizations }),
    ended:
      row.revoked_reason === null
        ? 'no'
        : superseding.has(row.revoked_reason)
          ? 'superseded'
          : 'revoked',
    endedAt: row.revoked_at && row.revoked_at.getTime(),
    account: accountOf(row),
  }
}

/** What is left of proofs that are all in doubt; a session that proves anything else goes on for that alone. */
function doubtOf(proofs: readonly Pick<ProofRow, 'doubt'>[]): StoredSession['doubt'] {
  if (proofs.length === 0 || proofs.some(({ doubt }) => doubt === null)) return null
  return proofs.some(({ doubt }) => doubt === 'read_only') ? 'read_only' : 'lock'
}

const nowhere: readonly Unproven[] = []

function unprovenOf({ memberships }: Row, proven: readonly Membership[]): readonly Unproven[] {
  const others = memberships.filter((one) => !proven.some(({ id }) => id === one.id))
  if (others.length === 0) return nowhere
  return others.map(({ id, slug, ssoRequired }) => ({
    id: shared(id),
    slug: shared(slug),
    ssoRequired,
  }))
}

function toMembership(proof: ProofRow, kept: boolean, lifetimes: Lifetimes): Membership {
  const { idle, absolute } = proofSpanOf(lifetimes, kept, proof.limits)
  return {
    id: shared(proof.id),
    slug: shared(proof.slug),
    name: shared(proof.name),
    role: shared(proof.role),
    connectionId: proof.connectionId && shared(proof.connectionId),
    identityId: proof.identityId,
    endsAt: Math.min(
      proof.provedAt + absolute,
      proof.notOnOrAfter ?? Infinity,
      proof.exemptUntil ?? Infinity,
    ),
    idleEndsAt: proof.seenAt + idle,
    idleFor: idle,
  }
}

/** Words that many sessions have in common, such as their organization's name. */
const common = new LRUCache<string, string>({ max: 10_000 })

/** The same text, held once for all who have it: each answer of the database brings a copy of its own. */
function shared<Text extends string>(text: Text): Text {
  const known = common.get(text)
  if (known !== undefined) return known as Text
  common.set(text, text)
  return text
}

/** A session as used at `now`: every idle end is moved on. */
export function movedOn(session: StoredSession, lifetimes: Lifetimes, now: Date): StoredSession {
  const lastSeenAt = now.getTime()
  const { personalUntil, absoluteEndsAt } = session
  const idleEndsAt = Math.min(lastSeenAt + spanOf(lifetimes, session).idle, absoluteEndsAt)
  const organizations = session.organizations.map((one) => ({
    ...one,
    idleEndsAt: lastSeenAt + one.idleFor,
  }))
  const goodUntil = firstEnd({ idleEndsAt, absoluteEndsAt, personalUntil, organizations })
  return { ...session, organizations, lastSeenAt, idleEndsAt, goodUntil }
}

/** When the first of a session's ends is reached. */
function firstEnd({
  idleEndsAt,
  absoluteEndsAt,
  personalUntil,
  organizations,
}: Pick<
  StoredSession,
  'idleEndsAt' | 'absoluteEndsAt' | 'personalUntil' | 'organizations'
>): number {
  const ends = organizations.flatMap((one) => [one.endsAt, one.idleEndsAt])
  return Math.min(idleEndsAt, absoluteEndsAt, personalUntil ?? Infinity, ...ends)
}

/** What has become of the account. A guest who has become a person is no guest any more: that guest is gone. */
function accountOf(row: Row): StoredSession['account'] {
  if (row.deleted_at || (row.kind === 'guest' && row.user_kind !== 'guest')) return 'deleted'
  if (row.suspended_at) return 'disabled'
  return row.merged_into ? 'merged' : 'active'
}

/** Whether the person is a member of the organization with that slug, and it takes its own sign-in, which this session lacks. */
export function ssoRequiredBy({ unproven }: StoredSession, slug: string): boolean {
  return unproven.some((one) => one.slug === slug && one.ssoRequired)
}

/** What a stored session is worth at `now`, in milliseconds since 1970. A user session that proves nothing any more is over. */
export function judgeSession(session: StoredSession, now: number): RichState['session'] {
  if (session.ended !== 'no') return session.ended
  if (now >= session.goodUntil) return 'expired'
  if (session.kind === 'guest') return session.account === 'active' ? 'guest' : 'revoked'
  if (session.doubt === 'lock') return 'locked'
  if (session.organizations.length === 0 && session.personalUntil === null)
    return session.ranOut ? 'expired' : 'revoked'
  if (session.lockedAt !== null) return isLockOver(session, now) ? 'revoked' : 'locked'
  if (session.doubt === 'read_only') return 'user-lapsed'
  return session.reauthAt !== null && now >= session.reauthAt ? 'user-lapsed' : 'user-current'
}

/** Whether a locked session has waited long enough for its person. */
export function isLockOver({ lockedAt, challengedAt }: StoredSession, now: number): boolean {
  return lockedAt !== null && challengedAt !== null && now >= challengedAt + lockedFor
}

/** Who last signed in with this browser, as far as a hint goes. */
export interface BrowserHint {
  readonly userId: string
  readonly name: string
  readonly organizationSlug: string | null
  readonly gone: boolean
  /** When their session here ran out or would have; null when somebody ended it. */
  readonly sessionEndsAt: Date | null
}

/** The last session that began in the browser with that cookie, as a hint for wording and pre-selection. */
export async function findBrowserHint(
  db: Db,
  browserHash: Buffer,
): Promise<BrowserHint | undefined> {
  const { rows } = await sql<BrowserHint>`${prepared('find_browser_hint')}
    select s.user_id as "userId", u.name, o.slug as "organizationSlug", u.deleted_at is not null as gone,
      case when s.revoked_at is null then least(s.idle_ends_at, s.absolute_ends_at) end as "sessionEndsAt"
    from sessions s
    join users u on u.id = s.user_id and u.kind = 'person'
    left join session_proofs p on p.session_id = s.id and p.connection_id is not null
    left join organizations o on o.id = p.organization_id and o.deleted_at is null
    where s.browser_hash = ${browserHash}
    order by s.created_at desc limit 1`.execute(db)
  return rows[0]
}
