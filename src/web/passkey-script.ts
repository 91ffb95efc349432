import type { Endpoint } from '../http/exchange.ts'
import { asset } from './asset.ts'
import { hiddenFields, html, type Html } from './page.ts'

/**
 * Runs in the browser: hands what the page's form says to the browser's passkeys, puts the answer into the form, and
 * sends it. It stores nothing and asks no server.
 */
const script = `
const form = document.querySelector('form[data-passkey]')
const button = form.querySelector('button')
const status = document.getElementById('passkey-status')

const toBytes = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0))
const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\\+/g, '-').replace(/\\//g, '_').replace(/=/g, '')

const problems = {
  NotAllowedError: 'No passkey was chosen, or it took too long. Press the button to try again.',
  InvalidStateError: 'This device has a passkey for your account already.',
  SecurityError: 'The browser does not use passkeys at this address.',
}

function ask({ challenge, user, excludeCredentials = [], ...options }) {
  const publicKey = { ...options, challenge: toBytes(challenge) }
  if (form.dataset.passkey === 'get') return navigator.credentials.get({ publicKey })
  publicKey.user = { ...user, id: toBytes(user.id) }
  publicKey.excludeCredentials = excludeCredentials.map((one) => ({ ...one, id: toBytes(one.id) }))
  return navigator.credentials.create({ publicKey })
}

function answerOf({ id, type, response }) {
  const answer = { clientDataJSON: toText(response.clientDataJSON) }
  for (const name of ['attestationObject', 'authenticatorData', 'signature', 'userHandle'])
    if (response[name]) answer[name] = toText(response[name])
  if (response.attestationObject) {
    delete answer.authenticatorData
    answer.transports = response.getTransports ? response.getTransports() : []
  }
  return JSON.stringify({ id, type, response: answer })
}

async function run() {
  button.disabled = true
  status.textContent = ''
  try {
    const credential = await ask(JSON.parse(form.dataset.options))
    form.elements.credential.value = answerOf(credential)
    form.submit()
  } catch (error) {
    status.textContent = problems[error.name] || 'The browser could not do it: ' + error.name + '.'
    button.disabled = false
  }
}

if (!window.PublicKeyCredential || !navigator.credentials) {
  button.disabled = true
  status.textContent = 'This browser has no passkeys. Use another one, or sign in another way.'
} else {
  status.textContent = ''
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    run()
  })
  if (form.dataset.passkey === 'get') run()
}
`

const file = asset('passkeys.js', 'text/javascript; charset=utf-8', script)

/** Where the script is. */
export const passkeyScriptPath: string = file.path

/** `GET /assets/passkeys-….js`: the one script. */
export const passkeyScript: Endpoint = file.endpoint

/** The form that the script works on. Without the script it says why nothing happens. */
export function passkeyForm(
  ceremony: 'create' | 'get',
  {
    action,
    options,
    fields,
    label,
  }: { action: string; options: object; fields: unknown; label: string },
): Html {
  return html`<form
    method="post"
    action="${action}"
    data-passkey="${ceremony}"
    data-options="${JSON.stringify(options)}"
  >
    ${fields} ${hiddenFields({ credential: '' })}
    <button class="primary">${label}</button>
    <p class="quiet" id="passkey-status" role="status">
      This page needs a script of ours, which has not run.
    </p>
  </form>`
}
