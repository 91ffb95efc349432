import type { Db } from '../db/open.ts'
import type { Clock } from '../lib/clock.ts'
import { tokenKey } from '../lib/secrets.ts'
import type { Lifetimes } from './lifetimes.ts'
import { findSession, judgeSession, type StoredSession } from './lookup.ts'
import type { Found } from './memory.ts'
import type { Node } from './node.ts'
import type { Slides } from './slides.ts'

/** Where sessions are found. */
export interface Finding {
  readonly db: Db
  readonly clock: Clock
  readonly node: Node
  readonly lifetimes: Lifetimes
  readonly slides: Slides
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

async function readShared(finding: Finding, key: string): Promise<FoundSession> {
  const { memory, lease } = finding.node
  const { session } = await memory.read(key, () => read(finding, key), lease.holds())
  return { key, session }
}

async function readFresh(finding: Finding, key: string): Promise<FoundSession> {
  const { session } = await read(finding, key)
  return { key, session }
}

async function read({ db, clock, lifetimes, slides }: Finding, key: string): Promise<Found> {
  // After a suspension this machine does not know what time it is; memory is not believed then either.
  await clock.check?.()
  const hash = Buffer.from(key, 'latin1')
  const look = () => findSession(db, hash, { lifetimes, now: clock.now() })
  let session = await look()
  // What looks expired may have been used here a moment ago.
  if (
    session &&
    slides.has(session.id) &&
    judgeSession(session, clock.now().getTime()) === 'expired'
  ) {
    await slides.flush()
    session = await look()
  }
  return { session, live: session !== undefined && isLive(session, clock.now()) }
}

const live: readonly string[] = ['user-current', 'user-lapsed', 'guest']

function isLive(session: StoredSession, now: Date): boolean {
  return live.includes(judgeSession(session, now.getTime()))
}
