import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { keepPrinted } from './_canaries.ts'

/** A program of ours that runs as a process of its own. */
export interface Program {
  readonly pid: number
  /** Everything printed so far. */
  output(): string
  /** The part of it that went to standard error. */
  complaint(): string
  /** Settles when standard output and error together hold the text; fails when the program ends before. */
  says(text: string | RegExp): Promise<void>
  /** Sends a signal, and settles with the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
  /** Settles with the exit code; null when a signal ended it. */
  readonly ended: Promise<number | null>
}

const root = new URL('../', import.meta.url)

/** Starts `node` on a file of the project, with these variables and no others; it ends with the test at the latest. */
export function startProgram(
  t: TestContext,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Program {
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  let complaint = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    printed += text
    complaint += text
  })
  const ended = once(child, 'close').then(([code]) => code as number | null)
  t.after(async () => {
    child.kill('SIGKILL')
    await ended
    keepPrinted(printed)
  })
  const has = (text: string | RegExp): boolean =>
    typeof text === 'string' ? printed.includes(text) : text.test(printed)
  return {
    pid: child.pid!,
    output: () => printed,
    complaint: () => complaint,
    ended,
    async says(text) {
      let over = false
      void ended.then(() => (over = true))
      while (!has(text)) {
        if (over) throw new Error(`It ended without saying ${text}:\n${printed}`)
        await Promise.race([once(child.stdout, 'data'), once(child.stderr, 'data'), ended])
      }
    },
    async stop(signal = 'SIGTERM') {
      child.kill(signal)
      return ended
    },
  }
}

/** The first of two neighbouring ports of loopback that are free. */
export async function freePortPair(): Promise<number> {
  for (;;) {
    const first = createServer().listen(0, '127.0.0.1')
    await once(first, 'listening')
    const { port } = first.address() as AddressInfo
    const second = createServer()
    const free = await new Promise<boolean>((resolve) => {
      second.once('error', () => resolve(false)).once('listening', () => resolve(true))
      second.listen(port + 1, '127.0.0.1')
    })
    second.close()
    first.close()
    await once(first, 'close')
    if (free && port < 65_535) return port
  }
}
