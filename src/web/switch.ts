import { hiddenFields, html, page, type Html } from './page.ts'

/** Who is signed in here, for whom a sign-in is, and where the answer goes. */
export interface Switching {
  readonly from: string
  readonly to: string
  /** Goes on after "You are signed in here as …, ", up to the full stop, and names the other person. */
  readonly clause: Html
  readonly action: string
  /** Hidden. @default none */
  readonly fields?: Readonly<Record<string, string>>
}

/** Asks whether one person's session is to end for another's. The answer is `choice`: `switch` or `stay`. */
export function switchPage({
  from,
  to,
  clause,
  action,
  fields = {},
}: Switching): Promise<Response> {
  return page(
    { title: 'Switch account?', signedInAs: from },
    html`<h1>Switch account?</h1>
      <p>
        You are signed in here as <strong><bdi>${from}</bdi></strong
        >, ${clause}.
      </p>
      <p class="quiet">Switching ends the first session in this browser. Nothing is merged.</p>
      <form method="post" action="${action}">
        ${hiddenFields(fields)}
        <button class="primary" name="choice" value="switch">Switch to <bdi>${to}</bdi></button>
        <button name="choice" value="stay">Stay signed in as <bdi>${from}</bdi></button>
      </form>`,
  )
}
