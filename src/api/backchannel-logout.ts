import { findConnection } from '../accounts/connections.ts'
import { countUse } from '../db/limits.ts'
import { endByProvider } from '../flows/backchannel-logout.ts'
import type { Endpoint } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'

/** The largest posted form, in bytes. */
export const logoutTokenLimit: number = 16 * 1024

/**
 * `POST /sso/:connection/backchannel-logout`: a provider says that sessions of its own are over (OpenID Connect
 * Back-Channel Logout 1.0 §2.5). 200 when none of ours rests on them any more, on any node; also where there was none.
 */
export const backchannelLogout: Endpoint = async ({ services, params, form, requestId }) => {
  const connection = await findConnection(services.db, params['connection'] ?? '')
  if (!connection) throw new AppError('not_found', { reason: 'unknown_connection' })
  await countUse(services.db, 'logouts_of_connection', connection.id, services.clock.now())
  const { readLogout } = await services.provider(connection.id)
  if (!readLogout) throw new AppError('not_found', { reason: 'no_logout_tokens' })
  const token = form['logout_token']
  if (!token) throw new AppError('invalid_request', { reason: 'no_logout_token' })
  const logout = await readLogout(token).catch((thrown: unknown) => {
    if (!(thrown instanceof AppError) || thrown.code !== 'sso_failed') throw thrown
    throw new AppError('invalid_request', { reason: thrown.reason, cause: thrown })
  })
  await endByProvider(services, connection, logout, requestId)
  return new Response(null, { status: 200 })
}
