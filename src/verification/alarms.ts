import { recordEvent } from '../accounts/audit.ts'
import { administratorsAddresses } from '../accounts/owners.ts'
import { postEvent } from '../accounts/webhooks.ts'
import type { Db } from '../db/open.ts'
import { useOnce } from '../db/used-once.ts'
import { days, later } from '../lib/clock.ts'
import type { Outbox } from '../mails/outbox.ts'

/** What administrators are told of, each kind once for as long as it lasts. */
export type Trouble = 'outage' | 'misconfigured' | 'brake' | 'signals'

/** Trouble of one connection, and since when: that names it. */
export interface Alarm {
  readonly connectionId: string
  readonly organizationId: string
  readonly what: Trouble
  readonly since: Date
}

interface AlarmServices {
  readonly sendMail: Outbox
  readonly origin: string
}

const kind = 'alarm'

/** Tells the administrators of trouble, once. */
export async function alarm(
  tx: Db,
  services: AlarmServices,
  told: Alarm,
  now: Date,
): Promise<void> {
  if (await useOnce(tx, entry(told, now))) await tell(tx, services, told, 'begun', now)
}

/** Tells the administrators that trouble is over, where they were told of it. */
export async function allClear(
  tx: Db,
  services: AlarmServices,
  told: Alarm,
  now: Date,
): Promise<void> {
  const { scope, id } = entry(told, now)
  const alarmed = await tx
    .selectFrom('used_once')
    .select('id')
    .where('kind', '=', kind)
    .where('scope', '=', scope)
    .where('id', '=', id)
    .executeTakeFirst()
  if (alarmed && (await useOnce(tx, { ...entry(told, now), kind: 'all-clear' })))
    await tell(tx, services, told, 'over', now)
}

function entry({ connectionId, what, since }: Alarm, now: Date) {
  const id = `${what} ${since.toISOString()}`
  return { kind, scope: connectionId, id, until: later(now, days(400)) }
}

async function tell(
  tx: Db,
  { sendMail, origin }: AlarmServices,
  { connectionId, organizationId, what, since }: Alarm,
  how: 'begun' | 'over',
  now: Date,
): Promise<void> {
  const action = how === 'begun' ? 'verification.alarm' : 'verification.all_clear'
  await recordEvent(tx, { action, organizationId, target: connectionId, data: { what } }, now)
  const { connection, organization, slug } = await tx
    .selectFrom('connections')
    .innerJoin('organizations', 'organizations.id', 'connections.organization_id')
    .select([
      'connections.name as connection',
      'organizations.name as organization',
      'organizations.slug',
    ])
    .where('connections.id', '=', connectionId)
    .executeTakeFirstOrThrow()
  const page = `${origin}/organizations/${slug}/health`
  const about = { origin, organization, connection, what, how, since: since.toISOString(), page }
  for (const to of await administratorsAddresses(tx, organizationId))
    await sendMail(tx, 'connection_alarm', to, about)
  const event = `${what}.${how === 'begun' ? 'began' : 'ended'}` as const
  const data = { connection: connectionId, name: connection, since: about.since, page }
  await postEvent(tx, organizationId, { event, data }, now)
}
