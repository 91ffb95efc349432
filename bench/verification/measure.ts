import { setTimeout as pause } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Db } from '../../src/db/open.ts'
import { newId } from '../../src/lib/ids.ts'
import { hashToken, randomToken } from '../../src/lib/secrets.ts'
import { promisedBound, pushedWithin } from '../../src/verification/bound.ts'
import { leaseDue } from '../../src/verification/lease.ts'
import type { Counted } from '../servers/refreshing.ts'
import type { Tell } from '../rounds.ts'
import { arm, block, disarm, idOf, placeOf } from './fill.ts'
import type { Sizes, Stage } from './stage.ts'
import { openWays, type Way } from './ways.ts'

/** What finding due work costs, among few and among many identities, one in a hundred of them due. */
export interface Claim {
  readonly few: { readonly identities: number; readonly ms: number }
  readonly many: { readonly identities: number; readonly ms: number }
}

/** Leases a few in either database, turn by turn, and undoes it. */
export async function measureClaim(
  { few, many }: Stage,
  { claims, few: fewer, many: more }: Sizes,
): Promise<Claim> {
  const took = { few: [] as number[], many: [] as number[] }
  for (let i = 0; i < claims; i++) {
    took.few.push(await claimOnce(few))
    took.many.push(await claimOnce(many))
  }
  // The first ones plan, and read what is not in memory yet; of the others the slower ones say what else was at work.
  const settled = (times: number[]) => at(times.slice(Math.floor(times.length / 4)), 0.25)
  return {
    few: { identities: fewer, ms: settled(took.few) },
    many: { identities: more, ms: settled(took.many) },
  }
}

async function claimOnce(db: Db): Promise<number> {
  const undone = new Error('undone')
  let took = 0
  await db
    .transaction()
    .execute(async (tx) => {
      const began = performance.now()
      const leased = await leaseDue(tx, new Date(), { most: 64, mostEach: 32 })
      took = performance.now() - began
      if (leased.length === 0) throw new Error('Nobody was due.')
      throw undone
    })
    .catch((error) => {
      if (error !== undone) throw error
    })
  return took
}

/** How many identities three processes verify, and what that costs. */
export interface Rate {
  readonly verified: number
  readonly seconds: number
  /** Identities a second, from the first tenth to the last. */
  readonly perSecond: number
  /** Requests at the token endpoint for each verdict. */
  readonly requestsEach: number
  /** Processor time of each, in milliseconds: of the three workers, and of the provider. */
  readonly workersMs: number
  readonly providerMs: number
}

/** Makes many due at once, at connections whose allowance is no limit, and has the workers go through them. */
export async function measureRate(stage: Stage, { rate: { people } }: Sizes): Promise<Rate> {
  const { many: db, sealer, members, provider } = stage
  await disarm(db)
  await allow(db, stage.connections, 100_000)
  const all = Array.from({ length: people }, (_, i) => i * (block / 4))
  await arm(
    db,
    sealer,
    all.map((person) => ({ person, dueInMs: -60_000 })),
  )
  await provider.ask('counted')
  const began = new Date()
  const before = await usage(stage)
  await working(members, async () => {
    // Whoever is leased is due again when the lease ends.
    while ((await due(stage, 120)) > 0) await pause(200)
  })
  const after = await usage(stage)
  const counted = totals(await provider.ask<Counted>('counted'))
  const requests = counted.reduce((sum, [, count]) => sum + count, 0)
  const { rows } = await sql<{ n: string }>`
    select count(*) as n from identities where last_verified_at > ${began} and verdict = 'still_true'`.execute(
    db,
  )
  const verified = Number(rows[0]!.n)
  const [from, to] = [counted[0]![0], counted.at(-1)![0]]
  const edge = (to - from) / 10
  const middle = counted.filter(([tenth]) => tenth >= from + edge && tenth < to - edge)
  const seconds = (to - from + 1) / 10
  return {
    verified,
    seconds,
    perSecond: middle.reduce((sum, [, count]) => sum + count, 0) / ((to - from - 2 * edge) / 10),
    requestsEach: requests / verified,
    workersMs: (after.workers - before.workers) / verified,
    providerMs: (after.provider - before.provider) / verified,
  }
}

/** What each connection was allowed, and how many requests came of it. */
export interface Allowance {
  readonly allowed: number
  readonly measured: number
}

/** Connections with allowances of their own and more work than those let through. */
export async function measureAllowances(
  stage: Stage,
  { allowance: { rates, seconds } }: Sizes,
): Promise<Allowance[]> {
  const { many: db, sealer, members, provider, connections } = stage
  await disarm(db)
  const settle = 3
  for (const [i, rate] of rates.entries()) {
    await allow(db, [connections[i]!], rate)
    const enough = rate * (seconds + 2 * settle)
    const people = peopleAt(i, enough, connections.length)
    await arm(
      db,
      sealer,
      people.map((person) => ({ person, dueInMs: -60_000 })),
    )
  }
  await working(members, async () => {
    await pause(settle * 1000)
    await provider.ask('counted')
    await pause(seconds * 1000)
  })
  const counted = await provider.ask<Counted>('counted')
  return rates.map((allowed, i) => {
    const tenths = (counted[`c${i}`] ?? []).toSorted(([a], [b]) => a - b)
    const from = tenths[0]?.[0] ?? 0
    const within = tenths.filter(([tenth]) => tenth < from + seconds * 10)
    const measured = within.reduce((sum, [, count]) => sum + count, 0) / seconds
    return { allowed, measured }
  })
}

/** An outage of the provider, and what came after it. */
export interface Outage {
  /** Requests at the provider in each second. */
  readonly perSecond: readonly number[]
  /** The seconds at which it went away and came back. */
  readonly away: readonly [from: number, to: number]
  /** Requests in any second that all connections together are allowed, and how many are due by themselves. */
  readonly allowed: number
  readonly usual: number
  /** The most in any second. */
  readonly peak: number
  /** The second by which nobody was overdue any more. */
  readonly drained: number
  /** People whose access was touched. */
  readonly out: number
  /** People whose token may have been used up by a request that was cut off: it is never presented again. */
  readonly untold: number
}

/** How long it took from the end at the provider to the refusal on every node, in milliseconds. */
export interface Bound {
  readonly how: 'asking' | Way['how']
  readonly people: number
  readonly p50: number
  readonly p99: number
  readonly max: number
  /** No longer than this was promised. */
  readonly promised: number
  readonly took: readonly number[]
}

const outageAt = 5
const outageConnections = 4

/** What each of them may ask at once, beside so much a second. */
const allowedAtOnce = 5

/**
 * People who are asked about every minute; the provider refuses every connection for a while; then it is back. After
 * that, some of them, who are signed in, are suspended at moments of their own.
 */
export async function measureOutage(
  stage: Stage,
  { outage: { people, allowedEach, before, away, after }, bound }: Sizes,
  tell: Tell,
): Promise<{ outage: Outage; bounds: Bound[] }> {
  const { many: db, sealer, members, provider, connections } = stage
  await disarm(db)
  const used = connections.slice(outageAt, outageAt + outageConnections)
  await allow(db, used, allowedEach, allowedAtOnce)
  await sql`update connections set check_every_minutes = 1 where id = any(${[...used]}::uuid[])`.execute(
    db,
  )
  // Most of them are not signed in.
  await sql`update organizations set check_at_most_minutes = 1`.execute(db)
  const all = used.flatMap((_, i) =>
    peopleAt(outageAt + i, people / used.length, connections.length),
  )
  const families = await arm(
    db,
    sealer,
    all.map((person, i) => ({ person, dueInMs: (i / all.length) * 60_000 })),
  )
  shuffle(all)
  const suspended = all.slice(0, bound.polled)
  const pushed = [0, 1, 2].map((i) =>
    all.slice(bound.polled).slice(i * bound.pushed, (i + 1) * bound.pushed),
  )
  const sessions = await signIn(stage, [...suspended, ...pushed.flat()])
  const watched = suspended.map((person) => sessions.get(person))
  await Promise.all(members.map((member) => member.ask('watch', watched)))
  await provider.ask('counted')
  const start = Date.now()
  const tenths: [number, number][] = []
  const collect = async (seconds: number, doing: string) => {
    for (const end = Date.now() + seconds * 1000; Date.now() < end; await pause(500))
      tell(`${doing}: ${Math.round((end - Date.now()) / 1000)} s left`)
    tenths.push(...totals(await provider.ask<Counted>('counted')))
  }
  return working(members, async () => {
    await collect(before, 'as usual')
    const from = (Date.now() - start) / 1000
    await provider.ask('away', true)
    await collect(away, 'the provider is away')
    await provider.ask('away', false)
    const to = (Date.now() - start) / 1000
    let drained = 0
    const draining = collect(after, 'the provider is back')
    while (drained === 0 && Date.now() - start < (to + after) * 1000)
      if ((await due(stage, -3)) > 0) await pause(250)
      else drained = (Date.now() - start) / 1000
    await draining
    const perSecond = histogram(tenths, start, Math.ceil(to + after))
    const untold = await untoldOf(db)
    const outage: Outage = {
      perSecond,
      away: [from, to],
      allowed: (allowedEach + allowedAtOnce) * used.length,
      usual: people / 60,
      peak: Math.max(...perSecond),
      drained,
      out: await touched(db, used),
      untold: untold.size,
    }
    const known = { families, sessions }
    const bounds: Bound[] = []
    // Nobody is asked about whose token may be used up, before they sign in again or the budget is spent.
    const asked = suspended.filter((person) => !untold.has(idOf('identity', person)))
    if (asked.length > 0)
      bounds.push(
        await suspendSome(stage, asked, known, {
          tell,
          within: bound.seconds,
          promised: promisedBound({
            checkEveryMinutes: 1,
            checksPerSecond: allowedEach,
            asked: people / used.length,
          }),
        }),
      )
    bounds.push(...(await pushSome(stage, pushed, known)))
    return { outage, bounds }
  })
}

interface Known {
  readonly families: ReadonlyMap<number, string>
  readonly sessions: ReadonlyMap<number, string>
}

async function suspendSome(
  { members, provider }: Stage,
  people: readonly number[],
  { families, sessions }: Known,
  { tell, within, promised }: { tell: Tell; within: number; promised: number },
): Promise<Bound> {
  const suspendedAt = new Map<string, number>()
  for (const person of people) {
    await pause((within * 1000) / people.length)
    tell(`suspending people: ${suspendedAt.size} of ${people.length}`)
    suspendedAt.set(sessions.get(person)!, Date.now())
    await provider.ask('suspend', families.get(person))
  }
  const end = Date.now() + promised
  let refusedAt = new Map<string, number>()
  while (refusedAt.size < people.length && Date.now() < end) {
    tell(`suspending people: ${refusedAt.size} of ${people.length} refused`)
    await pause(500)
    refusedAt = await refusedEverywhere(members, [...suspendedAt.keys()])
  }
  const took = [...suspendedAt].map(([token, at]) => (refusedAt.get(token) ?? Date.now()) - at)
  return boundOf('asking', took, promised)
}

/** When each session was refused by the last of the nodes; those that all refuse. */
async function refusedEverywhere(
  members: Stage['members'],
  tokens: readonly string[],
): Promise<Map<string, number>> {
  const each = await Promise.all(
    members.map((member) => member.ask<Record<string, number>>('refused')),
  )
  const last = tokens.map(
    (token) => [token, Math.max(...each.map((refused) => refused[token] ?? Infinity))] as const,
  )
  return new Map(last.filter(([, at]) => at < Infinity))
}

/** Has some people's end told to us in each way there is. */
async function pushSome(
  stage: Stage,
  groups: readonly (readonly number[])[],
  known: Known,
): Promise<Bound[]> {
  const bounds: Bound[] = []
  for (const [i, way] of (await openWays(stage)).entries())
    bounds.push(await pushOneWay(stage, way, groups[i]!, known))
  return bounds
}

async function pushOneWay(
  { members, connections }: Stage,
  way: Way,
  people: readonly number[],
  { families, sessions }: Known,
): Promise<Bound> {
  const took: number[] = []
  for (const [i, person] of people.entries()) {
    const member = members[i % members.length]!
    const place = placeOf(person, connections.length)
    const request = await way.prepare(member, place, families.get(person)!)
    took.push((await member.ask<{ ms: number }>('hear', request)).ms)
    const token = sessions.get(person)
    const still = await Promise.all(members.map((one) => one.ask<boolean>('accepts', token)))
    if (still.some(Boolean)) throw new Error(`A session was accepted after its end by ${way.how}.`)
  }
  return boundOf(way.how, took, pushedWithin)
}

function boundOf(how: Bound['how'], took: readonly number[], promised: number): Bound {
  const sorted = took.toSorted((a, b) => a - b)
  return {
    how,
    people: sorted.length,
    p50: at(sorted, 0.5),
    p99: at(sorted, 0.99),
    max: sorted.at(-1)!,
    promised,
    took: sorted,
  }
}

/** Gives people a session each, proven to their organization. Answers their cookies' values. */
async function signIn(
  { many: db, connections }: Stage,
  people: readonly number[],
): Promise<ReadonlyMap<number, string>> {
  const sessions = new Map<number, string>()
  for (const person of people) {
    const [id, token] = [newId(), randomToken()]
    await sql`
      with made as (
        insert into sessions (id, token_hash, user_id, kind, authenticated_at, last_seen_at, idle_ends_at, absolute_ends_at, created_at)
        values (${id}, ${hashToken(token)}, ${idOf('user', person)}, 'user', now(), now(), now() + interval '1 hour',
          now() + interval '8 hours', now()) returning id, created_at)
      insert into session_proofs (session_id, organization_id, connection_id, identity_id, config_version, authenticated_at, proved_at, last_seen_at)
      select made.id, c.organization_id, c.id, ${idOf('identity', person)}, 1, made.created_at, made.created_at, made.created_at
      from made, connections c where c.id = ${connections[placeOf(person, connections.length)]!}`.execute(
      db,
    )
    sessions.set(person, token)
  }
  return sessions
}

/** The first people of a connection. */
function peopleAt(connection: number, count: number, connections: number): number[] {
  return Array.from(
    { length: count },
    (_, i) => (Math.floor(i / block) * connections + connection) * block + (i % block),
  )
}

function shuffle(people: number[]): void {
  for (let i = people.length - 1; i > 0; i--) {
    const other = Math.floor(Math.random() * (i + 1))
    ;[people[i], people[other]] = [people[other]!, people[i]!]
  }
}

async function allow(
  db: Db,
  connections: readonly string[],
  perSecond: number,
  atOnce: number = perSecond,
): Promise<void> {
  await sql`update connections set checks_per_second = ${perSecond}, checks_burst = ${atOnce}
    where id = any(${[...connections]}::uuid[])`.execute(db)
}

/** How many are due so many seconds from now, or were when that is in the past. */
async function due({ many: db, connections }: Stage, inSeconds: number): Promise<number> {
  const { rows } = await sql<{ n: string }>`
    select sum(each.n) as n from unnest(${[...connections]}::uuid[]) c (id), lateral (
      select count(*) as n from identities i
      where i.connection_id = c.id and i.check_at <= now() + ${inSeconds} * interval '1 second') each`.execute(
    db,
  )
  return Number(rows[0]!.n)
}

/** How many of a connection's people are not as they were: their link, or what was said of them. */
async function touched(db: Db, connections: readonly string[]): Promise<number> {
  const { rows } = await sql<{ n: string }>`
    select count(*) as n from identities i join connections c on c.id = i.connection_id
    left join memberships m on m.organization_id = c.organization_id and m.user_id = i.user_id
    where c.id = any(${[...connections]}::uuid[]) and (i.verdict = 'no_longer_true' or m.link_state is distinct from 'linked')`.execute(
    db,
  )
  return Number(rows[0]!.n)
}

async function untoldOf(db: Db): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ id: string }>`
    select id from identities where refresh_intent is not null and verdict = 'could_not_tell'`.execute(
    db,
  )
  return new Set(rows.map(({ id }) => id))
}

async function working<T>(members: Stage['members'], during: () => Promise<T>): Promise<T> {
  await Promise.all(members.map((member) => member.ask('start')))
  try {
    return await during()
  } finally {
    await Promise.all(members.map((member) => member.ask('stop')))
  }
}

async function usage({ members, provider }: Stage) {
  const used = await Promise.all(members.map((member) => member.usage()))
  return {
    workers: used.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
    provider: (await provider.usage()).cpuMs,
  }
}

/** Of all clients together, in order. */
function totals(counted: Counted): [number, number][] {
  const sums = new Map<number, number>()
  for (const [tenth, count] of Object.values(counted).flat())
    sums.set(tenth, (sums.get(tenth) ?? 0) + count)
  return [...sums].sort(([a], [b]) => a - b)
}

/** Requests in each second from `start`. */
function histogram(tenths: readonly [number, number][], start: number, seconds: number): number[] {
  const each = Array.from({ length: seconds }, () => 0)
  for (const [tenth, count] of tenths) {
    const second = Math.floor((tenth * 100 - start) / 1000)
    if (second >= 0 && second < seconds) each[second]! += count
  }
  return each
}

function at(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
}
