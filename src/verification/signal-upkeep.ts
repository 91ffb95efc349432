import { findConnection, type Connection } from '../accounts/connections.ts'
import {
  awaitVerification,
  findStream,
  leaseStreams,
  readStreamAccess,
  setStreamDue,
  type SignalStream,
} from '../accounts/signal-streams.ts'
import { hours, later, minutes, seconds } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { randomToken } from '../lib/secrets.ts'
import type { RefusedSet } from '../providers/security-event.ts'
import {
  askStreamStatus,
  discoverTransmitter,
  pollEvents,
  requestVerification,
} from '../providers/transmitter.ts'
import { changeStatus, receiveSignal, type SignalServices } from './signals.ts'
import { noteStreamTrouble } from './signal-trouble.ts'

/** How often a stream is polled; what is refused here lasts no longer than this and the provider take. */
const pollEvery = seconds(15)

/** How often a stream that pushes is looked at: asked how it stands, and for an event that shows that it works. */
const lookEvery = hours(24)

/** A stream that does not work is looked at again after so long. */
const lookAgain = minutes(5)

/** After so long without an answer administrators are told. */
const patience = minutes(10)

/** How long a verification event may take before the stream counts as silent. */
export const verifiedWithin: number = minutes(10)

/** No stream is worked on for longer than this. */
const leaseFor = minutes(2)

const [mostStreams, mostEvents, mostRounds, longestSet] = [20, 50, 40, 16 * 1024]

/** Polls the streams that are polled, and sees after those that push; each when it is due. */
export async function keepStreamsUp(
  services: SignalServices,
  now: Date,
  signal?: AbortSignal,
): Promise<void> {
  const until = later(now, leaseFor)
  let streams: readonly SignalStream[]
  do {
    streams = await leaseStreams(services.db, { now, until, most: mostStreams })
    await Promise.all(streams.map((stream) => keepUp(services, stream, signal)))
  } while (streams.length === mostStreams && !signal?.aborted)
}

async function keepUp(
  services: SignalServices,
  stream: SignalStream,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { db, clock } = services
  const connection = await findConnection(db, stream.connectionId)
  if (!connection) return
  const trouble = await work(services, connection, stream, signal)
  const now = clock.now()
  await db.transaction().execute(async (tx) => {
    const current = await findStream(tx, connection.id)
    if (!current) return
    const awaiting = current.awaitedSince !== null
    const silent = awaiting && isSilent(stream, now) ? 'no verification event came' : null
    const reason = trouble ?? silent
    // What the transmitter itself has said stands until it says otherwise.
    if (current.status === 'enabled' && (reason || !awaiting))
      await noteStreamTrouble(tx, services, connection, { reason, patience }, now)
    const since = (reason && current.failingSince) || now
    await setStreamDue(tx, connection.id, later(now, pauseOf(current, reason, since, now)))
  })
}

/** Whether the event that was asked for should have been here long ago. */
function isSilent({ awaitedSince }: SignalStream, now: Date): boolean {
  return awaitedSince !== null && later(awaitedSince, verifiedWithin) <= now
}

/** The longer a stream has not worked, the later it is tried again. */
function pauseOf(
  { delivery, awaitedSince, verifiedAt }: SignalStream,
  reason: string | null,
  since: Date,
  now: Date,
): number {
  if (delivery === 'poll')
    return reason
      ? Math.min(lookAgain, Math.max(pollEvery, (now.getTime() - since.getTime()) / 2))
      : pollEvery
  return reason || awaitedSince !== null || verifiedAt === null ? lookAgain : lookEvery
}

/** Does what is due, and answers why it could not be done. */
async function work(
  services: SignalServices,
  connection: Connection,
  stream: SignalStream,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  try {
    const now = services.clock.now()
    const due = stream.verifiedAt === null || later(stream.verifiedAt, lookEvery) <= now
    const asked = stream.awaitedSince !== null && !isSilent(stream, now)
    if (due && !asked) await verifyStream(services, connection, stream)
    if (stream.delivery === 'poll') await pollStream(services, connection, stream, signal)
    return null
  } catch (thrown) {
    if (!(thrown instanceof AppError)) throw thrown
    services.log.warn({ connectionId: connection.id, reason: thrown.reason }, 'shared signals')
    return thrown.reason
  }
}

/**
 * Asks how a stream stands, and for the event that shows that it works.
 * @throws AppError `sso_failed`, `sso_unavailable`
 */
export async function verifyStream(
  services: SignalServices,
  connection: Connection,
  { issuer, streamId }: SignalStream,
): Promise<void> {
  const { db, sealer, clock } = services
  const context = { ...services, connectionId: connection.id }
  const transmitter = await discoverTransmitter(issuer, context)
  const access = await readStreamAccess(db, sealer, connection.id)
  if (!access) throw new AppError('changed_meanwhile', { reason: 'no_stream' })
  const status = await askStreamStatus(transmitter, access, streamId, context)
  if (status)
    await db
      .transaction()
      .execute((tx) => changeStatus(tx, services, connection, status, clock.now()))
  if (transmitter.verification_endpoint === undefined) return
  // The event may be here before the request for it is answered.
  const state = randomToken()
  await awaitVerification(db, connection.id, state, clock.now())
  await requestVerification(transmitter, access, { streamId, state }, context)
}

/**
 * Fetches what has happened. An event is acknowledged once what it says holds on every node, and not before.
 * @throws AppError `sso_failed`, `sso_unavailable`
 */
export async function pollStream(
  services: SignalServices,
  connection: Connection,
  stream: SignalStream,
  signal?: AbortSignal,
): Promise<void> {
  const context = { ...services, connectionId: connection.id }
  const access = await readStreamAccess(services.db, services.sealer, connection.id)
  if (access?.pollEndpoint === undefined) return
  let acknowledged: string[] = []
  let refused: Record<string, RefusedSet> = Object.create(null)
  for (let round = 0; round < mostRounds && !signal?.aborted; round++) {
    const request = { acknowledged, refused, most: mostEvents }
    const { sets } = await pollEvents(access.pollEndpoint, access, request, context)
    acknowledged = []
    refused = Object.create(null)
    // One after the other: of two about one person, the order counts.
    for (const [name, token] of sets) {
      const problem = await takePolled(services, connection, stream, token)
      if (problem) refused[name] = problem
      else acknowledged.push(name)
    }
    if (sets.size === 0) return
  }
}

function takePolled(
  services: SignalServices,
  connection: Connection,
  stream: SignalStream,
  token: string,
): Promise<RefusedSet | undefined> {
  if (token.length > longestSet)
    return Promise.resolve({ err: 'invalid_request', reason: 'set_invalid: too long' })
  return receiveSignal(services, connection, stream, token)
}
