import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { pathOf, toListener } from '../server.ts'
import type { Demands, Mountable, SignedIn } from '../who.ts'

/**
 * Sallyport's own pages as a listener for `http.createServer`.
 * @param app answers every other path. @default Sallyport answers them too: 404
 */
export function toNodeListener(
  sallyport: Pick<Mountable, 'fetch' | 'quick' | 'owns'>,
  app?: RequestListener,
): RequestListener {
  const pages = toListener(sallyport.fetch, sallyport.quick)
  if (!app) return pages
  return (request, response) =>
    sallyport.owns(pathOf(request.url)) ? pages(request, response) : app(request, response)
}

/** What a handler asks of whoever is asking, and what it knows of the request beside what Node does. */
export interface Requirements extends Demands {
  /** The path and query to come back to. @default what was asked for */
  readonly target?: string
  /** The form, where a parser has read the body already. */
  readonly form?: Readonly<Record<string, string>> | undefined
}

/**
 * Who is signed in. Anybody else gets the answer from here, and the handler gets undefined and is done:
 * `const who = await requireUser(…); if (!who) return`.
 */
export async function requireUser(
  sallyport: Pick<Mountable, 'authenticate' | 'challenge'>,
  request: IncomingMessage,
  response: ServerResponse,
  { target = request.url ?? '/', form, ...demands }: Requirements = {},
): Promise<SignedIn | undefined> {
  const who = await sallyport.authenticate(request, demands)
  if (who.signedIn) return who
  const unread = !request.readableDidRead
  await toListener(async (asked) => {
    const { method, headers } = asked
    const url = new URL(target, asked.url).href
    return sallyport.challenge(
      { url, method, headers, form, body: unread ? asked.body : null },
      who,
    )
  })(request, response)
  return undefined
}
