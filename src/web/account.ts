import { recordEvent } from '../accounts/audit.ts'
import type { Endpoint } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { isId } from '../lib/ids.ts'
import { clearCookie } from '../sessions/cookies.ts'
import { listSessions, revokeSession, revokeSessionsOf } from '../sessions/sessions.ts'
import { html, page, seeOther } from './page.ts'

/** `GET /account`: who am I, and where am I signed in. */
export const account: Endpoint = async ({ services, asker }) => {
  const session = asker.session!
  const { person, organizations } = session
  const sessions = await listSessions(services.db, person.id, services.clock.now())
  return page(
    { title: 'Your account', signedInAs: person.name },
    html`<h1>${person.name}</h1>
      <p>${person.email ?? ''}</p>
      <ul>
        ${organizations.map(({ name, role }) => html`<li>${name} (${role})</li>`)}
      </ul>
      <h2>Where you are signed in</h2>
      <ul>
        ${sessions.map(
          (one) =>
            html`<li>
              ${one.device}${one.id === session.id ? ' (this browser)' : ''}
              <form method="post" action="/account/sessions/${one.id}/end">
                <button>Sign out</button>
              </form>
            </li>`,
        )}
      </ul>
      <form method="post" action="/account/sessions/end-others">
        <button>Sign out everywhere else</button>
      </form>
      <form method="post" action="/logout"><button>Sign out</button></form>`,
  )
}

/** `POST /account/sessions/:session/end`: ends one of one's own sessions; anybody else's does not exist. */
export const endSession: Endpoint = async ({ services, asker, params, requestId }) => {
  const session = asker.session!
  const userId = session.person.id
  const id = params['session'] ?? ''
  const now = services.clock.now()
  const ended =
    isId(id) &&
    (await revokeSession(
      services.db,
      { id, userId },
      'revoked_by_owner',
      { userId, requestId },
      now,
    ))
  if (!ended) {
    await recordEvent(
      services.db,
      {
        action: 'authz.denied',
        outcome: 'deny',
        actorId: userId,
        data: { what: 'session' },
        requestId,
      },
      now,
    )
    throw new AppError('not_found', { reason: 'no_such_session' })
  }
  return id === session.id
    ? seeOther('/logout/done', [clearCookie(services.cookies, 'session')])
    : seeOther('/account')
}

/** `POST /account/sessions/end-others`: ends all of one's own sessions but this one. */
export const endOtherSessions: Endpoint = async ({ services, asker, requestId }) => {
  const { id, person } = asker.session!
  const actor = { userId: person.id, requestId }
  await revokeSessionsOf(
    services.db,
    person.id,
    { except: id, reason: 'revoked_by_owner', actor },
    services.clock.now(),
  )
  return seeOther('/account')
}
