import { html, raw } from 'hono/html'
import type { DevelopmentPerson } from './people.ts'
import { messages, type MessageName, type Messenger } from './signals.ts'

/** A page, escaped. */
export type Html = ReturnType<typeof html>

/** A page of the provider. */
export function page(organization: string, title: string, content: Html): Html {
  const provider = `${organization}’s identity provider (development)`
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} · ${provider}</title>
        <link rel="stylesheet" href="/provider.css" />
      </head>
      <body>
        <header>
          <strong>${provider}</strong>
          <p>A stand-in for the provider of a real organization. Nobody here is real.</p>
        </header>
        <main>
          <h1>${title}</h1>
          ${content}
        </main>
      </body>
    </html>`
}

/** The page at `/`: who there is, with a button to suspend or restore each, and one for whatever applications can be told. */
export function peoplePage(
  organization: string,
  people: readonly DevelopmentPerson[],
  messenger: Messenger,
): Html {
  const { last, streaming, uris, accessToken } = messenger
  return page(
    organization,
    'People',
    html`<p>
        Suspending somebody ends their sessions and refresh tokens here at once. Applications learn
        of it when they next ask, or when they are told.
      </p>
      ${
        last
          ? html`<p role="status">
              Sent about ${last.person}: ${messages[last.what].label}. It was answered
              <code>${last.answer}</code>
            </p>`
          : ''
      }
      <ul>
        ${people.map((person) => personRow(person, messenger))}
      </ul>
      <h2>What can be sent</h2>
      <dl>
        ${Object.values(messages).map(
          ({ label, does }) =>
            html`<dt>${label}</dt>
              <dd>${does}</dd>`,
        )}
        <dt>Front-channel logout</dt>
        <dd>
          Opens the application’s address in a frame, in this browser. It ends something only where
          the application wants that, and where both share a site: on <code>localhost</code> that
          takes the same name for both.
        </dd>
      </dl>
      <p>
        ${streaming ? 'An application gets events.' : 'No application gets events.'} To have them
        sent, give it this provider’s address as the transmitter, and the access token
        <code>${accessToken}</code>.
        ${uris ? '' : 'None has said where it wants to hear of signing out.'}
      </p>
      <p><a href="/applications">Connect an application</a></p>
      <p><a href="/session/end">Sign out of this provider</a></p>`,
  )
}

function personRow(person: DevelopmentPerson, { uris, canSend }: Messenger): Html {
  const sendable = (Object.keys(messages) as MessageName[]).filter(canSend)
  const [action, label] = person.suspended ? ['restore', 'Restore'] : ['suspend', 'Suspend']
  return html`<li>
    <div>
      <strong>${person.name}</strong> ${suspendedMark(person)}
      <p>${person.email} · ${person.role}</p>
    </div>
    <form method="post" action="/people/${person.id}/${action}">
      <button aria-label="${label} ${person.name}">${label}</button>
    </form>
    <details>
      <summary aria-label="Tell applications about ${person.name}">Tell applications</summary>
      ${sendable.map((name) => sendForm(person, `send/${name}`, messages[name].label))}
      ${uris ? sendForm(person, 'front-channel', 'Front-channel logout') : ''}
      ${uris || sendable.length > 0 ? '' : html`<p>There is nobody to tell.</p>`}
    </details>
  </li>`
}

function sendForm({ id, name }: DevelopmentPerson, path: string, label: string): Html {
  return html`<form method="post" action="/people/${id}/${path}">
    <button aria-label="${label}: ${name}">${label}</button>
  </form>`
}

/** Front-channel logout: the application's address, once for each of the person's sessions here. */
export function framePage(
  organization: string,
  { name }: DevelopmentPerson,
  frames: readonly string[],
): Html {
  return page(
    organization,
    'Front-channel logout',
    html`<p>
        ${
          frames.length > 0
            ? `The application is asked in a frame to end ${name}’s session. What it says stands here.`
            : `${name} has no session here, so there is nothing to say.`
        }
      </p>
      ${frames.map((src) => html`<iframe title="The application" src="${src}"></iframe>`)}
      <p><a href="/">To the list of people</a></p>`,
  )
}

/** What the sign-in page shows. */
export interface SignInChoice {
  /** Where its forms go: the path of the interaction. */
  readonly path: string
  /** Who wants to know: the client's id. */
  readonly client: string
  /** `login_hint`: an address or a subject; that person comes first. */
  readonly hint?: string | undefined
}

/** The sign-in page: choose a person, no password. */
export function signInPage(
  organization: string,
  people: readonly DevelopmentPerson[],
  { path, client, hint }: SignInChoice,
): Html {
  const hinted = ({ id, email }: DevelopmentPerson): boolean => [id, email].includes(hint ?? '')
  const hintedFirst = people.toSorted((a, b) => Number(hinted(b)) - Number(hinted(a)))
  return page(
    organization,
    'Who are you?',
    html`<p>Choose a person to sign in to <strong>${client}</strong> as. There are no passwords.</p>
      <ul>
        ${hintedFirst.map((person) => personChoice(path, person, hinted(person)))}
      </ul>
      <form method="post" action="${path}/cancel"><button>Cancel</button></form>`,
  )
}

function personChoice(path: string, person: DevelopmentPerson, chosen: boolean): Html {
  return html`<li>
    <form method="post" action="${path}/sign-in/${person.id}">
      <button class="person" ${chosen ? 'autofocus' : ''}>
        <strong>${person.name}</strong> ${suspendedMark(person)}
        <span>${person.email} · ${person.role}</span>
      </button>
    </form>
  </li>`
}

function suspendedMark(person: DevelopmentPerson): Html | string {
  return person.suspended ? html`<em>suspended</em>` : ''
}

/** Asks before signing out. `form` is `oidc-provider`’s own, ready to print. */
export function signOutPage(organization: string, form: string): Html {
  return page(
    organization,
    'Sign out?',
    html`${raw(form)}
      <button form="op.logoutForm" name="logout" value="yes">Sign out</button>
      <button form="op.logoutForm">Stay signed in</button>`,
  )
}

/** A response on its way back to the application (SAML Bindings §3.5). */
export interface Returning {
  /** Where the application takes it. */
  readonly acs: string
  /** Base64. */
  readonly response: string
  readonly relayState: string | undefined
}

/** Takes a response back to the application; without its script by the button. */
export function takeBackPage(organization: string, { acs, response, relayState }: Returning): Html {
  return page(
    organization,
    'Back to the application',
    html`<form method="post" action="${acs}">
        <input type="hidden" name="SAMLResponse" value="${response}" />
        ${relayState === undefined ? '' : html`<input type="hidden" name="RelayState" value="${relayState}" />`}
        <button>Continue</button>
      </form>
      <script src="/saml/take-back.js"></script>`,
  )
}

/** One thing to say. */
export function messagePage(organization: string, title: string, text: string): Html {
  return page(
    organization,
    title,
    html`<p>${text}</p>
      <p><a href="/">To the list of people</a></p>`,
  )
}

/** The one stylesheet. */
export const stylesheet = `
:root { color-scheme: light dark; --line: light-dark(#d9dce3, #3a404c); --edge: light-dark(#7b8393, #7b8393); --quiet: light-dark(#4d5561, #b3bac6) }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 36rem; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif;
  color: light-dark(#16181d, #eef0f4); background: light-dark(#fff, #16181d); overflow-wrap: anywhere }
header { border: 1px dashed var(--edge); border-radius: .5rem; padding: .75rem 1rem; background: light-dark(#eef2fc, #1d2436) }
p { margin: .25rem 0 1rem }
header p, li p { margin: 0; color: var(--quiet); font-size: .875rem }
h1 { font-size: 1.5rem; margin: 1.5rem 0 .5rem }
h2 { font-size: 1.125rem; margin: 2rem 0 .25rem }
label, dt { display: block; color: var(--quiet); font-size: .875rem }
dd { margin: 0 0 .75rem }
input { width: 100%; min-height: 2.75rem; margin: .25rem 0 .75rem; padding: .25rem .75rem; font: inherit; color: inherit;
  background: transparent; border: 1px solid var(--edge); border-radius: .5rem }
ul { list-style: none; margin: 1rem 0; padding: 0 }
li { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; justify-content: space-between;
  border-top: 1px solid var(--line); padding: .75rem 0 }
li > form:only-child { flex: 1 }
li:has(> form:only-child) { border: 0; padding: .25rem 0 }
em { border: 1px solid currentColor; border-radius: 1rem; padding: 0 .5rem; font-size: .8125rem; font-style: normal;
  color: light-dark(#a01c1c, #ff9d94) }
button { font: inherit; min-height: 2.75rem; padding: .25rem .75rem; border: 1px solid var(--edge); border-radius: .5rem;
  color: inherit; background: light-dark(#f3f4f7, #262a32); cursor: pointer }
button:hover { border-color: currentColor }
.person { width: 100%; text-align: start; padding: .5rem 1rem }
.person span { display: block; color: var(--quiet); font-size: .875rem }
details { flex-basis: 100% }
summary { cursor: pointer; min-height: 2.75rem; padding: .5rem 0; font-size: .875rem }
details form { display: inline-block; margin: 0 .25rem .5rem 0 }
h2 { font-size: 1.125rem; margin: 1.5rem 0 .5rem }
dt { font-weight: 600 }
dd { margin: 0 0 .5rem; color: var(--quiet); font-size: .875rem }
iframe { width: 100%; height: 16rem; border: 1px solid var(--line); border-radius: .5rem }
a { color: light-dark(#0b57c2, #8ab8ff) }
:focus-visible { outline: 3px solid light-dark(#0b57c2, #8ab8ff); outline-offset: 2px }
`
