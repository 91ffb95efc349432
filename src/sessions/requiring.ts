import { sql } from 'kysely'
import { recordEvent } from '../accounts/audit.ts'
import { lockedOut } from '../accounts/locked-out.ts'
import { canRecover } from '../accounts/recovery-codes.ts'
import type { Db } from '../db/open.ts'
import { hours, later } from '../lib/clock.ts'
import { letMembersInPersonally } from './personal-proofs.ts'
import { revoke, type Actor, type Revoking } from './revoke.ts'

/** What is missing before an organization may require its own sign-in. */
export type Lack =
  /** It has no active connection. */
  | 'no_connection'
  /** No owner has signed in through one, as it is configured now, within {@link provenWithin}. */
  | 'no_owner_signed_in'
  /** No owner has a recovery code left and a way to sign in by themself. */
  | 'no_recovery'

/** How long ago an owner may have shown that the organization's sign-in works, in milliseconds. */
export const provenWithin: number = hours(24)

/** Since when an organization requires its own sign-in; null: it does not. */
export async function ssoRequiredSince(db: Db, organizationId: string): Promise<Date | null> {
  const row = await db
    .selectFrom('organizations')
    .select('sso_required_since')
    .where('id', '=', organizationId)
    .executeTakeFirst()
  return row?.sso_required_since ?? null
}

/** What is missing before an organization may require its own sign-in; nothing: it may. */
export async function lacksToRequire(
  db: Db,
  organizationId: string,
  now: Date,
): Promise<readonly Lack[]> {
  const { rows } = await sql<{ connected: boolean; proven: boolean }>`
    select
      exists (select from connections c
        where c.organization_id = ${organizationId} and c.state = 'active' and c.deleted_at is null) as connected,
      exists (select from session_proofs p
        join connections c on c.id = p.connection_id and c.state = 'active' and c.config_version = p.config_version
          and c.deleted_at is null
        join sessions s on s.id = p.session_id
        join memberships m on m.organization_id = p.organization_id and m.user_id = s.user_id
          and m.role = 'owner' and m.removed_at is null
        where p.organization_id = ${organizationId} and p.proved_at > ${later(now, -provenWithin)}) as proven`.execute(
    db,
  )
  const { connected, proven } = rows[0]!
  const recovery = await canRecover(db, organizationId)
  return [
    ...(connected ? [] : (['no_connection'] as const)),
    ...(proven ? [] : (['no_owner_signed_in'] as const)),
    ...(recovery ? [] : (['no_recovery'] as const)),
  ]
}

/**
 * Has an organization require its own sign-in, unless something is missing for it. Every session is judged by it at
 * once: when this returns, no node lets anybody in who has not proved themself through an active connection of the
 * organization. Answers what is missing.
 */
export function requireSso(
  revoking: Revoking,
  organizationId: string,
  actor: Actor,
  now: Date,
): Promise<readonly Lack[]> {
  return revoke(revoking, async (tx) => {
    if (await hold(tx, organizationId)) return { result: [], targets: [] }
    const lacks = await lacksToRequire(tx, organizationId, now)
    if (lacks.length > 0) return { result: lacks, targets: [] }
    const { members, count } = await lockedOut(tx, organizationId)
    await tx
      .updateTable('organizations')
      .set({ sso_required_since: now })
      .where('id', '=', organizationId)
      .execute()
    await tx.deleteFrom('sso_exemptions').where('organization_id', '=', organizationId).execute()
    await tell(
      tx,
      'sso.required',
      { organizationId, actor, data: { members, unlinked: count } },
      now,
    )
    return { result: [], targets: [{ kind: 'organization', id: organizationId }] }
  })
}

/** Has an organization let its members in by themselves again; at once, in the sessions they have. */
export function stopRequiringSso(
  revoking: Revoking,
  organizationId: string,
  actor: Actor,
  now: Date,
): Promise<void> {
  return revoke(revoking, async (tx) => {
    if (!(await hold(tx, organizationId))) return { result: undefined, targets: [] }
    await tx
      .updateTable('organizations')
      .set({ sso_required_since: null })
      .where('id', '=', organizationId)
      .execute()
    await tx.deleteFrom('sso_exemptions').where('organization_id', '=', organizationId).execute()
    await letMembersInPersonally(tx, organizationId, now)
    await tell(tx, 'sso.not_required', { organizationId, actor, data: {} }, now)
    return { result: undefined, targets: [{ kind: 'organization', id: organizationId }] }
  })
}

/** Whether it is required, and stays so until the transaction is over. */
async function hold(tx: Db, organizationId: string): Promise<boolean> {
  const row = await tx
    .selectFrom('organizations')
    .select('sso_required_since')
    .where('id', '=', organizationId)
    .forUpdate()
    .executeTakeFirst()
  return row?.sso_required_since != null
}

async function tell(
  tx: Db,
  action: 'sso.required' | 'sso.not_required',
  {
    organizationId,
    actor,
    data,
  }: { organizationId: string; actor: Actor; data: Readonly<Record<string, number>> },
  now: Date,
): Promise<void> {
  const event = {
    organizationId,
    actorId: actor.userId,
    target: organizationId,
    requestId: actor.requestId,
  }
  await recordEvent(tx, { action, ...event, data }, now)
}
