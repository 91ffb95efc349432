import { findOwnPasskey, listPasskeys, renamePasskey, type Passkey } from '../accounts/passkeys.ts'
import {
  finishPasskeyRegistration,
  loadPasskeyRegistration,
  startPasskeyRegistration,
  type PasskeyRegistrationTurn,
} from '../flows/passkey-registration.ts'
import type { Endpoint, Exchange } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { randomToken } from '../lib/secrets.ts'
import { browserMaxAge, setCookie } from '../sessions/cookies.ts'
import { describeDevice } from '../sessions/device.ts'
import { removeOwnPasskey } from '../sessions/revoke.ts'
import { asItEnded, visitorOf } from './arrived.ts'
import { buttonForm, hiddenFields, html, page, seeOther, type Html } from './page.ts'
import { passkeyForm, passkeyScriptPath } from './passkey-script.ts'
import { ago } from './time.ts'

/** The person's passkeys, as a part of their account page. */
export async function passkeySection({ services, asker }: Exchange): Promise<Html | ''> {
  if (services.personalSignIn === 'off') return ''
  const passkeys = await listPasskeys(services.db, asker.session!.person.id)
  const now = services.clock.now()
  return html`<section aria-labelledby="passkeys">
    <h2 id="passkeys">Passkeys</h2>
    <p class="quiet">
      A passkey signs you in with what unlocks your device: a finger, a face or a PIN.
    </p>
    <ul>
      ${passkeys.map((passkey) => passkeyRow(passkey, now))}
    </ul>
    ${buttonForm('/account/passkeys/new', 'Add a passkey')}
  </section>`
}

function passkeyRow({ id, name, lastUsedAt, backedUp }: Passkey, now: Date): Html {
  return html`<li>
    <div id="passkey-${id}">
      <strong><bdi>${name}</bdi></strong>
      ${backedUp ? html`<span class="mark">Synced</span>` : ''}
      <p class="quiet">
        ${lastUsedAt ? html`Last used ${ago(lastUsedAt, now)}.` : 'Not used yet.'}
      </p>
    </div>
    <a class="button" href="/account/passkeys/${id}" aria-describedby="passkey-${id}">Change</a>
  </li>`
}

const longestName = 100

function nameField(name: string): Html {
  return html`<label for="name">Its name</label>
    <input id="name" name="name" required maxlength="${longestName}" value="${name}" />`
}

/** @throws AppError `invalid_request` */
function nameIn(form: Exchange['form']): string {
  const name = (form['name'] ?? '').replaceAll(/\p{Cc}/gu, ' ').trim()
  if (!name || name.length > longestName)
    throw new AppError('invalid_request', { reason: 'no_name' })
  return name
}

/** `POST /account/passkeys/new`: asks the browser to make one. */
export const newPasskey: Endpoint = async (exchange) => {
  const { services, asker, request } = exchange
  const browser = asker.browser ?? randomToken(16)
  const { handle, options } = await startPasskeyRegistration(turnOf(exchange, browser))
  const response = await page(
    {
      title: 'Add a passkey',
      signedInAs: asker.session!.person.name,
      script: passkeyScriptPath,
    },
    html`<h1>Add a passkey</h1>
      <p>Your browser makes it, on this device or wherever you keep your passkeys.</p>
      ${passkeyForm('create', {
        action: '/account/passkeys',
        options,
        fields: html`${hiddenFields({ state: handle })}
        ${nameField(describeDevice(request.headers.get('user-agent')))}`,
        label: 'Make a passkey',
      })}
      <div class="also">
        <p class="row"><a href="/account">Back to your account</a></p>
      </div>`,
  )
  response.headers.append(
    'set-cookie',
    setCookie(services.cookies, 'browser', browser, browserMaxAge),
  )
  return response
}

/** `POST /account/passkeys`: what the browser made. */
export const addPasskey: Endpoint = async (exchange) => {
  const { services, asker, form } = exchange
  const name = nameIn(form)
  const loaded = await loadPasskeyRegistration(services, form['state'] ?? null, asker.browser)
  if (loaded.state === 'consumed') return asItEnded(loaded.outcome)
  if (loaded.state !== 'live')
    throw new AppError('flow_invalid', {
      reason: 'reason' in loaded ? loaded.reason : loaded.state,
    })
  const answer = form['credential'] ?? ''
  await finishPasskeyRegistration(turnOf(exchange, asker.browser!), loaded.flow, { answer, name })
  return seeOther('/account')
}

/** `GET /account/passkeys/:passkey`: renames or removes one. */
export const onePasskey: Endpoint = async ({ services, asker, params }) => {
  const { person } = asker.session!
  const found = await findOwnPasskey(services.db, person.id, params['passkey'] ?? '')
  if (!found) throw new AppError('not_found', { reason: 'no_such_passkey' })
  const { id, name } = found
  return page(
    { title: 'Your passkey', signedInAs: person.name },
    html`<h1>Your passkey</h1>
      <form method="post" action="/account/passkeys/${id}/rename">
        ${nameField(name)}
        <button class="primary">Rename</button>
      </form>
      ${buttonForm(`/account/passkeys/${id}/remove`, 'Remove this passkey', {
        look: 'danger',
        describedBy: 'removing',
      })}
      <p class="quiet" id="removing">
        Removing it signs out every other browser that was signed in with it. Remove it from your
        device as well, where it remains but is of no use.
      </p>
      <div class="also">
        <p class="row"><a href="/account">Back to your account</a></p>
      </div>`,
  )
}

/** `POST /account/passkeys/:passkey/rename` */
export const nameOwnPasskey: Endpoint = async ({ services, asker, params, form, requestId }) => {
  const userId = asker.session!.person.id
  const named = { userId, id: params['passkey'] ?? '', name: nameIn(form), requestId }
  if (!(await renamePasskey(services.db, named, services.clock.now())))
    throw new AppError('not_found', { reason: 'no_such_passkey' })
  return seeOther('/account')
}

/** `POST /account/passkeys/:passkey/remove`: unless it is the only way in. */
export const dropPasskey: Endpoint = async ({ services, asker, params, requestId }) => {
  const { id: except, person } = asker.session!
  const target = { userId: person.id, id: params['passkey'] ?? '', except }
  if (!(await removeOwnPasskey(services, target, requestId, services.clock.now())))
    throw new AppError('not_found', { reason: 'no_such_passkey' })
  return seeOther('/account')
}

function turnOf(exchange: Exchange, browser: string): PasskeyRegistrationTurn {
  const { services, asker } = exchange
  return { ...visitorOf(exchange, browser), services, person: asker.session!.person }
}
