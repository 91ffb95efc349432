import ipaddr from 'ipaddr.js'
import { sql } from 'kysely'
import { hours, minutes } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { hashToken } from '../lib/secrets.ts'
import { prepared, type Db } from './open.ts'

/** How much of something is let through, over all nodes together. */
interface Limit {
  readonly most: number
  /** In milliseconds; counting begins with the first. */
  readonly per: number
}

/** Every limit there is. */
export const limits = {
  guests_of_address: { most: 10, per: minutes(1) },
  guests: { most: 600, per: minutes(1) },
  mails_to_address: { most: 3, per: minutes(10) },
  mails_of_client: { most: 10, per: minutes(10) },
  passkeys_of_client: { most: 60, per: minutes(10) },
  recoveries_of_person: { most: 5, per: minutes(10) },
  recoveries_of_client: { most: 20, per: minutes(10) },
  domain_checks: { most: 30, per: minutes(10) },
  checks_of_connection: { most: 60, per: minutes(10) },
  webhook_tests: { most: 10, per: minutes(10) },
  organizations_looked_for: { most: 60, per: minutes(10) },
  set_up_of_client: { most: 30, per: minutes(10) },
  set_up_checks: { most: 20, per: minutes(10) },
  mails: { most: 2000, per: hours(1) },
  logouts_of_connection: { most: 1200, per: minutes(1) },
  signals_of_connection: { most: 6000, per: minutes(1) },
  invitations_of_organization: { most: 200, per: hours(1) },
  scim_of_connection: { most: 3000, per: minutes(1) },
  scim_refused_of_client: { most: 60, per: minutes(10) },
  organizations_of_person: { most: 5, per: hours(24) },
} as const satisfies Record<string, Limit>

export type LimitName = keyof typeof limits

/**
 * Counts one use, in one statement, so that of any number at once exactly as many pass as may.
 * @param key whom it counts: an address from {@link clientKey}, or anything else, which is stored hashed
 * @throws AppError `rate_limited` with `Retry-After`
 */
export async function countUse(db: Db, name: LimitName, key: string, now: Date): Promise<void> {
  const { most, per } = limits[name]
  const row = `${name} ${hashToken(key).toString('base64url')}`
  const { rows } = await sql<{ used: number; until: Date }>`${prepared('count_use')}
    insert into rate_limits as l (key, used, until)
    values (${row}, 1, ${now}::timestamptz + ${`${per} milliseconds`}::interval)
    on conflict (key) do update set
      used = case when l.until <= ${now} then 1 else least(l.used, ${most}::integer) + 1 end,
      until = case when l.until <= ${now} then excluded.until else l.until end
    returning used, until`.execute(db)
  const { used, until } = rows[0]!
  if (used <= most) return
  const wait = Math.max(1, Math.ceil((until.getTime() - now.getTime()) / 1000))
  throw new AppError('rate_limited', { reason: name, headers: { 'retry-after': String(wait) } })
}

/** What a client is counted as: its IPv4 address, or its IPv6 network (/64). Those nobody knows share one key. */
export function clientKey(address: string | undefined): string {
  if (!address || !ipaddr.isValid(address)) return 'unknown'
  const parsed = ipaddr.process(address)
  if (parsed.kind() === 'ipv4') return parsed.toString()
  return ipaddr.IPv6.networkAddressFromCIDR(`${parsed.toString()}/64`).toString()
}
