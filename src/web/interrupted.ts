import { takeForm, type InterruptedForm } from '../flows/interrupted.ts'
import type { Endpoint } from '../http/exchange.ts'
import { AppError } from '../lib/errors.ts'
import { hiddenFields, html, page, type Html } from './page.ts'
import { tabOf } from './tabs.ts'

/** `GET /interrupted`: what a person was about to send before they signed in once more. It is shown once. */
export const interrupted: Endpoint = async ({ services, asker, url }) => {
  const { person } = asker.session!
  const owner = { browser: asker.browser, userId: person.id }
  const form = await takeForm(services, url.searchParams.get('form'), owner, services.clock.now())
  if (!form) throw new AppError('flow_invalid', { reason: 'form_gone' })
  return page(
    { title: 'Go on', signedInAs: person.name, tab: tabOf(asker.session) },
    html`<h1>Go on where you were?</h1>
      ${
        form.doing
          ? html`<p>You were about to: <strong>${form.doing}</strong>.</p>`
          : described(form)
      }
      <form method="post" action="${form.action}">
        ${hiddenFields(form.fields)}
        <button class="primary">Continue</button>
      </form>
      <p class="quiet">Nothing has been sent yet. Close this page to leave it so.</p>`,
  )
}

/** How much of a value is shown. */
const longest = 80
const secretive = /pass|secret|token|code|pin/i

function described({ action, fields }: InterruptedForm): Html {
  const shown = Object.entries(fields).filter(([name]) => !secretive.test(name))
  return html`<p>You were about to send this form to <code>${action.split('?')[0]}</code>.</p>
    <ul>
      ${shown.map(([name, value]) => html`<li><strong>${name}</strong> <span>${shorten(value)}</span></li>`)}
    </ul>`
}

function shorten(value: string): string {
  return value.length > longest ? `${value.slice(0, longest)}…` : value
}
