import { createSallyport } from '../../src/app.ts'
import { readConfig } from '../../src/lib/config.ts'
import { createLog } from '../../src/lib/log.ts'
import type { CheckPoint } from '../../src/verification/check.ts'
import { Tally } from '../../src/verification/tally.ts'
import { checkDue } from '../../src/verification/worker.ts'

/** What a worker of a test is told, as JSON in its first argument. */
export interface Doom {
  readonly database: { host: string; port: number; user: string; database: string }
  readonly settings: Record<string, string>
  /** Where it ends itself, as `kill -9` would. @default nowhere */
  readonly at?: CheckPoint
}

const { database, settings, at } = JSON.parse(process.argv[2]!) as Doom
const sallyport = await createSallyport({
  config: readConfig(settings),
  log: createLog('silent'),
  database,
  jobs: false,
})
await checkDue({
  ...sallyport.services,
  tally: new Tally(),
  at: (point) => {
    if (point === at) process.kill(process.pid, 'SIGKILL')
  },
})
await sallyport.close()
