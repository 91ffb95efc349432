import type { TestContext } from 'node:test'
import { openDatabase, type Db } from '../../src/db/open.ts'
import { newId } from '../../src/lib/ids.ts'
import { hashToken, randomToken } from '../../src/lib/secrets.ts'
import { authenticate, type SessionServices } from '../../src/sessions/authenticate.ts'
import { localClocks, type LocalClocks } from '../../src/lib/clock.ts'
import { Lease } from '../../src/sessions/lease.ts'
import { Node, type NodeOptions } from '../../src/sessions/node.ts'
import { Slides } from '../../src/sessions/slides.ts'
import type { TestApp } from '../_app.ts'
import { cuttable, type CuttableConnection } from '../_cut.ts'

/** A machine's clocks, moved on or set by hand. */
export class MovedClocks implements LocalClocks {
  readonly #base: LocalClocks
  #passed = 0
  #set = 0

  constructor(base: LocalClocks = localClocks) {
    this.#base = base
  }

  monotonic(): number {
    return this.#base.monotonic() + this.#passed
  }

  wall(): number {
    return this.#base.wall() + this.#passed + this.#set
  }

  /** Time passes. */
  pass(milliseconds: number): void {
    this.#passed += milliseconds
  }

  /** Somebody sets the wall clock on or back, or the machine was suspended for so long. */
  setWall(milliseconds: number): void {
    this.#set += milliseconds
  }
}

/** One node of several on an application's database, behind a line of its own. */
export interface Member {
  readonly services: SessionServices
  readonly node: Node
  readonly line: CuttableConnection
  readonly clocks: MovedClocks
  /** Whether a request with that session token is let in now. Without a database nobody is. */
  accepts(token: string): Promise<boolean>
}

/** What a test may choose of a node. */
export interface MemberOptions extends Partial<NodeOptions> {
  /** Whether it renews by a timer; otherwise only when told. @default true */
  readonly timed?: boolean
}

/** Starts a node beside the application's own; it goes with the test. */
export async function startMember(
  t: TestContext,
  app: TestApp,
  { timed = true, ...options }: MemberOptions = {},
): Promise<Member> {
  const { services } = app.sallyport
  const line = await cuttable(app.line.connection)
  const db = openDatabase(line.connection, { pool: 3, statementTimeoutMs: 1000 })
  const clocks = new MovedClocks()
  const node = new Node({
    database: line.connection,
    log: services.log,
    lease: new Lease(clocks),
    ...options,
  })
  await (timed ? node.start() : node.renew())
  t.after(async () => {
    line.mend()
    await slides.stop()
    await node.stop()
    await db.destroy()
    await line.close()
  })
  const slides = new Slides({
    db,
    memory: node.memory,
    lifetimes: services.lifetimes,
    log: services.log,
  })
  const own: SessionServices = { ...services, db, node, slides }
  return {
    services: own,
    node,
    line,
    clocks,
    async accepts(token) {
      const asker = await authenticate(own, `${services.cookies.session}=${token}`)
      return asker.session !== null && asker.verdict.standing !== 'locked'
    },
  }
}

/** A session made in the database, as if its person had signed in once more. */
export interface MadeSession {
  readonly id: string
  readonly userId: string
  readonly token: string
}

/** Signs a person in, and again so many times in the database. */
export async function makeSessions(
  app: TestApp,
  subject: string,
  count: number,
): Promise<readonly MadeSession[]> {
  await app.signIn(app.browser(), subject)
  const { db } = app.sallyport.services
  const session = await db
    .selectFrom('sessions')
    .innerJoin('users', 'users.id', 'sessions.user_id')
    .selectAll('sessions')
    .where('users.name', '=', subject)
    .executeTakeFirstOrThrow()
  const proof = await db
    .selectFrom('session_proofs')
    .selectAll()
    .where('session_id', '=', session.id)
    .executeTakeFirstOrThrow()
  const made = Array.from({ length: count }, () => ({
    id: newId(),
    userId: session.user_id,
    token: randomToken(),
  }))
  for (let i = 0; i < made.length; i += 1000) {
    const some = made.slice(i, i + 1000)
    const rows = some.map(({ id, token }) => ({
      ...session,
      id,
      token_hash: hashToken(token),
      browser_hash: null,
      flow_id: null,
    }))
    await db.insertInto('sessions').values(rows).execute()
    await db
      .insertInto('session_proofs')
      .values(some.map(({ id }) => ({ ...proof, session_id: id })))
      .execute()
  }
  return made
}

/** Another live session like one that has that token, as no program of ours would make it; answers its token. */
export async function copySession(app: TestApp, token: string): Promise<string> {
  const { db } = app.sallyport.services
  const session = await db
    .selectFrom('sessions')
    .selectAll()
    .where('token_hash', '=', hashToken(token))
    .executeTakeFirstOrThrow()
  const copy = randomToken()
  const own = { id: newId(), token_hash: hashToken(copy), browser_hash: null, flow_id: null }
  await db
    .insertInto('sessions')
    .values({ ...session, ...own })
    .execute()
  return copy
}

/** Whether a session has been ended, by the database. */
export async function isEnded(db: Db, { id }: { id: string }): Promise<boolean> {
  const query = db.selectFrom('sessions').select('revoked_at').where('id', '=', id)
  return (await query.executeTakeFirstOrThrow()).revoked_at !== null
}

/**
 * Asks without a pause until stopped. A request that came after `over` and was let in is a stale one.
 */
export function askOnAndOn(
  member: Member,
  token: string,
): { over(): void; stop(): Promise<{ asked: number; stale: number }> } {
  let [asked, stale, over, stopped] = [0, 0, false, false]
  const asking = (async () => {
    while (!stopped) {
      const late = over
      const accepted = await member.accepts(token)
      asked++
      if (late && accepted) stale++
      await new Promise(setImmediate)
    }
  })()
  return {
    over: () => void (over = true),
    async stop() {
      stopped = true
      await asking
      return { asked, stale }
    },
  }
}

/** For the rest of the test no session is found out about, although the database answers everything else. */
export function cannotLookUp(t: TestContext, app: TestApp): void {
  const { memory, lease } = app.sallyport.services.node
  lease.end()
  // It would be renewed any moment.
  const holds = t.mock.method(lease, 'holds', () => false)
  const read = t.mock.method(memory, 'read', async () => {
    throw Object.assign(new Error('no answer'), { code: 'ECONNREFUSED' })
  })
  t.after(() => {
    read.mock.restore()
    holds.mock.restore()
  })
}

/** Settles when the condition holds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const over = performance.now() + 60_000
  while (!(await condition())) {
    if (performance.now() > over) throw new Error(`It never came true: ${condition}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
