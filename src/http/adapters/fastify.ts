import type {} from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pathOf, toListener } from '../server.ts'
import type { Demands, Mountable, SignedIn } from '../who.ts'
import { requireUser as requireUserOverNode } from './node.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who is signed in; set by `requireUser`. */
    who: SignedIn | null
  }
}

/** The part of a Fastify request that is used. */
interface FastifyRequest {
  readonly raw: IncomingMessage
  readonly originalUrl: string
  who: SignedIn | null
}

/** The part of a Fastify reply that is used. */
interface FastifyReply {
  readonly raw: ServerResponse
  hijack(): unknown
}

/** A hook for `onRequest` or `preHandler`. */
export type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<void>

/** The part of a Fastify instance that is used. */
interface FastifyInstance {
  decorateRequest(name: 'who', value: null): unknown
  addHook(name: 'onRequest', hook: Hook): unknown
}

/** Sallyport's own pages as a plugin; every other path goes on. Bodies are read here, not by Fastify's parsers. */
export function pages(
  sallyport: Pick<Mountable, 'fetch' | 'quick' | 'owns'>,
): (fastify: FastifyInstance) => Promise<void> {
  const listener = toListener(sallyport.fetch, sallyport.quick)
  const plugin = async (fastify: FastifyInstance): Promise<void> => {
    fastify.decorateRequest('who', null)
    fastify.addHook('onRequest', async ({ raw }, reply) => {
      if (!sallyport.owns(pathOf(raw.url))) return
      reply.hijack()
      listener(raw, reply.raw)
    })
  }
  // Without it the hook would be confined to the plugin itself.
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true })
}

/** Lets signed-in people pass, with `request.who`; leads everybody else to the sign-in page and back. */
export function requireUser(
  sallyport: Pick<Mountable, 'authenticate' | 'challenge'>,
  demands: Demands = {},
): Hook {
  return async (request, reply) => {
    const { raw, originalUrl } = request
    const asked = { ...demands, target: originalUrl }
    request.who = (await requireUserOverNode(sallyport, raw, reply.raw, asked)) ?? null
    if (!request.who) reply.hijack()
  }
}
