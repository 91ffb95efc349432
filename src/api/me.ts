import type { Endpoint } from '../http/exchange.ts'
import type { StoredSession } from '../sessions/lookup.ts'

/** `GET /me`: who is asking, as JSON. A guest is no user: `user` is null then, and `guest` is not. */
export const me: Endpoint = ({ asker: { session } }) => Response.json(meOf(session!))

/** What `/me` says of a session. */
export function meOf(session: StoredSession): Readonly<Record<string, unknown>> {
  const { id, kind, person, organizations, authenticatedAt, idleEndsAt, absoluteEndsAt } = session
  const guest = kind === 'guest'
  return {
    user: guest ? null : person,
    guest: guest ? { id: person.id } : null,
    session: {
      id,
      kind,
      authenticatedAt: guest ? null : new Date(authenticatedAt),
      idleEndsAt: new Date(idleEndsAt),
      absoluteEndsAt: new Date(absoluteEndsAt),
    },
    organizations: organizations.map(({ id, slug, name, role }) => ({ id, slug, name, role })),
  }
}
