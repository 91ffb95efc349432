import { buttonForm, html, page, type Html } from '../../src/web/page.ts'
import type { DevelopmentPerson } from '../provider.ts'
import type { Running } from './sign-in.ts'

const what: Readonly<Record<DevelopmentPerson['role'], string>> = {
  owner: 'Has had an account from the start.',
  admin: 'Has had an account from the start.',
  member: 'Gets an account at the first sign-in.',
  newcomer: 'Has no account, ever: an earlier one is taken away first.',
}

/** `GET /autosession`: who there is, with a button each. */
export function peoplePage(
  { provider, permit, sallyport }: Running,
  signedInAs: string | undefined,
): Promise<Response> {
  const { origin } = sallyport.services
  const command = `curl -i ${origin}/autosession/${provider.people[0]!.id} \\
  -H 'Origin: ${origin}' -d token=${permit.token}`
  return page(
    { title: 'Be somebody', signedInAs, wide: true },
    html`<h1>Be somebody</h1>
      <p class="lead">
        One press signs an invented person in: through every step of a real sign-in at the
        development provider, without its page. It exists on this machine only.
      </p>
      <section aria-labelledby="people">
        <h2 id="people">People</h2>
        <p class="quiet">
          Each press is a browser of its own: sessions that you had before stay alive elsewhere.
        </p>
        <ul>
          ${provider.people.map((person) => personRow(person, permit.token))}
          ${sallyport.services.guests.enabled ? guestRow(permit.token) : ''}
        </ul>
      </section>
      <section aria-labelledby="programs">
        <h2 id="programs">From a program</h2>
        <p>It gets 201 with the two cookies. The token is another one at every start.</p>
        <pre><code>${command}</code></pre>
      </section>
      <p><a href="/dev/states">All states a browser can be in</a></p>`,
  )
}

function personRow({ id, name, email, role, suspended }: DevelopmentPerson, token: string): Html {
  return html`<li>
    <div id="person-${id}">
      <strong>${name}</strong> <span class="mark">${role}</span>
      ${suspended ? html`<span class="mark danger">suspended</span>` : ''}
      <p class="quiet">${email}<br />${suspended ? 'The provider refuses them.' : what[role]}</p>
    </div>
    ${buttonForm(`/autosession/${id}`, 'Sign in', { fields: { token }, describedBy: `person-${id}` })}
  </li>`
}

function guestRow(token: string): Html {
  return html`<li>
    <div id="person-guest">
      <strong>A guest</strong>
      <p class="quiet">Is nobody yet. A new one at every press.</p>
    </div>
    ${buttonForm('/autosession/guest', 'Go on', { fields: { token }, describedBy: 'person-guest' })}
  </li>`
}
