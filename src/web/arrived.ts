import type { Admitted, Visitor } from '../flows/admission.ts'
import type { FlowOutcome } from '../flows/store.ts'
import type { Exchange, Services } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { browserMaxAge, setCookie } from '../sessions/cookies.ts'
import { describeDevice } from '../sessions/device.ts'
import { seeOther } from './page.ts'

/** The browser at the door. @param browser its key, whether it came with it or gets it now */
export function visitorOf(
  { asker, client, request, requestId }: Exchange,
  browser: string,
): Visitor {
  return {
    browser,
    asker,
    device: describeDevice(request.headers.get('user-agent')),
    address: client.address,
    requestId,
  }
}

/** Somebody has been let in: their cookies, and on to where they wanted to go. */
export function arrived({ services, asker }: Exchange, { opened, returnTo }: Admitted): Response {
  return seeOther(returnTo, [
    ...(opened.token ? [sessionCookie(services, { ...opened, token: opened.token })] : []),
    ...(asker.browser
      ? [setCookie(services.cookies, 'browser', asker.browser, browserMaxAge)]
      : []),
  ])
}

/** The session's cookie: it ends with the browser, or where the person asked to be kept signed in with the session. */
function sessionCookie(
  { cookies, clock }: Services,
  { token, keptUntil }: { readonly token: string; readonly keptUntil?: Date },
): string {
  const maxAge = keptUntil && (keptUntil.getTime() - clock.now().getTime()) / 1000
  return setCookie(cookies, 'session', token, maxAge)
}

/**
 * A flow that is over answers as it ended.
 * @throws AppError as which it was refused
 */
export function asItEnded(outcome: FlowOutcome): Response {
  if (outcome.kind === 'refused') {
    const { code, reason, reference } = outcome
    throw new AppError(code, { reason, reference })
  }
  if (outcome.kind === 'shown') throw new AppError('internal_error')
  return seeOther(outcome.kind === 'signed-in' ? outcome.returnTo : outcome.to)
}
