import { sql } from 'kysely'
import type { Connection } from '../accounts/connections.ts'
import { recordLockout } from '../accounts/lockouts.ts'
import { prepared, type Db } from '../db/open.ts'
import { useOnce } from '../db/used-once.ts'
import { hours, later, type Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { ProviderLogout } from '../providers/logout-token.ts'
import type { ProofData } from '../providers/proof.ts'
import { takeProofs, type EndedCounts } from '../sessions/ending.ts'
import { revoke, type Revoking } from '../sessions/revoke.ts'

/** A sign-in that began before its provider said that it is over may come back as late as this, in milliseconds. */
const remembered = hours(2)

const told = 'provider-logout'

/**
 * Ends what a provider says is over: the sessions of one of its own, or all of one person's at that connection. When this
 * returns, that holds on every node. The same token a second time does nothing.
 */
export function endByProvider(
  services: Revoking & { readonly clock: Clock },
  { id: connectionId, organization }: Connection,
  { subject, session, id, until, sentAt }: ProviderLogout,
  requestId: string,
): Promise<EndedCounts> {
  const now = services.clock.now()
  return revoke(services, async (tx) => {
    const nothing = { result: { sessions: 0, proofs: 0 }, targets: [] }
    if (!(await useOnce(tx, { kind: 'logout-token', scope: connectionId, id, until })))
      return nothing
    const over = session === undefined ? { subject: subject! } : { session }
    await rememberEnded(tx, connectionId, over, now)
    const identityId =
      subject === undefined ? undefined : await identityOf(tx, connectionId, subject)
    if (subject !== undefined && identityId === undefined) return nothing
    const ended = { connectionId, identityId, providerSession: session }
    const which = { organizationId: organization.id, ...ended, reason: 'provider_logout' } as const
    const taken = await takeProofs(tx, which, { requestId }, now)
    const seconds = (now.getTime() - sentAt.getTime()) / 1000
    if (taken.result.sessions + taken.result.proofs > 0)
      await recordLockout(tx, { connectionId, by: 'back-channel', seconds }, now)
    return taken
  })
}

/** By which a sign-in and whoever ends it take turns. */
function lockOf(connectionId: string, name: string): string {
  return `${told} ${connectionId} ${name}`
}

/**
 * Remembers what a provider has said is over, for sign-ins that began before and come back after: one of its sessions, if
 * no other ever has that name, or all of a person's. Whoever is just being let in under that name is waited for: call it
 * before what they have proven is ended.
 */
export async function rememberEnded(
  tx: Db,
  connectionId: string,
  over: { readonly session: string } | { readonly subject: string },
  at: Date,
): Promise<void> {
  const name = 'session' in over ? `sid ${over.session}` : `sub ${over.subject}`
  await sql`select pg_advisory_xact_lock(hashtextextended(${lockOf(connectionId, name)}, 0))`.execute(
    tx,
  )
  await sql`
    insert into used_once (kind, scope, id, until) values (${told}, ${connectionId}, ${name}, ${later(at, remembered)})
    on conflict (kind, scope, id) do update set until = greatest(used_once.until, excluded.until)`.execute(
    tx,
  )
}

/**
 * Refuses a sign-in whose provider has meanwhile said that it is over. Whoever says so after this waits for the commit.
 * @throws AppError `sso_failed`
 */
export async function assertNotEnded(
  tx: Db,
  { connectionId, subject, nameId, providerSession }: ProofData,
  begunAt: Date,
): Promise<void> {
  const [byName, bySession] = [`sub ${nameId?.value ?? ''}`, `sid ${providerSession ?? ''}`]
  const names = [`sub ${subject}`, byName, bySession]
  // A statement of its own: the next one sees what whoever held them has written.
  const locks = names.map(
    (name) => sql`pg_advisory_xact_lock_shared(hashtextextended(${lockOf(connectionId, name)}, 0))`,
  )
  await sql`${prepared('hold_provider_names')} select ${sql.join(locks)}`.execute(tx)
  const { rows } = await sql<{ id: string; at: Date }>`
    ${prepared('find_provider_logout')} select id, until - ${`${remembered} milliseconds`}::interval as at from used_once
    where kind = ${told} and scope = ${connectionId} and id in (${sql.join(names)})`.execute(tx)
  const over = rows.some(
    ({ id, at }) =>
      // A session of the provider's never comes back; a person may have begun anew.
      id.startsWith('sid ') || begunAt <= at,
  )
  if (over) throw new AppError('sso_failed', { reason: 'provider_logged_out' })
}

async function identityOf(
  tx: Db,
  connectionId: string,
  subject: string,
): Promise<string | undefined> {
  const row = await tx
    .selectFrom('identities')
    .select('id')
    .where('connection_id', '=', connectionId)
    .where('subject', '=', subject)
    .executeTakeFirst()
  return row?.id
}
