import { connect, createServer, type Socket } from 'node:net'
import type { TestConnection } from './_database.ts'

/** A TCP proxy before the test server, whose line can be cut and mended. */
export interface CuttableConnection {
  readonly connection: TestConnection
  /** Drops every connection and refuses new ones. */
  cut(): void
  mend(): void
  close(): Promise<void>
}

/** Puts a proxy before a test database. */
export async function cuttable(to: TestConnection): Promise<CuttableConnection> {
  const open = new Set<Socket>()
  let whole = true
  const server = createServer((near) => {
    if (!whole) return void near.destroy()
    const far = connect(`${to.host}/.s.PGSQL.${to.port}`)
    for (const socket of [near, far]) {
      open.add(socket)
      socket.on('close', () => open.delete(socket)).on('error', () => {})
    }
    near.pipe(far).on('close', () => near.destroy())
    far.pipe(near).on('close', () => far.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const drop = () => open.forEach((socket) => socket.destroy())
  return {
    connection: { ...to, host: '127.0.0.1', port: (server.address() as { port: number }).port },
    cut() {
      whole = false
      drop()
    },
    mend: () => void (whole = true),
    async close() {
      drop()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
