import { recordEvent } from '../accounts/audit.ts'
import { ownersAddresses } from '../accounts/owners.ts'
import type { Directory } from '../accounts/scim-tokens.ts'
import type { Db } from '../db/open.ts'
import { useOnce } from '../db/used-once.ts'
import { days, later, type Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { Outbox } from '../mails/outbox.ts'
import type { Target } from '../sessions/revocations.ts'
import { revoke, type Revoking } from '../sessions/revoke.ts'

/** What carrying out a directory's word takes. */
export interface ProvisioningServices extends Revoking {
  readonly clock: Clock
  readonly sendMail: Outbox
  /** Our own, such as `https://app.example.com`. */
  readonly origin: string
}

/** A directory that wants something changed. */
export interface Saying {
  readonly directory: Directory
  readonly requestId: string
  /** The versions it means. @default whichever there is */
  readonly ifMatch?: string | null
}

/**
 * Carries out what a directory says, all of it or nothing, one thing after the other and never beside a sign-in through
 * the same connection: whichever comes second sees what the first has done. When it returns, no node lets in whoever was
 * put out.
 */
export async function write<T>(
  services: ProvisioningServices,
  saying: Saying,
  change: (tx: Db, now: Date) => Promise<{ result: T; targets: readonly Target[] }>,
): Promise<T> {
  const { directory } = saying
  const now = services.clock.now()
  try {
    return await revoke(services, async (tx) => {
      await holdDirectory(tx, directory)
      return change(tx, now)
    })
  } catch (thrown) {
    if (!(thrown instanceof AppError) || thrown.code !== 'last_owner') throw thrown
    await tellOwnerKept(services, saying, now)
    const detail = 'The last owner of an organization stays. Make somebody else an owner first.'
    throw new AppError('last_owner', { reason: 'scim: last_owner', members: { detail } })
  }
}

/** Sign-ins hold the connection shared: they wait for this, and this for them. */
async function holdDirectory(tx: Db, { connectionId }: Directory): Promise<void> {
  const row = await tx
    .selectFrom('connections')
    .select('id')
    .where('id', '=', connectionId)
    .where('scim_since', 'is not', null)
    .where('deleted_at', 'is', null)
    .forNoKeyUpdate()
    .executeTakeFirst()
  if (!row) throw new AppError('token_refused', { reason: 'scim: switched_off' })
}

/** Told in the audit each time, and to the owners once a day. */
async function tellOwnerKept(
  { db, sendMail, origin }: ProvisioningServices,
  { directory: { organizationId, connectionId }, requestId }: Saying,
  now: Date,
): Promise<void> {
  await db.transaction().execute(async (tx) => {
    const event = { organizationId, target: connectionId, requestId }
    await recordEvent(tx, { action: 'scim.owner_kept', outcome: 'deny', ...event }, now)
    const day = now.toISOString().slice(0, 10)
    const notice = { kind: 'owner-kept', scope: connectionId, id: day, until: later(now, days(2)) }
    if (!(await useOnce(tx, notice))) return
    const { name, slug } = await tx
      .selectFrom('organizations')
      .select(['name', 'slug'])
      .where('id', '=', organizationId)
      .executeTakeFirstOrThrow()
    for (const to of await ownersAddresses(tx, organizationId))
      await sendMail(tx, 'owner_kept', to, { origin, organization: name, slug })
  })
}
