import type { MiddlewareHandler } from 'hono'
import type { Demands, Mountable, SignedIn } from '../who.ts'

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
  demands: Demands = {},
): MiddlewareHandler<{ Variables: { who: SignedIn } }> {
  return async (c, next) => {
    const { raw } = c.req
    const who = await sallyport.authenticate(raw, demands)
    if (!who.signedIn) {
      const { url, method, headers } = raw
      return sallyport.challenge(
        { url, method, headers, body: raw.bodyUsed ? null : raw.body },
        who,
      )
    }
    c.set('who', who)
    return next()
  }
}
