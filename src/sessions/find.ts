import type { Db } from '../db/open.ts'
import type { Clock } from '../lib/clock.ts'
import { tokenKey } from '../lib/secrets.ts'
import { findSession, judgeSession, type StoredSession } from './lookup.ts'
import type { Found } from './memory.ts'
import type { Node } from './node.ts'

/** Where sessions are found. */
export interface Finding {
  readonly db: Db
  readonly clock: Clock
  readonly node: Node
}

/** A session and the key under which it is remembered. */
export interface FoundSession {
  readonly key: string
  readonly session: StoredSession | undefined
}

/**
 * The session of a token: from memory while the lease holds, else in one statement.
 * @param authoritative asks the database whatever memory says
 */
export function findByToken(
  finding: Finding,
  token: string,
  authoritative: boolean,
): FoundSession | Promise<FoundSession> {
  const key = tokenKey(token)
  if (authoritative) return readFresh(finding, key)
  const { memory, lease } = finding.node
  if (lease.holds()) {
    const session = memory.recall(key)
    // A remembered session that looks expired may have been moved on by another node: only the database knows.
    if (session && isLive(session, finding.clock.now())) {
      memory.hits++
      return { key, session }
    }
  }
  const dead = memory.recallDead(key)
  return dead ? { key, session: dead.session } : readShared(finding, key)
}

async function readShared({ db, clock, node }: Finding, key: string): Promise<FoundSession> {
  const load = () => read(db, clock, key)
  const { session } = await node.memory.read(key, load, node.lease.holds())
  return { key, session }
}

async function readFresh({ db, clock }: Finding, key: string): Promise<FoundSession> {
  const { session } = await read(db, clock, key)
  return { key, session }
}

async function read(db: Db, clock: Clock, key: string): Promise<Found> {
  const session = await findSession(db, Buffer.from(key, 'latin1'))
  return { session, live: session !== undefined && isLive(session, clock.now()) }
}

function isLive(session: StoredSession, now: Date): boolean {
  const judged = judgeSession(session, now)
  return judged === 'user-current' || judged === 'guest'
}
