import { setTimeout as pause } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Db } from '../db/open.ts'
import type { Services } from '../http/exchange.ts'
import type { Environment } from '../lib/config.ts'
import { later, seconds } from '../lib/clock.ts'
import { OperatorError } from '../lib/errors.ts'
import { checkNow } from '../verification/lease.ts'
import { Tally, type Counted } from '../verification/tally.ts'
import { checkDue } from '../verification/worker.ts'
import type { Values } from './command.ts'
import { clearProgress, showProgress } from './progress.ts'
import { withServices } from './sessions.ts'

/** Asks about everybody of one connection now. */
export async function verify(values: Values, env: Environment): Promise<void> {
  await withServices(env, async (services) => {
    const connection = await named(services.db, values)
    const stopping = new AbortController()
    const stop = (): void => stopping.abort()
    process.once('SIGINT', stop)
    try {
      const done = await ask(services, connection.id, stopping.signal)
      tell(connection, done)
    } finally {
      clearProgress()
      process.off('SIGINT', stop)
    }
  })
}

interface Named {
  readonly id: string
  readonly name: string
  readonly slug: string
}

/** @throws OperatorError when it is none in use, or could be several */
async function named(db: Db, { connection, org }: Values): Promise<Named> {
  const given = String(connection)
  const ofOne = org === undefined ? sql`` : sql`and o.slug = ${String(org)}`
  const { rows } = await sql<Named & { state: string }>`
    select c.id, c.name, o.slug, c.state from connections c join organizations o on o.id = c.organization_id
    where c.deleted_at is null and o.deleted_at is null and (c.name = ${given} or c.id::text = ${given}) ${ofOne}
    order by o.slug, c.id`.execute(db)
  const [found] = rows
  if (!found)
    throw new OperatorError(
      `There is no connection "${given}"${org === undefined ? '' : ` in "${String(org)}"`}.`,
    )
  if (rows.length > 1)
    throw new OperatorError(
      [
        `There are several connections "${given}". Name one by its id:`,
        ...rows.map(({ id, slug }) => `  ${id} of ${slug}`),
      ].join('\n'),
    )
  if (found.state !== 'active')
    throw new OperatorError(`"${found.name}" is not in use, so nobody is asked about.`)
  return found
}

/** What came of it. */
interface Done {
  readonly all: number
  readonly counts: Readonly<Partial<Record<Counted, number>>>
  /** Whoever nobody was asked about, and until when the provider is left alone. */
  readonly left: number
  readonly restsUntil: Date | null
  readonly braked: boolean
}

/** Longer than this nobody waits for a provider that does not answer or wants to be left alone, in milliseconds. */
const patience = seconds(15)

/** How long to wait for the allowance, in milliseconds. */
const breath = 200

async function ask(services: Services, connectionId: string, signal: AbortSignal): Promise<Done> {
  const { db, clock } = services
  await checkNow(db, { connectionId }, clock.now())
  const all = (await standing(db, connectionId, clock.now())).due
  const counts: Partial<Record<Counted, number>> = {}
  const verifying = { ...services, tally: new Tally() }
  const onChecked = (verdict: Counted | 'dropped'): void => {
    if (verdict !== 'dropped') counts[verdict] = (counts[verdict] ?? 0) + 1
  }
  for (;;) {
    const taken = await checkDue(verifying, { only: connectionId, signal, onChecked })
    const { due, restsUntil, away, braked } = await standing(db, connectionId, clock.now())
    showProgress(Math.max(0, all - due), all)
    const resting = restsUntil.getTime() - clock.now().getTime()
    const over = due === 0 || away || resting > patience || signal.aborted
    if (over) return { all, counts, left: due, restsUntil: resting > 0 ? restsUntil : null, braked }
    if (taken === 0) await pause(breath)
  }
}

interface Stand {
  readonly due: number
  readonly restsUntil: Date
  readonly braked: boolean
  /** Whether there is no use in asking on. */
  readonly away: boolean
}

async function standing(db: Db, connectionId: string, now: Date): Promise<Stand> {
  const { rows } = await sql<Stand>`
    select (select count(*) from identities where connection_id = k.connection_id and check_at <= ${now})::int as due,
      k.paid_until as "restsUntil", k.braked_since is not null as braked,
      k.misconfigured_since is not null or coalesce(k.failing_since < ${later(now, -patience)}, false) as away
    from connection_checks k where k.connection_id = ${connectionId}`.execute(db)
  return rows[0]!
}

const words: Readonly<Record<Counted, string>> = {
  still_true: 'still true',
  no_longer_true: 'no longer true: they are out',
  held: 'no longer true, held by the brake',
  transient: 'could not tell: the provider did not answer',
  misconfigured: 'could not tell: the provider refuses our questions',
  unsupported: 'could not tell: the provider gives no means',
}

/** @throws OperatorError when somebody could not be asked about, or the brake holds */
function tell({ name }: Named, { all, counts, left, restsUntil, braked }: Done): void {
  clearProgress()
  if (all === 0) console.log(`"${name}": nobody can be asked about.`)
  for (const [verdict, count] of Object.entries(counts))
    console.log(`${count} ${words[verdict as Counted]}`)
  const asked = Object.values(counts).reduce((sum, n) => sum + n, 0)
  const others = all - left - asked
  if (others > 0) console.log(`${others} asked about by a worker that runs beside this.`)
  const doubtful = (counts.transient ?? 0) + (counts.misconfigured ?? 0)
  const problems = [
    ...(left > 0
      ? [
          `${left} of ${all} were not asked about${restsUntil ? `: the provider is left alone until ${restsUntil.toISOString()}` : ''}.`,
        ]
      : []),
    ...(doubtful > 0 ? [`Of ${doubtful} the provider could not tell.`] : []),
    ...(braked ? ['The brake holds: an administrator has to say whether so many are gone.'] : []),
  ]
  if (problems.length > 0) throw new OperatorError(problems.join('\n'))
}
