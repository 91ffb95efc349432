import { join } from 'node:path'
import { sql } from 'kysely'
import { readSettings } from '../accounts/connections.ts'
import { keepPostgresRunning } from '../db/keep-running.ts'
import { knownMigrations } from '../db/migrate.ts'
import { assertSupportedServer, openDatabase, readDatabaseTime, type Db } from '../db/open.ts'
import { queueSchema } from '../db/queue.ts'
import { endingIn } from '../flows/saml-upkeep.ts'
import { aheadOf, days, isSkewed, later, minutes } from '../lib/clock.ts'
import { readConfig, type Config, type Environment } from '../lib/config.ts'
import { OperatorError } from '../lib/errors.ts'
import { createLog } from '../lib/log.ts'
import { createSealer } from '../lib/seal.ts'
import { hasKeys } from '../providers/index.ts'
import { longestOverdue } from '../verification/watch.ts'
import type { Values } from './command.ts'
import { explain } from './explain.ts'

/** Where the doctor looks. */
interface Patient {
  readonly config: Config
  readonly db: Db
  readonly now: Date
}

/** What is wrong, in sentences; none: it is well. */
type Examination = (patient: Patient) => Promise<readonly string[]>

/** What is looked at, in order. Where the database is not as this program needs it, nothing after it can be. */
const examinations: readonly (readonly [what: string, look: Examination, vital?: true])[] = [
  ['database', database, true],
  ['schema', schema, true],
  ['clock', clock],
  ['background work', backgroundWork],
  ['queue', queue],
  ['connections', connections],
  ['certificates', certificates],
  ['client secrets', clientSecrets],
  ['webhooks', webhooks],
  ['mail', mail],
]

/**
 * Looks at everything an operator should know of, changes nothing, and says what is wrong.
 * @throws OperatorError when something is
 */
export async function doctor(_values: Values, env: Environment): Promise<void> {
  const config = readConfig(env)
  console.log('ok  settings')
  const own = config.databaseUrl
    ? undefined
    : await keepPostgresRunning(join(config.data, 'postgres'), createLog('warn'))
  const db = openDatabase(config.databaseUrl?.reveal() ?? own!.connection, { pool: 2 })
  try {
    const wrong = await examine({ config, db, now: new Date(0) })
    if (wrong > 0)
      throw new OperatorError(wrong === 1 ? 'One thing is wrong.' : `${wrong} things are wrong.`)
  } finally {
    await db.destroy()
    await own?.stop()
  }
}

/** Answers how many things are wrong. */
async function examine(patient: Patient): Promise<number> {
  let { now } = patient
  let wrong = 0
  for (const [what, look, vital] of examinations) {
    const problems = await look({ ...patient, now }).catch((error) => [explain(error)])
    if (problems.length === 0) console.log(`ok  ${what}`)
    for (const problem of problems) console.log(`!!  ${what}: ${problem}`)
    wrong += problems.length
    if (vital && problems.length > 0) break
    if (what === 'database') now = await readDatabaseTime(patient.db)
  }
  return wrong
}

async function database({ db }: Patient): Promise<readonly string[]> {
  await assertSupportedServer(db)
  return []
}

async function schema({ db }: Patient): Promise<readonly string[]> {
  const { rows: made } = await sql<{ found: boolean }>`
    select to_regclass('kysely_migration') is not null as found`.execute(db)
  if (!made[0]!.found) return ['The database is empty. It is made ready when a server starts.']
  const { rows } = await sql<{ name: string }>`select name from kysely_migration`.execute(db)
  const [known, there] = [Object.keys(await knownMigrations()), rows.map(({ name }) => name)]
  const newer = there.filter((name) => !known.includes(name))
  const missing = known.filter((name) => !there.includes(name))
  return [
    ...(newer.length > 0 ? [`A newer Sallyport has written it (${newer.join(', ')}).`] : []),
    ...(missing.length > 0
      ? [
          `It is older than this program (${missing.join(', ')} are missing). Start a server of this version.`,
        ]
      : []),
  ]
}

async function clock({ now }: Patient): Promise<readonly string[]> {
  const ahead = aheadOf(now)
  return isSkewed(ahead)
    ? [
        `This machine’s clock and the database’s are ${Math.round(Math.abs(ahead) / 1000)} seconds apart.`,
      ]
    : []
}

/** Jobs that are due every minute have begun within this, in milliseconds, where anybody works. */
const lately = minutes(5)

/** For how many seconds people may be due before it is told. */
const overdueAtMost = 15 * 60

async function backgroundWork({ db, now }: Patient): Promise<readonly string[]> {
  const { rows } = await sql<{ at: Date }>`
    select began_at as at from recurring_jobs where name = 'verification'`.execute(db)
  const at = rows[0]?.at
  if (!at || at < later(now, -lately))
    return [
      `No process does it${at ? ` since ${at.toISOString()}` : ''}. Run sallyport worker, or sallyport serve without --no-worker.`,
    ]
  const overdue = await longestOverdue(db, now)
  return overdue > overdueAtMost
    ? [
        `Somebody has been due to be asked about for ${Math.round(overdue / 60)} minutes. Run another worker, or raise the allowance.`,
      ]
    : []
}

async function queue({ db }: Patient): Promise<readonly string[]> {
  const { rows } = await sql<{ name: string; waiting: number; failed: number }>`
    select name, count(*) filter (where state in ('created', 'retry') and start_after < now() - interval '10 minutes')::int as waiting,
      count(*) filter (where state = 'failed' and completed_on > now() - interval '1 day')::int as failed
    from ${sql.table(`${queueSchema}.job`)} group by name order by name`.execute(db)
  return rows.flatMap(({ name, waiting, failed }) => [
    ...(waiting > 0 ? [`${waiting} of “${name}” have waited for more than ten minutes.`] : []),
    ...(failed > 0 ? [`${failed} of “${name}” were given up within a day; the log says why.`] : []),
  ])
}

interface Troubled {
  readonly name: string
  readonly slug: string
  readonly failing_since: Date | null
  readonly failing_reason: string | null
  readonly misconfigured_since: Date | null
  readonly misconfigured_reason: string | null
  readonly braked_since: Date | null
  readonly held: number
}

async function connections({ db }: Patient): Promise<readonly string[]> {
  const { rows } = await sql<Troubled>`
    select c.name, o.slug, k.failing_since, k.failing_reason, k.misconfigured_since, k.misconfigured_reason, k.braked_since,
      case when k.braked_since is not null
        then (select count(*) from identities i where i.connection_id = c.id and i.held)::int else 0 end as held
    from connection_checks k
    join connections c on c.id = k.connection_id and c.state = 'active' and c.deleted_at is null
    join organizations o on o.id = c.organization_id and o.deleted_at is null
    where k.failing_since is not null or k.misconfigured_since is not null or k.braked_since is not null
    order by o.slug, c.name`.execute(db)
  return rows.flatMap(({ name, slug, ...one }) => {
    const which = `“${name}” of ${slug}`
    return [
      ...(one.failing_since
        ? [
            `${which} does not answer since ${one.failing_since.toISOString()} (${one.failing_reason}).`,
          ]
        : []),
      ...(one.misconfigured_since
        ? [
            `${which} refuses our questions since ${one.misconfigured_since.toISOString()} (${one.misconfigured_reason}).`,
          ]
        : []),
      ...(one.braked_since
        ? [
            `${which}: the brake holds ${one.held} verdicts since ${one.braked_since.toISOString()}. An administrator has to say whether so many are gone.`,
          ]
        : []),
    ]
  })
}

/** How long before something ends it is told, in milliseconds. */
const soon = days(30)

interface InUse {
  readonly id: string
  readonly name: string
  readonly slug: string
  readonly kind: string
  readonly secretEndsAt: Date | null
}

async function inUse(db: Db): Promise<readonly InUse[]> {
  return db
    .selectFrom('connections')
    .innerJoin('organizations', 'organizations.id', 'connections.organization_id')
    .select([
      'connections.id',
      'connections.name',
      'slug',
      'kind',
      'secret_ends_at as secretEndsAt',
    ])
    .where('connections.state', '=', 'active')
    .where('connections.deleted_at', 'is', null)
    .where('organizations.deleted_at', 'is', null)
    .orderBy('slug')
    .orderBy('connections.name')
    .execute()
}

const sides = { provider: 'The provider’s certificate', ours: 'Our own certificate' } as const

async function certificates({ config, db, now }: Patient): Promise<readonly string[]> {
  const sealer = createSealer(config.keys)
  const problems: string[] = []
  for (const { id, name, slug, kind } of await inUse(db)) {
    const settings = await readSettings(db, sealer, id).catch((error: Error) => error)
    if (settings instanceof Error)
      problems.push(`The settings of “${name}” of ${slug} cannot be opened: ${settings.message}`)
    else if (hasKeys(kind))
      // Of all that there are, ended or not.
      for (const { whose, notAfter } of endingIn(settings, new Date(0)))
        if (notAfter < later(now, soon))
          problems.push(`${sides[whose]} of “${name}” of ${slug} ${ends(notAfter, now)}.`)
  }
  return problems
}

async function clientSecrets({ db, now }: Patient): Promise<readonly string[]> {
  return (await inUse(db)).flatMap(({ name, slug, secretEndsAt }) =>
    secretEndsAt && secretEndsAt < later(now, soon)
      ? [`The client secret of “${name}” of ${slug} ${ends(secretEndsAt, now)}.`]
      : [],
  )
}

function ends(at: Date, now: Date): string {
  return `${at > now ? 'runs out' : 'ran out'} on ${at.toISOString().slice(0, 10)}`
}

async function webhooks({ db, now }: Patient): Promise<readonly string[]> {
  const { rows } = await sql<{ slug: string; failed: number }>`
    select o.slug, count(*)::int as failed from webhook_deliveries d join organizations o on o.id = d.organization_id
    where d.state = 'failed' and d.tried_at > ${later(now, -days(1))} group by o.slug order by o.slug`.execute(
    db,
  )
  return rows.map(
    ({ slug, failed }) => `That of ${slug} did not take ${failed} messages within a day.`,
  )
}

async function mail({ config }: Patient): Promise<readonly string[]> {
  return config.smtpUrl || config.mode !== 'production'
    ? []
    : ['No mail is sent, because SMTP_URL is not set: nobody is told of trouble.']
}
