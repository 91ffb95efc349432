import { findConnection, type Connection } from '../accounts/connections.ts'
import { recordDeadEnd } from '../flows/attempts.ts'
import { consumeFlow, findFlow } from '../flows/store.ts'
import {
  continueLogin,
  loadLogin,
  startLogin,
  type LoginAnswer,
  type LoginTurn,
} from '../flows/login.ts'
import { mayDecide } from '../flows/admission.ts'
import type { Ended } from '../flows/flow.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { randomToken } from '../lib/secrets.ts'
import { browserMaxAge, setCookie } from '../sessions/cookies.ts'
import { endIfLocked } from '../sessions/lock.ts'
import { arrived, asItEnded, visitorOf } from './arrived.ts'
import { leavePage } from './leave-page.ts'
import { linkPage } from './link.ts'
import { html, seeOther } from './page.ts'
import { switchPage } from './switch.ts'
import { registerPage } from './register.ts'
import { resumeTest } from './test-sign-in.ts'

/** `POST /sso/:connection/start`: begins a sign-in and leads to the provider. */
export const start: Endpoint = async (exchange) => {
  const { form, services, asker } = exchange
  const connection = await connectionOf(exchange)
  const browser = asker.browser ?? randomToken(16)
  const turn = turnOf(exchange, connection, browser)
  const reauth = form['reauth'] === '1'
  const answer = await startLogin(turn, {
    returnTo: form['return_to'] ?? null,
    loginHint: form['login_hint'],
    keep: reauth ? undefined : form['keep'] === 'yes',
    reauth,
    invitation: form['invitation'],
  })
  const response = await respond(exchange, connection, answer)
  response.headers.append(
    'set-cookie',
    setCookie(services.cookies, 'browser', browser, browserMaxAge),
  )
  return response
}

/** `GET /sso/:connection/callback`: the browser is back from the provider. Nothing is shown here but errors. */
export const callback: Endpoint = async (exchange) => {
  const { url } = exchange
  const states = url.searchParams.getAll('state')
  return resume(exchange, states.length === 1 ? states[0]! : null, { back: url })
}

/** `GET /sso/:connection/continue`: asks what a sign-in is waiting to be told. */
export const question: Endpoint = async (exchange) =>
  resume(exchange, exchange.url.searchParams.get('state'), {})

/** `POST /sso/:connection/continue`: the answer. */
export const answerQuestion: Endpoint = async (exchange) =>
  resume(exchange, exchange.form['state'] ?? null, { agreed: exchange.form['choice'] === 'switch' })

/** `POST /sso/:connection/link`: begins to link one more way in to the account of whoever is signed in. */
export const startLink: Endpoint = async (exchange) => {
  const { asker } = exchange
  const browser = asker.browser
  if (!browser) throw new AppError('reauth_required')
  const connection = await connectionOf(exchange)
  const turn = turnOf(exchange, connection, browser)
  const answer = await startLogin(turn, { returnTo: '/account', linking: true })
  return respond(exchange, connection, answer)
}

/** `GET /link`: asks whether a sign-in is to be linked to the account of whoever is signed in. */
export const linkQuestion: Endpoint = async (exchange) =>
  resumeByHandle(exchange, exchange.url.searchParams.get('state'), {})

/** `POST /link`: the answer. A yes needs a recent sign-in in this browser. */
export const answerLink: Endpoint = async (exchange) => {
  const { services, asker, form } = exchange
  const { choice, state = null } = form
  if (choice !== 'link' && choice !== 'stay')
    throw new AppError('invalid_request', { reason: 'no_choice' })
  if (choice === 'stay') return resumeByHandle(exchange, state, { agreed: false })
  if (asker.session?.kind !== 'user' || !asker.browser)
    throw new AppError('flow_invalid', { reason: 'user_mismatch' })
  const visitor = { asker, browser: asker.browser }
  if (!mayDecide(visitor, services.lifetimes, services.clock.now()))
    throw new AppError('reauth_required')
  return resumeByHandle(exchange, state, { links: true })
}

/** `GET /register`: the form of somebody who signs in for the first time. */
export const registration: Endpoint = async (exchange) =>
  resumeByHandle(exchange, exchange.url.searchParams.get('state'), {})

/** `POST /register`: makes the account and signs in. */
export const register: Endpoint = async (exchange) => {
  const { state = null, name, keep } = exchange.form
  return resumeByHandle(exchange, state, { form: { name, keep: keep === 'yes' } })
}

/** A sign-in whose address does not name its connection. */
async function resumeByHandle(
  exchange: Exchange,
  handle: string | null,
  brought: Brought,
): Promise<Response> {
  const connectionId = (await findFlow(exchange.services.db, handle))?.connectionId
  if (!connectionId) throw new AppError('flow_invalid', { reason: 'unknown' })
  return resume({ ...exchange, params: { connection: connectionId } }, handle, brought)
}

/** What a request brings to a sign-in under way. */
type Brought = Pick<LoginTurn, 'back' | 'agreed' | 'form' | 'links'>

async function resume(
  exchange: Exchange,
  handle: string | null,
  brought: Brought,
): Promise<Response> {
  const { services, asker } = exchange
  // Nobody knows whose session there is in this browser, and it must not be lost to a sign-in.
  if (asker.verdict.standing === 'unavailable') throw new AppError('temporarily_unavailable')
  const connection = await connectionOf(exchange)
  const userId = asker.session?.kind === 'user' ? asker.session.person.id : undefined
  const { browser } = asker
  const claims = brought.back !== undefined
  const loaded = await loadLogin(services, handle, { browser, connection, userId, claims })
  if (loaded.state === 'consumed')
    return respond(exchange, connection, { kind: 'ended', outcome: loaded.outcome })
  if (brought.back && loaded.state === 'mismatch' && loaded.reason === 'kind_mismatch')
    return resumeTest(exchange, connection, handle)
  if (loaded.state !== 'live') {
    const reason = 'reason' in loaded ? loaded.reason : loaded.state
    const at = services.clock.now()
    await recordDeadEnd(services.db, handle, { requestId: exchange.requestId, reason, at })
    throw new AppError('flow_invalid', { reason })
  }
  if (brought.agreed === false) {
    const outcome = { kind: 'refused', code: 'sso_denied', reason: 'stayed_signed_in' } as const
    await consumeFlow(services.db, loaded.flow.id, outcome, services.clock.now())
    await endIfLocked(services, asker, exchange.requestId, services.clock.now())
    return seeOther('/')
  }
  const turn = { ...turnOf(exchange, connection, asker.browser!), handle: handle!, ...brought }
  const answer = await continueLogin(loaded.flow, turn)
  // A provider that is merely away ends nothing.
  if (
    answer.kind === 'ended' &&
    answer.outcome.kind === 'refused' &&
    answer.outcome.code !== 'sso_unavailable'
  )
    await endIfLocked(services, asker, exchange.requestId, services.clock.now())
  return respond(exchange, connection, answer, handle!)
}

async function respond(
  exchange: Exchange,
  connection: Connection,
  answer: LoginAnswer | Ended,
  handle = '',
): Promise<Response> {
  switch (answer.kind) {
    case 'leave':
      return leavePage(connection, answer)
    case 'ask-switch':
      if (exchange.request.url.includes('/callback'))
        return seeOther(`/sso/${connection.id}/continue?state=${handle}`)
      return switchPage({
        ...answer,
        clause: html`and have just signed in to
          <bdi>${connection.organization.name}</bdi> (${connection.organization.slug}) as
          <strong><bdi>${answer.to}</bdi></strong>`,
        action: `/sso/${connection.id}/continue`,
        fields: { state: handle },
      })
    case 'register': {
      if (exchange.request.url.includes('/callback'))
        return seeOther(
          `/register?state=${handle}`,
          answer.browser
            ? [setCookie(exchange.services.cookies, 'browser', answer.browser, browserMaxAge)]
            : [],
        )
      return registerPage({
        vouched: html`<bdi>${connection.organization.name}</bdi>
          <span class="quiet">(${connection.organization.slug})</span> vouches for
          you${answer.email ? html` (<bdi>${answer.email}</bdi>)` : ''}, but this way of signing in
          is new here.`,
        question: answer,
        action: '/register',
        fields: { state: handle },
        termsUrl: exchange.services.termsUrl,
        toLink: `/link?state=${handle}`,
      })
    }
    case 'ask-link':
      if (exchange.request.url.includes('/callback')) return seeOther(`/link?state=${handle}`)
      return linkPage(connection.organization, answer, handle)
    case 'signed-in':
      return arrived(exchange, answer)
    case 'ended':
      return asItEnded(answer.outcome)
  }
}

async function connectionOf({ services, params }: Exchange): Promise<Connection> {
  const connection = await findConnection(services.db, params['connection'] ?? '')
  if (!connection) throw new AppError('not_found', { reason: 'unknown_connection' })
  return connection
}

function turnOf(
  exchange: Exchange,
  connection: Connection,
  browser: string,
): Omit<LoginTurn, 'handle'> {
  return { ...visitorOf(exchange, browser), services: exchange.services, connection }
}
