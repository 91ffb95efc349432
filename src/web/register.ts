import type { Connection } from '../accounts/connections.ts'
import type { RegistrationQuestion } from '../flows/login.ts'
import { hiddenFields, html, page, type Html } from './page.ts'

/** What the page needs to know. */
interface Registering {
  readonly connection: Connection
  readonly question: RegistrationQuestion
  readonly handle: string
  readonly termsUrl: URL | undefined
}

/** The form of somebody who signs in for the first time. It says the same whether or not an address is known here. */
export function registerPage({
  connection,
  question,
  handle,
  termsUrl,
}: Registering): Promise<Response> {
  const { organization } = connection
  return page(
    { title: 'Create your account', status: question.wrongName ? 422 : 200 },
    html`<h1>Create your account</h1>
      <p>
        <bdi>${organization.name}</bdi> <span class="quiet">(${organization.slug})</span> vouches
        for you${question.email ? html` (<bdi>${question.email}</bdi>)` : ''}, but this way of
        signing in is new here.
      </p>
      ${question.last ? anotherWay(question.last.organizationSlug) : ''}
      <form method="post" action="/register">
        ${hiddenFields({ state: handle })}
        <label for="name">Your name</label>
        <input
          id="name"
          name="name"
          value="${question.name}"
          required
          maxlength="200"
          autocomplete="name"
          aria-describedby="name-help"
          ${question.wrongName ? html`aria-invalid="true"` : ''}
        />
        <p class="quiet" id="name-help">
          ${question.wrongName ? 'Write a name of 1 to 200 characters.' : 'As others here will see it.'}
        </p>
        ${question.work === null ? '' : keepWork(question.work, question.sameBrowser)}
        ${terms(termsUrl)}
        <button class="primary">Create account</button>
      </form>
      <p><a class="button" href="/">Cancel</a></p>`,
  )
}

/** Nothing here says who was here before, beyond what the sign-in page says to everybody. */
function anotherWay(slug: string | null): Html {
  return html`<div class="notice">
    <p>
      Have you signed in here another way before? Then do that again, and you keep your account.
    </p>
    <p><a class="button" href="${slug ? `/login/${slug}` : '/login'}">Sign in the other way</a></p>
  </div>`
}

/** Work from another browser may be somebody else’s, put there to be taken for one’s own: it is not ticked. */
function keepWork(work: string, sameBrowser: boolean): Html {
  return html`<p class="tick">
      <input type="checkbox" id="keep" name="keep" value="yes" ${sameBrowser ? 'checked' : ''} />
      <label for="keep">Take <bdi>${work}</bdi> with me</label>
    </p>
    ${
      sameBrowser
        ? ''
        : html`<p class="quiet">It was begun in another browser. Tick this only if it is yours.</p>`
    }`
}

function terms(url: URL | undefined): Html | string {
  return url
    ? html`<p class="quiet">
        By creating an account you accept the
        <a href="${url.href}" rel="noreferrer">terms of use</a>.
      </p>`
    : ''
}
