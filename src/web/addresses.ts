import { listEmails, type Email } from '../accounts/emails.ts'
import {
  finishVerification,
  loadVerification,
  mailVerification,
  type VerificationTurn,
} from '../flows/verify-address.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { isMailbox } from '../lib/email-address.ts'
import { AppError } from '../lib/errors.ts'
import { randomToken } from '../lib/secrets.ts'
import { browserMaxAge, setCookie } from '../sessions/cookies.ts'
import { asItEnded, visitorOf } from './arrived.ts'
import { buttonForm, html, page, seeOther, type Html } from './page.ts'

/** The person's addresses, as a part of their account page. */
export async function addressSection({ services, asker }: Exchange): Promise<Html | ''> {
  const emails = await listEmails(services.db, asker.session!.person.id)
  if (services.personalSignIn === 'off' || emails.length === 0) return ''
  return html`<section aria-labelledby="addresses">
    <h2 id="addresses">E-mail addresses</h2>
    <p class="quiet">
      A verified address can sign you in by mail, and gets notices about your account.
    </p>
    <ul>
      ${emails.map(addressRow)}
    </ul>
  </section>`
}

function addressRow({ address, verified }: Email, index: number): Html {
  const name = `address-${index}`
  return html`<li>
    <div id="${name}"><bdi>${address}</bdi></div>
    ${
      verified
        ? html`<span class="mark">Verified</span>`
        : isMailbox(address)
          ? buttonForm('/account/addresses/verify', 'Verify this address', {
              fields: { address },
              describedBy: name,
            })
          : ''
    }
  </li>`
}

/** `POST /account/addresses/verify`: mails a link to one of one's own addresses. */
export const verifyOwnAddress: Endpoint = async (exchange) => {
  const { services, asker, form } = exchange
  const browser = asker.browser ?? randomToken(16)
  await mailVerification(turnOf(exchange, browser), form['address'] ?? '')
  const response = await page(
    { title: 'Look into your mail', signedInAs: asker.session!.person.name },
    html`<h1>Look into your mail</h1>
      <p>
        We have sent a link to <strong><bdi>${form['address']}</bdi></strong
        >. Open it <strong>in this browser</strong> within ten minutes.
      </p>
      <p><a class="button" href="/account">Back to your account</a></p>`,
  )
  response.headers.append(
    'set-cookie',
    setCookie(services.cookies, 'browser', browser, browserMaxAge),
  )
  return response
}

/** `GET /account/verify/:handle`: the link. It only shows a button, because scanners open links too. */
export const openVerification: Endpoint = async (exchange) => {
  const { flow, ended } = await load(exchange)
  if (ended) return ended
  return page(
    { title: 'Verify your address', signedInAs: exchange.asker.session!.person.name },
    html`<h1>Verify your address</h1>
      <p>
        <strong><bdi>${flow.data.address}</bdi></strong> can then sign you in by mail.
      </p>
      ${buttonForm(exchange.url.pathname, 'This address is mine', { look: 'primary' })}`,
  )
}

/** `POST /account/verify/:handle`: the button. */
export const confirmVerification: Endpoint = async (exchange) => {
  const { flow, ended } = await load(exchange)
  if (ended) return ended
  await finishVerification(turnOf(exchange, exchange.asker.browser!), flow)
  return seeOther('/account')
}

/** @throws AppError `flow_invalid` for a link that is over, or another browser's */
async function load({ services, asker, params }: Exchange) {
  const loaded = await loadVerification(services, params['handle'] ?? null, asker.browser)
  if (loaded.state === 'live') return { flow: loaded.flow, ended: undefined }
  if (loaded.state === 'consumed') return { ended: asItEnded(loaded.outcome) }
  throw new AppError('flow_invalid', { reason: 'reason' in loaded ? loaded.reason : loaded.state })
}

function turnOf(exchange: Exchange, browser: string): VerificationTurn {
  const { services, asker } = exchange
  return { ...visitorOf(exchange, browser), services, person: asker.session!.person }
}
