import { recordEvent } from '../accounts/audit.ts'
import { markTested, type Connection } from '../accounts/connections.ts'
import { keepGrant } from '../accounts/grants.ts'
import { findIdentity, linkIdentity, markVerified } from '../accounts/identities.ts'
import { markLinked } from '../accounts/organizations.ts'
import { isDuplicate, type Db } from '../db/open.ts'
import { AppError } from '../lib/errors.ts'
import { hashToken } from '../lib/secrets.ts'
import { unsealProof, type ProofData } from '../providers/proof.ts'
import type { Departure, Remembered } from '../providers/provider.ts'
import type { Visitor } from './admission.ts'
import { recordAttempt } from './attempts.ts'
import { dispatch, signatureOf, type Ended, type FlowKind, type Step } from './flow.ts'
import { redirectUriOf, type LoginServices } from './login.ts'
import {
  consumeFlow,
  loadFlow,
  startFlow,
  type Bound,
  type LoadedFlow,
  type StoredFlow,
} from './store.ts'
import { sentTo, vouchedFor } from './tell.ts'

/**
 * Whose test it is: an administrator's, or that of whoever was given a set-up link. `back` is the page that shows how it
 * went.
 */
export type Tester =
  | { readonly userId: string; readonly back: string }
  | { readonly linkId: string; readonly back: string }

/** What a test sign-in remembers between two requests. */
export interface TestData {
  readonly by: Tester
  /** Which settings are tested; they need not be in use. */
  readonly version: number
  /** What the provider wants back when the browser returns. */
  readonly remembered?: Remembered
  /** The name of the message that was posted before the browser came back. */
  readonly received?: string
  readonly proof?: ProofData
  /** Whether it was noted that these settings work. */
  readonly noted?: boolean
  /** Whether the administrator has taken the identity for their own. */
  readonly own?: boolean
}

/** One request of a test sign-in. */
export interface TestTurn extends Visitor {
  readonly services: LoginServices
  readonly connection: Connection
  readonly handle: string
  readonly flowId: string
  /** The address the browser came back to. */
  readonly back?: URL
  /** Whether whoever tests says that this is their own identity. */
  readonly own?: boolean
}

/** What a test sign-in tells the browser. */
export type TestAnswer =
  | { readonly kind: 'leave'; readonly to: URL; readonly post?: Departure['post'] }
  /** How it went is on this page. */
  | { readonly kind: 'show'; readonly back: string }
  | { readonly kind: 'linked'; readonly to: string }

type TestStep = Step<TestData, TestTurn, TestAnswer>

const leave: TestStep = {
  name: 'leave',
  version: 1,
  done: ({ remembered }) => remembered !== undefined,
  async run(data, { services, connection, handle }) {
    const provider = await services.provider(connection.id, data.version)
    const redirectUri = redirectUriOf(services.origin, connection.id)
    const { redirect, post, remember } = await provider.begin({ redirectUri, handle })
    return {
      data: { ...data, remembered: remember },
      answer: { kind: 'leave', to: redirect, ...(post && { post }) },
    }
  },
}

const comeBack: TestStep = {
  name: 'come-back',
  version: 1,
  once: true,
  done: ({ proof }) => proof !== undefined,
  async run(data, turn) {
    assertTester(data.by, turn)
    const { services, connection, back } = turn
    const provider = await services.provider(connection.id, data.version)
    const { ...proof } = await provider.complete(back!, data.remembered!)
    return { data: { ...data, proof } }
  },
}

/** Nobody is signed in and nothing is linked: that these settings work is all that a test leaves behind. */
const note: TestStep = {
  name: 'note',
  version: 1,
  done: ({ noted }) => noted === true,
  async run(data, { services, connection, requestId, flowId }) {
    const { by, version } = data
    const now = services.clock.now()
    const { id: connectionId, organization } = connection
    const about = { organizationId: organization.id, connectionId, flowId, at: now }
    await services.db.transaction().execute(async (tx) => {
      if ('userId' in by) await holdAdministrator(tx, connection, by.userId)
      await markTested(
        tx,
        { connectionId, version, linkId: 'linkId' in by ? by.linkId : null },
        now,
      )
      const event = { organizationId: organization.id, target: connectionId, requestId }
      const told = { version, link: 'linkId' in by ? by.linkId : undefined }
      const actorId = 'userId' in by ? by.userId : undefined
      await recordEvent(tx, { action: 'connection.tested', actorId, ...event, data: told }, now)
      const trace = [...linesOf(data), { step: 'note', what: `Version ${version} works.` }]
      await recordAttempt(tx, { id: requestId, kind: 'test', outcome: 'ok', trace, ...about })
    })
    return { data: { ...data, noted: true } }
  },
}

const show: TestStep = {
  name: 'show',
  version: 1,
  done: ({ own }) => own === true,
  async run(data, { own }) {
    return own && 'userId' in data.by
      ? { data: { ...data, own: true } }
      : { data, answer: { kind: 'show', back: data.by.back } }
  },
}

/** The steps of a test sign-in, in order. It ends where an administrator takes the identity for their own. */
export const testFlow: FlowKind<TestData, TestTurn, TestAnswer> = {
  steps: [leave, comeBack, note, show],
  async finish(flow, turn) {
    assertTester(flow.data.by, turn)
    await linkAdministrator(flow, turn).catch(tellWhoseItIs)
    return { kind: 'linked', to: flow.data.by.back }
  },
  told: {
    kind: ({ noted }) => (noted ? 'setup' : 'test'),
    requestId: ({ requestId }) => requestId,
    lines: linesOf,
  },
}

function linesOf({ remembered, proof }: TestData): ReturnType<typeof vouchedFor>[] {
  return [...(remembered ? [sentTo(remembered)] : []), ...(proof ? [vouchedFor(proof)] : [])]
}

/**
 * Links what was tested to the account of the administrator who began, whatever the provider says of addresses, with
 * everything that hangs on it or not at all.
 */
function linkAdministrator(flow: StoredFlow<TestData>, turn: TestTurn): Promise<void> {
  const { services, connection, requestId } = turn
  const { data, bound } = flow
  const { by } = data
  const proof = data.proof && unsealProof(data.proof)
  if (!('userId' in by) || !proof || !bound)
    throw new AppError('flow_invalid', { reason: 'step_mismatch' })
  const { userId } = by
  const { configVersion } = bound
  const now = services.clock.now()
  return services.db.transaction().execute(async (tx) => {
    await holdAdministrator(tx, connection, userId)
    const known = await findIdentity(tx, proof, { hold: true })
    if (known && known.userId !== userId)
      throw new AppError('identity_in_use', { reason: 'identity_in_use' })
    const id =
      known?.id ?? (await linkIdentity(tx, { key: proof, userId, claims: proof.claims }, now))
    if (known) await markVerified(tx, { id, claims: proof.claims }, now)
    await keepGrant(tx, services.sealer, { identityId: id, configVersion, grant: proof.grant }, now)
    const organizationId = connection.organization.id
    await markLinked(tx, { organizationId, userId }, now)
    if (!(await consumeFlow(tx, flow.id, { kind: 'done', to: by.back }, now)))
      throw new AppError('flow_invalid', { reason: 'consumed' })
    const event = { organizationId, actorId: userId, target: id, requestId }
    const data = { by: 'set-up', connection: connection.id }
    await recordEvent(tx, { action: 'identity.linked', ...event, data }, now)
  })
}

/** Two at once, or another identity of the same person: the database decides, and it is told in words. */
function tellWhoseItIs(thrown: unknown): never {
  if (isDuplicate(thrown, 'identities_connection_id_issuer_subject_key'))
    throw new AppError('identity_in_use', { reason: 'identity_in_use', cause: thrown })
  if (isDuplicate(thrown, 'identities_connection_id_user_id_key'))
    throw new AppError('already_linked', { reason: 'already_linked', cause: thrown })
  throw thrown
}

/** Whoever began goes on: the same person, still signed in. For a set-up link the browser is all there is. */
function assertTester(by: Tester, { asker }: Pick<TestTurn, 'asker'>): void {
  if (!('userId' in by)) return
  const person = asker.verdict.standing === 'user' ? asker.session?.person : undefined
  if (!person) throw new AppError('flow_invalid', { reason: 'not_authed' })
  if (person.id !== by.userId) throw new AppError('flow_invalid', { reason: 'user_mismatch' })
}

/** Still an administrator, and kept so until the commit. */
async function holdAdministrator(
  tx: Db,
  { organization }: Connection,
  userId: string,
): Promise<void> {
  const member = await tx
    .selectFrom('memberships')
    .innerJoin('users', 'users.id', 'memberships.user_id')
    .select('memberships.role')
    .where('memberships.organization_id', '=', organization.id)
    .where('memberships.user_id', '=', userId)
    .where('memberships.removed_at', 'is', null)
    .where('users.suspended_at', 'is', null)
    .where('users.deleted_at', 'is', null)
    .forShare()
    .executeTakeFirst()
  if (member?.role !== 'owner' && member?.role !== 'admin')
    throw new AppError('forbidden', { reason: 'not_an_administrator' })
}

/** Begins a test sign-in with one version of a connection's settings, in whatever state the connection is. */
export async function startTest(
  turn: Omit<TestTurn, 'handle' | 'flowId'>,
  { version, by }: { readonly version: number; readonly by: Tester },
): Promise<{ handle: string; answer: TestAnswer | Ended }> {
  const { services, connection, browser, requestId } = turn
  const now = services.clock.now()
  const organizationId = connection.organization.id
  const bound = { organizationId, connectionId: connection.id, configVersion: version }
  const userId = 'userId' in by ? by.userId : undefined
  const { handle, flow } = await startFlow<TestData>(
    services,
    {
      kind: 'test',
      bound,
      signature: signatureOf('test', testFlow.steps, bound),
      browserHash: hashToken(browser),
      userId,
      data: { by, version },
    },
    now,
  )
  const event = { organizationId, actorId: userId, target: flow.id, data: { kind: 'test' } }
  await recordEvent(services.db, { action: 'flow.started', ...event, requestId }, now)
  const answer = await dispatch(services, testFlow, flow, {
    ...turn,
    handle,
    flowId: flow.id,
  }).catch((thrown) => neverBegan(services, flow, requestId, thrown))
  return { handle, answer }
}

/** A provider that cannot even be begun at: that is what the test was to find out. */
async function neverBegan(
  { db, clock }: LoginServices,
  { id }: StoredFlow<TestData>,
  reference: string,
  thrown: unknown,
): Promise<Ended> {
  if (!(thrown instanceof AppError)) throw thrown
  const { code, reason } = thrown
  const outcome = { kind: 'refused', code, reason, reference } as const
  await consumeFlow(db, id, outcome, clock.now())
  return { kind: 'ended', outcome }
}

/** Finds the test that a browser came back to. */
export function loadTest(
  services: LoginServices,
  handle: string | null,
  { browser, connectionId }: { readonly browser: string | null; readonly connectionId: string },
): Promise<LoadedFlow<TestData>> {
  const signature = (bound: Bound | null) => signatureOf('test', testFlow.steps, bound)
  const binding = { browser, kind: 'test', connectionId, signature } as const
  return loadFlow<TestData>(services, handle, binding, services.clock.now())
}

/**
 * Goes on with a live test.
 * @throws AppError `flow_invalid` when the request does not bring what it waits for
 */
export async function continueTest(
  flow: StoredFlow<TestData>,
  turn: Omit<TestTurn, 'flowId'>,
): Promise<TestAnswer | Ended> {
  const awaitsReturn = flow.data.proof === undefined && !flow.claimed
  if (awaitsReturn && !(turn.back && flow.data.remembered))
    throw new AppError('flow_invalid', { reason: 'step_mismatch' })
  return dispatch(turn.services, testFlow, flow, { ...turn, flowId: flow.id })
}
