import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { pathOf, toListener } from '../server.ts'
import type { Mountable, SignedIn } from '../who.ts'

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

/**
 * Who is signed in. Anybody else gets the answer from here, and the handler gets undefined and is done:
 * `const who = await requireUser(…); if (!who) return`.
 * @param target the path and query to come back to. @default what was asked for
 */
export async function requireUser(
  sallyport: Pick<Mountable, 'authenticate' | 'challenge'>,
  request: IncomingMessage,
  response: ServerResponse,
  target: string = request.url ?? '/',
): Promise<SignedIn | undefined> {
  const who = await sallyport.authenticate(request)
  if (who.signedIn) return who
  await toListener(async ({ url, method, headers }) =>
    sallyport.challenge({ url: new URL(target, url).href, method, headers }, who),
  )(request, response)
  return undefined
}
