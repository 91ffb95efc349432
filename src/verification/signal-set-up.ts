import { recordEvent } from '../accounts/audit.ts'
import type { Connection } from '../accounts/connections.ts'
import {
  dropStream,
  findStream,
  keepStream,
  readStreamAccess,
  type SignalStream,
} from '../accounts/signal-streams.ts'
import { enableAll } from '../accounts/signalled.ts'
import { AppError } from '../lib/errors.ts'
import { randomToken } from '../lib/secrets.ts'
import { requestedEvents } from '../providers/signal-events.ts'
import {
  createStream,
  deleteStream,
  deliveryMethods,
  discoverTransmitter,
  type Delivery,
} from '../providers/transmitter.ts'
import type { Actor } from '../sessions/revoke.ts'
import { pollStream, verifyStream } from './signal-upkeep.ts'
import { purgedBy, type SignalServices } from './signals.ts'

/** What an administrator enters. */
export interface StreamAnswers {
  /** The transmitter's issuer. */
  readonly issuer: string
  /** An access token, or the whole value of an `Authorization` header. */
  readonly accessToken: string
  readonly delivery: Delivery
}

/** Where a connection's events are pushed to. */
export function pushEndpointOf(origin: string, connectionId: string): string {
  return `${origin}/ssf/${connectionId}`
}

/**
 * Sets a stream up at a transmitter, keeps it, and asks for the event that shows that it works.
 * @throws AppError `config_rejected` with the member `problems`; then nothing is kept
 */
export async function setUpStream(
  services: SignalServices,
  connection: Connection,
  { issuer, accessToken, delivery }: StreamAnswers,
  actor: Actor,
): Promise<void> {
  const { db, sealer, clock, origin } = services
  if (await findStream(db, connection.id))
    throw new AppError('changed_meanwhile', { reason: 'stream_exists' })
  const context = { ...services, connectionId: connection.id }
  const authorization = readAuthorization(accessToken)
  // In another shape than any token of ours that could be mistaken for a session's.
  const pushAuthorization = delivery === 'push' ? `Bearer ssf_${randomToken()}` : undefined
  const push = pushAuthorization && {
    endpoint: pushEndpointOf(origin, connection.id),
    authorization: pushAuthorization,
  }
  const stream = await inWords(async () => {
    const transmitter = await discoverTransmitter(issuer, context)
    const offered = transmitter.delivery_methods_supported
    if (offered && !offered.includes(deliveryMethods[delivery])) throw rejected('delivery')
    const wanted = { events: requestedEvents, ...(push && { push }) }
    return createStream(transmitter, { authorization }, wanted, context)
  })
  const { streamId, audience, pollEndpoint } = stream
  const now = clock.now()
  await db.transaction().execute(async (tx) => {
    const access = { authorization, pollEndpoint }
    const kept = { connectionId: connection.id, issuer, streamId, audience, access }
    await keepStream(tx, sealer, { ...kept, pushAuthorization }, now)
    const event = { organizationId: connection.organization.id, target: connection.id }
    const by = { actorId: actor.userId, requestId: actor.requestId }
    await recordEvent(tx, { action: 'signals.set_up', ...event, ...by, data: { delivery } }, now)
  })
  // It stands whether or not that works yet; the page says so, and it is tried again.
  await checkStream(services, connection).catch((thrown: unknown) => {
    if (!(thrown instanceof AppError)) throw thrown
  })
}

/**
 * Asks for the event that shows that the stream works, and fetches it where events are polled.
 * @throws AppError `config_rejected` with the member `problems`
 */
export async function checkStream(services: SignalServices, connection: Connection): Promise<void> {
  const stream = await heldStream(services, connection)
  await inWords(async () => {
    await verifyStream(services, connection, stream)
    if (stream.delivery === 'poll') await pollStream(services, connection, stream)
  })
}

/**
 * Gives a connection's stream up. Whoever its signals keep out may sign in again where the provider lets them: nobody is
 * left to say that they may.
 * @returns whether the transmitter was told
 */
export async function removeStream(
  services: SignalServices,
  connection: Connection,
  actor: Actor,
): Promise<boolean> {
  const { db, sealer, clock, log } = services
  const { issuer, streamId } = await heldStream(services, connection)
  const access = await readStreamAccess(db, sealer, connection.id)
  const context = { ...services, connectionId: connection.id }
  const told = await discoverTransmitter(issuer, context)
    .then((transmitter) => deleteStream(transmitter, access!, streamId, context))
    .then(
      () => true,
      (err) => {
        log.warn({ err, connectionId: connection.id }, 'a transmitter could not be told')
        return false
      },
    )
  const now = clock.now()
  await db.transaction().execute(async (tx) => {
    if (!(await dropStream(tx, connection.id))) return
    const enabled = await enableAll(tx, connection.id, purgedBy)
    const event = { organizationId: connection.organization.id, target: connection.id }
    const by = { actorId: actor.userId, requestId: actor.requestId }
    const data = { told, enabled }
    await recordEvent(tx, { action: 'signals.removed', ...event, ...by, data }, now)
  })
  return told
}

async function heldStream({ db }: SignalServices, { id }: Connection): Promise<SignalStream> {
  const stream = await findStream(db, id)
  if (!stream) throw new AppError('changed_meanwhile', { reason: 'no_stream' })
  return stream
}

/** A bare token is a bearer token (RFC 6750 §2.1); anything with a space is taken as it is. */
function readAuthorization(given: string): string {
  const value = given.trim()
  if (value === '' || value.length > 4096 || !/^[\x20-\x7e]+$/.test(value)) throw rejected('token')
  return value.includes(' ') ? value : `Bearer ${value}`
}

/** What can be wrong, for whoever set it up. */
const problems = {
  token: 'The access token cannot be one: it has characters that no header can carry, or none.',
  delivery: 'The transmitter does not deliver events in this way. Choose the other one.',
  refused:
    'The transmitter did not do as asked. Look at its address and the access token; some allow one stream only: remove it there first.',
  unavailable: 'The transmitter does not answer. Try again in a while.',
} as const

function rejected(what: keyof typeof problems, cause?: AppError): AppError {
  const reason = cause?.reason ?? `signals_${what}`
  return new AppError('config_rejected', { reason, cause, members: { problems: [problems[what]] } })
}

/** One sentence whatever the reason, so that setting up says nothing about hosts behind us. */
async function inWords<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (thrown) {
    if (!(thrown instanceof AppError)) throw thrown
    if (thrown.code === 'sso_failed') throw rejected('refused', thrown)
    if (thrown.code === 'sso_unavailable') throw rejected('unavailable', thrown)
    throw thrown
  }
}
