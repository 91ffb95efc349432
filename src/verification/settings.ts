import { sql } from 'kysely'
import { recordEvent } from '../accounts/audit.ts'
import { jitter } from '../accounts/grants.ts'
import type { Db } from '../db/open.ts'
import { later, minutes } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { revoke, type Actor, type Revoking } from '../sessions/revoke.ts'
import type { OutagePolicy } from './standing.ts'

/** How one connection asks again, and what happens when nobody can be asked. */
export interface VerificationSettings {
  readonly checkEveryMinutes: number
  /** 0: a provider that does not answer is a doubt at once. */
  readonly outageBudgetMinutes: number
  readonly outagePolicy: OutagePolicy
}

/** Bounds of what an administrator may set; those of the interval end at the organization's own. */
export const verificationBounds = {
  checkEveryMinutes: { least: 1, most: 43_200 },
  outageBudgetMinutes: { least: 0, most: 43_200 },
} as const

/** How one of an organization's connections asks again, and the most its organization allows; undefined: not its own. */
export async function readVerification(
  db: Db,
  { organizationId, connectionId }: { organizationId: string; connectionId: string },
): Promise<
  | (VerificationSettings & { readonly mostMinutes: number; readonly secretEndsAt: Date | null })
  | undefined
> {
  const row = await db
    .selectFrom('connections')
    .innerJoin('organizations', 'organizations.id', 'connections.organization_id')
    .select([
      'check_every_minutes as checkEveryMinutes',
      'outage_budget_minutes as outageBudgetMinutes',
      'outage_policy as outagePolicy',
      'check_at_most_minutes as mostMinutes',
      'secret_ends_at as secretEndsAt',
    ])
    .where('connections.id', '=', connectionId)
    .where('organization_id', '=', organizationId)
    .where('connections.deleted_at', 'is', null)
    .executeTakeFirst()
  return row && { ...row, outagePolicy: row.outagePolicy as OutagePolicy }
}

/**
 * Sets how a connection asks again. When it returns, every node judges by the new policy, and nobody is asked about later
 * than the new interval says.
 * @throws AppError `not_found`, `config_rejected` with the member `problems`
 */
export async function changeVerification(
  revoking: Revoking,
  which: { readonly organizationId: string; readonly connectionId: string },
  settings: VerificationSettings,
  actor: Actor,
  now: Date,
): Promise<void> {
  const { organizationId, connectionId } = which
  const { checkEveryMinutes, outageBudgetMinutes, outagePolicy } = settings
  const shorter = await revoke(revoking, async (tx) => {
    // Held, so that the organization's bound is not lowered meanwhile.
    await sql`select from organizations where id = ${organizationId} for share`.execute(tx)
    const before = await readVerification(tx, which)
    if (!before) throw new AppError('not_found', { reason: 'unknown_connection' })
    refuseOutside(settings, before.mostMinutes)
    await tx
      .updateTable('connections')
      .set({
        check_every_minutes: checkEveryMinutes,
        outage_budget_minutes: outageBudgetMinutes,
        outage_policy: outagePolicy,
      })
      .where('id', '=', connectionId)
      .execute()
    const event = { organizationId, target: connectionId }
    const by = { actorId: actor.userId, requestId: actor.requestId }
    const data = { checkEveryMinutes, outageBudgetMinutes, outagePolicy }
    await recordEvent(tx, { action: 'connection.verification_changed', ...event, ...by, data }, now)
    return {
      result: checkEveryMinutes < before.checkEveryMinutes,
      targets: [{ kind: 'connection', id: connectionId }],
    }
  })
  if (shorter) await bringForward(revoking.db, connectionId, checkEveryMinutes, now)
}

function refuseOutside(
  { checkEveryMinutes, outageBudgetMinutes }: VerificationSettings,
  mostMinutes: number,
): void {
  const { checkEveryMinutes: every, outageBudgetMinutes: budget } = verificationBounds
  refuse([
    ...outside('The minutes between checks', checkEveryMinutes, { ...every, most: mostMinutes }),
    ...outside('The minutes for outages', outageBudgetMinutes, budget),
  ])
}

function outside(
  what: string,
  n: number,
  { least, most }: { readonly least: number; readonly most: number },
): string[] {
  if (Number.isInteger(n) && n >= least && n <= most) return []
  return [`${what} must be a whole number from ${least} to ${most}.`]
}

function refuse(problems: readonly string[]): void {
  if (problems.length > 0)
    throw new AppError('config_rejected', { reason: 'out_of_bounds', members: { problems } })
}

/** As many identities are rescheduled in one statement. */
const batch = 2000

/** Has everybody asked about within one interval, spread over it, who was due later than that. */
async function bringForward(
  db: Db,
  connectionId: string,
  everyMinutes: number,
  now: Date,
): Promise<void> {
  const latest = later(now, minutes(everyMinutes) * (1 + jitter))
  let moved: bigint | undefined
  do {
    const { numAffectedRows } = await sql`
      update identities set check_at = ${now}::timestamptz + random() * interval '1 minute' * ${everyMinutes}::int
      where id in (
        select id from identities where connection_id = ${connectionId} and check_at > ${latest} and lease is null
        order by check_at desc limit ${batch} for update skip locked)`.execute(db)
    moved = numAffectedRows
  } while (moved === BigInt(batch))
}

/** What an organization says of all its connections. */
export interface VerificationPolicy {
  /** Nobody is asked about less often than this. */
  readonly checkAtMostMinutes: number
  /** An identity without a sign-in for so long is removed. */
  readonly keepIdentitiesDays: number
}

/** Bounds of {@link VerificationPolicy}. */
export const policyBounds = {
  checkAtMostMinutes: { least: 1, most: 43_200 },
  keepIdentitiesDays: { least: 120, most: 3650 },
} as const

/** What an organization says of all its connections. */
export async function readVerificationPolicy(
  db: Db,
  organizationId: string,
): Promise<VerificationPolicy> {
  return db
    .selectFrom('organizations')
    .select([
      'check_at_most_minutes as checkAtMostMinutes',
      'keep_identities_days as keepIdentitiesDays',
    ])
    .where('id', '=', organizationId)
    .executeTakeFirstOrThrow()
}

/**
 * Sets it; connections that ask less often than they may now ask as often as they must.
 * @throws AppError `config_rejected` with the member `problems`
 */
export async function changeVerificationPolicy(
  db: Db,
  organizationId: string,
  { checkAtMostMinutes, keepIdentitiesDays }: VerificationPolicy,
  actor: Actor,
  now: Date,
): Promise<void> {
  refuse([
    ...outside('The minutes between checks', checkAtMostMinutes, policyBounds.checkAtMostMinutes),
    ...outside('The days', keepIdentitiesDays, policyBounds.keepIdentitiesDays),
  ])
  const shortened = await db.transaction().execute(async (tx) => {
    await tx
      .updateTable('organizations')
      .set({ check_at_most_minutes: checkAtMostMinutes, keep_identities_days: keepIdentitiesDays })
      .where('id', '=', organizationId)
      .execute()
    const connections = await tx
      .updateTable('connections')
      .set({ check_every_minutes: checkAtMostMinutes })
      .where('organization_id', '=', organizationId)
      .where('check_every_minutes', '>', checkAtMostMinutes)
      .returning('id')
      .execute()
    const event = {
      organizationId,
      target: organizationId,
      data: { checkAtMostMinutes, keepIdentitiesDays },
    }
    const by = { actorId: actor.userId, requestId: actor.requestId }
    await recordEvent(tx, { action: 'organization.policy_changed', ...event, ...by }, now)
    return connections
  })
  for (const { id } of shortened) await bringForward(db, id, checkAtMostMinutes, now)
}
