import { consumeFlow, type LoadedFlow } from '../flows/store.ts'
import {
  continueMailLogin,
  loadMailLogin,
  mailLink,
  type MailLoginAnswer,
  type MailLoginData,
  type MailLoginTurn,
} from '../flows/mail-login.ts'
import type { Ended } from '../flows/flow.ts'
import { assertSwitchedOn } from '../flows/personally.ts'
import { safeReturnTo } from '../flows/return-to.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { randomToken } from '../lib/secrets.ts'
import { browserMaxAge, setCookie } from '../sessions/cookies.ts'
import { arrived, asItEnded, visitorOf } from './arrived.ts'
import { hiddenFields, html, page, seeOther } from './page.ts'
import { switchPage } from './switch.ts'
import { registerPage } from './register.ts'

const back = (returnTo: string) => `return_to=${encodeURIComponent(returnTo)}`

/** `GET /login/mail`: asks for an address, or says that mail is on its way. */
export const askAddress: Endpoint = ({ services, url }) => {
  assertSwitchedOn(services.personalSignIn)
  const returnTo = safeReturnTo(url.searchParams.get('return_to'), services.origin)
  return url.searchParams.has('sent') ? sentPage(returnTo) : addressPage(returnTo)
}

/** `POST /login/mail`: mails a link. What is answered is the same for every address. */
export const sendLink: Endpoint = async (exchange) => {
  const { services, asker, form } = exchange
  const browser = asker.browser ?? randomToken(16)
  const address = (form['address'] ?? '').trim()
  const returnTo = safeReturnTo(form['return_to'], services.origin)
  await mailLink(turnOf(exchange, browser), { address, returnTo })
  return seeOther(`/login/mail?sent=1&${back(returnTo)}`, [
    setCookie(services.cookies, 'browser', browser, browserMaxAge),
  ])
}

/** `GET /login/mail/:handle`: the link. It only shows a button, because scanners open links too. */
export const openLink: Endpoint = async (exchange) => {
  const { services, asker, params } = exchange
  const handle = params['handle'] ?? ''
  const loaded = await load(exchange, true)
  if (loaded.state === 'consumed') return usedLink(exchange, loaded)
  const { flow } = loaded
  if (!flow.data.proof) return respond(exchange, { kind: 'ask-press' }, handle)
  // The button has been pressed; what is left to ask changes nothing either until it is answered.
  const turn = { ...visitorOf(exchange, asker.browser!), services }
  return respond(exchange, await continueMailLogin(flow, turn), handle)
}

/** `POST /login/mail/:handle`: the button, and the answers to what is asked after it. */
export const finishLink: Endpoint = async (exchange) => {
  const { services, asker, params, form } = exchange
  const handle = params['handle'] ?? ''
  const loaded = await load(exchange, false)
  if (loaded.state === 'consumed') return asItEnded(loaded.outcome)
  if (form['choice'] === 'stay') {
    const outcome = { kind: 'refused', code: 'sso_denied', reason: 'stayed_signed_in' } as const
    await consumeFlow(services.db, loaded.flow.id, outcome, services.clock.now())
    return seeOther('/')
  }
  const turn = {
    ...turnOf(exchange, asker.browser!),
    pressed: true,
    form: 'name' in form ? { name: form['name'], keep: form['keep'] === 'yes' } : undefined,
    agreed: form['choice'] === 'switch',
  }
  return respond(exchange, await continueMailLogin(loaded.flow, turn), handle)
}

function turnOf(exchange: Exchange, browser: string): MailLoginTurn {
  return { ...visitorOf(exchange, browser), services: exchange.services }
}

type Usable = Extract<LoadedFlow<MailLoginData>, { state: 'live' | 'consumed' }>

/** @throws AppError `flow_invalid` for a link that is over, or another browser's */
async function load({ services, asker, params }: Exchange, look: boolean): Promise<Usable> {
  assertSwitchedOn(services.personalSignIn)
  const loaded = await loadMailLogin(services, params['handle'] ?? null, {
    browser: asker.browser,
    look,
  })
  if (loaded.state === 'live' || loaded.state === 'consumed') return loaded
  throw new AppError('flow_invalid', { reason: 'reason' in loaded ? loaded.reason : loaded.state })
}

/** Whoever is in goes on; anybody else should hear that a link works once. */
function usedLink(
  { asker }: Exchange,
  { outcome }: Extract<Usable, { state: 'consumed' }>,
): Response {
  if (outcome.kind === 'signed-in' && asker.verdict.standing !== 'user')
    throw new AppError('flow_invalid', { reason: 'consumed' })
  return asItEnded(outcome)
}

async function respond(
  exchange: Exchange,
  answer: MailLoginAnswer | Ended,
  handle: string,
): Promise<Response> {
  const asks = answer.kind === 'ask-switch' || (answer.kind === 'register' && !answer.wrongName)
  // A question is a page of its own, so that reloading it sends nothing again.
  if (asks && exchange.request.method === 'POST') return seeOther(`/login/mail/${handle}`)
  switch (answer.kind) {
    case 'ask-press':
      return pressPage(exchange, handle)
    case 'register':
      return registerPage({
        vouched: html`<strong><bdi>${answer.email}</bdi></strong> is yours, and new here.`,
        question: answer,
        action: `/login/mail/${handle}`,
        fields: {},
        termsUrl: exchange.services.termsUrl,
      })
    case 'ask-switch':
      return switchPage({
        ...answer,
        clause: html`and the link is for <strong><bdi>${answer.to}</bdi></strong>`,
        action: `/login/mail/${handle}`,
      })
    case 'signed-in':
      return arrived(exchange, answer)
    case 'ended':
      return asItEnded(answer.outcome)
  }
}

function addressPage(returnTo: string): Promise<Response> {
  return page(
    { title: 'Sign in by mail' },
    html`<h1>Sign in by mail</h1>
      <p>We send you a link. It signs you in, once, in this browser.</p>
      <form method="post" action="/login/mail">
        ${hiddenFields({ return_to: returnTo })}
        <label for="address">Your e-mail address</label>
        <input
          id="address"
          name="address"
          type="email"
          required
          autofocus
          maxlength="254"
          autocomplete="email"
          autocapitalize="none"
          spellcheck="false"
        />
        <button class="primary">Send me a link</button>
      </form>
      <div class="also">
        <p class="row"><a href="/login?${back(returnTo)}">Sign in another way</a></p>
      </div>`,
  )
}

function sentPage(returnTo: string): Promise<Response> {
  return page(
    { title: 'Look into your mail' },
    html`<h1>Look into your mail</h1>
      <p>
        A mail is on its way to the address you gave. Open its link <strong>in this browser</strong>
        within ten minutes.
      </p>
      <p class="quiet">Nothing there? It may be among the spam, or the address has a slip in it.</p>
      <p>
        <a class="button" href="/login/mail?${back(returnTo)}">Try another address, or again</a>
      </p>`,
  )
}

function pressPage({ asker }: Exchange, handle: string): Promise<Response> {
  return page(
    { title: 'Sign in', signedInAs: asker.session?.person.name },
    html`<h1>Sign in</h1>
      <p>One more step: press the button, and you are in.</p>
      <form method="post" action="/login/mail/${handle}">
        <button class="primary">Sign in</button>
      </form>
      <p class="quiet">If you did not ask for this, close the page. Nothing has happened.</p>`,
  )
}
