import type { Db } from '../db/open.ts'
import { purge, type Purge } from '../db/purge.ts'
import { days, later } from '../lib/clock.ts'
import { metrics } from '../lib/metrics.ts'
import type { Log } from '../lib/log.ts'
import { browserMaxAge } from '../sessions/cookies.ts'

/** How long what has ended is kept, in milliseconds. */
export interface Retention {
  /** Sessions, so that whoever still presents one is told why it ended. */
  readonly sessions: number
  /** Sign-ins, so that one that has ended answers as it ended. */
  readonly flows: number
}

/** Everything that goes when it is old. The audit is kept for ever. */
export const purges = {
  expired_sessions: {
    table: 'sessions',
    key: 'id',
    since: 'absolute_ends_at',
    keep: ({ sessions }) => sessions,
  },
  revoked_sessions: {
    table: 'sessions',
    key: 'id',
    since: 'revoked_at',
    keep: ({ sessions }) => sessions,
  },
  flows: { table: 'flows', key: 'id', since: 'absolute_ends_at', keep: ({ flows }) => flows },
  // As long as the browser keeps its cookie.
  known_browsers: {
    table: 'known_browsers',
    key: 'id',
    since: 'seen_at',
    keep: () => browserMaxAge * 1000,
  },
  rate_limits: { table: 'rate_limits', key: 'key', since: 'until', keep: () => 0 },
  // Where a row has no key of its own, its place says which it is while the statement runs.
  used_once: { table: 'used_once', key: 'ctid', since: 'until', keep: () => 0 },
  sso_exemptions: { table: 'sso_exemptions', key: 'ctid', since: 'until', keep: () => days(1) },
  invitations: { table: 'invitations', key: 'id', since: 'expires_at', keep: () => days(90) },
  setup_links: { table: 'setup_links', key: 'id', since: 'expires_at', keep: () => days(90) },
  connection_verdicts: {
    table: 'connection_verdicts',
    key: 'ctid',
    since: 'at',
    keep: () => days(90),
  },
  connection_lockouts: {
    table: 'connection_lockouts',
    key: 'id',
    since: 'at',
    keep: () => days(90),
  },
  webhook_deliveries: {
    table: 'webhook_deliveries',
    key: 'id',
    since: 'created_at',
    keep: () => days(30),
  },
  attempts: { table: 'attempts', key: 'id', since: 'at', keep: () => days(90) },
} as const satisfies Record<string, Purge & { keep(retention: Retention): number }>

/** How many rows of each kind went. */
export type Purged = Record<keyof typeof purges, number>

/**
 * Deletes what has been over for longer than it is kept. Whoever was cut off goes on the next time.
 * @param signal ends it after the batch under way
 */
export async function purgeOld(
  { db, log, retention }: { readonly db: Db; readonly log: Log; readonly retention: Retention },
  now: Date,
  signal?: AbortSignal,
): Promise<Purged> {
  const purged: Partial<Purged> = {}
  for (const [what, { keep, ...which }] of Object.entries(purges)) {
    const before = later(now, -keep(retention))
    purged[what as keyof Purged] = await purge(db, which, {
      before,
      ...(signal && { signal }),
      onBatch: (_, rows) => metrics.purged.add(rows, what),
    })
  }
  if (Object.values(purged).some((count) => count > 0))
    log.info({ purged }, 'old rows were deleted')
  return purged as Purged
}
