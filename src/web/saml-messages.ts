import { recordEvent } from '../accounts/audit.ts'
import { findConnection, readSettings, type Connection } from '../accounts/connections.ts'
import { hearProvider } from '../flows/provider-logout.ts'
import { redirectUriOf } from '../flows/login.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { publishFor } from '../providers/index.ts'
import { seeOther } from './page.ts'

/** `GET /sso/:connection/metadata`: what a connection's provider reads of us. It holds nothing that is not public. */
export const ownMetadata: Endpoint = async (exchange) => {
  const { services } = exchange
  const { id, kind } = await connectionOf(exchange)
  const settings = await readSettings(services.db, services.sealer, id)
  const published = publishFor(kind, settings, redirectUriOf(services.origin, id))
  if (!published) throw new AppError('not_found', { reason: 'no_metadata' })
  return new Response(published.body, { headers: { 'content-type': published.type } })
}

/** `GET /sso/:connection/slo`: a provider's message about signing out, in the query. */
export const hearByRedirect: Endpoint = (exchange) =>
  hear(exchange, { search: new URL(exchange.request.url).search })

/** `POST /sso/:connection/slo`: the same, in a form. */
export const hearByPost: Endpoint = (exchange) => hear(exchange, { form: exchange.form })

async function hear(
  exchange: Exchange,
  post: { readonly search: string } | { readonly form: Exchange['form'] },
): Promise<Response> {
  const { services, requestId } = exchange
  const connection = await connectionOf(exchange)
  const tell = (reason: string) => tellRefused(exchange, connection, reason)
  const { answer } = await hearProvider(services, connection, post, requestId, tell)
  return seeOther(answer?.href ?? '/logout/done')
}

/** Anybody can send such a message: the same refusal is told once in a while, and the log has it every time. */
async function tellRefused(
  { services, requestId }: Exchange,
  { id, organization }: Connection,
  reason: string,
): Promise<void> {
  const key = `saml.logout_refused ${id} ${reason}`
  if (services.quiet.has(key)) return
  services.quiet.set(key, true)
  const event = { organizationId: organization.id, target: id, data: { reason }, requestId }
  await recordEvent(
    services.db,
    { action: 'saml.logout_refused', outcome: 'deny', ...event },
    services.clock.now(),
  )
}

async function connectionOf({ services, params }: Exchange): Promise<Connection> {
  const connection = await findConnection(services.db, params['connection'] ?? '')
  if (!connection) throw new AppError('not_found', { reason: 'unknown_connection' })
  return connection
}
