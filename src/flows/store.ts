import { eventRow, type AuditEvent } from '../accounts/audit.ts'
import { prepared, type Db } from '../db/open.ts'
import { later, minutes } from '../lib/clock.ts'
import type { ErrorCode } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { Span } from '../sessions/lifetimes.ts'
import type { Sealer } from '../lib/seal.ts'
import { hashToken, isToken, randomToken, sameBytes } from '../lib/secrets.ts'

/** Time between two requests of one flow. Reading moves it on, because the time spent at the provider writes nothing. */
export const flowIdle: number = minutes(10)
/** A flow's whole life. */
export const flowAbsolute: number = minutes(60)
/** How often another browser may try before the flow is ended for good. */
const foreignAttemptsAllowed = 5

/** How a flow ended. Asking again gives the same answer. */
export type FlowOutcome =
  | { readonly kind: 'signed-in'; readonly sessionId: string; readonly returnTo: string }
  /** An interrupted form, shown to its person. */
  | { readonly kind: 'shown' }
  /** Something else than a sign-in was done; `to` is a path of ours. */
  | { readonly kind: 'done'; readonly to: string }
  | {
      readonly kind: 'refused'
      readonly code: ErrorCode
      readonly reason: string
      /** The request that was refused; whoever comes back later is told its id. */
      readonly reference?: string | undefined
      /** The path of the page that shows it, where there is one. */
      readonly shownAt?: string | undefined
    }

/**
 * What a flow is about. `link`: one more way in to the account one is signed in to. `mail` and `passkey`: signing in
 * without an organization. `interrupted`: what a person was about to send when they were asked to sign in again. `test`:
 * whether a connection works, for those who set it up.
 */
export type FlowName = 'login' | 'link' | 'mail' | 'passkey' | 'interrupted' | 'test'

/** The connection a sign-in goes through, as it was when the sign-in began. */
export interface Bound {
  readonly organizationId: string
  readonly connectionId: string
  readonly configVersion: number
}

/** A flow as stored; `data` is opened. */
export interface StoredFlow<Data> {
  readonly id: string
  readonly kind: FlowName
  /** Null where no organization is involved. */
  readonly bound: Bound | null
  readonly signature: string
  readonly version: number
  readonly claimed: boolean
  readonly begunAt: Date
  readonly data: Data
  /** What else its row takes, until it is stored: with the first data that are saved. */
  readonly unstored?: Unstored | undefined
}

interface Unstored {
  readonly handleHash: Buffer
  readonly browserHash: Buffer
  readonly userId: string | null
  readonly span: Span
  /** Written down with it. */
  readonly event: AuditEvent
}

/** What loading a flow found. Never null: each state has its own page. */
export type LoadedFlow<Data> =
  | { readonly state: 'live'; readonly flow: StoredFlow<Data> }
  | { readonly state: 'consumed'; readonly outcome: FlowOutcome }
  | { readonly state: 'expired' | 'mismatch'; readonly reason: string }
  | { readonly state: 'unknown' }

export interface FlowServices {
  readonly db: Db
  readonly sealer: Sealer
}

/** A flow that begins, bound to the browser that begins it. */
export interface Beginning<Data> extends Pick<
  StoredFlow<Data>,
  'kind' | 'bound' | 'signature' | 'data'
> {
  readonly browserHash: Buffer
  /** Whose session it begins in. @default nobody's */
  readonly userId?: string | undefined
}

const usual: Span = { idle: flowIdle, absolute: flowAbsolute }

/** Stores a new flow and answers its handle. */
export async function startFlow<Data>(
  { db, sealer }: FlowServices,
  started: Beginning<Data>,
  now: Date,
  span: Span = usual,
): Promise<{ handle: string; flow: StoredFlow<Data> }> {
  const { browserHash, userId, ...rest } = started
  const handle = randomToken()
  const flow = { ...rest, id: newId(), version: 1, claimed: false, begunAt: now }
  const bound = { handleHash: hashToken(handle), browserHash, userId: userId ?? null, span }
  await db
    .insertInto('flows')
    .values(rowOf(flow, bound, sealer.seal(flow.data, place(flow.id))))
    .modifyEnd(prepared('start_flow'))
    .execute()
  return { handle, flow }
}

/**
 * A new flow whose first step finds something out at once: it is stored with that, and with the event that tells of it,
 * by {@link saveFlow}.
 */
export function prepareFlow<Data>(
  started: Beginning<Data>,
  eventOf: (id: string) => AuditEvent,
  now: Date,
): { handle: string; flow: StoredFlow<Data> } {
  const { browserHash, userId = null, ...rest } = started
  const [id, handle] = [newId(), randomToken()]
  const unstored = {
    handleHash: hashToken(handle),
    browserHash,
    userId,
    span: usual,
    event: eventOf(id),
  }
  return { handle, flow: { ...rest, id, version: 0, claimed: false, begunAt: now, unstored } }
}

function rowOf(
  { id, kind, bound, signature, begunAt }: StoredFlow<unknown>,
  { handleHash, browserHash, userId, span }: Omit<Unstored, 'event'>,
  data: Buffer,
) {
  return {
    id,
    handle_hash: handleHash,
    browser_hash: browserHash,
    kind,
    organization_id: bound?.organizationId ?? null,
    connection_id: bound?.connectionId ?? null,
    config_version: bound?.configVersion ?? null,
    signature,
    data,
    user_id: userId,
    idle_ends_at: later(begunAt, span.idle),
    absolute_ends_at: later(begunAt, span.absolute),
    created_at: begunAt,
  }
}

/** What the flow has to match: the browser's cookie, and the address the request came to. */
export interface Binding {
  readonly browser: string | null
  readonly kind: FlowName
  /** @default none: the flow has no connection */
  readonly connectionId?: string
  /** Whose session it began in. @default whoever's */
  readonly userId?: string
  readonly signature: (bound: Bound | null) => string
  /** Changes nothing: for addresses that a mail scanner may open before the person does. @default false */
  readonly look?: boolean
  /** Whether the request is about to claim it, which moves its idle end on by itself. @default false */
  readonly claims?: boolean
}

/** What a flow has to match, by what it is about where an address does not say that. */
type BindingOf = Binding | ((kind: FlowName) => Binding)

const columns = [
  'id',
  'kind',
  'organization_id',
  'connection_id',
  'config_version',
  'user_id',
  'browser_hash',
  'signature',
  'data',
  'version',
  'foreign_attempts',
  'claimed_at',
  'consumed_at',
  'outcome',
  'idle_ends_at',
  'absolute_ends_at',
  'created_at',
] as const

/**
 * Finds a flow by its handle and checks everything it is bound to, cheapest first, before anything is opened.
 * Another browser neither reads nor consumes it.
 */
export async function loadFlow<Data>(
  { db, sealer }: FlowServices,
  handle: string | null,
  bindingOf: BindingOf,
  now: Date,
): Promise<LoadedFlow<Data>> {
  if (!handle || !isToken(handle)) return { state: 'unknown' }
  const row = await db
    .selectFrom('flows')
    .select(columns)
    .where('handle_hash', '=', hashToken(handle))
    .modifyEnd(prepared('load_flow'))
    .executeTakeFirst()
  if (!row) return { state: 'unknown' }
  const binding = typeof bindingOf === 'function' ? bindingOf(row.kind as FlowName) : bindingOf
  if (row.kind !== binding.kind) return { state: 'mismatch', reason: 'kind_mismatch' }
  if (row.connection_id !== (binding.connectionId ?? null))
    return { state: 'mismatch', reason: 'org_mismatch' }
  if (binding.userId !== undefined && row.user_id !== binding.userId)
    return { state: 'mismatch', reason: 'user_mismatch' }
  if (!binding.browser) return { state: 'mismatch', reason: 'browser_cookie_missing' }
  if (!sameBytes(row.browser_hash, hashToken(binding.browser))) {
    if (!binding.look) await countForeignAttempt(db, row.id)
    return { state: 'mismatch', reason: 'browser_mismatch' }
  }
  const flow = {
    id: row.id,
    kind: binding.kind,
    bound: boundOf(row),
    signature: row.signature,
    version: row.version,
    claimed: row.claimed_at !== null,
    begunAt: row.created_at,
  }
  if (row.foreign_attempts >= foreignAttemptsAllowed)
    return { state: 'expired', reason: 'foreign_attempts' }
  if (row.absolute_ends_at <= now) return { state: 'expired', reason: 'expired' }
  if (row.consumed_at) return { state: 'consumed', outcome: row.outcome as FlowOutcome }
  if (row.idle_ends_at <= now) return { state: 'expired', reason: 'expired' }
  if (row.signature !== binding.signature(flow.bound))
    return { state: 'expired', reason: 'definition_changed' }
  const data = sealer.open<Data>(row.data, place(row.id))
  if (!binding.look && (!binding.claims || flow.claimed)) await keepAlive(db, row.id, now)
  return { state: 'live', flow: { ...flow, data } }
}

/**
 * A flow that waits for what its provider says, found without its browser, which has to come before it goes on. `over`:
 * it waits no more. Undefined: there is none that this connection could be asked about.
 */
export async function readAwaiting<Data>(
  { db, sealer }: FlowServices,
  handle: string | undefined,
  { id: connectionId, configVersion }: { readonly id: string; readonly configVersion: number },
  now: Date,
): Promise<StoredFlow<Data> | 'over' | undefined> {
  if (!handle || !isToken(handle)) return undefined
  const row = await db
    .selectFrom('flows')
    .select(columns)
    .where('handle_hash', '=', hashToken(handle))
    .where('connection_id', '=', connectionId)
    .modifyEnd(prepared('read_awaiting_flow'))
    .executeTakeFirst()
  if (!row) return undefined
  const ended = row.consumed_at ?? row.claimed_at
  if (ended || row.absolute_ends_at <= now || row.idle_ends_at <= now) return 'over'
  // A test is of settings that need not be in use.
  if (row.kind !== 'test' && row.config_version !== configVersion) return 'over'
  const { id, kind, signature, version } = row
  return {
    id,
    kind: kind as FlowName,
    bound: boundOf(row),
    signature,
    version,
    claimed: false,
    begunAt: row.created_at,
    data: sealer.open<Data>(row.data, place(id)),
  }
}

async function keepAlive(db: Db, id: string, now: Date): Promise<void> {
  await db
    .updateTable('flows')
    .set({ idle_ends_at: later(now, flowIdle) })
    .where('id', '=', id)
    .modifyEnd(prepared('keep_flow_alive'))
    .execute()
}

/**
 * Writes a flow's data if nobody wrote since it was read: one statement, compare-and-swap. One that is not stored yet is
 * stored. Answers the flow as it stands now, or undefined when the swap was lost.
 */
export async function saveFlow<Data>(
  { db, sealer }: FlowServices,
  flow: StoredFlow<Data>,
  data: Data,
): Promise<StoredFlow<Data> | undefined> {
  const { unstored, ...stored } = flow
  if (unstored) {
    const sealed = sealer.seal(data, place(flow.id))
    await db
      .with('told', (cte) =>
        cte.insertInto('audit_events').values(eventRow(unstored.event, flow.begunAt)),
      )
      .insertInto('flows')
      .values(rowOf(flow, unstored, sealed))
      .modifyEnd(prepared('start_told_flow'))
      .execute()
    return { ...stored, data, version: 1 }
  }
  const { numUpdatedRows } = await db
    .updateTable('flows')
    .set({ data: sealer.seal(data, place(flow.id)), version: flow.version + 1 })
    .where('id', '=', flow.id)
    .where('version', '=', flow.version)
    .where('consumed_at', 'is', null)
    .modifyEnd(prepared('save_flow'))
    .executeTakeFirst()
  return numUpdatedRows === 1n ? { ...flow, data, version: flow.version + 1 } : undefined
}

/**
 * Gives a flow less time than it had, and binds it to another cookie of the same browser where that has been given one.
 */
export async function restrictFlow(
  db: Db,
  handle: string,
  { endsAt, browserHash }: { readonly endsAt: Date; readonly browserHash?: Buffer | undefined },
): Promise<void> {
  await db
    .updateTable('flows')
    .set((eb) => ({
      absolute_ends_at: eb.fn('least', ['absolute_ends_at', eb.val(endsAt)]),
      ...(browserHash && { browser_hash: browserHash }),
    }))
    .where('handle_hash', '=', hashToken(handle))
    .execute()
}

/** What a flow is about, for an address that does not say it. It says nothing of who may go on. */
export async function findFlow(
  db: Db,
  handle: string | null,
): Promise<{ kind: FlowName; connectionId: string | null } | undefined> {
  if (!handle || !isToken(handle)) return undefined
  const row = await db
    .selectFrom('flows')
    .select(['kind', 'connection_id'])
    .where('handle_hash', '=', hashToken(handle))
    .executeTakeFirst()
  return row && { kind: row.kind as FlowName, connectionId: row.connection_id }
}

/** Takes the right to do what may be done once only. One request gets it, all others get undefined. */
export async function claimFlow<Data>(
  db: Db,
  flow: StoredFlow<Data>,
  now: Date,
): Promise<StoredFlow<Data> | undefined> {
  const { numUpdatedRows } = await db
    .updateTable('flows')
    .set({ claimed_at: now, idle_ends_at: later(now, flowIdle), version: flow.version + 1 })
    .where('id', '=', flow.id)
    .where('version', '=', flow.version)
    .where('claimed_at', 'is', null)
    .where('consumed_at', 'is', null)
    .modifyEnd(prepared('claim_flow'))
    .executeTakeFirst()
  return numUpdatedRows === 1n ? { ...flow, claimed: true, version: flow.version + 1 } : undefined
}

/**
 * Ends a flow with its outcome, once, and forgets what it held. Run it in the transaction that carries the outcome out.
 * Answers whether this call was the one.
 */
export async function consumeFlow(
  db: Db,
  id: string,
  outcome: FlowOutcome,
  now: Date,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('flows')
    .set({ consumed_at: now, outcome: JSON.stringify(outcome), data: Buffer.alloc(0) })
    .where('id', '=', id)
    .where('consumed_at', 'is', null)
    .modifyEnd(prepared('consume_flow'))
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

/** How a flow ended, once it has; undefined while it runs. */
export async function readOutcome(db: Db, id: string): Promise<FlowOutcome | undefined> {
  const row = await db
    .selectFrom('flows')
    .select(['outcome'])
    .where('id', '=', id)
    .executeTakeFirst()
  return (row?.outcome ?? undefined) as FlowOutcome | undefined
}

async function countForeignAttempt(db: Db, id: string): Promise<void> {
  await db
    .updateTable('flows')
    .set((eb) => ({ foreign_attempts: eb('foreign_attempts', '+', 1) }))
    .where('id', '=', id)
    .execute()
}

function boundOf(row: {
  organization_id: string | null
  connection_id: string | null
  config_version: number | null
}): Bound | null {
  const { organization_id, connection_id, config_version } = row
  if (organization_id === null || connection_id === null || config_version === null) return null
  return {
    organizationId: organization_id,
    connectionId: connection_id,
    configVersion: config_version,
  }
}

function place(row: string): { table: string; column: string; row: string } {
  return { table: 'flows', column: 'data', row }
}
