import { hash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { sql } from 'kysely'
import pg from 'pg'
import { createConnection } from '../../src/accounts/connections.ts'
import { createOrganization } from '../../src/accounts/organizations.ts'
import { createSallyport } from '../../src/app.ts'
import { readConfig } from '../../src/lib/config.ts'
import { createLog } from '../../src/lib/log.ts'
import { tokenKey } from '../../src/lib/secrets.ts'
import { findByToken } from '../../src/sessions/find.ts'
import { findSession } from '../../src/sessions/lookup.ts'
import { SessionMemory } from '../../src/sessions/memory.ts'
import { Node } from '../../src/sessions/node.ts'
import { revokeSession } from '../../src/sessions/revoke.ts'
import { batch, slideSessions } from '../../src/sessions/slides.ts'
import { createZipf } from '../growth/zipf.ts'
import { work } from '../process.ts'

/** A node on an embedded PostgreSQL that can be filled with any number of live sessions. */
const data = await mkdtemp(join(tmpdir(), 'sallyport-growth-'))
const environment = { NODE_ENV: 'development', SALLYPORT_DATA: data, LOG_LEVEL: 'warn' }
const config = readConfig(environment)
const sallyport = await createSallyport({ config })
const { services } = sallyport
const { db, node, clock } = services
const postmaster = (await readFile(join(data, 'postgres/postmaster.pid'), 'utf8')).split('\n')
const database = {
  host: postmaster[4]!,
  port: Number(postmaster[3]),
  ...(
    await sql<{ user: string; database: string }>`
    select current_user as "user", current_database() as database`.execute(db)
  ).rows[0]!,
}

const organization = await createOrganization(db, { slug: 'bench', name: 'Bench' }, clock.now())
const connectionId = await createConnection(
  db,
  services.sealer,
  { organizationId: organization.id, kind: 'oidc', name: 'Bench', settings: {} },
  clock.now(),
)

/** The token of the session with that number; the database makes the same. */
const tokenOf = (i: number) => hash('sha256', `session-${i}`, 'base64url')
let filled = 0
/** Ten sessions are one person's. */
const each = 10

/** Adds live sessions until there are so many, with all they rest on; none needs to be moved on for an hour. */
async function fill(total: number): Promise<void> {
  const [from, to] = [filled, total]
  const [firstPerson, lastPerson] = [Math.ceil(from / each), Math.ceil(to / each) - 1]
  await unhurried(async (query) => {
    const people = `generate_series(${firstPerson}, ${lastPerson}) i`
    const sessions = `generate_series(${from}, ${to - 1}) i`
    const user = (i: string) => `md5('user-' || ${i})::uuid`
    const identity = (i: string) => `md5('identity-' || ${i})::uuid`
    await query(`insert into users (id, name, kind, created_at)
      select ${user('i')}, 'Person ' || i, 'person', now() from ${people}`)
    await query(`insert into user_emails (user_id, address, folded, is_primary)
      select ${user('i')}, 'person-' || i || '@bench.example', 'person-' || i || '@bench.example', true from ${people}`)
    await query(`insert into memberships (id, organization_id, user_id, role, link_state, link_since)
      select md5('member-' || i)::uuid, '${organization.id}', ${user('i')}, 'member', 'linked', now() from ${people}`)
    await query(`insert into identities (id, connection_id, issuer, subject, user_id, linked_at, last_verified_at)
      select ${identity('i')}, '${connectionId}', 'https://bench.example', 'person-' || i, ${user('i')}, now(), now() from ${people}`)
    await query(`insert into sessions (id, token_hash, user_id, kind, browser_hash, flow_id, device, address,
        authenticated_at, last_seen_at, idle_ends_at, absolute_ends_at, created_at)
      select md5('session-' || i)::uuid,
        sha256(rtrim(translate(encode(sha256(('session-' || i)::bytea), 'base64'), '+/', '-_'), '=')::bytea),
        ${user(`(i / ${each})`)}, 'user', sha256(('browser-' || i)::bytea), md5('flow-' || i)::uuid, 'Chrome on Linux',
        '192.0.2.7', now(), now() + interval '1 hour', now() + interval '2 hours', now() + interval '12 hours', now()
      from ${sessions}`)
    await query(`insert into session_proofs (session_id, organization_id, connection_id, identity_id, config_version,
        authenticated_at, proved_at, last_seen_at)
      select md5('session-' || i)::uuid, '${organization.id}', '${connectionId}', ${identity(`(i / ${each})`)}, 1, now(),
        now(), now() + interval '1 hour' from ${sessions}`)
    await query('vacuum analyze')
    await query('checkpoint')
  })
  filled = total
}

async function unhurried(run: (query: (text: string) => Promise<unknown>) => Promise<void>) {
  const client = new pg.Client(database)
  await client.connect()
  await run((text) => client.query(text)).finally(() => client.end())
}

/** Processor time of the database server, all its processes, in milliseconds. Linux only. */
async function databaseCpuMs(): Promise<number> {
  const parent = postmaster[0]!
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const stats = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')),
  )
  let ticks = 0
  for (const stat of stats) {
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const own = Number(fields[11]) + Number(fields[12])
    if (fields[1] === parent) ticks += own
    // Of backends that have ended the parent keeps the account.
    if (stat.startsWith(`${parent} `)) ticks += own + Number(fields[13]) + Number(fields[14])
  }
  return ticks * 10
}

/** What something done many times costs each time, in microseconds of processor time. */
export interface Cost {
  readonly rate: number
  readonly nodeUs: number
  readonly databaseUs: number
}

async function costOf(work: () => Promise<number>): Promise<Cost> {
  const nodeCpu = process.cpuUsage()
  const databaseCpu = await databaseCpuMs()
  const began = performance.now()
  const count = await work()
  const seconds = (performance.now() - began) / 1000
  const { user, system } = process.cpuUsage(nodeCpu)
  return {
    rate: count / seconds,
    nodeUs: (user + system) / count,
    databaseUs: ((await databaseCpuMs()) - databaseCpu) * (1000 / count),
  }
}

async function atOnce(callers: number, call: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: callers }, call))
}

/** Asks the database about sessions at random for so long. */
function cold(seconds: number): Promise<Cost> {
  return costOf(async () => {
    const end = performance.now() + seconds * 1000
    let count = 0
    await atOnce(16, async () => {
      for (; performance.now() < end; count++) {
        const token = tokenOf(randomBytes(4).readUInt32LE() % filled)
        const { session } = await findByToken(services, token, true)
        if (!session) throw new Error('A session was not found.')
      }
    })
    return count
  })
}

/** Moves so many sessions on, each once, a thousand in a statement as nodes do it. */
async function slide(count: number): Promise<Cost> {
  const { rows } = await sql<{ id: string }>`
    with long_ago as (
      update sessions set last_seen_at = now() - interval '10 minutes', idle_ends_at = now() + interval '50 minutes'
      where id in (select id from sessions where revoked_at is null order by id limit ${count}) returning id
    )
    update session_proofs set last_seen_at = now() - interval '10 minutes'
    from long_ago where session_id = id returning id`.execute(db)
  const at = clock.now()
  return costOf(async () => {
    for (let i = 0; i < count; i += batch) {
      const touches = rows.slice(i, i + batch).map(({ id }) => ({ id, from: at, at }))
      await slideSessions(db, touches, services.lifetimes)
    }
    return count
  })
}

/** What a number of nodes costs: as they are, and for each revocation. */
export interface NodesCost {
  /** Statements a second of all nodes while nothing happens. */
  readonly idle: number
  /** Statements of all nodes for each revocation. */
  readonly perRevocation: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Revocations when eight are always under way, with all that nodes do for them. */
  readonly most: Cost
}

/** What nodes say to the database, by the names of their statements. */
const ofNodes = ['renew', 'look', 'acknowledge']
let statements = 0
const send = pg.Client.prototype.query as (this: unknown, ...args: unknown[]) => unknown
pg.Client.prototype.query = function (this: unknown, ...args: unknown[]) {
  const { name } = args[0] as { name?: string }
  if (name && ofNodes.includes(name)) statements++
  return send.apply(this, args)
} as never

async function nodes(count: number): Promise<NodesCost> {
  const log = createLog('warn')
  const more = Array.from({ length: count - 1 }, () => new Node({ database, log }))
  await Promise.all(more.map((one) => one.start()))
  const victims = await sessionsToRevoke(1500)
  const revoke = async () => {
    const { id, userId } = victims.pop()!
    await revokeSession(services, { id, userId }, 'logout', { userId }, clock.now())
  }
  try {
    await revoke()
    statements = 0
    await setTimeout(2000)
    const idle = statements / 2
    statements = 0
    const times: number[] = []
    const started = performance.now()
    for (let i = 0; i < 100; i++) {
      const began = performance.now()
      await revoke()
      times.push(performance.now() - began)
      await setTimeout(20)
    }
    const ownTime = (performance.now() - started) / 1000
    const perRevocation = (statements - idle * ownTime) / times.length
    const most = await costOf(async () => {
      const end = performance.now() + 2000
      let done = 0
      await atOnce(8, async () => {
        for (; performance.now() < end && victims.length > 0; done++) await revoke()
      })
      return done
    })
    times.sort((a, b) => a - b)
    return { idle, perRevocation, p50Ms: times[50]!, p99Ms: times[98]!, most }
  } finally {
    await Promise.all(more.map((one) => one.stop()))
  }
}

/** Renews a node's lease so often, one after another. */
function renew(count: number): Promise<Cost> {
  return costOf(async () => {
    for (let i = 0; i < count; i++) await node.renew()
    return count
  })
}

async function sessionsToRevoke(count: number): Promise<{ id: string; userId: string }[]> {
  return db
    .selectFrom('sessions')
    .select(['id', 'user_id as userId'])
    .where('revoked_at', 'is', null)
    .limit(count)
    .execute()
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

async function heap(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    collect()
    await setTimeout(20)
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Bytes that each of so many things takes. */
async function weigh<T>(count: number, make: (i: number) => T | Promise<T>): Promise<number> {
  const kept: T[] = Array.from({ length: count })
  const before = await heap()
  for (let i = 0; i < count; i++) kept[i] = await make(i)
  const weight = ((await heap()) - before) / count
  return kept.length === count ? weight : NaN
}

/** Fills a memory with sessions as they are read, and answers it with what each takes. */
async function remembered(count: number): Promise<{ memory: SessionMemory; each: number }> {
  const memory = new SessionMemory({ sessions: count })
  const before = await heap()
  const judging = { lifetimes: services.lifetimes, now: clock.now() }
  const load = (key: string) => async () => ({
    live: true,
    session: await findSession(db, Buffer.from(key, 'latin1'), judging),
  })
  let next = 0
  await atOnce(16, async () => {
    while (next < count) {
      const key = tokenKey(tokenOf(next++))
      await memory.read(key, load(key), true)
    }
  })
  return { memory, each: ((await heap()) - before) / memory.size }
}

/** Bytes of a remembered session as it is, the median of three, and of what it is made of. */
async function weights(count: number): Promise<Record<string, number>> {
  const { memory, each } = await remembered(count)
  const all = [each, (await remembered(count)).each, (await remembered(count)).each]
  const whole = all.toSorted((a, b) => a - b)[1]!
  // What JSON brings is a text of its own for every value, as what the driver reads is.
  const sample = memory.recall(tokenKey(tokenOf(0)))!
  const copy = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T
  const proof = sample.organizations[0]!
  return {
    whole,
    proof: await weigh(count, () => [{ ...proof, identityId: copy(proof.identityId) }]),
    person: await weigh(count, () => copy(sample.person)),
    id: await weigh(count, () => copy(sample.id)),
    'browser hash': await weigh(count, (i) => tokenKey(tokenOf(i))),
    key: await weigh(count, (i) => tokenKey(tokenOf(i))),
    place: await placeInCache(count),
    sessionsRemembered: memory.size,
  }
}

/** What the least-recently-used order and the index cost, with nothing in them. */
async function placeInCache(count: number): Promise<number> {
  const { LRUCache } = await import('lru-cache')
  const keys = Array.from({ length: count }, (_, i) => `key ${i}`)
  const nothing = {}
  const before = await heap()
  const cache = new LRUCache<string, object>({ max: count })
  for (const key of keys) cache.set(key, nothing)
  const weight = ((await heap()) - before) / count
  return cache.size === count ? weight : NaN
}

/** How often memory knew, of requests whose sessions follow Zipf's law, for a memory of so many sessions. */
async function hits({ capacity, population, exponent, requests }: ZipfLoad): Promise<number> {
  const log = createLog('warn')
  const own = new Node({ database, log, limits: { sessions: capacity } })
  await own.start()
  const zipf = createZipf(population, exponent)
  const finding = { ...services, node: own }
  const ask = (count: number) => {
    let left = count
    return atOnce(8, async () => {
      while (left-- > 0) await findByToken(finding, tokenOf(zipf()), false)
    })
  }
  try {
    await ask(requests)
    const { hits, misses } = own.memory
    await ask(requests)
    const [known, asked] = [own.memory.hits - hits, own.memory.misses - misses]
    return known / (known + asked)
  } finally {
    await own.stop()
  }
}

/** A load on a memory. */
export interface ZipfLoad {
  readonly capacity: number
  readonly population: number
  readonly exponent: number
  readonly requests: number
}

const { rows } = await sql<{ version: string }>`
  select current_setting('server_version') as version`.execute(db)
const jobs = { fill, cold, slide, renew, nodes, weights, hits }
work({ database, postgres: rows[0]!.version, data }, jobs, async () => {
  await sallyport.close()
  await rm(data, { recursive: true, force: true })
})
