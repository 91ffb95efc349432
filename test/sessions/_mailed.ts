import type { Db } from '../../src/db/open.ts'
import { later } from '../../src/lib/clock.ts'
import { newId } from '../../src/lib/ids.ts'
import { hashToken, randomToken } from '../../src/lib/secrets.ts'
import type { Lifetimes } from '../../src/sessions/lifetimes.ts'

/** A session made in the database. */
export interface Mailed {
  readonly id: string
  readonly userId: string
  readonly token: string
}

/** Makes sessions, each of a person of its own who has just signed in by mail; no provider is needed. */
export async function makeMailed(
  db: Db,
  count: number,
  lifetimes: Lifetimes,
  now: Date,
): Promise<Mailed[]> {
  const made = Array.from({ length: count }, () => ({
    id: newId(),
    userId: newId(),
    token: randomToken(),
  }))
  for (let from = 0; from < made.length; from += 1000) {
    const some = made.slice(from, from + 1000)
    const people = some.map(({ userId: id }) => ({
      id,
      name: 'Somebody',
      kind: 'person' as const,
      created_at: now,
    }))
    const sessions = some.map(({ id, userId, token }) => ({
      id,
      token_hash: hashToken(token),
      user_id: userId,
      kind: 'user' as const,
      personal_method: 'mail' as const,
      personal_since: now,
      personal_until: later(now, lifetimes.absolute),
      authenticated_at: now,
      last_seen_at: now,
      idle_ends_at: later(now, lifetimes.idle),
      absolute_ends_at: later(now, lifetimes.absolute),
      created_at: now,
    }))
    await db.insertInto('users').values(people).execute()
    await db.insertInto('sessions').values(sessions).execute()
  }
  return made
}
