import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { newSealingKey } from '../../src/lib/config.ts'
import type { Loaded } from '../load.ts'
import type { Process } from '../process.ts'
import type { Growth } from './results.ts'

/** Where the database with the sessions is. */
export interface Database {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly database: string
}

/** Asks `/verify` of a server with so many workers, from memory. */
export async function measureWorkers(
  workers: number,
  database: Database,
  load: Process<null>,
  { cookies, seconds }: { cookies: readonly string[]; seconds: number },
): Promise<Growth['workers'][number]> {
  const port = await freePort()
  const { host, user } = database
  const child = spawn(
    process.execPath,
    ['bin/sallyport.js', 'serve', '--workers', String(workers)],
    {
      cwd: new URL('../../', import.meta.url),
      stdio: 'ignore',
      env: {
        PATH: process.env['PATH'],
        NODE_ENV: 'development',
        PORT: String(port),
        LOG_LEVEL: 'warn',
        SALLYPORT_KEYS: newSealingKey(),
        DATABASE_URL: `postgres://${user}@socket:${database.port}/${database.database}?host=${encodeURIComponent(host)}`,
      },
    },
  )
  const ended = once(child, 'exit')
  try {
    await answers(port)
    const job = { port, connections: 16, cookies }
    await load.ask('check', { ...job, seconds: seconds / 2 })
    const before = await cpuMs(child.pid!)
    const { count, ...loaded } = await load.ask<Loaded>('check', { ...job, seconds })
    const used = (await cpuMs(child.pid!)) - before
    return {
      workers,
      rate: count / loaded.seconds,
      p99Ms: loaded.p99Ms,
      nodeUs: (used * 1000) / count,
    }
  } finally {
    child.kill('SIGTERM')
    await ended
  }
}

/** Processor time of a process and its children, in milliseconds. Linux only. */
async function cpuMs(pid: number): Promise<number> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ')
  const pids = [String(pid), ...children.filter(Boolean)]
  const ticks = await Promise.all(
    pids.map(async (each) => {
      const stat = await readFile(`/proc/${each}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return Number(fields[11]) + Number(fields[12])
    }),
  )
  return ticks.reduce((sum, each) => sum + each, 0) * 10
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function answers(port: number): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined)
    if (answer?.ok) return
    await setTimeout(100)
  }
  throw new Error('The workers did not start.')
}
