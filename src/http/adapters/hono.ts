import type { MiddlewareHandler } from 'hono'
import type { Mountable, SignedIn } from '../who.ts'

/** What `@hono/node-server` binds; other rims bind none, and then no address is known. */
interface Bindings {
  readonly incoming?: { readonly socket: { readonly remoteAddress?: string } }
}

/** Sallyport's own pages; every other path goes on. Use it on the app itself: `app.use(pages(sallyport))`. */
export function pages(sallyport: Pick<Mountable, 'fetch' | 'owns'>): MiddlewareHandler {
  return async (c, next) => {
    if (!sallyport.owns(new URL(c.req.url).pathname)) return next()
    const { incoming }: Bindings = c.env ?? {}
    return sallyport.fetch(c.req.raw, incoming?.socket.remoteAddress)
  }
}

/** Lets signed-in people pass, with `c.get('who')`; leads everybody else to the sign-in page and back. */
export function requireUser(
  sallyport: Pick<Mountable, 'authenticate' | 'challenge'>,
): MiddlewareHandler<{ Variables: { who: SignedIn } }> {
  return async (c, next) => {
    const who = await sallyport.authenticate(c.req.raw)
    if (!who.signedIn) return sallyport.challenge(c.req.raw, who)
    c.set('who', who)
    return next()
  }
}
