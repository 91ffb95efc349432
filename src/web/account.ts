import { recordEvent } from '../accounts/audit.ts'
import type { Endpoint } from '../http/exchange.ts'
import { assertRecent } from '../http/handler.ts'
import { AppError } from '../lib/errors.ts'
import { isId } from '../lib/ids.ts'
import { clearCookie } from '../sessions/cookies.ts'
import { listNotices, type Notice } from '../sessions/notices.ts'
import { revokeSession, revokeSessionsOf } from '../sessions/revoke.ts'
import { listSessions, type SessionSummary } from '../sessions/sessions.ts'
import { addressSection } from './addresses.ts'
import { identitySection } from './identities.ts'
import { buttonForm, html, page, seeOther, type Html } from './page.ts'
import { organizationSection } from './own-organizations.ts'
import { passkeySection } from './passkeys.ts'
import { tabOf } from './tabs.ts'
import { ago, moment } from './time.ts'

/** `GET /account`: who am I, and where am I signed in. */
export const account: Endpoint = async (exchange) => {
  const { services, asker } = exchange
  const session = asker.session!
  const { person } = session
  const now = services.clock.now()
  const sessions = await listSessions(services.db, person.id, now)
  const notices = await listNotices(services.db, person.id, now)
  return page(
    { title: 'Your account', signedInAs: person.name, tab: tabOf(session), wide: true },
    html`<h1>Your account</h1>
      <p>
        You are signed in as <strong><bdi>${person.name}</bdi></strong
        >${person.email ? html` (<bdi>${person.email}</bdi>)` : ''}.
      </p>
      ${await organizationSection(exchange)}
      <section aria-labelledby="sessions">
        <h2 id="sessions">Where you are signed in</h2>
        <p class="quiet">
          If you do not recognize one, end it. That browser is signed out at once and has to sign in
          again.
        </p>
        ${notices.map((notice) => noticeOf(notice, now))}
        <ul>
          ${sessions.map((each) => sessionRow(each, { own: each.id === session.id, now }))}
        </ul>
        ${endOthers(sessions.length - 1)}
      </section>
      ${await identitySection(exchange)} ${await addressSection(exchange)}
      ${await passkeySection(exchange)}
      <section aria-labelledby="sign-out">
        <h2 id="sign-out">Sign out</h2>
        <p class="quiet">
          Ends the session in this browser. You may remain signed in at your organization’s identity
          provider.
        </p>
        ${buttonForm('/logout', 'Sign out')}
      </section>`,
  )
}

function sessionRow(
  { id, device, address, createdAt, lastSeenAt, kept }: SessionSummary,
  { own, now }: { own: boolean; now: Date },
): Html {
  const name = `session-${id}`
  return html`<li>
    <div id="${name}">
      <strong>${device || 'Unknown browser'}</strong>
      ${own ? html`<span class="mark">This browser</span>` : ''}
      <p class="quiet">
        ${address ? html`Network address ${address} · ` : ''}Last used ${ago(lastSeenAt, now)}.<br />
        Signed in on ${moment(createdAt)}${kept ? ', and kept signed in' : ''}.
      </p>
    </div>
    ${buttonForm(`/account/sessions/${id}/end`, 'End session', { look: 'danger', describedBy: name })}
  </li>`
}

const because: Readonly<Record<Notice['reason'], string>> = {
  limit: 'because you signed in once more than you may at the same time',
  revoked_by_admin: 'by an administrator of your organization',
  revoked_by_operator: 'by whoever runs this service',
  identity_revoked: 'because your organization’s identity provider does not vouch for you any more',
  provider_logout: 'because you were signed out at your organization’s identity provider',
}

function noticeOf({ device, reason, at }: Notice, now: Date): Html {
  return html`<p class="notice">
    Your session in ${device || 'an unknown browser'} was ended ${ago(at, now)} ${because[reason]}.
  </p>`
}

function endOthers(count: number): Html {
  if (count < 1) return html`<p class="quiet">You are signed in nowhere else.</p>`
  return html`<p class="quiet" id="others">
      Or end all others: ${count === 1 ? '1 session' : `${count} sessions`}. This browser stays
      signed in.
    </p>
    <div class="row">
      ${buttonForm('/account/sessions/end-others', 'End all other sessions', { look: 'danger', describedBy: 'others' })}
      ${buttonForm('/account/sessions/end-all', 'End all, this one too', { look: 'danger' })}
    </div>`
}

/** `POST /account/sessions/:session/end`: ends one of one's own sessions; anybody else's does not exist. */
export const endSession: Endpoint = async (exchange) => {
  const { services, asker, params, requestId } = exchange
  const session = asker.session!
  const userId = session.person.id
  const id = params['session'] ?? ''
  // Whoever took this browser over may leave it, but not lock its owner out of the others.
  if (id !== session.id) assertRecent(exchange)
  const now = services.clock.now()
  const ended =
    isId(id) &&
    (await revokeSession(services, { id, userId }, 'revoked_by_owner', { userId, requestId }, now))
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

/** `POST /account/sessions/end-all`: ends all of one's own sessions. */
export const endAllSessions: Endpoint = async ({ services, asker, requestId }) => {
  const { person } = asker.session!
  const actor = { userId: person.id, requestId }
  await revokeSessionsOf(
    services,
    person.id,
    { reason: 'revoked_by_owner', actor },
    services.clock.now(),
  )
  return seeOther('/logout/done', [clearCookie(services.cookies, 'session')])
}

/** `POST /account/sessions/end-others`: ends all of one's own sessions but this one. */
export const endOtherSessions: Endpoint = async ({ services, asker, requestId }) => {
  const { id, person } = asker.session!
  const actor = { userId: person.id, requestId }
  await revokeSessionsOf(
    services,
    person.id,
    { except: id, reason: 'revoked_by_owner', actor },
    services.clock.now(),
  )
  return seeOther('/account')
}
