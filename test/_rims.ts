import { getRequestListener } from '@hono/node-server'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { createServer, type RequestListener } from 'node:http'
import { describe } from 'node:test'
import * as forExpress from '../src/http/adapters/express.ts'
import * as forFastify from '../src/http/adapters/fastify.ts'
import * as forHono from '../src/http/adapters/hono.ts'
import { requireUser, toNodeListener } from '../src/http/adapters/node.ts'
import type { Sallyport } from '../src/app.ts'
import { listen, stopServer } from '../src/http/server.ts'
import type { Send } from './_browser.ts'
import { sendOverHttp } from './_send.ts'

/** A way in which requests reach the application. */
export interface Rim {
  /** Where the application believes to be. */
  readonly origin: string
  readonly send: Send
  serve(sallyport: Sallyport): Promise<void> | void
  close(): Promise<void>
}

export type RimName = 'memory' | 'node' | 'express' | 'fastify' | 'hono'

/**
 * Every rim; the HTTP tests run through each. Around Sallyport stands an application with two routes of its own:
 * `/app/open` (POST), which parses the form itself, `/app/private`, which `requireUser` guards, and `/app/sensitive`,
 * which needs a recent sign-in; all answer JSON.
 */
export const rims: Readonly<Record<RimName, () => Promise<Rim>>> = {
  memory: async () => {
    let sallyport: Sallyport
    return {
      origin: 'https://app.example',
      send: (request) => sallyport.fetch(request, '192.0.2.7'),
      serve: (served) => void (sallyport = served),
      close: async () => {},
    }
  },
  node: () => overHttp(nodeApp),
  express: () => overHttp(expressApp),
  fastify: () => overHttp(fastifyApp),
  hono: () => overHttp(honoApp),
}

/** Describes the same behaviour once for each rim. */
export function describeEveryRim(name: string, define: (rim: RimName) => void): void {
  for (const rim of Object.keys(rims) as RimName[]) describe(`${name}, ${rim}`, () => define(rim))
}

function nodeApp(sallyport: Sallyport): RequestListener {
  return toNodeListener(sallyport, async (request, response) => {
    const { pathname } = new URL(request.url!, 'http://localhost')
    if (pathname === '/app/private' || pathname === '/app/sensitive') {
      const recent = pathname === '/app/sensitive'
      const who = await requireUser(sallyport, request, response, { recent })
      if (who) response.end(JSON.stringify({ name: who.user.name }))
    } else if (pathname === '/app/open') {
      let body = ''
      for await (const chunk of request) body += String(chunk)
      response.end(JSON.stringify(Object.fromEntries(new URLSearchParams(body))))
    } else response.writeHead(404).end('the application has no such page')
  })
}

function expressApp(sallyport: Sallyport): RequestListener {
  const app = express()
  app.use(forExpress.pages(sallyport))
  app.use(express.urlencoded())
  app.post('/app/open', (request, response) => void response.json(request.body))
  const inner = express.Router()
  inner.all('/private', forExpress.requireUser(sallyport), (request, response) => {
    response.json({ name: request.who?.user.name })
  })
  inner.all(
    '/sensitive',
    forExpress.requireUser(sallyport, { recent: true }),
    (request, response) => {
      response.json({ name: request.who?.user.name })
    },
  )
  app.use('/app', inner)
  app.use((_request, response) => {
    response.status(404).send('the application has no such page')
  })
  return app
}

async function fastifyApp(sallyport: Sallyport): Promise<RequestListener> {
  let handler: RequestListener | undefined
  const app = fastify({
    serverFactory: (handle) => createServer((handler = handle as RequestListener)),
  })
  await app.register(forFastify.pages(sallyport))
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    async (_request: unknown, body: string | Buffer) =>
      Object.fromEntries(new URLSearchParams(String(body))),
  )
  app.post('/app/open', async ({ body }) => body)
  app.all('/app/private', { onRequest: forFastify.requireUser(sallyport) }, async ({ who }) => ({
    name: who?.user.name,
  }))
  const sensitive = { onRequest: forFastify.requireUser(sallyport, { recent: true }) }
  app.all('/app/sensitive', sensitive, async ({ who }) => ({ name: who?.user.name }))
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send('the application has no such page'),
  )
  await app.ready()
  return handler!
}

function honoApp(sallyport: Sallyport): RequestListener {
  const app = new Hono()
  app.use(forHono.pages(sallyport))
  app.post('/app/open', async (c) => c.json(await c.req.parseBody()))
  app.all('/app/private', forHono.requireUser(sallyport), (c) =>
    c.json({ name: c.get('who').user.name }),
  )
  app.all('/app/sensitive', forHono.requireUser(sallyport, { recent: true }), (c) =>
    c.json({ name: c.get('who').user.name }),
  )
  app.notFound((c) => c.text('the application has no such page', 404))
  // With a Request and Response of its own in the place of the global ones, as `serve` does it.
  return getRequestListener(app.fetch)
}

/** A rim over a real connection on loopback. */
async function overHttp(
  mount: (sallyport: Sallyport) => RequestListener | Promise<RequestListener>,
): Promise<Rim> {
  let listener: RequestListener
  const server = createServer((request, response) => listener(request, response))
  const port = await listen(server, { host: '127.0.0.1', port: 0 })
  return {
    origin: `http://localhost:${port}`,
    send: sendOverHttp,
    serve: async (sallyport) => void (listener = await mount(sallyport)),
    close: () => stopServer(server, 100),
  }
}
