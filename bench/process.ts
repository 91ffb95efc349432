import { fork } from 'node:child_process'
import { once } from 'node:events'

/** What a process has used since it began. */
export interface Usage {
  readonly cpuMs: number
  readonly residentMB: number
}

/** A process of the benchmark's own, asked one thing at a time. */
export interface Process<Ready> extends AsyncDisposable {
  /** What it said when it was ready. */
  readonly ready: Ready
  /** Has it do one of its jobs, and answers what came of it. */
  ask<T>(job: string, argument?: unknown): Promise<T>
  usage(): Promise<Usage>
}

type Message = { readonly answer: unknown } | { readonly failed: string }

/**
 * Starts a file of this folder in a process of its own, which ends when it is disposed of or when this one ends.
 * @throws Error when the process, or a job it was given, failed
 */
export async function startProcess<Ready>(
  file: string,
  args: readonly string[] = [],
): Promise<Process<Ready>> {
  // Standard output would be the server's log: it is written, as in earnest, and read by nobody.
  const child = fork(new URL(file, import.meta.url), args, {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const ended = once(child, 'exit')
  const next = async <T>(): Promise<T> => {
    const [message] = (await Promise.race([
      once(child, 'message'),
      ended.then(([code, signal]) => [{ failed: `${file} ended (${code ?? signal})` }]),
    ])) as [Message]
    if ('failed' in message) throw new Error(message.failed)
    return message.answer as T
  }
  const ask = <T>(job: string, argument?: unknown): Promise<T> => {
    child.send({ job, argument })
    return next<T>()
  }
  return {
    ready: await next<Ready>(),
    ask,
    usage: () => ask<Usage>('usage'),
    async [Symbol.asyncDispose]() {
      if (child.connected) child.disconnect()
      await ended
    },
  }
}

/** A job by name. Its argument is what the other side sends: both are this folder's. */
export type Jobs = Readonly<Record<string, (argument: never) => unknown>>

/** The other side of {@link startProcess}: says that this process is ready, then does the jobs it is given. */
export function work(ready: unknown, jobs: Jobs, close: () => Promise<void> | void): void {
  const all: Jobs = { ...jobs, usage }
  const send = (message: Message) => process.connected && process.send!(message)
  process.on('message', async ({ job, argument }: { job: string; argument: never }) => {
    try {
      send({ answer: await all[job]!(argument) })
    } catch (error) {
      send({ failed: String((error as Error).stack) })
    }
  })
  process.once('disconnect', async () => {
    await close()
    process.exit()
  })
  // Ctrl+C reaches every process of the terminal; this one ends, and tidies up, when the one that started it is gone.
  process.on('SIGINT', () => {})
  send({ answer: ready })
}

function usage(): Usage {
  const { user, system } = process.cpuUsage()
  return { cpuMs: (user + system) / 1000, residentMB: process.memoryUsage.rss() / 1e6 }
}
