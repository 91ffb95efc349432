import { recordEvent } from '../accounts/audit.ts'
import { administratorsAddresses } from '../accounts/owners.ts'
import { postEvent } from '../accounts/webhooks.ts'
import type { Db } from '../db/open.ts'
import { useOnce } from '../db/used-once.ts'
import { days, later } from '../lib/clock.ts'
import type { Outbox } from '../mails/outbox.ts'

/** What telling of ends takes. */
export interface SecretServices {
  readonly db: Db
  readonly sendMail: Outbox
  readonly origin: string
}

/** How many days before its end a client secret is told of. */
const warnings = [1, 7, 30]

/** A connection whose client secret ends soon. */
interface Ending {
  readonly id: string
  readonly name: string
  readonly organizationId: string
  readonly organization: string
  readonly slug: string
  readonly endsAt: Date
}

/** Tells administrators of client secrets that run out soon, each time once. */
export async function warnOfSecrets(services: SecretServices, now: Date): Promise<void> {
  const endings = await services.db
    .selectFrom('connections')
    .innerJoin('organizations', 'organizations.id', 'connections.organization_id')
    .select([
      'connections.id',
      'connections.name',
      'organizations.id as organizationId',
      'organizations.name as organization',
      'organizations.slug',
      'secret_ends_at as endsAt',
    ])
    .where('connections.state', '=', 'active')
    .where('connections.deleted_at', 'is', null)
    .where('organizations.deleted_at', 'is', null)
    .where('secret_ends_at', '>', now)
    .where('secret_ends_at', '<=', later(now, days(Math.max(...warnings))))
    .$narrowType<{ endsAt: Date }>()
    .execute()
  for (const ending of endings)
    await services.db.transaction().execute((tx) => warnOnce(tx, services, ending, now))
}

async function warnOnce(
  tx: Db,
  { sendMail, origin }: SecretServices,
  { id, name, organizationId, organization, slug, endsAt }: Ending,
  now: Date,
): Promise<void> {
  const left = (endsAt.getTime() - now.getTime()) / days(1)
  const due = warnings.filter((warning) => left <= warning)
  const once = { kind: 'secret-expiring', scope: id, until: later(endsAt, days(2)) }
  // Whoever notes an end that is near is told of that once, not three times.
  let first = false
  for (const warning of due.toReversed())
    first = await useOnce(tx, { ...once, id: `${endsAt.toISOString()} ${warning}` })
  if (!first) return
  const about = { endsAt: endsAt.toISOString(), days: due[0]! }
  const event = { organizationId, target: id, data: about }
  await recordEvent(tx, { action: 'connection.secret_expiring', ...event }, now)
  const data = { connection: id, name, ...about }
  await postEvent(tx, organizationId, { event: 'client_secret.expiring', data }, now)
  const mail = { origin, organization, slug, connectionId: id, connection: name, ...about }
  for (const to of await administratorsAddresses(tx, organizationId))
    await sendMail(tx, 'secret_expiring', to, mail)
}
