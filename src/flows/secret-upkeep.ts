import { recordEvent, type AuditAction } from '../accounts/audit.ts'
import { administratorsAddresses } from '../accounts/owners.ts'
import { postEvent, type WebhookEvent } from '../accounts/webhooks.ts'
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

/** How many days before its end something is told of. */
const warnings = [1, 7, 30]

/** What ends, and how it is told. */
interface Telling {
  readonly once: string
  readonly action: AuditAction
  readonly event: WebhookEvent
  readonly mail: 'secret_expiring' | 'scim_token_expiring'
}

const clientSecret: Telling = {
  once: 'secret-expiring',
  action: 'connection.secret_expiring',
  event: 'client_secret.expiring',
  mail: 'secret_expiring',
}

const directoryToken: Telling = {
  once: 'scim-token-expiring',
  action: 'scim.token_expiring',
  event: 'directory_token.expiring',
  mail: 'scim_token_expiring',
}

/** A connection of which something ends soon. */
interface Ending {
  readonly id: string
  readonly name: string
  readonly organizationId: string
  readonly organization: string
  readonly slug: string
  readonly endsAt: Date
}

/** Tells administrators of client secrets and of directories' tokens that run out soon, each time once. */
export async function warnOfSecrets(services: SecretServices, now: Date): Promise<void> {
  for (const [telling, endings] of [
    [clientSecret, await endingSecrets(services.db, now)],
    [directoryToken, await endingTokens(services.db, now)],
  ] as const)
    for (const ending of endings)
      await services.db.transaction().execute((tx) => warnOnce(tx, services, telling, ending, now))
}

function endingSecrets(db: Db, now: Date): Promise<readonly Ending[]> {
  return db
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
}

/** Connections whose directory has no token that is good for longer: where there is a newer one, nothing is amiss. */
function endingTokens(db: Db, now: Date): Promise<readonly Ending[]> {
  return db
    .selectFrom('scim_tokens')
    .innerJoin('connections', 'connections.id', 'scim_tokens.connection_id')
    .innerJoin('organizations', 'organizations.id', 'connections.organization_id')
    .select(({ fn }) => [
      'connections.id',
      'connections.name',
      'organizations.id as organizationId',
      'organizations.name as organization',
      'organizations.slug',
      fn.max('scim_tokens.expires_at').as('endsAt'),
    ])
    .where('connections.scim_since', 'is not', null)
    .where('connections.deleted_at', 'is', null)
    .where('organizations.deleted_at', 'is', null)
    .where('scim_tokens.revoked_at', 'is', null)
    .where('scim_tokens.expires_at', '>', now)
    .groupBy(['connections.id', 'organizations.id'])
    .having(
      ({ fn }) => fn.max('scim_tokens.expires_at'),
      '<=',
      later(now, days(Math.max(...warnings))),
    )
    .execute()
}

async function warnOnce(
  tx: Db,
  { sendMail, origin }: SecretServices,
  telling: Telling,
  { id, name, organizationId, organization, slug, endsAt }: Ending,
  now: Date,
): Promise<void> {
  const left = (endsAt.getTime() - now.getTime()) / days(1)
  const due = warnings.filter((warning) => left <= warning)
  const once = { kind: telling.once, scope: id, until: later(endsAt, days(2)) }
  // Whoever notes an end that is near is told of that once, not three times.
  let first = false
  for (const warning of due.toReversed())
    first = await useOnce(tx, { ...once, id: `${endsAt.toISOString()} ${warning}` })
  if (!first) return
  const about = { endsAt: endsAt.toISOString(), days: due[0]! }
  const event = { organizationId, target: id, data: about }
  await recordEvent(tx, { action: telling.action, ...event }, now)
  const data = { connection: id, name, ...about }
  await postEvent(tx, organizationId, { event: telling.event, data }, now)
  const mail = { origin, organization, slug, connectionId: id, connection: name, ...about }
  for (const to of await administratorsAddresses(tx, organizationId))
    await sendMail(tx, telling.mail, to, mail)
}
