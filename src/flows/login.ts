import { recordEvent } from '../accounts/audit.ts'
import type { Connection } from '../accounts/connections.ts'
import { findIdentity } from '../accounts/identities.ts'
import { AppError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { hashToken } from '../lib/secrets.ts'
import { unsealProof, type ProofData } from '../providers/proof.ts'
import type { Provider, Remembered } from '../providers/provider.ts'
import { admitArrival, type Admitted, type AdmissionServices, type Visitor } from './admission.ts'
import { dispatch, signatureOf, type Ended, type FlowKind, type Step } from './flow.ts'
import { safeReturnTo } from './return-to.ts'
import { assertUsable, throughConnection } from './through-connection.ts'
import {
  loadFlow,
  startFlow,
  type Bound,
  type FlowServices,
  type LoadedFlow,
  type StoredFlow,
} from './store.ts'

/** What signing in takes. */
export interface LoginServices extends FlowServices, AdmissionServices {
  readonly log: Log
  /** Opens a connection's provider. */
  provider(connectionId: string): Promise<Provider>
}

/** What a sign-in remembers between two requests. */
export interface LoginData {
  readonly returnTo: string
  readonly loginHint?: string | undefined
  /** What the provider wants back when the browser returns. */
  readonly remembered?: Remembered
  readonly proof?: ProofData
  /** `no`: nobody else is signed in here; `yes`: somebody was, and the person agreed to switch. */
  readonly switching?: 'no' | 'yes'
}

/** One request of a sign-in. */
export interface LoginTurn extends Visitor {
  readonly services: LoginServices
  readonly connection: Connection
  readonly handle: string
  /** The address the browser came back to, with what the provider put there. */
  readonly back?: URL
  /** Whether the person agreed to end the other person's session. */
  readonly agreed?: boolean
}

/** What a sign-in tells the browser. */
export type LoginAnswer =
  | { readonly kind: 'leave'; readonly to: URL }
  | { readonly kind: 'ask-switch'; readonly from: string; readonly to: string }
  | ({ readonly kind: 'signed-in' } & Admitted)

type LoginStep = Step<LoginData, LoginTurn, LoginAnswer>

const leave: LoginStep = {
  name: 'leave',
  version: 1,
  done: ({ remembered }) => remembered !== undefined,
  async run(data, { services, connection, handle }) {
    const provider = await services.provider(connection.id)
    const redirectUri = redirectUriOf(services.origin, connection.id)
    const { redirect, remember } = await provider.begin({
      redirectUri,
      handle,
      ...(data.loginHint && { loginHint: data.loginHint }),
    })
    return { data: { ...data, remembered: remember }, answer: { kind: 'leave', to: redirect } }
  },
}

const comeBack: LoginStep = {
  name: 'come-back',
  version: 1,
  once: true,
  done: ({ proof }) => proof !== undefined,
  async run(data, { services, connection, back }) {
    const provider = await services.provider(connection.id)
    const { ...proof } = await provider.complete(back!, data.remembered!)
    return { data: { ...data, proof } }
  },
}

const agreeToSwitch: LoginStep = {
  name: 'agree-to-switch',
  version: 1,
  done: ({ switching }) => switching !== undefined,
  async run(data, { services, asker, agreed }) {
    const identity = await findIdentity(services.db, data.proof!)
    const other = identity && asker.session && asker.session.person.id !== identity.userId
    if (!other || identity.owner !== 'active') return { data: { ...data, switching: 'no' } }
    if (agreed) return { data: { ...data, switching: 'yes' } }
    const from = asker.session!.person.name
    return {
      data,
      answer: {
        kind: 'ask-switch',
        from,
        to: data.proof!.claims.name ?? data.proof!.claims.email ?? 'somebody else',
      },
    }
  },
}

/** The steps of a sign-in, in order. */
export const loginFlow: FlowKind<LoginData, LoginTurn, LoginAnswer> = {
  steps: [leave, comeBack, agreeToSwitch],
  async finish(flow, turn) {
    const { returnTo, switching } = flow.data
    const proof = unsealProof(flow.data.proof!)
    const arrival = {
      flowId: flow.id,
      way: throughConnection(flow.bound!, proof, turn.requestId),
      visitor: turn,
      returnTo,
      agreedToSwitch: switching === 'yes',
    }
    return { kind: 'signed-in', ...(await admitArrival(turn.services, arrival)) }
  },
}

/** Begins a sign-in through a connection and says where to send the browser. */
export async function startLogin(
  turn: Omit<LoginTurn, 'handle'>,
  { returnTo, loginHint }: { returnTo: string | null; loginHint?: string | undefined },
): Promise<LoginAnswer | Ended> {
  const { services, connection, browser, requestId } = turn
  assertUsable(connection)
  const now = services.clock.now()
  const bound = {
    organizationId: connection.organization.id,
    connectionId: connection.id,
    configVersion: connection.configVersion,
  }
  const data: LoginData = { returnTo: safeReturnTo(returnTo, services.origin), loginHint }
  const signature = signatureOf('login', loginFlow.steps, bound)
  const { handle, flow } = await startFlow(
    services,
    { kind: 'login', bound, signature, browserHash: hashToken(browser), data },
    now,
  )
  await recordEvent(
    services.db,
    { action: 'flow.started', organizationId: bound.organizationId, target: flow.id, requestId },
    now,
  )
  return dispatch(services, loginFlow, flow, { ...turn, handle })
}

/** Finds the sign-in a browser came back to, and checks that it is this browser's and this connection's. */
export async function loadLogin(
  services: LoginServices,
  handle: string | null,
  { browser, connection }: { browser: string | null; connection: Connection },
): Promise<LoadedFlow<LoginData>> {
  const binding = {
    browser,
    kind: 'login',
    connectionId: connection.id,
    signature: (bound: Bound | null) =>
      signatureOf(
        'login',
        loginFlow.steps,
        bound && { ...bound, configVersion: connection.configVersion },
      ),
  } as const
  return loadFlow<LoginData>(services, handle, binding, services.clock.now())
}

/**
 * Goes on with a live sign-in.
 * @throws AppError `provider_disabled`; `flow_invalid` when the request does not bring what the flow waits for
 */
export async function continueLogin(
  flow: StoredFlow<LoginData>,
  turn: LoginTurn,
): Promise<LoginAnswer | Ended> {
  assertUsable(turn.connection)
  const awaitsReturn =
    flow.data.remembered !== undefined && flow.data.proof === undefined && !flow.claimed
  if (awaitsReturn && !turn.back) throw new AppError('flow_invalid', { reason: 'step_mismatch' })
  return dispatch(turn.services, loginFlow, flow, turn)
}

/** The redirect URI of a connection: its own, so that no provider's answer can reach another's. */
export function redirectUriOf(origin: string, connectionId: string): string {
  return `${origin}/sso/${connectionId}/callback`
}
