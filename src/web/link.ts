import type { Organization } from '../accounts/organizations.ts'
import type { LinkQuestion } from '../flows/join.ts'
import { hiddenFields, html, page } from './page.ts'

/**
 * Asks whether a sign-in that nobody here knows is to be linked to the account of whoever is signed in. Names both, and
 * says what follows: somebody may have been led here with an account that is not theirs.
 */
export function linkPage(
  { name: organization, slug }: Organization,
  { account, name, email, wanted }: LinkQuestion,
  handle: string,
): Promise<Response> {
  return page(
    { title: 'Link this sign-in?', signedInAs: account, status: wanted ? 200 : 409 },
    html`<h1>Link this sign-in to your account?</h1>
      <p>
        You are signed in here as <strong><bdi>${account}</bdi></strong
        >. At <bdi>${organization}</bdi> <span class="quiet">(${slug})</span> you have just signed
        in as <strong><bdi>${name ?? email ?? 'somebody without a name'}</bdi></strong
        >${name && email ? html` (<bdi>${email}</bdi>)` : ''}, which is new here.
      </p>
      <p>
        Once it is linked, whoever signs in there as that person is let in here as
        <bdi>${account}</bdi>. Link it only if both are you.
      </p>
      <form method="post" action="/link">
        ${hiddenFields({ state: handle })}
        <button class="primary" name="choice" value="link">Link it to my account</button>
        <button name="choice" value="stay">Leave everything as it is</button>
      </form>
      ${
        wanted
          ? ''
          : html`<p class="also quiet">
              Is <bdi>${account}</bdi> somebody else? Then <a href="/logout">sign out</a> first, and
              sign in this way again.
            </p>`
      }`,
  )
}
