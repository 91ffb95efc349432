import { once } from 'node:events'
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { selfSigned } from './_certificate.ts'

/** Where to listen; a free port of 127.0.0.1 unless told. */
export interface Place {
  readonly host?: string
  readonly port?: number
}

async function listen(t: TestContext, server: Server, place: Place = {}): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  server.listen(place.port ?? 0, place.host ?? '127.0.0.1')
  await once(server, 'listening')
  t.after(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return (server.address() as AddressInfo).port
}

/** Serves plain HTTP on loopback until the test ends; answers with its port. */
export function serve(t: TestContext, listener: RequestListener, place?: Place): Promise<number> {
  return listen(t, createServer(listener), place)
}

/** A server that speaks whatever `answer` writes. */
export function serveBytes(t: TestContext, answer: (socket: Socket) => void): Promise<number> {
  return listen(t, createTcpServer(answer))
}

/** A TLS server for one name, whose certificate nobody trusts before `trust` is called. */
export async function serveTls(
  t: TestContext,
  name: string,
  listener: RequestListener,
): Promise<{ port: number; trust: () => void }> {
  const certificate = selfSigned(name)
  const before = getCACertificates('default')
  t.after(() => setDefaultCACertificates(before))
  const port = await listen(t, createHttpsServer(certificate, listener))
  return { port, trust: () => setDefaultCACertificates([...before, certificate.cert]) }
}

/** Sends the beginning at once and then a byte at a time, for as long as somebody listens. */
export function drip(socket: Socket, beginning: string | Buffer): void {
  socket.write(beginning)
  const timer = setInterval(() => socket.write('a'), 10)
  socket.on('close', () => clearInterval(timer))
}

/** A listener that keeps every request waiting until `release`, and can tell when so many have come. */
export function hold(): {
  arrive: RequestListener
  arrived: (count: number) => Promise<void>
  release: () => void
} {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  let count = 0
  let announce = (): void => {}
  return {
    arrive(_request, response) {
      count++
      announce()
      void released.then(() => response.end('released'))
    },
    async arrived(wanted) {
      while (count < wanted) {
        await new Promise<void>((resolve) => (announce = resolve))
      }
    },
    release,
  }
}
