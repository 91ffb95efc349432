import { connect, createServer, type Socket } from 'node:net'
import type { TestConnection } from './_database.ts'

/** A TCP proxy before the test server, whose line can be cut, silenced, slowed and mended. */
export interface CuttableConnection {
  readonly connection: TestConnection
  /** Drops every connection and refuses new ones. */
  cut(): void
  /**
   * Half open: nothing arrives on either side, and neither is told. What was sent arrives when the line is mended,
   * even if whoever sent it has long hung up.
   * @param newcomers whether connections made from now on are silent too @default true
   */
  silence(newcomers?: boolean): void
  /** What silence keeps of those that have hung up arrives now, and nothing else. */
  deliver(): void
  /** Everything arrives so many milliseconds late. */
  slow(milliseconds: number): void
  mend(): void
  close(): Promise<void>
}

/** One direction of one connection. */
interface Pipe {
  silent: boolean
  hungUp: boolean
  flush(): void
}

/** Puts a proxy before a test database. */
export async function cuttable(to: TestConnection): Promise<CuttableConnection> {
  const open = new Set<Socket>()
  const pipes = new Set<Pipe>()
  let [whole, silent, late] = [true, false, 0]

  const server = createServer((near) => {
    if (!whole) return void near.destroy()
    const far = to.host.startsWith('/')
      ? connect(`${to.host}/.s.PGSQL.${to.port}`)
      : connect(to.port, to.host)
    for (const socket of [near, far]) {
      open.add(socket)
      socket.setNoDelay()
      socket.on('close', () => open.delete(socket)).on('error', () => {})
    }
    lead(near, far)
    lead(far, near)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

  function lead(from: Socket, onTo: Socket): void {
    const waiting: (() => void)[] = []
    const pipe: Pipe = {
      silent,
      hungUp: false,
      flush: () => waiting.splice(0).forEach((happen) => happen()),
    }
    pipes.add(pipe)
    const pass = (happen: () => void) => {
      if (pipe.silent) waiting.push(happen)
      else if (late > 0) setTimeout(happen, late)
      else happen()
    }
    from.on('data', (chunk) => pass(() => onTo.write(chunk)))
    from.on('close', () => {
      pipe.hungUp = true
      pass(() => {
        onTo.end()
        pipes.delete(pipe)
      })
    })
  }

  const drop = () => open.forEach((socket) => socket.destroy())
  return {
    connection: { ...to, host: '127.0.0.1', port: (server.address() as { port: number }).port },
    cut() {
      whole = false
      drop()
    },
    silence(newcomers = true) {
      silent = newcomers
      pipes.forEach((pipe) => (pipe.silent = true))
    },
    deliver: () => pipes.forEach((pipe) => pipe.hungUp && pipe.flush()),
    slow: (milliseconds) => void (late = milliseconds),
    mend() {
      ;[whole, silent, late] = [true, false, 0]
      for (const pipe of pipes) {
        pipe.silent = false
        pipe.flush()
      }
    },
    async close() {
      drop()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
