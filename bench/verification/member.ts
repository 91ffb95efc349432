import { setTimeout as pause } from 'node:timers/promises'
import { createSallyport } from '../../src/app.ts'
import type { Connection } from '../../src/db/open.ts'
import { readConfig } from '../../src/lib/config.ts'
import { createLog } from '../../src/lib/log.ts'
import { authenticate } from '../../src/sessions/authenticate.ts'
import { Tally } from '../../src/verification/tally.ts'
import { startVerifying } from '../../src/verification/worker.ts'
import { work } from '../process.ts'

/** What a node of the three is told. */
export interface MemberOptions {
  readonly database: Connection
  readonly key: string
}

/** A request that a provider makes of us. */
export interface Heard {
  readonly path: string
  /** @default 'POST' */
  readonly method?: string
  readonly headers: Record<string, string>
  readonly body: string
}

// A node in a process of its own, which asks providers again from when it is told to.
const { database, key } = JSON.parse(process.argv[2]!) as MemberOptions
const origin = 'http://localhost'
const environment = { NODE_ENV: 'development', SALLYPORT_URL: origin, SALLYPORT_KEYS: key }
const log = createLog('warn')
const sallyport = await createSallyport({
  config: readConfig(environment),
  database,
  log,
  jobs: false,
})
const { services } = sallyport
let stop: (() => Promise<void>) | undefined
let watched: readonly string[] = []
const refusedAt = new Map<string, number>()

/** How often each session is tried, in milliseconds. */
const every = 50

async function watch(): Promise<void> {
  while (watched.length > 0) {
    for (const token of watched.filter((one) => !refusedAt.has(one)))
      if (!(await accepts(token))) refusedAt.set(token, Date.now())
    await pause(every)
  }
}

async function accepts(token: string): Promise<boolean> {
  const asker = await authenticate(services, `${services.cookies.session}=${token}`)
  return asker.session !== null
}

const jobs = {
  start() {
    stop = startVerifying({ ...services, tally: new Tally() })
  },

  async stop() {
    await stop?.()
    stop = undefined
  },

  /** Tries these sessions again and again from now on. */
  watch(tokens: readonly string[]) {
    const idle = watched.length === 0
    watched = tokens
    if (idle) void watch()
  },

  /** When each session was first refused here. */
  refused: () => Object.fromEntries(refusedAt),

  accepts,

  /** Hands a request in, and answers what came back and how many milliseconds that took. */
  async hear({ path, method = 'POST', headers, body }: Heard) {
    const began = performance.now()
    const response = await sallyport.fetch(
      new Request(`${origin}${path}`, { method, headers, body }),
    )
    const ms = performance.now() - began
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return { ms, text }
  },
}

work(null, jobs, async () => {
  watched = []
  await stop?.()
  await sallyport.close()
})
