import { readDatabaseTime } from '../db/open.ts'
import type { Endpoint } from '../http/exchange.ts'
import { aheadOf, isSkewed } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'

/** `GET /healthz`: the process is alive. */
export const healthz: Endpoint = () => Response.json({ status: 'ok' })

/**
 * `GET /readyz`: the process can answer for sessions, because the database answers it, and what it writes into logs
 * and tokens bears a time that others agree on.
 */
export const readyz: Endpoint = async ({ services }) => {
  const skew = aheadOf(await readDatabaseTime(services.db))
  if (isSkewed(skew)) {
    services.log.error({ skewMs: skew }, 'not ready: this machine’s clock is off the database’s')
    throw new AppError('temporarily_unavailable', { reason: 'clock_skew' })
  }
  return Response.json({ status: 'ready' })
}

/** `GET /version`: which Sallyport this is. */
export const version: Endpoint = ({ services }) => Response.json({ version: services.version })
