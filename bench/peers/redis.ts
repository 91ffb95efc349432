import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../start.ts'
import { findDebian } from './debian.ts'

/** A Redis of our own, which forgets everything when it ends. */
export interface Redis extends AsyncDisposable {
  readonly port: number
  readonly version: string
}

/**
 * Starts Debian's redis-server.
 * @throws NotHere when there is none
 */
export async function startRedis(folder: string): Promise<Redis> {
  const { root, env, version } = await findDebian('usr/bin/redis-server', ['redis-server'], folder)
  const program = join(root, 'usr/bin/redis-server')
  const port = await freePort()
  const options = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
  ]
  const child = spawn(program, options, { env, stdio: 'ignore' })
  const ended = once(child, 'exit')
  const stop = () => child.kill('SIGTERM')
  process.once('exit', stop)
  await untilListening(port)
  return {
    port,
    version: await version('redis-server'),
    async [Symbol.asyncDispose]() {
      process.off('exit', stop)
      stop()
      await ended
    },
  }
}

/** Settles when somebody answers at a port of loopback. */
export async function untilListening(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const socket = createConnection(port, '127.0.0.1')
    const open = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    socket.destroy()
    if (open) return
    await pause(50)
  }
  throw new Error(`Nobody answers at port ${port}.`)
}
