import { meOf } from '../api/me.ts'
import { safeReturnTo } from '../flows/return-to.ts'
import type { Endpoint, Exchange, Services } from '../http/exchange.ts'
import { days } from '../lib/clock.ts'
import { AppError } from '../lib/errors.ts'
import { hashToken, randomToken } from '../lib/secrets.ts'
import { browserMaxAge, setCookie } from '../sessions/cookies.ts'
import { describeDevice } from '../sessions/device.ts'
import { findSession } from '../sessions/lookup.ts'
import { startGuest, type GuestRules } from '../sessions/guests.ts'
import { buttonForm, html, seeOther, type Html } from './page.ts'

/**
 * `POST /guest`: goes on as a guest, with a session of its own kind. Whoever is somebody already stays who they are.
 * A page is led to `return_to`, a program gets 201 and what `/me` says.
 */
export const becomeGuest: Endpoint = async (exchange) => {
  const { services, asker, caller, form } = exchange
  if (!services.guests.enabled) throw new AppError('not_found', { reason: 'guests_off' })
  // Nobody knows whether this browser is somebody’s already.
  if (asker.verdict.standing === 'unavailable') throw new AppError('temporarily_unavailable')
  const made = asker.session ? undefined : await make(exchange)
  const cookies = made?.cookies ?? []
  if (caller === 'navigation')
    return seeOther(safeReturnTo(form['return_to'], services.origin), cookies)
  const headers = new Headers({ location: '/me' })
  for (const cookie of cookies) headers.append('set-cookie', cookie)
  const session = made?.session ?? asker.session!
  return Response.json(meOf(session), { status: made ? 201 : 200, headers })
}

async function make({ services, asker, client, request, requestId }: Exchange) {
  const browser = asker.browser ?? randomToken(16)
  const judging = { lifetimes: services.lifetimes, now: services.clock.now() }
  const { token } = await startGuest(
    services,
    {
      browserHash: hashToken(browser),
      device: describeDevice(request.headers.get('user-agent')),
      address: client.address,
      requestId,
    },
    services.clock.now(),
  )
  return {
    session: (await findSession(services.db, hashToken(token), judging))!,
    cookies: [
      // A guest has nothing but the cookie: closing the browser must not cost them their work.
      setCookie(services.cookies, 'session', token, services.guests.lifetimes.absolute / 1000),
      setCookie(services.cookies, 'browser', browser, browserMaxAge),
    ],
  }
}

/** What the sign-in page says to a guest, and offers to somebody who might be one. */
export function guestOffer({ services, asker }: Exchange, returnTo: string): Html | string {
  if (!services.guests.enabled || asker.session) return ''
  return html`<div class="also">
    ${buttonForm('/guest', 'Continue as a guest', { describedBy: 'guest-loss', fields: { return_to: returnTo } })}
    <p class="quiet" id="guest-loss">${warning(services)}</p>
  </div>`
}

/** What there is to lose. */
function warning({ guests }: Services): string {
  const { idle, absolute } = guests.lifetimes
  return `What you do as a guest is in this browser only. It is lost if you stay away for ${spell(idle)}, and after ${spell(absolute)} in any case, unless you sign in before.`
}

/** What the sign-in page says to a guest. */
export function guestNotice({ asker }: Exchange): Html | string {
  if (asker.verdict.standing !== 'guest') return ''
  const known = asker.verdict.outcome === 'guest_with_account_hint'
  return html`<p class="notice">
    You are a guest here. Sign in to keep what you have
    done${known ? ': this browser has signed in before' : ''}.
  </p>`
}

function spell(time: GuestRules['grace']): string {
  const [count, unit] =
    time % days(1) === 0 ? [time / days(1), 'day'] : [Math.round((time / days(1)) * 24), 'hour']
  return count === 1 ? `a ${unit}`.replace('a hour', 'an hour') : `${count} ${unit}s`
}
