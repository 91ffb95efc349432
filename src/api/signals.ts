import { findConnection } from '../accounts/connections.ts'
import { findStream, mayPush } from '../accounts/signal-streams.ts'
import { countUse } from '../db/limits.ts'
import { readBody } from '../http/body.ts'
import type { Endpoint } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import type { SetError } from '../providers/security-event.ts'
import { receiveSignal, tellRefused } from '../verification/signals.ts'

/** The largest event, in bytes. */
const eventLimit = 16 * 1024

/** What each refusal says; the reason is for the audit alone. */
const descriptions: Readonly<Record<SetError, string>> = {
  invalid_request: 'The event is not understood.',
  invalid_key: 'The signature cannot be verified with the keys published.',
  invalid_issuer: 'The event is not from the transmitter of this stream.',
  invalid_audience: 'The event is not for this stream.',
  invalid_state: 'The state is not the one that was asked for.',
  authentication_failed: 'The authorization is not the one that was agreed on.',
}

/**
 * `POST /ssf/:connection`: a transmitter pushes a security event (RFC 8935). 202 once what it says holds on every node.
 */
export const receiveSignals: Endpoint = async ({ services, params, request, requestId }) => {
  const { db, clock } = services
  const connection = await findConnection(db, params['connection'] ?? '')
  const stream = connection && (await findStream(db, connection.id))
  // As if it did not exist: who asks for it has not been told of it by a stream of ours.
  if (!connection || stream?.delivery !== 'push')
    throw new AppError('not_found', { reason: 'no_stream' })
  if (!(await mayPush(db, connection.id, request.headers.get('authorization')))) {
    const refused = { err: 'authentication_failed', reason: 'authorization' } as const
    await tellRefused(services, connection, refused, requestId)
    return refusal(refused.err)
  }
  await countUse(db, 'signals_of_connection', connection.id, clock.now())
  const token = await readBody(request, ['application/secevent+jwt'], eventLimit)
  const refused = await receiveSignal(services, connection, stream, token.trim(), requestId).catch(
    laterPlease,
  )
  return refused ? refusal(refused.err) : new Response(null, { status: 202 })
}

/** What cannot be verified now is to be sent again: nothing is known against it. */
function laterPlease(thrown: unknown): never {
  if (!(thrown instanceof AppError)) throw thrown
  if (thrown.code !== 'sso_failed' && thrown.code !== 'sso_unavailable') throw thrown
  const headers = { 'retry-after': '30' }
  throw new AppError('temporarily_unavailable', { reason: thrown.reason, cause: thrown, headers })
}

function refusal(err: SetError): Response {
  const status = err === 'authentication_failed' ? 401 : 400
  return new Response(JSON.stringify({ err, description: descriptions[err] }), {
    status,
    headers: { 'content-type': 'application/json', 'content-language': 'en' },
  })
}
