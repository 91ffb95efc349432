import { createHash } from 'node:crypto'
import { seconds, type Clock } from '../lib/clock.ts'
import { AppError, toAppError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { isUnavailable } from '../db/open.ts'
import { recordAttempt, type AttemptKind, type TraceLine } from './attempts.ts'
import {
  claimFlow,
  consumeFlow,
  readOutcome,
  saveFlow,
  type Bound,
  type FlowOutcome,
  type FlowServices,
  type StoredFlow,
} from './store.ts'

/**
 * One step of a flow. Steps never name one another: what comes next is read off the data.
 * `Turn` is what one request brings; `Answer` is what a flow tells the browser.
 */
export interface Step<Data, Turn, Answer> {
  readonly name: string
  /** Moves when what the step leaves in the data changes meaning; flows under way then start again. */
  readonly version: number
  /** Speaks to the outside in a way that must not happen twice: one request of the flow may run it, ever. */
  readonly once?: boolean
  /** Whether `data` already holds what this step is there to find out. */
  done(data: Data): boolean
  /** Moves the data forward; with an `answer`, rests until the browser comes back. */
  run(data: Data, turn: Turn): Promise<{ readonly data: Data; readonly answer?: Answer }>
}

/** A kind of flow: its steps in order, and what is done when none is left. */
export interface FlowKind<Data, Turn, Answer> {
  readonly steps: readonly Step<Data, Turn, Answer>[]
  finish(flow: StoredFlow<Data>, turn: Turn): Promise<Answer>
  /** What the organization's administrators are told of it. @default nothing: no organization is involved */
  readonly told?: Told<Data, Turn>
}

/** How a flow is told to administrators: which step went how, without secrets or anybody's address. */
export interface Told<Data, Turn> {
  /** What it is called. */
  kind(data: Data): AttemptKind
  requestId(turn: Turn): string
  /** What each step left behind. */
  lines(data: Data): readonly TraceLine[]
}

/** How a flow that is over answers, first time and every time after. */
export interface Ended {
  readonly kind: 'ended'
  readonly outcome: FlowOutcome
}

/**
 * What a flow was started under. Another organization, connection, configuration or list of steps gives another
 * signature, and a flow whose signature no longer fits starts again instead of running a wrong step.
 */
export function signatureOf(
  kind: string,
  steps: readonly { readonly name: string; readonly version: number }[],
  bound: Bound | null,
): string {
  const text = [
    kind,
    bound?.organizationId,
    bound?.connectionId,
    bound?.configVersion,
    ...steps.map(({ name, version }) => `${name}@${version}`),
  ]
  return createHash('sha256').update(JSON.stringify(text)).digest('base64url')
}

/**
 * Runs a flow from wherever it stands until it rests or ends. Starting, and resuming after the provider's redirect,
 * are this same call.
 */
export async function dispatch<Data, Turn, Answer>(
  services: DispatchServices,
  kind: FlowKind<Data, Turn, Answer>,
  started: StoredFlow<Data>,
  turn: Turn,
): Promise<Answer | Ended> {
  const { steps, finish, told } = kind
  const tell = (step: string, reason?: string) =>
    told && tellAttempt(services, told, { flow, turn, step, reason })
  let flow = started
  let at = 'finish'
  try {
    for (;;) {
      const step = steps.find(({ done }) => !done(flow.data))
      at = step?.name ?? 'finish'
      if (!step) {
        const answer = await finish(flow, turn)
        await tell(at)
        return answer
      }
      if (step.once) {
        const claimed = await claimFlow(services.db, flow, services.clock.now())
        if (!claimed) return await winnersOutcome(services, flow.id)
        flow = claimed
      }
      const { data, answer } = await step.run(flow.data, turn)
      // What can be found out again is not worth a write: whoever comes back before the end finds it out again.
      if (answer || step.once) {
        const saved = await saveFlow(services, flow, data)
        if (!saved) return await winnersOutcome(services, flow.id)
        flow = saved
      } else flow = { ...flow, data }
      if (answer) return answer
      if (!step.done(data)) throw new Error(`Step "${step.name}" neither finished nor answered`)
    }
  } catch (thrown) {
    if (isUnavailable(thrown)) throw thrown
    // Another request of the same flow was at its end first: what stood in our way is what it did.
    const outcome = await readOutcome(services.db, flow.id)
    if (outcome) return { kind: 'ended', outcome }
    await tell(at, toAppError(thrown).reason)
    if (!flow.claimed) throw thrown
    return await refuse(services, flow, thrown, told?.requestId(turn))
  }
}

type DispatchServices = FlowServices & { readonly clock: Clock; readonly log: Log }

/** Writes down how a flow went. Nobody is kept from anything because that fails. */
async function tellAttempt<Data, Turn>(
  { db, clock, log }: DispatchServices,
  { kind, requestId, lines }: Told<Data, Turn>,
  {
    flow,
    turn,
    step,
    reason,
  }: { flow: StoredFlow<Data>; turn: Turn; step: string; reason: string | undefined },
): Promise<void> {
  if (!flow.bound) return
  const { organizationId, connectionId } = flow.bound
  const end = reason === undefined ? 'Done.' : `Refused: ${reason}`
  const attempt = {
    id: requestId(turn),
    kind: kind(flow.data),
    outcome: reason === undefined ? ('ok' as const) : ('refused' as const),
    organizationId,
    connectionId,
    flowId: flow.id,
    reason,
    trace: [...lines(flow.data), { step, what: end }],
    at: clock.now(),
  }
  try {
    await recordAttempt(db, attempt)
  } catch (err) {
    log.error({ err, flow: flow.id }, 'how a sign-in went could not be written down')
  }
}

/** A flow that has spoken to the provider cannot be tried again: the refusal is its outcome. */
async function refuse(
  { db, clock, log }: DispatchServices,
  flow: StoredFlow<unknown>,
  thrown: unknown,
  reference: string | undefined,
): Promise<Ended> {
  const { code, reason } = toAppError(thrown)
  if (code === 'internal_error')
    log.error({ err: thrown, flow: flow.id }, 'a sign-in failed on our side')
  else log.info({ err: thrown, flow: flow.id }, 'a sign-in was refused')
  const outcome = { kind: 'refused', code, reason, reference } as const
  await consumeFlow(db, flow.id, outcome, clock.now())
  return { kind: 'ended', outcome }
}

const pollEvery = 50
/** As long as the one request that speaks to the provider can take, and a little more. */
const patience = seconds(15)

/** Another request of the same flow is ahead: its outcome is ours. */
async function winnersOutcome({ db }: FlowServices, id: string): Promise<Ended> {
  const until = performance.now() + patience
  while (performance.now() < until) {
    const outcome = await readOutcome(db, id)
    if (outcome) return { kind: 'ended', outcome }
    await new Promise((resolve) => setTimeout(resolve, pollEvery))
  }
  throw new AppError('flow_invalid', { reason: 'abandoned' })
}
