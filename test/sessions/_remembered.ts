import type { StoredSession } from '../../src/sessions/lookup.ts'
import type { Found, SessionMemory } from '../../src/sessions/memory.ts'

const at = Date.parse('2026-06-01T12:00:00Z')
const later = Date.parse('2026-06-01T18:00:00Z')

/** A live session; everything about it carries its number, or the organization's. */
export function sessionOf(i: number, organization = i): StoredSession {
  const membership = {
    id: `organization-${organization}`,
    slug: `slug-${organization}`,
    name: `Organization ${organization}`,
    role: 'member',
    connectionId: `connection-${organization}`,
    identityId: `identity-${i}`,
    endsAt: later,
    idleEndsAt: later,
    idleFor: 3_600_000,
  } as const
  return {
    id: `session-${i}`,
    kind: 'user',
    person: { id: `person-${i}`, name: `Person ${i}`, email: null },
    organizations: [membership],
    unproven: [],
    personalUntil: null,
    authenticatedAt: at,
    lastSeenAt: at,
    idleEndsAt: later,
    absoluteEndsAt: later,
    browserKey: null,
    kept: false,
    reauthAt: null,
    lockedAt: null,
    challengedAt: null,
    doubt: null,
    ranOut: false,
    goodUntil: later,
    ended: 'no',
    endedAt: null,
    account: 'active',
  }
}

/** Has a session read, under the key `key-` and its id. */
export async function remember(memory: SessionMemory, session: StoredSession): Promise<void> {
  await memory.read(`key-${session.id}`, async () => ({ live: true, session }), true)
}

/** A read from the database that is not answered before `answer`. */
export function heldLoad(session: StoredSession): {
  load: () => Promise<Found>
  answer: () => void
  count: () => number
} {
  const { promise, resolve } = Promise.withResolvers<void>()
  let count = 0
  return {
    async load() {
      count++
      await promise
      return { live: true, session }
    },
    answer: resolve,
    count: () => count,
  }
}
