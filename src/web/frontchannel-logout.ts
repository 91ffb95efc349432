import { recordEvent } from '../accounts/audit.ts'
import { findConnection, type Connection } from '../accounts/connections.ts'
import { endFramed } from '../flows/frontchannel-logout.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { policyFramedBy } from '../http/headers.ts'
import { AppError } from '../lib/errors.ts'
import { clearCookie } from '../sessions/cookies.ts'
import { html, page } from './page.ts'

/**
 * `GET /sso/:connection/frontchannel-logout`: a provider's page, in a frame, says that its session is over (OpenID Connect
 * Front-Channel Logout 1.0 §2). It ends what this browser proves through that connection, if issuer and session are those
 * it was proven under; otherwise nothing. Off unless an administrator has switched it on.
 */
export const frontchannelLogout: Endpoint = async (exchange) => {
  const { services, params, asker, requestId } = exchange
  const connection = await findConnection(services.db, params['connection'] ?? '')
  if (!connection?.frontchannelLogout)
    throw new AppError('not_found', { reason: 'no_frontchannel_logout' })
  const { frames } = await services.provider(connection.id)
  if (!frames) throw new AppError('not_found', { reason: 'no_frontchannel_logout' })
  const { issuer, origins } = await frames()
  const { iss, sid } = onceEach(exchange.url.searchParams)
  if (iss !== issuer || sid === undefined) return refuse(exchange, connection, 'iss or sid')
  if (!asker.session) return refuse(exchange, connection, 'no session')
  const over = { issuer, session: sid }
  const now = services.clock.now()
  const ended = await endFramed(services, connection, asker.session.id, over, requestId, now)
  if (ended.sessions + ended.proofs === 0) return refuse(exchange, connection, 'another session')
  const response = await page(
    { title: 'Signed out', headers: { 'content-security-policy': policyFramedBy(origins) } },
    html`<h1>You are signed out</h1>`,
  )
  if (ended.sessions > 0)
    response.headers.append('set-cookie', clearCookie(services.cookies, 'session'))
  return response
}

/** A parameter that comes twice is none: two readers could mean different ones. */
function onceEach(query: URLSearchParams): { iss: string | undefined; sid: string | undefined } {
  const only = (name: string) => {
    const [value, ...more] = query.getAll(name)
    return more.length === 0 ? value : undefined
  }
  return { iss: only('iss'), sid: only('sid') }
}

/** Anybody can have a browser ask this: the same refusal is told once in a while. */
async function refuse(
  { services: { db, quiet, clock }, requestId }: Exchange,
  { id, organization }: Connection,
  reason: string,
): Promise<never> {
  const key = `frontchannel.logout_refused ${id} ${reason}`
  const event = { organizationId: organization.id, target: id, data: { reason }, requestId }
  if (!quiet.has(key)) {
    quiet.set(key, true)
    await recordEvent(
      db,
      { action: 'frontchannel.logout_refused', outcome: 'deny', ...event },
      clock.now(),
    )
  }
  throw new AppError('invalid_request', { reason: `frontchannel: ${reason}` })
}
