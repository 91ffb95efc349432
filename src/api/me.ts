import type { Endpoint } from '../http/exchange.ts'

/** `GET /me`: who is signed in, as JSON. */
export const me: Endpoint = ({ asker: { session } }) => {
  const { id, kind, person, organizations, authenticatedAt, idleEndsAt, absoluteEndsAt } = session!
  return Response.json({
    user: person,
    session: { id, kind, authenticatedAt, idleEndsAt, absoluteEndsAt },
    organizations,
  })
}
