import type { Connection } from '../accounts/connections.ts'
import { findIdentity, readClaims } from '../accounts/identities.ts'
import { findInvitation } from '../accounts/invitations.ts'
import { seconds } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { hashToken } from '../lib/secrets.ts'
import { unsealProof, type ProofData } from '../providers/proof.ts'
import type { Departure, Provider, Remembered } from '../providers/provider.ts'
import type { GuestRules } from '../sessions/guests.ts'
import type { BrowserHint } from '../sessions/lookup.ts'
import { admitArrival, type Admitted, type AdmissionServices, type Visitor } from './admission.ts'
import { agreeToSwitch, type AskSwitch, type Switching } from './agree-to-switch.ts'
import { sentTo, vouchedFor } from './tell.ts'
import { dispatch, signatureOf, type Ended, type FlowKind, type Step, type Told } from './flow.ts'
import { agreeToLink, join, type LinkQuestion } from './join.ts'
import type { Registration } from './registration.ts'
import { safeReturnTo } from './return-to.ts'
import { assertUsable, throughConnection } from './through-connection.ts'
import {
  loadFlow,
  prepareFlow,
  type Binding,
  type FlowName,
  type FlowServices,
  type LoadedFlow,
  type StoredFlow,
} from './store.ts'

/** What signing in takes. */
export interface LoginServices extends FlowServices, AdmissionServices {
  readonly log: Log
  readonly guests: GuestRules
  /** Opens a connection's provider. @param version of its settings. @default the one in use */
  provider(connectionId: string, version?: number): Promise<Provider>
}

/** What a sign-in remembers between two requests. */
export interface LoginData extends Switching {
  readonly returnTo: string
  readonly loginHint?: string | undefined
  /** Whether the person asks to be kept signed in. @default as in the session it replaces */
  readonly keep?: boolean | undefined
  /** When somebody signed in was asked to confirm that it is them; they have to authenticate after that. ISO 8601 */
  readonly reauthSince?: string | undefined
  /** What the provider wants back when the browser returns. */
  readonly remembered?: Remembered
  /** The name of the message that was posted before the browser came back. */
  readonly received?: string
  readonly proof?: ProofData
  /** Set once the form has been shown: whose work it offered to keep. */
  readonly asked?: { readonly guestId: string | null }
  /** `none`: there was nothing to ask. */
  readonly registration?: Registration | 'none'
  /** The invitation whose link was opened in this browser; it is looked at again when it is accepted. */
  readonly invitationId?: string | undefined
  /** Whose account the person has been asked to link this to. */
  readonly askedToLink?: string
  /** Whose account gets the identity; they have agreed to it. */
  readonly linkTo?: string
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
  /** The form of somebody who registers, as it was sent. */
  readonly form?: { readonly name: string | undefined; readonly keep: boolean }
  /** Whether the person agreed to link what they have proven to the account they are signed in to. */
  readonly links?: boolean
}

/** What somebody is asked who registers. */
export interface RegistrationQuestion {
  readonly kind: 'register'
  /** What to put in; the provider's word for them, or what they have written. */
  readonly name: string
  readonly email: string | undefined
  /** Whether the name they have written cannot be taken. */
  readonly wrongName: boolean
  /** What they have as a guest; null: nothing, or they are none. */
  readonly work: string | null
  /** Whether that guest was at work in this very browser. */
  readonly sameBrowser: boolean
  /** Who signed in here last: perhaps it is them. */
  readonly last: BrowserHint | undefined
  /** A new value for the browser cookie, where the old one reminds of somebody who is gone. */
  readonly browser: string | undefined
}

/** What a sign-in tells the browser. */
export type LoginAnswer =
  | { readonly kind: 'leave'; readonly to: URL; readonly post?: Departure['post'] }
  | AskSwitch
  | RegistrationQuestion
  | LinkQuestion
  | ({ readonly kind: 'signed-in' } & Admitted)

export type LoginStep = Step<LoginData, LoginTurn, LoginAnswer>

const leave: LoginStep = {
  name: 'leave',
  version: 2,
  done: ({ remembered }) => remembered !== undefined,
  async run(data, { services, connection, handle }) {
    const provider = await services.provider(connection.id)
    const redirectUri = redirectUriOf(services.origin, connection.id)
    const { redirect, post, remember } = await provider.begin({
      redirectUri,
      handle,
      ...(data.loginHint && { loginHint: data.loginHint }),
      ...(data.reauthSince && { prompt: 'login', maxAge: 0 }),
    })
    return {
      data: { ...data, remembered: remember },
      answer: { kind: 'leave', to: redirect, ...(post && { post }) },
    }
  },
}

const comeBack: LoginStep = {
  name: 'come-back',
  version: 2,
  once: true,
  done: ({ proof }) => proof !== undefined,
  async run(data, { services, connection, back }) {
    const provider = await services.provider(connection.id)
    const { ...proof } = await provider.complete(back!, data.remembered!)
    if (data.reauthSince) assertFresh(proof, data.reauthSince)
    return { data: { ...data, proof } }
  },
}

/** How far a provider's clock may be behind ours, in milliseconds. */
const skew = seconds(60)

/** A provider that lets somebody through on an earlier sign-in, or does not say when they signed in, confirms nothing. */
function assertFresh({ authenticatedAt }: ProofData, since: string): void {
  const fresh = authenticatedAt && Date.parse(authenticatedAt) >= Date.parse(since) - skew
  if (!fresh) throw new AppError('sso_failed', { reason: 'assurance_insufficient' })
}

const agree: LoginStep = agreeToSwitch(async ({ proof, invitationId }, { services }) => {
  const identity = await findIdentity(services.db, proof!)
  // Nobody is asked to be refused afterwards.
  const owner = identity?.removed && !invitationId ? 'gone' : identity?.owner
  return identity && { ...identity, owner: owner!, name: proof!.claims.name ?? proof!.claims.email }
})

/** What a sign-in through a connection comes to, whichever steps led there. */
const finish: FlowKind<LoginData, LoginTurn, LoginAnswer>['finish'] = async (flow, turn) => {
  const { returnTo, switching, registration, linkTo, invitationId, keep } = flow.data
  const { requestId } = turn
  const proof = unsealProof(flow.data.proof!)
  const arrival = {
    flowId: flow.id,
    way: throughConnection(flow.bound!, proof, {
      invitationId,
      requestId,
      begunAt: flow.begunAt,
      sealer: turn.services.sealer,
    }),
    visitor: turn,
    returnTo,
    agreedToSwitch: switching === 'yes',
    registration: registration === 'none' ? undefined : registration,
    linkTo,
    keep,
  }
  return { kind: 'signed-in', ...(await admitArrival(turn.services, arrival)) }
}

/** What administrators are told of an attempt. */
function toldOf(kind: ThroughConnection): Told<LoginData, LoginTurn> {
  return {
    kind: () => kind,
    requestId: ({ requestId }) => requestId,
    lines: ({ remembered, proof, reauthSince, asked, askedToLink, linkTo }) => [
      ...(remembered ? [sentTo(remembered, reauthSince !== undefined)] : []),
      ...(proof ? [vouchedFor(proof)] : []),
      ...(asked ? [{ step: 'join', what: 'Nobody here has this identity: asked.' }] : []),
      ...(askedToLink ? [{ step: 'join', what: 'Asked whether to link it to an account.' }] : []),
      ...(linkTo ? [{ step: 'join', what: 'The person agreed to link it.' }] : []),
    ],
  }
}

/** The steps of a sign-in, in order. */
export const loginFlow: FlowKind<LoginData, LoginTurn, LoginAnswer> = {
  steps: [leave, comeBack, agree, join],
  finish,
  told: toldOf('login'),
}

/** The steps of linking one more way in to the account one is signed in to. */
export const linkFlow: FlowKind<LoginData, LoginTurn, LoginAnswer> = {
  steps: [leave, comeBack, agreeToLink],
  finish,
  told: toldOf('link'),
}

/** The flows that go through a connection and come back at its one address. */
const flowKinds = { login: loginFlow, link: linkFlow } as const

/** The name of a flow that goes through a connection. */
export type ThroughConnection = keyof typeof flowKinds

/** What a person chooses when they begin. */
export interface Beginning {
  readonly returnTo: string | null
  readonly loginHint?: string | undefined
  readonly keep?: boolean | undefined
  /** Whether somebody signed in is to confirm that it is them. @default false */
  readonly reauth?: boolean
  /** Whether somebody signed in wants one more way in to their account. @default false */
  readonly linking?: boolean
  /** The token of an invitation, from its mailed link. @default none */
  readonly invitation?: string | undefined
}

/** Begins a sign-in through a connection and says where to send the browser. */
export async function startLogin(
  turn: Omit<LoginTurn, 'handle'>,
  { returnTo, loginHint, keep, reauth = false, linking = false, invitation }: Beginning,
): Promise<LoginAnswer | Ended> {
  const { services, connection, browser, requestId } = turn
  assertUsable(connection)
  const now = services.clock.now()
  const bound = {
    organizationId: connection.organization.id,
    connectionId: connection.id,
    configVersion: connection.configVersion,
  }
  const mine = reauth ? await identityAt(turn) : undefined
  const data: LoginData = {
    returnTo: safeReturnTo(returnTo, services.origin),
    loginHint: mine?.email ?? loginHint,
    keep,
    reauthSince: mine && now.toISOString(),
    invitationId: invitation && (await invitationTo(turn, invitation)),
  }
  const kind: ThroughConnection = linking ? 'link' : 'login'
  const signature = signatureOf(kind, flowKinds[kind].steps, bound)
  const { handle, flow } = prepareFlow(
    {
      kind,
      bound,
      signature,
      browserHash: hashToken(browser),
      userId: turn.asker.session?.person.id,
      data,
    },
    (target) => ({
      action: 'flow.started',
      organizationId: bound.organizationId,
      target,
      requestId,
    }),
    now,
  )
  return dispatch(services, flowKinds[kind], flow, { ...turn, handle })
}

/**
 * The invitation that a mailed link is for.
 * @throws AppError `invitation_invalid`, also for one to another organization
 */
async function invitationTo(
  { services, connection }: Omit<LoginTurn, 'handle'>,
  token: string,
): Promise<string> {
  const invitation = await findInvitation(services.db, token, services.clock.now())
  if (invitation?.organization.id !== connection.organization.id)
    throw new AppError('invitation_invalid', { reason: 'invitation_over' })
  return invitation.id
}

/** Who the person of this session is at the connection's provider, where the session was proven through it. */
async function identityAt({
  services,
  asker,
  connection,
}: Omit<LoginTurn, 'handle'>): Promise<{ email: string | undefined } | undefined> {
  const proof = asker.session?.organizations.find((one) => one.connectionId === connection.id)
  if (!proof?.identityId) return undefined
  const { email } = await readClaims(services.db, proof.identityId)
  return { email }
}

/** Finds the sign-in a browser came back to, and checks that it is this browser's and this connection's. */
export async function loadLogin(
  services: LoginServices,
  handle: string | null,
  {
    browser,
    connection,
    userId,
    claims = false,
  }: {
    readonly browser: string | null
    readonly connection: Connection
    /** Whether it is back from the provider, and so about to be claimed. @default false */
    readonly claims?: boolean
    /** Who is signed in in this browser: linking goes on for whoever began it, and nobody else. */
    readonly userId: string | undefined
  },
): Promise<LoadedFlow<LoginData>> {
  const bindingOf = (found: FlowName): Binding => {
    const kind = found === 'link' ? 'link' : 'login'
    return {
      browser,
      kind,
      connectionId: connection.id,
      claims,
      ...(kind === 'link' && { userId: userId ?? 'nobody' }),
      signature: (bound) =>
        signatureOf(
          kind,
          flowKinds[kind].steps,
          bound && { ...bound, configVersion: connection.configVersion },
        ),
    }
  }
  return loadFlow<LoginData>(services, handle, bindingOf, services.clock.now())
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
  return dispatch(turn.services, flowKinds[flow.kind === 'link' ? 'link' : 'login'], flow, turn)
}

/** The redirect URI of a connection: its own, so that no provider's answer can reach another's. */
export function redirectUriOf(origin: string, connectionId: string): string {
  return `${origin}/sso/${connectionId}/callback`
}
