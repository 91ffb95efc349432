import type { Connection } from '../accounts/connections.ts'
import { useOnce } from '../db/used-once.ts'
import { AppError, toAppError } from '../lib/errors.ts'
import { later, minutes } from '../lib/clock.ts'
import type { Provider, Received } from '../providers/provider.ts'
import { recordDeadEnd } from './attempts.ts'
import { redirectUriOf, type LoginData, type LoginServices } from './login.ts'
import { consumeFlow, readAwaiting, saveFlow, type StoredFlow } from './store.ts'
import type { TestData } from './test-sign-in.ts'
import { assertUsable } from './through-connection.ts'

/** A message that a provider had a browser post to a connection. No cookie came along: whose browser it is, is unknown. */
export interface PostedMessage {
  readonly connection: Connection
  readonly form: Readonly<Record<string, string>>
  /** The flow it says it belongs to. */
  readonly handle: string | undefined
  /** Where the browser is, if that is known. */
  readonly address: string | undefined
  readonly requestId: string
}

/** What came of it. `awaited`: the flow goes on where the browser's cookie comes along. `unsolicited`: nobody had begun. */
export type Delivery = 'awaited' | 'unsolicited'

/** What flows through a connection have in common while they wait for the provider. */
type Waiting = Pick<LoginData, 'remembered' | 'received'>

/**
 * Judges a posted message and keeps what it says in the flow that waits for it. Nothing is opened, raised or linked
 * here: the flow goes on only in the browser that began it. A message counts once, ever.
 * @throws AppError `sso_failed`, `sso_denied`, `flow_invalid`, `provider_disabled`, `not_found`
 */
export async function receiveMessage(
  services: LoginServices,
  posted: PostedMessage,
): Promise<Delivery> {
  const { connection, handle } = posted
  const flow = await readAwaiting<Waiting>(services, handle, connection, services.clock.now())
  // Whatever is posted after the end: the callback tells the right browser how it ended, and any other nothing.
  if (flow === 'over') return 'awaited'
  const testing = flow?.kind === 'test'
  if (!testing) assertUsable(connection)
  const provider = await services.provider(connection.id, flow?.bound?.configVersion)
  if (!provider.receive) throw new AppError('not_found', { reason: 'nothing_posted_here' })
  const receive = provider.receive.bind(provider)
  if (!flow) return receiveUnasked(services, posted, receive)
  if (!flow.data.remembered) throw new AppError('flow_invalid', { reason: 'step_mismatch' })
  const received = await receive({
    form: posted.form,
    redirectUri: redirectUriOf(services.origin, connection.id),
    remember: flow.data.remembered,
    address: posted.address,
  }).catch((thrown) => tellRefused(services, posted, flow, thrown))
  if (!received) return 'awaited'
  if (!(await keep(services, posted, flow, received))) await assertSame(services, posted, received)
  return 'awaited'
}

/**
 * Tells the organization's administrators of a message that was refused. Where it is one of them who tests, they are
 * shown it; everybody else may try again until the sign-in runs out.
 */
async function tellRefused(
  { db, clock }: LoginServices,
  { handle, requestId }: PostedMessage,
  { id, kind, data }: StoredFlow<Waiting>,
  thrown: unknown,
): Promise<undefined> {
  if (!(thrown instanceof AppError)) throw thrown
  const { code, reason } = thrown
  await recordDeadEnd(db, handle ?? null, { requestId, reason, at: clock.now() })
  if (kind !== 'test') throw thrown
  const shownAt = `${(data as TestData).by.back}?state=${handle}`
  const outcome = { kind: 'refused', code, reason, reference: requestId, shownAt } as const
  await consumeFlow(db, id, outcome, clock.now())
  return undefined
}

/**
 * A message that nobody has asked for signs nobody in: a browser could be made to post one, and would then be at work as
 * somebody else. It is only believed that the provider knows this browser, so that a sign-in can be offered.
 */
async function receiveUnasked(
  services: LoginServices,
  { connection, form, address }: PostedMessage,
  receive: NonNullable<Provider['receive']>,
): Promise<Delivery> {
  const redirectUri = redirectUriOf(services.origin, connection.id)
  const unsolicited = connection.idpInitiated
  const received = await receive({ form, redirectUri, address, unsolicited }).catch(unasked)
  if (!(await use(services, connection, received)))
    throw new AppError('sso_failed', { reason: 'unasked: saml_replay' })
  return 'unsolicited'
}

/** Anybody can send such a thing at any time, so its reason says so. */
function unasked(thrown: unknown): never {
  const { code, reason } = toAppError(thrown)
  if (!(thrown instanceof AppError) || reason === 'saml_unsolicited') throw thrown
  throw new AppError(code, { reason: `unasked: ${reason}`, cause: thrown })
}

/** Uses the message up and puts what it said into the flow, both or neither. Answers whether this call was the one. */
async function keep(
  services: LoginServices,
  { connection }: PostedMessage,
  flow: StoredFlow<Waiting>,
  received: Received,
): Promise<boolean> {
  if (flow.data.received !== undefined) return false
  return services.db.transaction().execute(async (tx) => {
    if (!(await use({ ...services, db: tx }, connection, received))) return false
    const data = { ...flow.data, remembered: received.remember, received: received.once.id }
    const saved = await saveFlow({ ...services, db: tx }, flow, data)
    if (!saved) throw new AppError('flow_invalid', { reason: 'consumed' })
    return true
  })
}

function use(
  { db }: Pick<LoginServices, 'db'>,
  { id: scope }: Connection,
  { once: { id, until } }: Received,
): Promise<boolean> {
  // A little longer than it is good for: another node's clock may be behind.
  return useOnce(db, { kind: 'saml-assertion', scope, id, until: later(until, minutes(5)) })
}

/** The same message twice for the same flow is a browser's reload; any other is a replay. */
async function assertSame(
  services: LoginServices,
  { handle, connection }: PostedMessage,
  { once }: Received,
): Promise<void> {
  const flow = await readAwaiting<Waiting>(services, handle, connection, services.clock.now())
  if (flow === 'over' || flow?.data.received === once.id) return
  throw new AppError('sso_failed', { reason: 'saml_replay' })
}
