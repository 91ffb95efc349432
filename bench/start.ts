import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Figures } from './figures.ts'
import { startProcess } from './process.ts'
import { inRounds, type Effort, type Tell } from './rounds.ts'

/** `npm start` to the first page, without and with a data folder, and the memory of the server alone. */
export async function measureStart(effort: Effort, tell: Tell): Promise<Figures> {
  tell('building')
  await promisify(execFile)('npm', ['run', 'build'], { cwd: root })
  return inRounds({ ...effort, seconds: 0 }, async (_seconds, round) => {
    const data = await mkdtemp(join(tmpdir(), 'sallyport-bench-'))
    // The same for both: a data folder's people belong to the provider at that port.
    const port = await freePorts()
    try {
      tell(`first start, ${round}`)
      const first = await timeStart(join(data, 'data'), port)
      tell(`later start, ${round}`)
      const again = await timeStart(join(data, 'data'), port)
      tell(`memory, ${round}`)
      const published = await residentAfterStart(join(data, 'data'), port)
      await using server = await startProcess('servers/sallyport.ts', [
        'http://127.0.0.1:1',
        'none',
      ])
      const { residentMB } = await server.usage()
      return {
        'start.first': first,
        'start.again': again,
        'start.resident': published,
        'start.resident-source': residentMB,
      }
    } finally {
      await rm(data, { recursive: true, force: true })
    }
  })
}

const root = new URL('..', import.meta.url)
const patience = 30_000

/** Milliseconds from `npm start` to a page. Everything it started has ended when this answers. */
async function timeStart(data: string, port: number): Promise<number> {
  const began = performance.now()
  // A process group of its own: npm, its shell and the server are stopped together.
  const npm = spawn('npm', ['start'], {
    cwd: root,
    env: {
      ...process.env,
      npm_config_loglevel: 'error',
      PORT: String(port),
      SALLYPORT_DATA: data,
      LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'ignore', 'inherit'],
    detached: true,
  })
  const stop = () => signal(npm.pid!, 'SIGTERM')
  process.once('exit', stop)
  try {
    while (!(await answers(port))) {
      if (npm.exitCode !== null || performance.now() - began > patience)
        throw new Error('npm start shows no page.')
      await pause(5)
    }
    return performance.now() - began
  } finally {
    stop()
    while (signal(npm.pid!, 0)) await pause(5)
    process.off('exit', stop)
  }
}

/** Megabytes that `sallyport serve` keeps resident when it has started and settled, from the JavaScript that is published. */
async function residentAfterStart(data: string, port: number): Promise<number> {
  const program = `await (await import('./dist/cli.js')).run(['serve'])`
  const server = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: root,
    env: {
      ...process.env,
      NODE_ENV: 'development',
      PORT: String(port),
      SALLYPORT_DATA: data,
      LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const ended = once(server, 'exit')
  const stop = () => server.kill('SIGTERM')
  process.once('exit', stop)
  try {
    const began = performance.now()
    while (!(await answers(port, '/healthz'))) {
      if (server.exitCode !== null || performance.now() - began > patience)
        throw new Error('sallyport serve does not answer.')
      await pause(5)
    }
    await pause(settling)
    const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(server.pid)])
    return (Number(stdout) * 1024) / 1e6
  } finally {
    stop()
    await ended
    process.off('exit', stop)
  }
}

/** Background work is there by then, in milliseconds. */
const settling = 2_000

/** Signals a process group, and tells whether there is still one. */
function signal(group: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-group, name)
  } catch {
    return false
  }
}

async function answers(port: number, path = '/'): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      headers: { accept: 'text/html' },
    })
    await response.text()
    return response.ok
  } catch {
    return false
  }
}

/** A free port whose next one is free too: the development provider's. */
async function freePorts(): Promise<number> {
  for (;;) {
    const port = await tryPort(0)
    if (port && (await tryPort(port + 1))) return port
  }
}

/** A port of loopback that nobody listens on now. */
export async function freePort(): Promise<number> {
  return (await tryPort(0)) ?? freePort()
}

function tryPort(port: number): Promise<number | undefined> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined))
    server.listen(port, '127.0.0.1', () => {
      const found = (server.address() as { port: number }).port
      server.close(() => resolve(found))
    })
  })
}
