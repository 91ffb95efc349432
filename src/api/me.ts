import type { Endpoint } from '../http/exchange.ts'

/** `GET /me`: who is signed in, as JSON. */
export const me: Endpoint = ({ asker: { session } }) => {
  const {
    id: sessionId,
    kind,
    person,
    organizations,
    authenticatedAt,
    idleEndsAt,
    absoluteEndsAt,
  } = session!
  return Response.json({
    user: person,
    session: { id: sessionId, kind, authenticatedAt, idleEndsAt, absoluteEndsAt },
    organizations: organizations.map(({ id, slug, name, role }) => ({ id, slug, name, role })),
  })
}
