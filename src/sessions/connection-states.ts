import { sql } from 'kysely'
import { recordEvent, type AuditAction } from '../accounts/audit.ts'
import { useVersion, type ConnectionState } from '../accounts/connections.ts'
import type { Db } from '../db/open.ts'
import { AppError } from '../lib/errors.ts'
import type { Sealer } from '../lib/seal.ts'
import { takeProofs } from './ending.ts'
import { endFlows } from './pending.ts'
import { revoke, type Actor, type Revoking } from './revoke.ts'
import type { Target } from './revocations.ts'

/** Something an administrator does to a connection. That it becomes tested is no act: only a test sign-in does that. */
export type ConnectionAct = 'activate' | 'disable' | 'enable' | 'delete'

interface Transition {
  readonly from: readonly ConnectionState[]
  readonly to: ConnectionState | 'deleted'
  readonly action: AuditAction
}

/** Which act leads from where to where; there is no other way. */
export const transitions: Readonly<Record<ConnectionAct, Transition>> = {
  activate: { from: ['tested'], to: 'active', action: 'connection.activated' },
  disable: { from: ['active'], to: 'disabled', action: 'connection.disabled' },
  enable: { from: ['disabled'], to: 'active', action: 'connection.activated' },
  delete: { from: ['draft', 'tested', 'disabled'], to: 'deleted', action: 'connection.deleted' },
}

/** Whether an act can be done to a connection in that state. */
export function canBe(act: ConnectionAct, state: ConnectionState): boolean {
  return transitions[act].from.includes(state)
}

/** One of an organization's own connections. */
export interface WhichConnection {
  readonly organizationId: string
  readonly connectionId: string
}

/**
 * Does something to a connection. Switching it off ends what sessions prove through it, and whatever is under way;
 * identities stay, for the day it is switched on again. Deleting it leaves its identities to a connection that is gone,
 * which nobody can sign in through, and takes its settings away.
 * @param also what else belongs to it, such as telling people by mail
 * @throws AppError `not_found` where it is not the organization's, `changed_meanwhile` where it is in another state
 */
export function moveConnection(
  revoking: Revoking & { readonly sealer: Sealer },
  which: WhichConnection,
  act: ConnectionAct,
  actor: Actor,
  now: Date,
  also: (tx: Db) => Promise<unknown> = async () => {},
): Promise<void> {
  return revoke(revoking, async (tx) => {
    const { to, action } = transitions[act]
    const { connectionId } = which
    const found = await holdConnectionOf(tx, which)
    if (!canBe(act, found.state))
      throw new AppError('changed_meanwhile', { reason: `connection_${found.state}` })
    if (act === 'activate' && found.testedVersion !== found.configVersion)
      throw new AppError('changed_meanwhile', { reason: 'not_tested' })
    // While it still is what it was.
    await also(tx)
    const targets: Target[] = [{ kind: 'connection', id: connectionId }]
    if (to === 'deleted') await bury(tx, connectionId, now)
    else
      await tx
        .updateTable('connections')
        .set({ state: to, disabled_at: to === 'disabled' ? now : null })
        .where('id', '=', connectionId)
        .execute()
    if (to !== 'active') {
      const refusal = { code: 'provider_disabled', reason: `connection_${to}` }
      await endFlows(tx, { connectionId }, refusal, now)
      targets.push(...(await takeProofs(tx, which, actor, now)).targets)
    }
    await recordEvent(tx, { action, ...eventOf(which, actor) }, now)
    return { result: undefined, targets }
  })
}

/**
 * Puts a version of a connection's settings to use that an administrator has tested. What sessions prove under the
 * earlier ones counts no more.
 * @throws AppError `not_found`, `changed_meanwhile` when that version is not the one that was tested
 */
export function adoptVersion(
  revoking: Revoking & { readonly sealer: Sealer },
  which: WhichConnection & { readonly version: number },
  actor: Actor,
  now: Date,
): Promise<void> {
  return revoke(revoking, async (tx) => {
    const { connectionId, version } = which
    const found = await holdConnectionOf(tx, which)
    if (found.testedVersion !== version)
      throw new AppError('changed_meanwhile', { reason: 'not_tested' })
    await useVersion(tx, revoking.sealer, { connectionId, version })
    const event = { action: 'connection.version_used', data: { version } } as const
    await recordEvent(tx, { ...event, ...eventOf(which, actor) }, now)
    return { result: undefined, targets: [{ kind: 'connection', id: connectionId }] }
  })
}

async function holdConnectionOf(
  tx: Db,
  { organizationId, connectionId }: WhichConnection,
): Promise<{ state: ConnectionState; testedVersion: number | null; configVersion: number }> {
  const row = await tx
    .selectFrom('connections')
    .select(['state', 'tested_version', 'config_version'])
    .where('id', '=', connectionId)
    .where('organization_id', '=', organizationId)
    .where('deleted_at', 'is', null)
    .forUpdate()
    .executeTakeFirst()
  if (!row) throw new AppError('not_found', { reason: 'unknown_connection' })
  return {
    state: row.state as ConnectionState,
    testedVersion: row.tested_version,
    configVersion: row.config_version,
  }
}

/** A tombstone: the row stays so that its id and its identities are never anybody else's; its secrets go. */
async function bury(tx: Db, connectionId: string, now: Date): Promise<void> {
  await tx
    .updateTable('connections')
    .set({ deleted_at: now, state: 'disabled', disabled_at: now, settings: Buffer.alloc(0) })
    .where('id', '=', connectionId)
    .execute()
  await tx.deleteFrom('connection_versions').where('connection_id', '=', connectionId).execute()
  await tx.deleteFrom('signal_streams').where('connection_id', '=', connectionId).execute()
  await tx
    .updateTable('setup_links')
    .set({ withdrawn_at: sql`coalesce(withdrawn_at, ${now})` })
    .where('connection_id', '=', connectionId)
    .execute()
  await tx
    .updateTable('domains')
    .set({ connection_id: null })
    .where('connection_id', '=', connectionId)
    .execute()
}

function eventOf(
  { organizationId, connectionId }: WhichConnection,
  { userId: actorId, requestId }: Actor,
) {
  return { organizationId, target: connectionId, actorId, requestId }
}
