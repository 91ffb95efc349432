import type { IncomingMessage, ServerResponse } from 'node:http'
import { pathOf, toListener } from '../server.ts'
import type { Demands, Mountable, SignedIn } from '../who.ts'
import { requireUser as requireUserOverNode } from './node.ts'

declare global {
  namespace Express {
    interface Request {
      /** Who is signed in; set by `requireUser`. */
      who?: SignedIn
    }
  }
}

/** The part of an Express request that is used. */
interface ExpressRequest extends IncomingMessage {
  readonly originalUrl: string
  /** What a parser has made of the body, if one ran before. */
  readonly body?: unknown
  who?: SignedIn
}

/** Express middleware, as far as it goes here. */
export type Middleware = (
  request: ExpressRequest,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void

/** Sallyport's own pages; every other path goes on. Use it on the app itself, before any body parser. */
export function pages(sallyport: Pick<Mountable, 'fetch' | 'quick' | 'owns'>): Middleware {
  const listener = toListener(sallyport.fetch, sallyport.quick)
  return (request, response, next) => {
    if (!sallyport.owns(pathOf(request.url))) return next()
    // A parser has eaten the form; going on would answer as if it had been empty.
    if (request.readableDidRead)
      return next(new Error('Use Sallyport’s pages before any body parser.'))
    listener(request, response)
  }
}

/** Lets signed-in people pass, with `request.who`; leads everybody else to the sign-in page and back. */
export function requireUser(
  sallyport: Pick<Mountable, 'authenticate' | 'challenge'>,
  demands: Demands = {},
): Middleware {
  return (request, response, next) => {
    const asked = { ...demands, target: request.originalUrl, form: parsedForm(request.body) }
    requireUserOverNode(sallyport, request, response, asked).then((who) => {
      if (!who) return
      request.who = who
      next()
    }, next)
  }
}

/** A parsed form of plain fields; anything else is not kept. */
function parsedForm(body: unknown): Record<string, string> | undefined {
  if (typeof body !== 'object' || body === null) return undefined
  const plain = Object.values(body).every((value) => typeof value === 'string')
  return plain ? (body as Record<string, string>) : undefined
}
