import type { RegistrationQuestion } from '../flows/login.ts'
import { hiddenFields, html, page, type Html } from './page.ts'

/** What the page needs to know. */
interface Registering {
  /** How we know the person, and that they are new. */
  readonly vouched: Html
  readonly question: RegistrationQuestion
  readonly action: string
  /** Hidden fields. */
  readonly fields: Readonly<Record<string, string>>
  readonly termsUrl: URL | undefined
  /** Where somebody who has an account here already goes on once they have signed in to it. @default nowhere */
  readonly toLink?: string
}

/** The form of somebody who signs in for the first time. It says the same whether or not an address is known here. */
export function registerPage({
  vouched,
  question,
  action,
  fields,
  termsUrl,
  toLink,
}: Registering): Promise<Response> {
  return page(
    { title: 'Create your account', status: question.wrongName ? 422 : 200 },
    html`<h1>Create your account</h1>
      <p>${vouched}</p>
      ${question.last ? anotherWay(question.last.organizationSlug) : ''}
      <form method="post" action="${action}">
        ${hiddenFields(fields)}
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
      ${toLink === undefined ? '' : signInToLink(toLink)}
      <p><a class="button" href="/">Cancel</a></p>`,
  )
}

/** Proving an account is signing in to it, in whichever way it can be; this form is then a question whether to link. */
function signInToLink(toLink: string): Html {
  return html`<div class="also">
    <p>Do you have an account here already? Sign in to it, and you can link this sign-in to it.</p>
    <p>
      <a class="button" href="/login?other=1&return_to=${encodeURIComponent(toLink)}"
        >Sign in to my account</a
      >
    </p>
  </div>`
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
