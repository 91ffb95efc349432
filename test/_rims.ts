import { createServer, type RequestListener } from 'node:http'
import { toNodeListener } from '../src/http/adapters/node.ts'
import type { Sallyport } from '../src/app.ts'
import { listen, stopServer } from '../src/http/server.ts'
import type { Send } from './_browser.ts'

/** A way in which requests reach the application. */
export interface Rim {
  /** Where the application believes to be. */
  readonly origin: string
  readonly send: Send
  serve(sallyport: Sallyport): Promise<void> | void
  close(): Promise<void>
}

export type RimName = 'memory' | 'node'

/** Every rim; the HTTP tests run through each. */
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
  node: () => overHttp((sallyport) => toNodeListener(sallyport)),
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
    send: (request) => fetch(request),
    serve: async (sallyport) => void (listener = await mount(sallyport)),
    close: () => stopServer(server, 100),
  }
}
