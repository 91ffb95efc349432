import { sql, type RawBuilder } from 'kysely'
import { prepared, type Db } from '../db/open.ts'
import type { Sealer } from '../lib/seal.ts'
import type { Grant } from '../providers/again.ts'

/** How far from its interval a check may be, as a share of it: a thousand people who signed in at nine are not asked about at ten sharp. */
export const jitter = 0.1

const spread = (now: Moment, minutes: RawBuilder<unknown>) =>
  sql`${now}::timestamptz + ${minutes} * interval '1 minute' * (${1 - jitter}::float8 + ${2 * jitter}::float8 * random())`

type Moment = Date | RawBuilder<unknown>

/**
 * When somebody who has just signed in is asked about: one interval of the connection `c` from now, give or take
 * {@link jitter}.
 */
export const firstCheck = (now: Moment) => spread(now, sql`c.check_every_minutes`)

/**
 * When the identity `i` is asked about again. Nobody can lose what rests on it while nobody is signed in with it: then it
 * is as late as the organization `o` allows, and a sign-in makes it sooner.
 */
export const nextCheck = (now: Moment) =>
  spread(
    now,
    sql`(case when exists (
      select from session_proofs p join sessions s on s.id = p.session_id
      where p.identity_id = i.id and s.revoked_at is null and s.idle_ends_at > ${now}::timestamptz
        and s.absolute_ends_at > ${now}::timestamptz)
      then c.check_every_minutes else greatest(c.check_every_minutes, o.check_at_most_minutes) end)`,
  )

/** What a sign-in was granted. */
export interface Granting {
  readonly identityId: string
  /** The version of the connection's settings that it went through: under others it is not shown to anybody. */
  readonly configVersion: number
  readonly grant: Grant | undefined
}

/**
 * Keeps what a sign-in was granted, in its transaction: it supersedes what was granted before and whatever is under way
 * with that, and the identity is due one interval from now. A grant that cannot be refreshed does not replace one that
 * can. Without any grant, nothing is asked until the next sign-in.
 */
export async function keepGrant(
  tx: Db,
  sealer: Sealer,
  { identityId, configVersion, grant }: Granting,
  now: Date,
): Promise<void> {
  const sealed = grant ? sealGrant(sealer, identityId, grant) : null
  const rung = grant?.refreshToken ? 'refresh' : grant?.accessToken ? 'userinfo' : 'deadline'
  // What was granted before still counts where it can be refreshed, is not dead, and this cannot.
  const better = sql`(${rung} = 'refresh' or i.rung is distinct from 'refresh' or i.granted is null or i.refresh_intent is not null
    or i.granted_under is distinct from ${configVersion})`
  await sql`${prepared('keep_grant')}
    update identities i set
      granted = case when ${better} then ${sealed}::bytea else i.granted end,
      granted_under = case when ${better} then ${configVersion} else i.granted_under end,
      rung = case when ${better} then ${rung} else i.rung end,
      refresh_intent = case when ${better} then null else i.refresh_intent end,
      grant_version = i.grant_version + 1,
      check_at = case when ${better} and ${rung} = 'deadline' then null else ${firstCheck(now)} end,
      lease = null, verdict = 'still_true', verdict_reason = 'signed_in', verdict_at = ${now}, failing_since = null,
      failures = 0, held = false
    from connections c where i.id = ${identityId} and c.id = i.connection_id`.execute(tx)
}

/** Seals a grant for its identity's row. */
export function sealGrant(sealer: Sealer, identityId: string, grant: Grant): Buffer {
  return sealer.seal(grant, place(identityId))
}

/** Opens a grant of that identity. */
export function openGrant(sealer: Sealer, identityId: string, sealed: Buffer): Grant {
  return sealer.open<Grant>(sealed, place(identityId))
}

function place(row: string): { table: string; column: string; row: string } {
  return { table: 'identities', column: 'granted', row }
}
