import { html, raw } from 'hono/html'
import { policyWithScript } from '../http/headers.ts'
import { iconPath, logo } from './logo.ts'
import { stylesheetPath } from './style.ts'
import { tabsScriptPath } from './tabs.ts'

/** A piece of a page; values put into it are escaped. */
export type Html = ReturnType<typeof html>
export { html, raw }

/** Controls that make text read in another order than it is stored: a name could pose as another (UTS #55 §3). */
const bidiControls = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** What a page is, apart from its content. */
export interface PageOptions {
  readonly title: string
  /** @default 200 */
  readonly status?: number
  readonly headers?: Record<string, string>
  /** The person's name, for the way to their account. @default nobody */
  readonly signedInAs?: string | undefined
  /** The path of a script of ours that the page loads. @default none, and then none can run */
  readonly script?: string
  /** The handle of the session that the page shows, for other tabs to hear; empty for nobody's. @default it says nothing */
  readonly tab?: string
  /** Whether it is a page to read rather than one thing to do. @default false */
  readonly wide?: boolean
}

/**
 * A whole page as a `Response`. `content` begins with the page's one `h1`.
 * Its referrer policy is `same-origin` where the header says `no-referrer`: under that, browsers send our own forms
 * with `Origin: null` (Fetch §3.2), which is refused like any other origin.
 */
export async function page(
  { title, status = 200, headers = {}, signedInAs, script, tab, wide = false }: PageOptions,
  content: Html,
): Promise<Response> {
  const body = await html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="referrer" content="same-origin" />
        <title>${title} · Sallyport</title>
        <link rel="icon" href="${iconPath}" type="image/svg+xml" />
        <link rel="stylesheet" href="${stylesheetPath}" />
        ${script === undefined ? '' : html`<script src="${script}" defer></script>`}
        ${tab === undefined ? '' : html`<script src="${tabsScriptPath}" defer></script>`}
      </head>
      <body
        class="${wide ? 'wide' : 'narrow'}"
        ${tab === undefined ? '' : html`data-session="${tab}"`}
      >
        <header>
          <a class="brand" href="/">${logo} Sallyport</a>
          ${signedInAs === undefined ? '' : accountLinks(signedInAs)}
        </header>
        <main>${content}</main>
      </body>
    </html> `
  return new Response(String(body).replaceAll(bidiControls, ''), {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      ...((script ?? tab) !== undefined && { 'content-security-policy': policyWithScript }),
      ...headers,
    },
  })
}

function accountLinks(name: string): Html {
  return html`<nav aria-label="Your account">
    <a class="name" href="/account"><bdi>${name}</bdi></a>
    <a href="/logout">Sign out</a>
  </nav>`
}

/** How a {@link buttonForm} looks and what it sends. */
export interface ButtonOptions {
  /** Hidden fields. */
  readonly fields?: Readonly<Record<string, string>>
  /** `primary`: what most people came for; `danger`: it ends something; `plain`: an aside. @default a quiet button */
  readonly look?: 'primary' | 'danger' | 'plain' | ''
  /** The id of the element that says what it acts on. */
  readonly describedBy?: string
}

/** A form that is one button. */
export function buttonForm(
  action: string,
  label: string | Html,
  { fields = {}, look = '', describedBy }: ButtonOptions = {},
): Html {
  const description = describedBy ? html`aria-describedby="${describedBy}"` : ''
  return html`<form method="post" action="${action}">
    ${hiddenFields(fields)}
    <button class="${look}" ${description}>${label}</button>
  </form>`
}

/** Fields that the person does not see. */
export function hiddenFields(fields: Readonly<Record<string, string>>): Html[] {
  return Object.entries(fields).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}" />`,
  )
}

/** Sends the browser on with a GET, whatever it did before (RFC 9700 §4.12). */
export function seeOther(location: string, cookies: readonly string[] = []): Response {
  const headers = new Headers({ location })
  for (const cookie of cookies) headers.append('set-cookie', cookie)
  return new Response(null, { status: 303, headers })
}
