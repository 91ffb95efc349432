import { html, raw } from 'hono/html'
import { stylesheetPath } from './style.ts'

/** A piece of a page; values put into it are escaped. */
export type Html = ReturnType<typeof html>
export { html, raw }

/** A whole page as a `Response`. */
export async function page(
  {
    title,
    status = 200,
    headers = {},
    signedInAs,
  }: {
    title: string
    status?: number
    headers?: Record<string, string>
    signedInAs?: string | undefined
  },
  content: Html,
): Promise<Response> {
  const body = await html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title} · Sallyport</title>
        <link rel="stylesheet" href="${stylesheetPath}" />
      </head>
      <body>
        <header>
          <a href="/">Sallyport</a>${signedInAs ? html`<a href="/account">${signedInAs}</a>` : ''}
        </header>
        <main>${content}</main>
      </body>
    </html> `
  return new Response(String(body), {
    status,
    headers: { 'content-type': 'text/html; charset=utf-8', ...headers },
  })
}

/** Sends the browser on with a GET, whatever it did before (RFC 9700 §4.12). */
export function seeOther(location: string, cookies: readonly string[] = []): Response {
  const headers = new Headers({ location })
  for (const cookie of cookies) headers.append('set-cookie', cookie)
  return new Response(null, { status: 303, headers })
}
