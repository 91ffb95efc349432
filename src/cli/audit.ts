import { exportEvents, linkEvents, verifyChain, type Head } from '../accounts/audit-chain.ts'
import { findOrganization } from '../accounts/organizations.ts'
import { createSallyport } from '../app.ts'
import type { Db } from '../db/open.ts'
import { readConfig, type Environment } from '../lib/config.ts'
import { OperatorError } from '../lib/errors.ts'
import { createLog } from '../lib/log.ts'
import { UsageError, type Values } from './command.ts'
import { clearProgress, showProgress } from './progress.ts'

/** Goes over the audit's whole chain. What stands at its end is printed: kept elsewhere, it shows a cut. */
export async function verifyAudit(values: Values, env: Environment): Promise<void> {
  const expected = headOf(values['head'])
  await withDatabase(env, async (db) => {
    await linkEvents(db)
    const found = await verifyChain(db, { ...(expected && { expected }), onProgress: showProgress })
    clearProgress()
    if (!found.whole)
      throw new OperatorError(
        `The audit is broken at ${found.n}${found.eventId ? ` (event ${found.eventId})` : ''}: ${found.problem}`,
      )
    console.log(`The audit is whole: ${found.head.n} events. Its head is ${textOf(found.head)}`)
  })
}

/** Prints the linked events as JSON lines. */
export async function exportAudit(values: Values, env: Environment): Promise<void> {
  const [from, to] = [momentOf('from', values['from']), momentOf('to', values['to'])]
  await withDatabase(env, async (db) => {
    const organizationId = await organizationOf(db, values['org'])
    await linkEvents(db)
    const filter = {
      ...(from && { from }),
      ...(to && { to }),
      ...(organizationId && { organizationId }),
    }
    for await (const { n, hash, event } of exportEvents(db, filter))
      process.stdout.write(`${JSON.stringify({ n, hash, ...event })}\n`)
  })
}

async function withDatabase(env: Environment, work: (db: Db) => Promise<void>): Promise<void> {
  const config = readConfig(env)
  const sallyport = await createSallyport({ config, log: createLog('warn'), jobs: false })
  try {
    await work(sallyport.services.db)
  } finally {
    await sallyport.close()
  }
}

function textOf({ n, hash }: Head): string {
  return `${n}:${hash}`
}

function headOf(value: string | boolean | undefined): Head | undefined {
  if (value === undefined) return undefined
  const [, n = '', hash = ''] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(String(value)) ?? []
  if (!hash) throw new UsageError('--head takes what an earlier run printed, such as 1234:9f86….')
  return { n: Number(n), hash }
}

function momentOf(name: string, value: string | boolean | undefined): Date | undefined {
  if (value === undefined) return undefined
  const date = new Date(String(value))
  if (Number.isNaN(date.getTime()))
    throw new UsageError(`--${name} takes a time such as 2026-06-01 or 2026-06-01T12:00:00Z.`)
  return date
}

async function organizationOf(
  db: Db,
  slug: string | boolean | undefined,
): Promise<string | undefined> {
  if (slug === undefined) return undefined
  const found = await findOrganization(db, String(slug))
  if (!found) throw new UsageError(`There is no organization "${String(slug)}".`)
  return found.id
}
