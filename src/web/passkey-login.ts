import type { Ended } from '../flows/flow.ts'
import {
  continuePasskeyLogin,
  loadPasskeyLogin,
  startPasskeyLogin,
  type PasskeyLoginAnswer,
  type PasskeyLoginTurn,
} from '../flows/passkey-login.ts'
import { safeReturnTo } from '../flows/return-to.ts'
import { consumeFlow } from '../flows/store.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { randomToken } from '../lib/secrets.ts'
import { browserMaxAge, setCookie } from '../sessions/cookies.ts'
import { arrived, asItEnded, visitorOf } from './arrived.ts'
import { hiddenFields, html, page, seeOther } from './page.ts'
import { switchPage } from './switch.ts'
import { passkeyForm, passkeyScriptPath } from './passkey-script.ts'

/** `POST /login/passkey`: begins, and asks the browser for a passkey. */
export const startPasskey: Endpoint = async (exchange) => {
  const { services, asker, form } = exchange
  const browser = asker.browser ?? randomToken(16)
  const returnTo = safeReturnTo(form['return_to'], services.origin)
  const { handle, options } = await startPasskeyLogin(turnOf(exchange, browser), returnTo)
  const back = `return_to=${encodeURIComponent(returnTo)}`
  const response = await page(
    { title: 'Use a passkey', script: passkeyScriptPath },
    html`<h1>Use a passkey</h1>
      <p>Your browser asks you for one. There is no name to type.</p>
      ${passkeyForm('get', {
        action: '/login/passkey/finish',
        options,
        fields: hiddenFields({ state: handle }),
        label: 'Use a passkey',
      })}
      <div class="also">
        <p class="row"><a href="/login?${back}">Sign in another way</a></p>
      </div>`,
  )
  response.headers.append(
    'set-cookie',
    setCookie(services.cookies, 'browser', browser, browserMaxAge),
  )
  return response
}

/** `POST /login/passkey/finish`: what the authenticator answered, or the person to a question. */
export const finishPasskey: Endpoint = (exchange) => resume(exchange, exchange.form['state'])

/** `GET /login/passkey/finish`: asks what a sign-in is waiting to be told. */
export const askPasskey: Endpoint = (exchange) =>
  resume(exchange, exchange.url.searchParams.get('state') ?? undefined)

async function resume(exchange: Exchange, handle: string | undefined): Promise<Response> {
  const { services, asker, form, request } = exchange
  const loaded = await loadPasskeyLogin(services, handle ?? null, asker.browser)
  if (loaded.state === 'consumed') return asItEnded(loaded.outcome)
  if (loaded.state !== 'live')
    throw new AppError('flow_invalid', {
      reason: 'reason' in loaded ? loaded.reason : loaded.state,
    })
  const { flow } = loaded
  if (form['choice'] === 'stay') {
    const outcome = { kind: 'refused', code: 'sso_denied', reason: 'stayed_signed_in' } as const
    await consumeFlow(services.db, flow.id, outcome, services.clock.now())
    return seeOther('/')
  }
  // Nothing but an answer may use the challenge up.
  if (!flow.data.proof && request.method === 'GET')
    throw new AppError('flow_invalid', { reason: 'step_mismatch' })
  const turn = {
    ...turnOf(exchange, asker.browser!),
    answer: form['credential'],
    agreed: form['choice'] === 'switch',
  }
  return respond(exchange, await continuePasskeyLogin(flow, turn), handle!)
}

async function respond(
  exchange: Exchange,
  answer: PasskeyLoginAnswer | Ended,
  handle: string,
): Promise<Response> {
  switch (answer.kind) {
    case 'ask-switch':
      if (exchange.request.method === 'POST')
        return seeOther(`/login/passkey/finish?state=${handle}`)
      return switchPage({
        ...answer,
        clause: html`and the passkey is <strong><bdi>${answer.to}</bdi></strong
          >’s`,
        action: '/login/passkey/finish',
        fields: { state: handle },
      })
    case 'signed-in':
      return arrived(exchange, answer)
    case 'ended':
      return asItEnded(answer.outcome)
  }
}

function turnOf(exchange: Exchange, browser: string): PasskeyLoginTurn {
  return { ...visitorOf(exchange, browser), services: exchange.services }
}
