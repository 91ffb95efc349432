import type { Asker } from '../../src/sessions/authenticate.ts'
import type { Verdict } from '../../src/sessions/decide.ts'
import { buttonForm, html, page, type Html } from '../../src/web/page.ts'
import type { Entered, State } from './enter.ts'
import { states } from './enter.ts'
import type { Preview } from './preview.ts'

/** `GET /dev/states`: every row of the decision, and a way into it. */
export function statesPage(asker: Asker, token: string): Promise<Response> {
  return page(
    { title: 'States', signedInAs: asker.session?.person.name, wide: true },
    html`<h1>All states a browser can be in</h1>
      <p class="lead">
        Every request is decided by one of sixteen rows, or by the seventeenth: the database is
        away. Each button puts this browser into one of them.
      </p>
      <section aria-labelledby="now">
        <h2 id="now">This browser, as it came here</h2>
        ${verdictOf(asker)}
      </section>
      <section aria-labelledby="rows">
        <h2 id="rows">Rows</h2>
        <ul>
          ${states.map((state) => stateRow(state, token))}
        </ul>
      </section>
      <p><a href="/autosession">Be somebody</a></p>`,
  )
}

function stateRow({ row, name, what, enter }: State, token: string): Html {
  const id = `state-${name}`
  return html`<li>
    <div id="${id}">
      <strong>Row ${row}</strong>
      <p>${what}</p>
      ${typeof enter === 'string' ? html`<p class="quiet">Cannot be entered. ${enter}</p>` : ''}
    </div>
    ${typeof enter === 'string' ? '' : buttonForm(`/dev/states/${name}`, 'Enter', { fields: { token }, describedBy: id })}
  </li>`
}

/** `POST /dev/states/:state`: where this browser is now. */
export function enteredPage(
  { row, what }: State,
  { back }: Entered,
  preview: Preview,
): Promise<Response> {
  return page(
    { title: `Row ${row}`, wide: true },
    html`<h1>This browser is in row ${row}</h1>
      <p class="lead">${what}</p>
      <section aria-labelledby="next">
        <h2 id="next">What the next request will meet</h2>
        ${verdictOf(preview)}
      </section>
      <section aria-labelledby="try">
        <h2 id="try">Try it</h2>
        ${back ? returning(back) : ordinary()}
      </section>
      <p><a href="/dev/states">All states</a></p>`,
  )
}

function returning(back: URL): Html {
  return html`<p>The provider has vouched for somebody; this is its way back to here.</p>
    <p><a class="button primary" href="${back.pathname}${back.search}">Come back</a></p>`
}

function ordinary(): Html {
  return html`<p><a class="button primary" href="/account">Open the account, as a person</a></p>
    <p class="quiet">
      Or see what a program is told: <a href="/me">/me</a>, and what a proxy is told:
      <a href="/verify">/verify</a>.
    </p>`
}

function verdictOf({ state, verdict }: Preview): Html {
  const found = state
    ? `Session ${state.session}, registration ${state.registration}, hint ${state.hint}. `
    : ''
  const refused = verdict.refuse ? ` Refused: ${verdict.refuse}.` : ''
  return html`<p>
      Row ${verdict.row}, <strong>${verdict.outcome}</strong>: ${standings[verdict.standing]}.
    </p>
    <p class="quiet">
      ${found}What happens to the session: ${verdict.session}; to the cookies:
      ${verdict.cookies.join(', ') || 'nothing'}; in the audit:
      ${verdict.audit ?? 'nothing'}.${refused}
    </p>`
}

const standings: Readonly<Record<Verdict['standing'], string>> = {
  user: 'may act as a signed-in person',
  guest: 'may act as a guest',
  lapsed: 'may read, and has to confirm who they are before anything else',
  locked: 'has to confirm who they are before anything else',
  nobody: 'may see what everybody may',
  unavailable: 'nobody can tell; nobody is signed out',
}
