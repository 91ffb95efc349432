import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import type { Db } from '../db/open.ts'

/*
 * The audit as a chain: `hash(n) = SHA-256(hash(n-1), canonical event n)`, so that nothing in it can be changed, taken out
 * or moved without every later hash being wrong. What a change causes is written with the change; its place in the
 * chain is given a moment later by one node at a time, so that no sign-in waits for another. See decision 18.
 */

/** Where the chain stands: what to keep elsewhere, if the database itself is not to be believed. */
export interface Head {
  readonly n: number
  /** Hexadecimal. */
  readonly hash: string
}

/** One event with its place. */
export interface LinkedEvent extends Head {
  readonly event: CanonicalEvent
}

/** One event as it is hashed and exported: names and order are part of the format. */
export interface CanonicalEvent {
  readonly id: string
  /** UTC, to the microsecond. */
  readonly at: string
  readonly action: string
  readonly outcome: string
  readonly organization: string | null
  readonly actor: string | null
  readonly target: string | null
  readonly request: string | null
  readonly data: unknown
}

const batch = 500

const columns = sql`e.id, to_char(e.at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at, e.action, e.outcome,
  e.organization_id as organization, e.actor_id as actor, e.target, e.request_id as request, e.data`

/**
 * Gives every committed event that has none its place in the chain. Any number of nodes may do so at once; one does.
 * @param signal ends it after the batch under way
 * @returns how many were linked
 */
export async function linkEvents(db: Db, signal?: AbortSignal): Promise<number> {
  let total = 0
  while (!signal?.aborted) {
    const linked = await db.transaction().execute(linkBatch)
    total += linked
    if (linked < batch) break
  }
  return total
}

async function linkBatch(tx: Db): Promise<number> {
  const { n, hash } = await tx
    .selectFrom('audit_head')
    .selectAll()
    .forUpdate()
    .executeTakeFirstOrThrow()
  const { rows } = await sql<CanonicalEvent & { seq: string }>`
    select u.seq, ${columns} from audit_unlinked u join audit_events e on e.id = u.event_id
    order by u.seq limit ${batch}`.execute(tx)
  if (rows.length === 0) return 0
  let last = hash
  const links = rows.map((event, i) => {
    last = hashOf(last, event)
    return { n: String(BigInt(n) + BigInt(i + 1)), event_id: event.id, hash: last }
  })
  await tx.insertInto('audit_links').values(links).execute()
  await tx
    .deleteFrom('audit_unlinked')
    .where(
      'seq',
      'in',
      rows.map(({ seq }) => seq),
    )
    .execute()
  await tx
    .updateTable('audit_head')
    .set({ n: links.at(-1)!.n, hash: last })
    .execute()
  return rows.length
}

function hashOf(previous: Uint8Array, event: CanonicalEvent): Buffer {
  return createHash('sha256').update(previous).update(canonical(event)).digest()
}

const order = [
  'id',
  'at',
  'action',
  'outcome',
  'organization',
  'actor',
  'target',
  'request',
  'data',
] as const

/** The event's bytes: JSON with its members in this order, those of `data` sorted, and no space between. */
export function canonical(event: CanonicalEvent): string {
  return JSON.stringify(ordered(event))
}

function ordered(event: CanonicalEvent): CanonicalEvent {
  const members = order.map((name) => [name, sorted(event[name])])
  return Object.fromEntries(members) as CanonicalEvent
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([name, member]) => [name, sorted(member)]))
}

/** What going over the whole chain found. */
export type Verification =
  | { readonly whole: true; readonly head: Head; readonly waiting: number }
  | {
      readonly whole: false
      /** The first place that does not fit, and the event there as far as one is known. */
      readonly n: number
      readonly eventId: string | null
      /** A sentence for whoever reads it. */
      readonly problem: string
    }

interface Link {
  readonly n: string
  readonly event_id: string
  readonly hash: Buffer
}

/**
 * Goes over the whole chain, as it stands at the beginning.
 * @param expected a head that was noted earlier: it must still be in the chain
 * @param onProgress told how many of how many are done
 */
export async function verifyChain(
  db: Db,
  {
    expected,
    onProgress = () => {},
  }: { expected?: Head; onProgress?: (done: number, all: number) => void } = {},
): Promise<Verification> {
  const { n: all, hash: end } = await db
    .selectFrom('audit_head')
    .selectAll()
    .executeTakeFirstOrThrow()
  const head = { n: Number(all), hash: end.toString('hex') }
  let last: Buffer = Buffer.alloc(0)
  let n = 0
  for await (const { link, event } of links(db)) {
    if (Number(link.n) > head.n) break
    n += 1
    const problem = problemOf(link, event, n, last)
    if (problem) return { whole: false, n, eventId: link.event_id, problem }
    if (expected?.n === n && expected.hash !== link.hash.toString('hex'))
      return broken(n, link.event_id, 'The hash here is not the one that was noted.')
    last = link.hash
    if (n % batch === 0) onProgress(n, head.n)
  }
  onProgress(n, head.n)
  if (n !== head.n || last.toString('hex') !== head.hash)
    return broken(n + 1, null, `The chain ends after ${n} events, and its head says ${head.n}.`)
  if (expected && expected.n > n)
    return broken(n + 1, null, `The chain ends after ${n} events, and ${expected.n} were noted.`)
  const lost = await unaccounted(db)
  if (lost) return broken(n + 1, lost, 'This event is neither linked nor waiting to be.')
  return { whole: true, head, waiting: await countWaiting(db) }
}

function broken(n: number, eventId: string | null, problem: string): Verification {
  return { whole: false, n, eventId, problem }
}

function problemOf(
  link: Link,
  event: CanonicalEvent | undefined,
  n: number,
  last: Buffer,
): string | undefined {
  if (Number(link.n) !== n) return `Link ${n} is gone; the next one is ${link.n}.`
  if (!event) return 'The event that stood here is gone.'
  if (!hashOf(last, event).equals(link.hash))
    return 'The event, or the order of what stands before it, is not what was linked.'
  return undefined
}

/** Every link with its event, in order. */
async function* links(db: Db): AsyncGenerator<{ link: Link; event: CanonicalEvent | undefined }> {
  for (let after = '0'; ;) {
    const { rows } = await sql<Link & CanonicalEvent & { id: string | null }>`
      select l.n, l.event_id, l.hash, ${columns} from audit_links l left join audit_events e on e.id = l.event_id
      where l.n > ${after} order by l.n limit ${batch}`.execute(db)
    for (const { n, event_id, hash, ...event } of rows)
      yield { link: { n, event_id, hash }, event: event.id === null ? undefined : event }
    if (rows.length < batch) return
    after = rows.at(-1)!.n
  }
}

/** An event that has no place and waits for none; null when there is no such. */
async function unaccounted(db: Db): Promise<string | null> {
  const { rows } = await sql<{ id: string }>`
    select e.id from audit_events e
    where not exists (select from audit_links l where l.event_id = e.id)
      and not exists (select from audit_unlinked u where u.event_id = e.id)
    order by e.id limit 1`.execute(db)
  return rows[0]?.id ?? null
}

/** How many events have no place in the chain yet. */
export async function countWaiting(db: Db): Promise<number> {
  const { rows } = await sql<{ n: string }>`select count(*) as n from audit_unlinked`.execute(db)
  return Number(rows[0]!.n)
}

/** Which events to export. */
export interface ExportFilter {
  /** From this moment on. */
  readonly from?: Date
  /** Up to this moment, itself left out. */
  readonly to?: Date
  readonly organizationId?: string
}

/** The linked events in order, each with its place and hash, so that a copy can be checked against the chain. */
export async function* exportEvents(
  db: Db,
  filter: ExportFilter = {},
): AsyncGenerator<LinkedEvent> {
  const { from = new Date(0), to = new Date('9999-12-31'), organizationId = null } = filter
  for (let after = '0'; ;) {
    const { rows } = await sql<Link & CanonicalEvent>`
      select l.n, l.event_id, l.hash, ${columns} from audit_links l join audit_events e on e.id = l.event_id
      where l.n > ${after} and e.at >= ${from} and e.at < ${to}
        and (${organizationId}::uuid is null or e.organization_id = ${organizationId})
      order by l.n limit ${batch}`.execute(db)
    for (const { n, hash, ...row } of rows)
      yield { n: Number(n), hash: hash.toString('hex'), event: ordered(row) }
    if (rows.length < batch) return
    after = rows.at(-1)!.n
  }
}
