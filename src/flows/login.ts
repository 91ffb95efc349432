import { recordEvent } from '../accounts/audit.ts'
import { findConnection, type Connection } from '../accounts/connections.ts'
import { findIdentity, linkIdentity, markVerified, type Identity } from '../accounts/identities.ts'
import { addMember, markLinked } from '../accounts/organizations.ts'
import { createUser } from '../accounts/users.ts'
import { isDuplicate, type Db } from '../db/open.ts'
import type { Clock } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { hashToken } from '../lib/secrets.ts'
import { unsealProof, type Proof, type ProofData } from '../providers/proof.ts'
import type { Provider, Remembered } from '../providers/provider.ts'
import type { Asker } from '../sessions/authenticate.ts'
import { decide, type Verdict } from '../sessions/decide.ts'
import type { RichState } from '../sessions/state.ts'
import type { Node } from '../sessions/node.ts'
import { announce } from '../sessions/revocations.ts'
import { openSession, type Lifetimes, type Opened } from '../sessions/sessions.ts'
import { settle } from '../sessions/settle.ts'
import { dispatch, signatureOf, type Ended, type FlowKind, type Step } from './flow.ts'
import { safeReturnTo } from './return-to.ts'
import {
  consumeFlow,
  loadFlow,
  startFlow,
  type FlowServices,
  type LoadedFlow,
  type StoredFlow,
} from './store.ts'

/** What signing in takes. */
export interface LoginServices extends FlowServices {
  readonly clock: Clock
  readonly log: Log
  readonly node: Node
  readonly lifetimes: Lifetimes
  /** Our own origin, such as `https://app.example.com`. */
  readonly origin: string
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
export interface LoginTurn {
  readonly services: LoginServices
  readonly connection: Connection
  readonly handle: string
  /** The browser cookie's value; the flow is bound to it. */
  readonly browser: string
  /** Who this browser is signed in as now. */
  readonly asker: Asker
  /** The address the browser came back to, with what the provider put there. */
  readonly back?: URL
  /** Whether the person agreed to end the other person's session. */
  readonly agreed?: boolean
  readonly device?: string | undefined
  readonly address?: string | undefined
  readonly requestId: string
}

/** What a sign-in tells the browser. */
export type LoginAnswer =
  | { readonly kind: 'leave'; readonly to: URL }
  | { readonly kind: 'ask-switch'; readonly from: string; readonly to: string }
  | { readonly kind: 'signed-in'; readonly opened: Opened; readonly returnTo: string }

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
    try {
      return await commit(flow, turn)
    } catch (error) {
      // Two first sign-ins of one person at once: the other made the account, and now it is found.
      if (!isDuplicate(error, 'identities_connection_id_issuer_subject_key')) throw error
      return await commit(flow, turn)
    }
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
    { kind: 'login', ...bound, signature, browserHash: hashToken(browser), data },
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
    signature: (flow: Parameters<typeof signatureOf>[2]) =>
      signatureOf('login', loginFlow.steps, { ...flow, configVersion: connection.configVersion }),
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

function assertUsable({ state }: Connection): void {
  if (state !== 'active') throw new AppError('provider_disabled', { reason: `connection_${state}` })
}

/** The one commit point: flow consumed, account found or made, session opened, audit written, or none of it. */
async function commit(flow: StoredFlow<LoginData>, turn: LoginTurn): Promise<LoginAnswer> {
  const { services, asker, requestId } = turn
  const proof = unsealProof(flow.data.proof!)
  const now = services.clock.now()
  const { answer, position } = await services.db.transaction().execute(async (tx) => {
    const connection = await findConnection(tx, flow.connectionId, { hold: true })
    if (!connection || connection.configVersion !== flow.configVersion)
      throw new AppError('flow_invalid', { reason: 'config_changed' })
    assertUsable(connection)

    const identity = await findIdentity(tx, proof, { hold: true })
    const verdict = decide(stateAt(asker, identity))
    const member = await admitted(tx, { identity, verdict, connection, proof, requestId }, now)
    if (verdict.session === 'switch' && flow.data.switching !== 'yes')
      throw new AppError('flow_invalid', { reason: 'switched_meanwhile' })

    await markVerified(tx, { id: member.identityId, claims: proof.claims }, now)
    await markLinked(tx, { organizationId: connection.organization.id, userId: member.userId }, now)
    const current = asker.session && { id: asker.session.id, userId: asker.session.person.id }
    const opened = await openSession(
      tx,
      proof,
      {
        ...member,
        organizationId: connection.organization.id,
        configVersion: connection.configVersion,
        browserHash: hashToken(turn.browser),
        flowId: flow.id,
        replaces: current ?? undefined,
        device: turn.device,
        address: turn.address,
        requestId,
      },
      services.lifetimes,
      now,
    )
    const returnTo = safeReturnTo(flow.data.returnTo, services.origin)
    const consumed = await consumeFlow(
      tx,
      flow.id,
      { kind: 'signed-in', sessionId: opened.id, returnTo },
      now,
    )
    if (!consumed) throw new AppError('flow_invalid', { reason: 'consumed' })
    await recordEvent(
      tx,
      {
        action: 'login.succeeded',
        actorId: member.userId,
        organizationId: connection.organization.id,
        target: opened.id,
        data: { row: verdict.row, connection: connection.id },
        requestId,
      },
      now,
    )
    const position = await announce(tx, opened.replaced, now)
    return { answer: { kind: 'signed-in', opened, returnTo } as const, position }
  })
  await settle(services.db, services.node, position)
  return answer
}

/** The rich state of somebody a provider has just vouched for, in a browser that may be somebody's already. */
function stateAt(asker: Asker, identity: Identity | undefined): RichState {
  const owner = asker.session?.person.id
  const event = !owner || !identity ? 'login' : owner === identity.userId ? 'reauth' : 'switch'
  const registration = { active: 'active', suspended: 'disabled', gone: 'deleted' } as const
  return {
    ...asker.state,
    event,
    registration: identity ? registration[identity.owner] : 'unregistered',
  }
}

/** Whose session this will be: the identity's owner, or a new member where the connection lets everybody in. */
async function admitted(
  tx: Db,
  {
    identity,
    verdict,
    connection,
    proof,
    requestId,
  }: {
    identity: Identity | undefined
    verdict: Verdict
    connection: Connection
    proof: Proof
    requestId: string
  },
  now: Date,
): Promise<{ userId: string; identityId: string }> {
  if (verdict.refuse)
    throw new AppError(verdict.refuse, { reason: verdict.audit ?? verdict.refuse })
  if (identity?.removed) throw new AppError('not_a_member', { reason: 'removed' })
  if (identity) return { userId: identity.userId, identityId: identity.id }
  if (connection.provisioning === 'off')
    throw new AppError('not_a_member', { reason: 'identity_unregistered' })

  const { name, email } = proof.claims
  const organizationId = connection.organization.id
  const userId = await createUser(tx, { name: name ?? email ?? 'New member', email }, now)
  const identityId = await linkIdentity(tx, { key: proof, userId, claims: proof.claims }, now)
  await addMember(tx, { organizationId, userId, role: 'member' }, now)
  const event = { actorId: userId, organizationId, requestId }
  await recordEvent(tx, { action: 'user.registered', ...event, target: userId }, now)
  await recordEvent(tx, { action: 'identity.linked', ...event, target: identityId }, now)
  return { userId, identityId }
}
